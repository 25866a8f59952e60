// SPDX-License-Identifier: Apache-2.0

package compile_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/internal/oracle"
	"github.com/goarmor/apparmor/internal/testenv"
	"github.com/goarmor/apparmor/policy"
)

// deltaRule makes a random rule of any class, with priorities and targets of
// exec.
func (m ruleMaker) deltaRule() ast.Rule {
	r := m.rule()
	if m.IntN(5) == 0 {
		f := &ast.FileRule{Qualifiers: m.quals(true), Path: m.path(), Perms: ast.FileRead, Scrub: m.IntN(2) == 0}
		f.Access = ast.Allow
		f.Exec = pick(m, ast.ExecInherit, ast.ExecProfile, ast.ExecChild, ast.ExecUnconfined, ast.ExecProfileInherit, ast.ExecChildUnconfined)
		if f.Exec != ast.ExecInherit && f.Exec != ast.ExecUnconfined {
			f.Target = pick(m, "", "a", "b", "c", "t//a", "&stack", ":ns:d")
		}
		r = f
	}
	if m.IntN(4) == 0 {
		r.Quals().Priority = int16(m.IntN(5) - 2)
	}
	if m.IntN(12) == 0 {
		if a := r.Quals(); a.Access == ast.Allow {
			a.Access = ast.Prompt
		}
	}
	return r
}

func (m ruleMaker) rules(n int) []policy.Rule {
	var list []policy.Rule
	for range n {
		list = append(list, policy.Rule{Rule: m.deltaRule()})
	}
	return list
}

// sameInstance holds an instance against what Compile makes of the whole.
func sameInstance(tb testing.TB, b *compile.Base, d *compile.Delta, whole *policy.Set, o compile.Options) *compile.Instance {
	tb.Helper()
	want, wantErr := compile.Compile(tb.Context(), whole, o)
	got, err := b.Instantiate(tb.Context(), d)
	if wantErr != nil || err != nil {
		if fmt.Sprint(err) != fmt.Sprint(wantErr) {
			tb.Fatalf("error %v, want %v", err, wantErr)
		}
		return nil
	}
	data := got.Policy.Bytes()
	again, err := b.Append(tb.Context(), []byte("before"), d)
	if err != nil || !bytes.Equal(again, append([]byte("before"), data...)) {
		tb.Fatalf("the second output differs (%v)", err)
	}
	full, err := blob.Inspect(data)
	if err != nil {
		tb.Fatalf("the full check: %v", err)
	}
	if err := full.Check(blob.LimitsOf(o.Kernel)); err != nil {
		tb.Fatalf("the full check: %v", err)
	}
	ds, err := blob.DiffPolicy(got.Policy, want.Policy, blob.DiffOptions{Strict: true})
	if err != nil {
		tb.Fatal(err)
	}
	for _, d := range ds {
		tb.Errorf("instance | whole: %v", d)
	}
	if !reflect.DeepEqual(got.Degraded, want.Degraded) {
		tb.Errorf("degraded: %v, want %v", got.Degraded, want.Degraded)
	}
	if fmt.Sprintf("%+v", got.Warnings) != fmt.Sprintf("%+v", want.Warnings) {
		tb.Errorf("warnings: %v, want %v", got.Warnings, want.Warnings)
	}
	return got
}

// TestInstanceRandom holds instances of random bases against whole compiles.
func TestInstanceRandom(t *testing.T) {
	n := uint64(600)
	if testenv.Full() {
		n = 10_000
	}
	if testing.Short() {
		n = 150
	}
	added, whole := 0, map[string]int{}
	for seed := range n {
		m := ruleMaker{rand.New(rand.NewPCG(seed, 11))}
		kernel := oracle.FeatureSet(t, pick(m, k61, k612, k72, k73, suite))
		o := compile.Options{Kernel: kernel, Degrade: compile.Report, KeepDenials: m.IntN(4) == 0}
		top := &policy.Profile{Name: pick(m, "t", "/usr/bin/t"), Rules: m.rules(m.IntN(12))}
		base, err := compile.NewBase(t.Context(), &policy.Set{Profiles: []*policy.Profile{top}}, o)
		if err != nil {
			continue // such as for conflicts
		}
		for range 3 {
			d := &compile.Delta{Rules: m.rules(m.IntN(8))}
			p := *top
			if m.IntN(2) == 0 {
				d.Name = pick(m, "u", "t", "/bin/u*")
				p.Name = d.Name
			}
			if m.IntN(4) == 0 {
				attachment := pick[ast.Pattern](m, "", "/bin/*", "/x")
				d.Attachment = &attachment
				p.Attachment = attachment
			}
			if m.IntN(4) == 0 {
				d.Flags = &policy.Flags{Mode: policy.Mode(m.IntN(6)), Audit: m.IntN(2) == 0, AttachDisconnected: true}
				p.Flags = *d.Flags
			}
			p.Rules = append(append([]policy.Rule(nil), top.Rules...), d.Rules...)
			i := sameInstance(t, base, d, &policy.Set{Profiles: []*policy.Profile{&p}}, o)
			if i != nil && i.Whole == "" {
				added++
			} else if i != nil {
				whole[i.Whole]++
			}
			if t.Failed() {
				t.Fatalf("seed %d:\n%s\n%s", seed, policyText(t, top), policyText(t, &p))
			}
		}
	}
	t.Logf("%d instances added to their base, compiled as a whole: %v", added, whole)
	if added < int(n) {
		t.Errorf("only %d instances were added to their base", added)
	}
}
