// SPDX-License-Identifier: Apache-2.0

package automaton

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/goarmor/apparmor/diag"
)

// greedy are expressions whose automata are large, by the part of the work that
// they are large in.
var greedy = []struct {
	name string
	add  func(tb testing.TB, b *Builder)
}{
	{"members", func(tb testing.TB, b *Builder) {
		for i := range 400 {
			addGlob(tb, b, fmt.Sprintf("/**{%[1]c*%[2]c,%[2]c*%[3]c*,*%[1]c%[3]c}/**%[2]c", 'a'+i%23, 'b'+i*7%23, 'c'+i*11%23), i%3)
		}
	}},
	{"states", func(tb testing.TB, b *Builder) { addGlob(tb, b, "/**{a,b}"+strings.Repeat("?", 40)+"c", 0) }},
	{"arcs", func(tb testing.TB, b *Builder) {
		for i := range 60 {
			addGlob(tb, b, fmt.Sprintf("/**/%c%d*/**/x%d", 'a'+i%26, i, i), i%5)
		}
	}},
	{"literals", func(tb testing.TB, b *Builder) {
		for i := range 2000 {
			addGlob(tb, b, fmt.Sprintf("/usr/%x/share/%d/x", i*2654435761, i), i%7)
		}
	}},
	{"expressions", func(tb testing.TB, b *Builder) { addGlob(tb, b, "/"+strings.Repeat("{,a,b?[cd]}", 3000), 0) }},
	{"closures", func(tb testing.TB, b *Builder) { addGlob(tb, b, "/"+strings.Repeat("**a", 3000), 0) }},
	{"accepts", func(tb testing.TB, b *Builder) {
		for i := range 900 {
			addGlob(tb, b, fmt.Sprintf("/**%c%d**", 'a'+i%26, i), i)
		}
	}},
}

func addGlob(tb testing.TB, b *Builder, pattern string, a int) {
	n, _, err := Glob(pattern, GlobOptions{})
	if err != nil {
		tb.Fatal(err)
	}
	b.Add(n, Accept(a))
}

// TestMemory holds what the budget says is needed against what the heap holds
// after a collection, at every doubling.
func TestMemory(t *testing.T) {
	for _, g := range greedy {
		t.Run(g.name, func(t *testing.T) {
			var b Builder
			g.add(t, &b)
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			base := int64(m.HeapAlloc)
			budget := NewBudget(context.Background(), Limits{Memory: 64 << 20, Work: 300 << 20})
			var next int64 = 2 << 20
			looks := 0
			budget.observe = func(need int64) {
				if need < next {
					return
				}
				ahead := need > 2*next // room is made for more at once
				next = need * 5 / 4
				runtime.GC()
				runtime.ReadMemStats(&m)
				looks++
				live := int64(m.HeapAlloc) - base
				t.Logf("counted %.1f MiB, live %.1f MiB: %.2f", float64(need)/(1<<20), float64(live)/(1<<20), float64(need)/float64(live))
				if 2*live > need || need > 8*live && !ahead {
					t.Errorf("%d bytes are counted, %d are live, and as many may wait to be collected", need, live)
				}
			}
			d, err := b.Build(budget)
			if err == nil {
				d, err = d.Minimize(budget, MinimizeOptions{KeepStart: true})
			}
			if err == nil {
				accept := make([]uint32, len(d.sets))
				_, err = d.Pack(budget, PackOptions{Accept: accept, Wide: true, Diff: true})
			}
			if err != nil && !errors.Is(err, diag.ErrLimit) {
				t.Fatal(err)
			}
			t.Log(looks, budget.Used(), err)
			runtime.KeepAlive(&b)
		})
	}
}

// watched is a context that notes the work that is done between two looks at
// it.
type watched struct {
	context.Context
	budget *Budget
	last   int64
	most   int64
}

func (w *watched) Err() error {
	if w.budget != nil {
		w.most = max(w.most, w.budget.work-w.last)
		w.last = w.budget.work
	}
	return nil
}

