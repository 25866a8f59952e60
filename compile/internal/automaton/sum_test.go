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

// sumTest is a base whose labels, and those of sums, are numbers of lists of accept
// values.
type sumTest struct {
	base  *Base
	fine  *DFA
	lists [][]Accept
}

func (s *sumTest) number(list []Accept) uint32 {
	if i := slices.IndexFunc(s.lists, func(l []Accept) bool { return slices.Equal(l, list) }); i >= 0 {
		return uint32(i)
	}
	s.lists = append(s.lists, list)
	return uint32(len(s.lists) - 1)
}

// granted is what values come to, so that some lists of them come to the same:
// a value takes the one after it with it.
func granted(list []Accept) []Accept {
	var all []Accept
	for _, a := range list {
		all = append(all, a, a+1)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// unlimited returns a budget without limits.
func unlimited() *Budget { return NewBudget(context.Background(), Limits{}) }

func newSumTest(tb testing.TB, rules []rule, diff bool) *sumTest {
	tb.Helper()
	s := &sumTest{lists: [][]Accept{nil}}
	s.fine = minimize(tb, build(tb, rules, nil), true)
	least, labels, err := Resolve(unlimited(), s.fine, func(set []Accept) (uint32, error) { return s.number(granted(set)), nil })
	if err != nil {
		tb.Fatal(err)
	}
	least = minimize(tb, least, true)
	tables, err := least.Pack(unlimited(), PackOptions{Accept: labels, Accept2: labels, Diff: diff})
	if err != nil {
		tb.Fatal(err)
	}
	if s.base, err = NewBase(s.fine, least, tables); err != nil {
		tb.Fatal(err)
	}
	return s
}

func (s *sumTest) options(diff bool) SumOptions {
	return SumOptions{Diff: diff, Weigh: func(base, added []Accept) (uint32, uint32, error) {
		n := s.number(granted(slices.Concat(base, added)))
		return n, n, nil
	}}
}

// apply makes the tables that an extension stands for.
func apply(d *blob.DFA, e *blob.Extension) *blob.DFA {
	whole := func(list, with []uint32) []uint32 {
		list = slices.Concat(list, with[1:])
		list[Start] = with[0]
		return list
	}
	out := &blob.DFA{
		Flags: e.Flags, Wide: d.Wide, Accept: whole(d.Accept, e.Accept), Accept2: whole(d.Accept2, e.Accept2),
		Base: whole(d.Base, e.Base), Default: whole(d.Default, e.Default),
		Next: slices.Concat(d.Next, make([]uint32, int(e.Len)-len(d.Next))), Check: slices.Concat(d.Check, make([]uint32, int(e.Len)-len(d.Check))),
	}
	for i, s := range out.Check {
		if s == Start {
			out.Next[i], out.Check[i] = 0, 0
		}
	}
	for _, s := range e.Slots {
		if out.Check[s.At] != 0 {
			panic("a slot is taken twice")
		}
		out.Next[s.At], out.Check[s.At] = s.Next, s.Check
	}
	return out
}

func TestSumRandom(t *testing.T) {
	literal, flagged := 0, 0
	var sum Sum // used again and again
	for seed := range uint64(1500) {
		r := rand.New(rand.NewPCG(seed, 7))
		first, second := randomRules(r, false), randomRules(r, false)
		switch seed % 4 {
		case 0:
			// As in real life: the same beginnings.
			second = append(second, rule{Cat(first[0].node, Literal("a")), 4})
		case 1:
			second = second[:0]
			for range 1 + r.IntN(6) {
				text := make([]byte, 1+r.IntN(5))
				for i := range text {
					text[i] = "ab/"[r.IntN(3)]
				}
				second = append(second, rule{Literal(string(text)), Accept(r.IntN(5))})
			}
			literal++
		}
		all := append(slices.Clone(first), second...)
		for _, diff := range []bool{false, true} {
			s := newSumTest(t, first, diff)
			sum.Reset()
			for _, x := range second {
				sum.Add(x.node, x.accept)
			}
			e, err := sum.Build(unlimited(), s.base, s.options(diff))
			if err != nil {
				t.Fatal(err)
			}
			before := slices.Clone(s.base.tables.Check)
			encoded := slices.ContainsFunc(e.Base, func(base uint32) bool { return base&blob.BaseDiff != 0 })
			flags := s.base.tables.Flags
			if encoded {
				flags |= blob.FlagDiff
			}
			if e.Flags != flags {
				t.Fatalf("seed %d: flags %#x, want %#x", seed, e.Flags, flags)
			}
			if flags != s.base.tables.Flags {
				flagged++
			}
			d := apply(s.base.tables, e)
			if !slices.Equal(before, s.base.tables.Check) {
				t.Fatal("the base's tables were changed")
			}
			for range 40 {
				in := randomInput(r, false)
				state := Start
				for _, b := range in {
					state = d.Step(state, byte(b))
				}
				want := granted(naive(all, in))
				if got := s.lists[d.Accept[state]]; len(got)+len(want) > 0 && !slices.Equal(got, want) {
					t.Fatalf("seed %d, base %v, added %v, input %v: accepts %v, want %v", seed, first, second, in, got, want)
				}
			}
		}
	}
	if literal < 300 || flagged == 0 {
		t.Errorf("%d sums of literals, %d that are the first to be differentially encoded", literal, flagged)
	}
}

// TestSumGrowth checks that the sum has as many more states as the added
// rules need, however large the base is, and shares their ends.
func TestSumGrowth(t *testing.T) {
	var rules []rule
	for i := range 2000 {
		rules = append(rules, rule{Literal(fmt.Sprintf("/usr/share/%d/%d", i%17, i)), Accept(i % 5)})
	}
	n, _, err := Glob("/var/log/**", GlobOptions{})
	if err != nil {
		t.Fatal(err)
	}
	s := newSumTest(t, append(rules, rule{n, 9}), false)
	ctx := t.Context()
	var sum Sum
	add := func(texts ...string) *blob.Extension {
		t.Helper()
		sum.Reset()
		for _, x := range texts {
			sum.Add(Literal(x), 20)
		}
		e, err := sum.Build(unlimited(), s.base, s.options(false))
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	// A state for each beginning of the two paths, which share "/var/l" and
	// their last one, and the start in the place of the base's.
	if got, want := len(add("/var/log/vm.log", "/var/lib/disk").Base), 1+len("/var/log/vm.log")+len("ib/disk"); got != want {
		t.Errorf("%d states, want %d", got, want)
	}
	// The ends of these are one; in the scope of a `**` nothing is added by what it grants.
	if got, want := len(add("/srv/a.img", "/srv/b.img", "/srv/c.img").Base), 1+len("/srv/a.img"); got != want {
		t.Errorf("%d states, want %d", got, want)
	}
	sum.Reset()
	sum.Add(Literal("/var/log/x"), 9)
	e, err := sum.Build(unlimited(), s.base, s.options(false))
	if err != nil || len(e.Base) != 1 {
		t.Errorf("%d states, error %v, want the start alone", len(e.Base), err)
	}
	add("/var/log/vm.log", "/var/lib/disk") // is in s
	o := s.options(false)
	budget := unlimited()
	if _, err := sum.Build(budget, s.base, o); err != nil {
		t.Fatal(err)
	}
	states, work := budget.Used().States, budget.Used().Work
	if want := sum.Pairs() + sum.delta.States() - 1; states != want {
		t.Errorf("%d states are counted, want %d", states, want)
	}
	var le *diag.LimitError
	for _, l := range []Limits{{States: 5}, {Memory: 5}, {Work: 5}, {States: states - 1}, {Work: work - 1}} {
		if _, err := sum.Build(NewBudget(ctx, l), s.base, o); !errors.As(err, &le) {
			t.Errorf("%+v: error %v", l, err)
		}
	}
	if _, err := sum.Build(NewBudget(ctx, Limits{States: states, Work: work}), s.base, o); err != nil {
		t.Errorf("as much as it takes: error %v", err)
	}
	canceled, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := sum.Build(NewBudget(canceled, Limits{}), s.base, s.options(false)); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: error %v", err)
	}
	sum.Add(OOB(), 1)
	if _, err := sum.Build(unlimited(), s.base, s.options(false)); !errors.Is(err, ErrAdded) {
		t.Errorf("out of band: error %v", err)
	}
	wrong := errors.New("wrong")
	o = s.options(false)
	o.Weigh = func(_, _ []Accept) (uint32, uint32, error) { return 0, 0, wrong }
	sum.Reset()
	sum.Add(Literal("/x"), 1)
	if _, err := sum.Build(unlimited(), s.base, o); !errors.Is(err, wrong) {
		t.Errorf("weighing: error %v", err)
	}
}

func TestBaseErrors(t *testing.T) {
	loop := build(t, []rule{{Star(OneOf('a', 'b')), 1}}, nil)
	entered, apart := minimize(t, loop, false), minimize(t, loop, true)
	oob := minimize(t, build(t, []rule{{Cat(OOB(), Literal("a")), 1}}, nil), true)
	resolved, _ := resolveLossy(t, apart)
	for name, d := range map[string]*DFA{"a start that can be entered": entered, "resolved": resolved, "out of band": oob} {
		if _, err := NewBase(d, d, pack(t, d, 3, false)); !errors.Is(err, ErrBase) {
			t.Errorf("%s: error %v", name, err)
		}
	}
	if _, err := NewBase(apart, apart, &blob.DFA{}); !errors.Is(err, ErrBase) {
		t.Errorf("other tables: error %v", err)
	}
}

func BenchmarkSum(b *testing.B) {
	w := debianRules(b, "libvirt", tunables+"profile vm {\n#include <abstractions/libvirt-qemu>\n}\n")
	fine := w.builder(b)
	s := newSumTest(b, fine.rules, false)
	for _, row := range []struct {
		name  string
		paths []string
	}{
		{"literals", []string{
			"/var/log/libvirt/qemu/vm.log", "/var/lib/libvirt/qemu/domain-vm/monitor.sock", "/run/libvirt/qemu/vm.pid",
			"/run/libvirt/qemu/tunnelmigrate.dest.vm", "/var/lib/libvirt/images/vm.qcow2", "/var/lib/libvirt/images/base.img",
			"/dev/vhost-net", "/dev/net/tun",
		}},
		{"globs", []string{
			"/var/log/libvirt/**/vm.log", "/var/lib/libvirt/qemu/domain-vm/monitor.sock", "/run/libvirt/**/vm.pid",
			"/run/libvirt/**/*.tunnelmigrate.dest.vm", "/var/lib/libvirt/images/vm.qcow2", "/var/lib/libvirt/images/base.img",
			"/dev/vhost-net", "/dev/net/tun",
		}},
	} {
		var nodes []Node
		for _, p := range row.paths {
			n, _, err := Glob(p, GlobOptions{})
			if err != nil {
				b.Fatal(err)
			}
			nodes = append(nodes, n)
		}
		b.Run(row.name, func(b *testing.B) {
			b.ReportAllocs()
			var sum Sum
			for b.Loop() {
				sum.Reset()
				for i, n := range nodes {
					sum.Add(n, Accept(1000+i%3))
				}
				if _, err := sum.Build(unlimited(), s.base, SumOptions{Weigh: func(_, added []Accept) (uint32, uint32, error) {
					return uint32(added[0]), 0, nil
				}}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
