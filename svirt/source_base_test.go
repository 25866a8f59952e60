// SPDX-License-Identifier: Apache-2.0

package svirt_test

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/parser"
	"github.com/goarmor/apparmor/svirt"
)

// fromBase reports whether a policy was made of a base: its automata are still to
// be decoded.
func fromBase(p *blob.Policy) bool { return p.Heads()[0].File == nil }

func isRule(s ast.Stmt) bool {
	_, ok := s.(ast.Rule)
	return ok
}

func numbered(d *svirt.Domain, i int) *svirt.Domain {
	c := *d
	c.UUID, c.Type = fmt.Sprintf("7d3e5a34-1c0f-4f4e-9d0a-%012d", i), "kvm"
	return &c
}

// alike holds a policy against that which a driver without bases makes.
func alike(t *testing.T, got *blob.Policy, src *svirt.Source, kernel string) {
	t.Helper()
	set, _ := features.Kernel(kernel)
	profiles, err := src.Resolve(t.Context(), set, nil)
	if err != nil {
		t.Fatal(err)
	}
	want, err := compile.Compile(t.Context(), profiles, compile.Options{Kernel: set, Degrade: compile.Report})
	if err != nil {
		t.Fatal(err)
	}
	found, err := blob.DiffPolicy(got, want.Policy, blob.DiffOptions{Strict: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range found {
		t.Errorf("instance | whole: %v", d)
	}
}

// domainsOfTests are machines with every kind of device that rules are derived
// for, and with few and many.
func domainsOfTests() []*svirt.Domain {
	list := []*svirt.Domain{disk("/srv/a"), share("/srv/share"), {Name: "none"}}
	for _, n := range []int{1, 8, 40, 300} {
		list = append(list, manyDisks(n))
	}
	return append(list, everything())
}

// TestBases compiles machines one after the other, from what they have in common.
// A driver that has compiled nothing before makes the same bytes.
func TestBases(t *testing.T) {
	for _, kernel := range []string{"6.1", "6.12", "7.2", "7.3"} {
		set, ok := features.Kernel(kernel)
		if !ok {
			t.Fatal(kernel)
		}
		a := &svirt.AppArmor{Features: set, Degrade: compile.Report, Logger: slog.New(slog.DiscardHandler)}
		for i, d := range domainsOfTests() {
			d = numbered(d, i)
			src := source(t, d, derived(t, d, svirt.Options{Live: true}), svirt.PolicyFS())
			c, err := a.Compile(t.Context(), src)
			if err != nil {
				t.Fatal(err)
			}
			p := c.(*blob.Policy)
			// OpenGL brings an include of its own.
			if whole := len(src.Rules.Stmts) > 0 && !isRule(src.Rules.Stmts[0]); fromBase(p) == whole {
				t.Errorf("%d, %s on %s: from a base: %t", i, d.Name, kernel, fromBase(p))
			}
			if p.Names()[0] != src.Profile {
				t.Errorf("the policy is of %v", p.Names())
			}
			fresh := &svirt.AppArmor{Features: set, Degrade: compile.Report, Logger: slog.New(slog.DiscardHandler)}
			for _, driver := range []*svirt.AppArmor{a, fresh} {
				again, err := driver.Compile(t.Context(), src)
				if err != nil || !bytes.Equal(again.(*blob.Policy).Bytes(), p.Bytes()) {
					t.Errorf("%s on %s: other bytes the second time, %v", d.Name, kernel, err)
				}
			}
			alike(t, p, src, kernel)
		}
	}
}

// TestBaseContent changes what machines have in common, and one machine's
// profile.
func TestBaseContent(t *testing.T) {
	set, _ := features.Kernel("6.12")
	a := &svirt.AppArmor{Features: set, Degrade: compile.Report, Logger: slog.New(slog.DiscardHandler)}
	tree := fstest.MapFS{}
	if err := fs.WalkDir(svirt.PolicyFS(), ".", func(name string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			data, err := fs.ReadFile(svirt.PolicyFS(), name)
			tree[name] = &fstest.MapFile{Data: data}
			return err
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	n := 0
	next := func() *svirt.Source {
		n++
		d := numbered(disk("/srv/a"), n)
		return source(t, d, derived(t, d, svirt.Options{}), tree)
	}
	run := func(step string, src *svirt.Source, based bool) {
		t.Helper()
		c, err := a.Compile(t.Context(), src)
		if err != nil {
			t.Fatalf("%s: %v", step, err)
		}
		// What is in force is known by its digest, so it must not matter what
		// was compiled before.
		fresh := &svirt.AppArmor{Features: set, Degrade: compile.Report, Logger: slog.New(slog.DiscardHandler)}
		again, err := fresh.Compile(t.Context(), src)
		if err != nil || !bytes.Equal(again.(*blob.Policy).Bytes(), c.(*blob.Policy).Bytes()) {
			t.Errorf("%s: another driver makes other bytes, %v", step, err)
		}
		if got := fromBase(c.(*blob.Policy)); got != based {
			t.Errorf("%s: from a base: %t", step, got)
		}
		alike(t, c.(*blob.Policy), src, "6.12")
	}
	change := func(name, from, to string) {
		t.Helper()
		text := string(tree[name].Data)
		if !strings.Contains(text, from) {
			t.Fatalf("%s has no %s", name, from)
		}
		tree[name] = &fstest.MapFile{Data: []byte(strings.Replace(text, from, to, 1))}
	}
	run("first", next(), true)
	run("second", next(), true)
	edited := next()
	edit := func(from, to string) {
		t.Helper()
		text := strings.Replace(edited.File.Src, from, to, 1)
		file, err := parser.Config{}.Parse(context.Background(), edited.File.Name, text)
		if err != nil || text == edited.File.Src {
			t.Fatal(err, text)
		}
		edited.File = file
	}
	edit("\n}\n", "\n  deny /srv/a w,\n}\n")
	run("an edited profile", edited, true)
	run("third", next(), true)
	change("abstractions/libvirt-qemu", "capability chown,", "capability chown,\n  /opt/new r,")
	run("an abstraction has changed", next(), true)
	run("the machine after that", next(), true)
	change("tunables/global", "\n", "\n@{new}=/opt/new\n")
	run("a tunable has changed", next(), true)
	run("the machine after that", next(), true)
	change("libvirt/TEMPLATE.qemu", "flags=(attach_disconnected)", "flags=(attach_disconnected, complain)")
	run("the template has changed", next(), true)
	run("the machine after that", next(), true)
	change("tunables/global", "\n", "\nalias /srv/ -> /data/,\n")
	for range 3 {
		run("aliases change the rules of machines", next(), false)
	}
	change("tunables/global", "alias /srv/ -> /data/,\n", "")
	run("the alias is gone", next(), true)

	// Whoever makes a base and gives up leaves the others as they were.
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	change("tunables/global", "\n", "\n@{newer}=/opt/newer\n")
	if _, err := a.Compile(gone, next()); err == nil {
		t.Error("compiled with a context that has ended")
	}
	run("after a compilation that gave up", next(), true)
}

// TestBasesConcurrently compiles machines of two templates at the same time.
func TestBasesConcurrently(t *testing.T) {
	set, _ := features.Kernel("6.12")
	a := &svirt.AppArmor{Features: set, Degrade: compile.Report, Logger: slog.New(slog.DiscardHandler)}
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			fresh := &svirt.AppArmor{Features: set, Degrade: compile.Report, Logger: slog.New(slog.DiscardHandler)}
			for i := range 6 {
				d := numbered(disk(fmt.Sprintf("/srv/%d", w)), 10*w+i)
				src := source(t, d, derived(t, d, svirt.Options{}), svirt.PolicyFS())
				c, err := a.Compile(t.Context(), src)
				if err != nil {
					t.Error(err)
					return
				}
				again, err := fresh.Compile(t.Context(), src)
				if err != nil || !bytes.Equal(again.(*blob.Policy).Bytes(), c.(*blob.Policy).Bytes()) {
					t.Errorf("other bytes by another driver, %v", err)
				}
				if _, err := blob.Inspect(c.(*blob.Policy).Bytes()); err != nil || c.(*blob.Policy).Names()[0] != src.Profile {
					t.Errorf("%v, error %v", c.(*blob.Policy).Names(), err)
				}
			}
		})
	}
	wg.Wait()
}
