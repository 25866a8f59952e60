// SPDX-License-Identifier: Apache-2.0

package automaton

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// resolveLossy labels states so that different sets of accept values may come
// to the same.
func resolveLossy(tb testing.TB, d *DFA) (*DFA, []int) {
	tb.Helper()
	d, values, err := Resolve(NewBudget(context.Background(), Limits{}), d, func(set []Accept) (int, error) {
		if len(set) == 0 {
			return 0, nil
		}
		return int(set[len(set)-1]) / 2, nil
	})
	if err != nil {
		tb.Fatal(err)
	}
	return d, values
}

// moore counts the states of the minimal automaton, dead included, by refining
// until nothing changes. With keepStart the start state is never merged.
func moore(d *DFA, keepStart bool) int {
	if keepStart {
		d = apart(d)
	}
	reached := []uint32{Dead, Start}
	seen := map[uint32]bool{Dead: true, Start: true}
	for i := 0; i < len(reached); i++ {
		for c := range d.classes.n {
			if t := d.rows.step(reached[i], uint16(c)); !seen[t] {
				seen[t] = true
				reached = append(reached, t)
			}
		}
	}
	block := map[uint32]string{}
	for _, s := range reached {
		block[s] = fmt.Sprint(d.label[s], keepStart && s == Start)
	}
	for n := 0; ; {
		ids := map[string]int{}
		of := map[uint32]int{}
		for _, s := range reached {
			if _, ok := ids[block[s]]; !ok {
				ids[block[s]] = len(ids)
			}
			of[s] = ids[block[s]]
		}
		if len(ids) == n {
			return n
		}
		n = len(ids)
		next := map[uint32]string{}
		for _, s := range reached {
			key := fmt.Sprint(of[s])
			for c := range d.classes.n {
				key += fmt.Sprint(",", of[d.rows.step(s, uint16(c))])
			}
			next[s] = key
		}
		block = next
	}
}

// apart returns an automaton of the same language whose start state cannot be
// entered.
func apart(d *DFA) *DFA {
	n, k := uint32(d.States()), d.classes.n
	out := &DFA{classes: d.classes, label: append(slices.Clone(d.label), d.label[Start])}
	row := make([]uint32, k)
	for s := range n + 1 {
		if s == n {
			s = Start
		}
		d.rows.fill(row, s)
		for i, t := range row {
			if t == Start {
				row[i] = n
			}
		}
		out.rows.add(row)
	}
	return out
}

