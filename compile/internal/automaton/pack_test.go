// SPDX-License-Identifier: Apache-2.0

package automaton

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/diag"
)

func pack(tb testing.TB, d *DFA, labels int, diff bool) *blob.DFA {
	tb.Helper()
	accept := make([]uint32, labels)
	for i := range accept {
		accept[i] = uint32(i)
	}
	p, err := d.Pack(NewBudget(context.Background(), Limits{}), PackOptions{Accept: accept, Accept2: make([]uint32, labels), Diff: diff})
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

// checkTables applies what kernels verify when they load tables, and compares
// every step of every state with that of the automaton.
func checkTables(tb testing.TB, d *DFA, p *blob.DFA) {
	tb.Helper()
	if _, err := blob.Encode([]*blob.Profile{{Name: "t", File: &blob.PolicyDB{DFA: p}}}); err != nil {
		tb.Fatalf("kernels refuse the tables: %v", err)
	}
	for s := range uint32(d.States()) {
		if p.Accept[s] != d.Label(s) {
			tb.Fatalf("state %d: accepts %d, want %d", s, p.Accept[s], d.Label(s))
		}
		for b := range 256 {
			if got, want := p.Step(s, byte(b)), d.Step(s, byte(b)); got != want {
				tb.Fatalf("state %d, byte %#x: state %d, want %d", s, b, got, want)
			}
		}
		if got, want := p.StepOOB(s), d.StepOOB(s); got != want {
			tb.Fatalf("state %d, out of band: state %d, want %d", s, got, want)
		}
		chain := 0
		for at := s; p.Base[at]&blob.BaseDiff != 0; at = p.Default[at] {
			chain++
		}
		if chain > maxChain {
			tb.Fatalf("state %d: chain of %d", s, chain)
		}
	}
}

func TestPackRandom(t *testing.T) {
	diffs := 0
	for seed := range uint64(600) {
		r := rand.New(rand.NewPCG(seed, 5))
		rules := randomRules(r, seed%3 == 0)
		d, values := resolveLossy(t, build(t, rules, nil))
		if seed%2 == 0 {
			d = minimize(t, d, true)
		}
		for _, diff := range []bool{false, true} {
			p := pack(t, d, len(values), diff)
			checkTables(t, d, p)
			if p.Flags&blob.FlagDiff != 0 {
				diffs++
				if !diff {
					t.Fatal("a state is differentially encoded, though nothing asks for it")
				}
			}
		}
	}
	if diffs == 0 {
		t.Error("no state is differentially encoded")
	}
}

// TestPackNarrow checks what happens to automata that 16 bits cannot number.
func TestPackNarrow(t *testing.T) {
	var b Builder
	for i := range 13000 {
		b.Add(Literal(fmt.Sprintf("%dx%08d", i%10, i*7919)), Accept(i)) // no two share an end
	}
	d, err := b.Build(NewBudget(context.Background(), Limits{}))
	if err != nil {
		t.Fatal(err)
	}
	if d.States() <= 1<<16 {
		t.Fatalf("only %d states", d.States())
	}
	o := PackOptions{Accept: make([]uint32, len(d.sets))}
	var le *diag.LimitError
	if _, err := d.Pack(NewBudget(context.Background(), Limits{}), o); !errors.As(err, &le) {
		t.Errorf("narrow: error %v", err)
	}
	o.Wide = true
	p, err := d.Pack(NewBudget(context.Background(), Limits{}), o)
	if err != nil {
		t.Fatal(err)
	}
	if !p.Wide {
		t.Error("tables are not wide")
	}
	for s := range uint32(d.States()) {
		for _, b := range []byte("0123456789x/") {
			if got, want := p.Step(s, b), d.Step(s, b); got != want {
				t.Fatalf("state %d, byte %q: state %d, want %d", s, b, got, want)
			}
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := d.Pack(NewBudget(ctx, Limits{}), o); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: error %v", err)
	}
	if _, err := d.Minimize(NewBudget(ctx, Limits{}), MinimizeOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: error %v", err)
	}
}

// TestOrders sorts states in the orders in which they are placed, each of which is
// its count of entries and its lowest slot.
func TestOrders(t *testing.T) {
	type state struct{ n, low uint64 }
	states := []state{{1, 9}, {3, 200}, {257, 1}, {3, 5}, {1, 257}}
	for i, want := range [][]state{
		{{257, 1}, {3, 5}, {3, 200}, {1, 9}, {1, 257}},
		{{257, 1}, {3, 5}, {1, 9}, {3, 200}, {1, 257}},
		{{1, 9}, {1, 257}, {3, 5}, {3, 200}, {257, 1}},
		states,
	} {
		got := slices.Clone(states)
		slices.SortStableFunc(got, func(a, b state) int { return cmp.Compare(orders[i](a.n, a.low), orders[i](b.n, b.low)) })
		if !slices.Equal(got, want) {
			t.Errorf("order %d: %v, want %v", i, got, want)
		}
	}
}

// TestCombInsert compares the places of entries with the lowest ones that are free, in
// a comb that is used again.
func TestCombInsert(t *testing.T) {
	var c comb
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 6))
		c.init()
		taken := map[int]bool{}
		var patterns [][]entry
		for range 1 + r.IntN(12) {
			var slots []int
			for range 1 + r.IntN(1+r.IntN(20)) {
				slots = append(slots, r.IntN(257)-1)
			}
			slices.Sort(slots)
			var entries []entry
			for _, s := range slices.Compact(slots) {
				entries = append(entries, entry{slot: int32(s)})
			}
			patterns = append(patterns, entries)
		}
		for range 400 {
			entries := patterns[r.IntN(len(patterns))]
			want := 0
			if entries[0].slot < 0 {
				want = 1
			}
			for slices.ContainsFunc(entries, func(e entry) bool { return taken[want+int(e.slot)] }) {
				want++
			}
			for _, e := range entries {
				taken[want+int(e.slot)] = true
			}
			if got := c.insert(entries); got != want {
				t.Fatalf("seed %d: %v are at %d, want %d", seed, entries, got, want)
			}
		}
	}
}