// TestPoll checks that the context is looked at often, whatever the work is.
func TestPoll(t *testing.T) {
	for _, g := range greedy {
		var b Builder
		g.add(t, &b)
		w := &watched{Context: context.Background()}
		w.budget = NewBudget(w, Limits{Work: 64 << 20})
		d, err := b.Build(w.budget)
		if err == nil {
			d, err = d.Minimize(w.budget, MinimizeOptions{KeepStart: true})
		}
		if err == nil {
			_, err = d.Pack(w.budget, PackOptions{Accept: make([]uint32, len(d.sets)), Wide: true, Diff: true})
		}
		if err != nil && !errors.Is(err, diag.ErrLimit) {
			t.Fatal(err)
		}
		if w.most == 0 || w.most > 64*pollWork {
			t.Errorf("%s: %d steps without a look at the context", g.name, w.most)
		}
	}
}

// TestSumPoll checks the same of sums, and that they count what they hold.
func TestSumPoll(t *testing.T) {
	base := newSumTest(t, []rule{{Literal("/usr/share/a"), 1}, {Literal("/b"), 2}}, true)
	for _, g := range greedy {
		var b Builder
		g.add(t, &b)
		var sum Sum
		for _, r := range b.rules {
			sum.Add(r.node, r.accept)
		}
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		before := int64(m.HeapAlloc)
		w := &watched{Context: context.Background()}
		w.budget = NewBudget(w, Limits{Work: 64 << 20, States: 1 << 16})
		_, err := sum.Build(w.budget, base.base, SumOptions{Diff: true, Weigh: func(_, added []Accept) (uint32, uint32, error) { return uint32(added[0]), 0, nil }})
		if err != nil && !errors.Is(err, diag.ErrLimit) && !errors.Is(err, ErrAdded) {
			t.Fatal(err)
		}
		runtime.GC()
		runtime.ReadMemStats(&m)
		if live, need := int64(m.HeapAlloc)-before, w.budget.Used().Memory; 2*live > need {
			t.Errorf("%s: %d bytes are counted, %d are live, and as many may wait to be collected", g.name, need, live)
		}
		if w.most == 0 || w.most > 64*pollWork {
			t.Errorf("%s: %d steps without a look at the context", g.name, w.most)
		}
		runtime.KeepAlive(&sum)
	}
}

// TestBudget checks the limits to the last unit, and that nothing goes on
// after the first.
func TestBudget(t *testing.T) {
	for _, tt := range []struct {
		limits   Limits
		ok, over func(b *Budget) bool
	}{
		{Limits{Work: 10}, func(b *Budget) bool { return b.Spend(10) }, func(b *Budget) bool { return b.Spend(1) }},
		{Limits{Work: 1 << 40}, func(b *Budget) bool { return b.Spend(1 << 40) }, func(b *Budget) bool { return b.Spend(1) }},
		{Limits{States: 1}, func(b *Budget) bool { return b.count() }, func(b *Budget) bool { return b.count() }},
		{Limits{Memory: heap(400)}, func(b *Budget) bool { return b.Hold(100) && b.Need(300) }, func(b *Budget) bool { return b.Need(301) }},
		{Limits{Memory: heap(400)}, func(b *Budget) bool { return b.Hold(400) && b.Hold(-100) && b.Hold(100) }, func(b *Budget) bool { return b.Hold(1) }},
	} {
		b := NewBudget(context.Background(), tt.limits)
		if !tt.ok(b) || b.Err() != nil {
			t.Errorf("%+v, within: %v", tt.limits, b.Err())
		}
		var limit *diag.LimitError
		if tt.over(b) || !errors.As(b.Err(), &limit) || limit.Got <= limit.Limit {
			t.Errorf("%+v, above: %v", tt.limits, b.Err())
		}
		if b.Spend(0) || b.Need(0) || b.Hold(1) {
			t.Errorf("%+v: work goes on after the limit", tt.limits)
		}
	}
}