func minimize(tb testing.TB, d *DFA, keepStart bool) *DFA {
	tb.Helper()
	m, err := d.Minimize(NewBudget(context.Background(), Limits{}), MinimizeOptions{KeepStart: keepStart})
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

func TestMinimizeRandom(t *testing.T) {
	for seed := range uint64(1500) {
		r := rand.New(rand.NewPCG(seed, 3))
		oob := seed%4 == 0
		rules := randomRules(r, oob)
		d, values := resolveLossy(t, build(t, rules, nil))
		for _, keepStart := range []bool{false, true} {
			m := minimize(t, d, keepStart)
			want := moore(d, keepStart)
			want = max(want, 2) // the start state is there even when it is a dead
			if m.States() != want {
				t.Fatalf("seed %d, rules %v, keepStart %v: %d states, want %d", seed, rules, keepStart, m.States(), want)
			}
			if keepStart && m.rows.toStart() {
				t.Fatalf("seed %d: the start state can be entered", seed)
			}
			for c := range m.classes.n {
				if next := m.rows.step(Dead, uint16(c)); next != Dead {
					t.Fatalf("seed %d: the dead state leads to %d", seed, next)
				}
			}
			for range 30 {
				in := randomInput(r, oob)
				a, b := d.Label(d.walk(Start, in)), m.Label(m.walk(Start, in))
				if values[a] != values[b] {
					t.Fatalf("seed %d, rules %v, input %v: label %d, want %d", seed, rules, in, b, a)
				}
			}
		}
	}
}

// TestMinimizeGraphs minimises automata that no expressions gave: with states that
// nothing leads to, that are equal to one on a loop, or from which no label can be
// reached.
func TestMinimizeGraphs(t *testing.T) {
	joined := 0
	for seed := range uint64(20_000) {
		r := rand.New(rand.NewPCG(seed, 5))
		n, k, labels := 2+r.IntN(14), 1+r.IntN(5), 1+r.Uint32N(3)
		label, rows := make([]uint32, n-1), make([][]uint32, n-1)
		back := r.IntN(4) // of ten transitions
		for s := 1; s < n; s++ {
			row := make([]uint32, k)
			usual := r.IntN(n)
			for c := range row {
				to := usual
				if r.IntN(3) == 0 {
					to = r.IntN(n)
				}
				if to != 0 && to <= s && r.IntN(10) >= back {
					to = min(s+1+r.IntN(3), n) % n
				}
				row[c] = uint32(to)
			}
			label[s-1], rows[s-1] = r.Uint32N(labels), row
		}
		d := graph(label, rows...)
		for _, keepStart := range []bool{false, true} {
			m := minimize(t, d, keepStart)
			if want := max(moore(d, keepStart), 2); m.States() != want {
				t.Fatalf("seed %d, keepStart %v: %d states, want %d", seed, keepStart, m.States(), want)
			}
			if keepStart && m.rows.toStart() {
				t.Fatalf("seed %d: the start state can be entered", seed)
			}
			for range 30 {
				a, b := Start, Start
				for range r.IntN(2 * n) {
					c := uint16(r.IntN(k))
					a, b = d.rows.step(a, c), m.rows.step(b, c)
				}
				if d.label[a] != m.label[b] {
					t.Fatalf("seed %d, keepStart %v: label %d, want %d", seed, keepStart, m.label[b], d.label[a])
				}
			}
			joined += d.States() - m.States()
		}
	}
	if joined < 10_000 {
		t.Errorf("only %d states were merged", joined)
	}
}

// graph makes an automaton of rows and labels, after those of the dead state.
func graph(labels []uint32, to ...[]uint32) *DFA {
	d := &DFA{classes: &classes{n: len(to[0])}, label: append([]uint32{0}, labels...)}
	d.rows.add(make([]uint32, len(to[0])))
	for _, row := range to {
		d.rows.add(row)
	}
	return d
}

// TestMinimizeDeadStart minimises automata of no string whose start is in a loop. What
// cannot be reached makes no difference.
func TestMinimizeDeadStart(t *testing.T) {
	for name, d := range map[string]*DFA{
		"reached": graph([]uint32{0, 0}, []uint32{2}, []uint32{1}),
		"others":  graph([]uint32{0, 0, 0, 0, 1}, []uint32{2, 2}, []uint32{1, 0}, []uint32{3, 5}, []uint32{4, 5}, []uint32{5, 5}),
	} {
		for _, keepStart := range []bool{false, true} {
			m := minimize(t, d, keepStart)
			if m.States() != 2 || m.rows.of[Start].most != Dead || len(m.rows.arcs) != 0 {
				t.Errorf("%s, keepStart %v: %d states, %+v; want 2 that lead to the dead one", name, keepStart, m.States(), m.rows)
			}
		}
	}
}

// TestMinimizeWork minimises states that differ by their labels alone, numbered in
// the order of their blocks or against it: each takes no more work than any other, and
// the context is looked at all the time.
func TestMinimizeWork(t *testing.T) {
	const n = 1 << 16
	for name, of := range map[string]func(s uint32) (to, label uint32){
		"loops":         func(s uint32) (to, label uint32) { return s, s - 1 },
		"loops, turned": func(s uint32) (to, label uint32) { return s, n - s },
		"path":          func(s uint32) (to, label uint32) { return (s + 1) % (n + 1), s - 1 },
		"path, turned":  func(s uint32) (to, label uint32) { return (s + 1) % (n + 1), n - s },
		"leaves":        func(s uint32) (to, label uint32) { return Dead, s - 1 },
	} {
		labels, rows := make([]uint32, n), make([][]uint32, n)
		for i := range labels {
			to, label := of(uint32(i) + 1)
			labels[i], rows[i] = label, []uint32{to}
		}
		w := &watched{Context: context.Background()}
		budget := NewBudget(w, Limits{})
		w.budget = budget
		if _, err := graph(labels, rows...).Minimize(budget, MinimizeOptions{}); err != nil {
			t.Fatal(err)
		}
		if work := budget.Used().Work; work < 16*n || work > 64*n {
			t.Errorf("%s: %d units of work for %d states", name, work, n)
		}
		if w.most > 8*n+2*pollWork {
			t.Errorf("%s: %d units of work without a look at the context", name, w.most)
		}
	}
}

// TestMinimizeWorkWide minimises states that are equal to one of a long row, which is
// looked at for each of them.
func TestMinimizeWorkWide(t *testing.T) {
	const n, wide = 1000, 200
	alternate, simple := make([]uint32, wide), make([]uint32, wide)
	for c := range wide {
		alternate[c], simple[c] = 2+uint32(c)%2, 2
	}
	// States 2 and 3 are equal, and so are 4 and all later ones.
	first := slices.Repeat([]uint32{5}, wide)
	first[wide-1] = 4 // the last one found, and so the first one looked at
	labels := append([]uint32{0, 1, 1}, slices.Repeat([]uint32{2}, n)...)
	to := append([][]uint32{first, simple, simple, alternate}, slices.Repeat([][]uint32{simple}, n-1)...)
	budget := unlimited()
	m, err := graph(labels, to...).Minimize(budget, MinimizeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if m.States() != 4 {
		t.Errorf("%d states, want 4", m.States())
	}
	if work := budget.Used().Work; work < n*wide {
		t.Errorf("%d units of work for %d long rows", work, n)
	}
}

// TestMinimizeCanonical checks that the result does not depend on the order of
// the rules.
func TestMinimizeCanonical(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 4))
		rules := randomRules(r, false)
		one := func() *DFA {
			d, _, err := Resolve(NewBudget(context.Background(), Limits{}), build(t, rules, nil), func(set []Accept) (string, error) { return fmt.Sprint(set), nil })
			if err != nil {
				t.Fatal(err)
			}
			return minimize(t, d, false)
		}
		a := one()
		r.Shuffle(len(rules), func(i, j int) { rules[i], rules[j] = rules[j], rules[i] })
		b := one()
		if diff := cmp.Diff(a.rows, b.rows, cmp.AllowUnexported(rows{}, row{}, arc{}, span{})); diff != "" {
			t.Fatalf("seed %d, rules %v: %s", seed, rules, diff)
		}
	}
}

