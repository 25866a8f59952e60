// SPDX-License-Identifier: Apache-2.0

package automaton

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/diag"
)

// template builds rules into a template whose ACCEPT table holds the labels.
func template(tb testing.TB, rules []rule, diff bool) *Template {
	tb.Helper()
	m := minimize(tb, build(tb, rules, nil), true)
	tables := pack(tb, m, len(m.sets), diff)
	tmpl, err := NewTemplate(m, tables)
	if err != nil {
		tb.Fatal(err)
	}
	return tmpl
}

func TestOverlayRandom(t *testing.T) {
	for seed := range uint64(1500) {
		r := rand.New(rand.NewPCG(seed, 7))
		oob := seed%4 == 0
		first, second := randomRules(r, oob), randomRules(r, oob)
		if seed%3 == 0 {
			// As in real life: the same beginnings.
			second = append(second, rule{Cat(first[0].node, Literal("a")), 4})
		}
		all := append(slices.Clone(first), second...)
		for _, diff := range []bool{false, true} {
			tmpl := template(t, first, diff)
			o, err := tmpl.Overlay(context.Background(), minimize(t, build(t, second, nil), false), Limits{})
			if err != nil {
				t.Fatal(err)
			}
			sum := o.DFA()
			accept := make([]uint32, o.Pairs())
			for i := range accept {
				accept[i] = uint32(len(tmpl.dfa.sets) + i)
			}
			before := slices.Clone(tmpl.tables.Check)
			p, err := o.Pack(context.Background(), accept, make([]uint32, o.Pairs()))
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(before, tmpl.tables.Check) {
				t.Fatal("the template's tables were changed")
			}
			checkTables(t, sum, p)
			for range 40 {
				in := randomInput(r, oob)
				want := naive(all, in)
				got := sum.Accepts(sum.walk(Start, in))
				if len(got)+len(want) > 0 && !slices.Equal(got, want) {
					t.Fatalf("seed %d, template %v, added %v, input %v: accepts %v, want %v", seed, first, second, in, got, want)
				}
			}
		}
	}
}

// TestOverlayGrowth checks that the sum has as many more states as the added
// rules need, however large the template is.
func TestOverlayGrowth(t *testing.T) {
	var rules []rule
	for i := range 2000 {
		rules = append(rules, rule{Literal(fmt.Sprintf("/usr/share/%d/%d", i%17, i)), Accept(i % 5)})
	}
	n, _, err := Glob("/var/log/**", GlobOptions{})
	if err != nil {
		t.Fatal(err)
	}
	tmpl := template(t, append(rules, rule{n, 9}), false)
	delta := build(t, []rule{{Literal("/var/log/vm.log"), 10}, {Literal("/var/lib/disk"), 11}}, nil)
	o, err := tmpl.Overlay(context.Background(), delta, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	// A state for each beginning of the two paths, which share "/var/l".
	if got, want := o.Pairs(), 1+len("/var/log/vm.log")+len("ib/disk"); got != want {
		t.Errorf("%d pairs, want %d", got, want)
	}
	var le *diag.LimitError
	if _, err := tmpl.Overlay(context.Background(), delta, Limits{States: 5}); !errors.As(err, &le) {
		t.Errorf("states: error %v", err)
	}
	if _, err := tmpl.Overlay(context.Background(), delta, Limits{Memory: 5}); !errors.As(err, &le) {
		t.Errorf("memory: error %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := tmpl.Overlay(ctx, delta, Limits{}); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: error %v", err)
	}
}

func TestTemplateErrors(t *testing.T) {
	loop := build(t, []rule{{Star(OneOf('a', 'b')), 1}}, nil)
	entered := minimize(t, loop, false)
	resolved, _ := resolveLossy(t, minimize(t, loop, true))
	for name, d := range map[string]*DFA{"start can be entered": entered, "resolved": resolved} {
		if _, err := NewTemplate(d, pack(t, d, 3, false)); !errors.Is(err, ErrTemplate) {
			t.Errorf("%s: error %v", name, err)
		}
	}
	if _, err := NewTemplate(minimize(t, loop, true), &blob.DFA{}); !errors.Is(err, ErrTemplate) {
		t.Errorf("other tables: error %v", err)
	}
}

func BenchmarkOverlay(b *testing.B) {
	w := debianRules(b, "libvirt", tunables+"profile vm {\n#include <abstractions/libvirt-qemu>\n}\n")
	built, err := w.builder(b).Build(context.Background(), Limits{})
	if err != nil {
		b.Fatal(err)
	}
	m := minimize(b, built, true)
	var delta []rule
	for i, p := range []string{
		"/var/log/libvirt/**/vm.log", "/var/lib/libvirt/qemu/domain-vm/monitor.sock", "/run/libvirt/**/vm.pid",
		"/run/libvirt/**/*.tunnelmigrate.dest.vm", "/var/lib/libvirt/images/vm.qcow2", "/var/lib/libvirt/images/base.img",
		"/dev/vhost-net", "/dev/net/tun",
	} {
		n, _, err := Glob(p, GlobOptions{})
		if err != nil {
			b.Fatal(err)
		}
		delta = append(delta, rule{n, Accept(1000 + i%3)})
	}
	for _, diff := range []bool{false, true} {
		tmpl, err := NewTemplate(m, pack(b, m, len(m.sets), diff))
		if err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprintf("diff=%v", diff), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				o, err := tmpl.Overlay(context.Background(), build(b, delta, nil), Limits{})
				if err != nil {
					b.Fatal(err)
				}
				if _, err := o.Pack(context.Background(), make([]uint32, o.Pairs()), make([]uint32, o.Pairs())); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