func TestResolve(t *testing.T) {
	d := build(t, []rule{{Literal("a"), 3}, {OneOf('a', 'b'), 7}, {Literal("c"), 3}}, nil)
	var asked [][]Accept
	r, values, err := Resolve(NewBudget(context.Background(), Limits{}), d, func(set []Accept) (int, error) {
		asked = append(asked, slices.Clone(set))
		return len(set), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([][]Accept{{}, {3, 7}, {7}, {3}}, asked); diff != "" {
		t.Errorf("sets: %s", diff)
	}
	if diff := cmp.Diff([]int{0, 2, 1}, values); diff != "" {
		t.Errorf("values: %s", diff)
	}
	for in, want := range map[string]int{"": 0, "a": 2, "b": 1, "c": 1, "aa": 0} {
		if got := values[r.Label(r.Match(Start, in))]; got != want {
			t.Errorf("%q: %d values, want %d", in, got, want)
		}
	}
	if r.Accepts(Start) != nil || d.Accepts(d.Match(Start, "b"))[0] != 7 {
		t.Error("accept values are missing before Resolve, or there after it")
	}
	if _, _, err := Resolve(NewBudget(context.Background(), Limits{}), d, func([]Accept) (int, error) { return 0, context.Canceled }); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v is not the one of the function", err)
	}
}
