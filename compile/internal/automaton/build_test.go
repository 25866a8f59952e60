// SPDX-License-Identifier: Apache-2.0

package automaton

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/goarmor/apparmor/diag"
)

func build(tb testing.TB, rules []rule, covers func(b, a Accept) bool) *DFA {
	tb.Helper()
	b := Builder{Covers: covers}
	for _, r := range rules {
		b.Add(r.node, r.accept)
	}
	d, err := b.Build(NewBudget(context.Background(), Limits{}))
	if err != nil {
		tb.Fatal(err)
	}
	return d
}

// TestBuildRandom compares automata of random rules with a matcher that works
// straight from the definition.
func TestBuildRandom(t *testing.T) {
	for seed := range uint64(3000) {
		r := rand.New(rand.NewPCG(seed, 1))
		oob := seed%4 == 0
		rules := randomRules(r, oob)
		d := build(t, rules, nil)
		for range 60 {
			in := randomInput(r, oob)
			want := naive(rules, in)
			got := d.Accepts(d.walk(Start, in))
			if len(got)+len(want) > 0 && !slices.Equal(got, want) {
				t.Fatalf("seed %d, rules %v, input %v: accepts %v, want %v", seed, rules, in, got, want)
			}
		}
	}
}

// TestBuildCovers checks that nothing but covered values goes missing.
func TestBuildCovers(t *testing.T) {
	covers := map[string]func(b, a Accept) bool{
		"chain":   func(b, a Accept) bool { return b > a },
		"divides": func(b, a Accept) bool { return (b+1)%(a+1) == 0 },
		"all":     func(b, a Accept) bool { return true },
	}
	for name, c := range covers {
		// uncovered leaves what no other value covers; of values that cover
		// each other, the smallest.
		uncovered := func(set []Accept) []Accept {
			var out []Accept
			for _, a := range set {
				if !slices.ContainsFunc(set, func(b Accept) bool { return a != b && c(b, a) && (!c(a, b) || b < a) }) {
					out = append(out, a)
				}
			}
			return out
		}
		smaller := 0
		for seed := range uint64(2000) {
			r := rand.New(rand.NewPCG(seed, 2))
			rules := randomRules(r, false)
			d := build(t, rules, c)
			if d.States() < build(t, rules, nil).States() {
				smaller++
			}
			for range 40 {
				in := randomInput(r, false)
				want := uncovered(naive(rules, in))
				got := uncovered(d.Accepts(d.walk(Start, in)))
				if name == "all" && len(got) > 0 && len(want) > 0 {
					continue // any of the values will do
				}
				if diff := cmp.Diff(want, got); diff != "" && len(got)+len(want) > 0 {
					t.Fatalf("%s, seed %d, rules %v, input %v: %s", name, seed, rules, in, diff)
				}
			}
		}
		if smaller == 0 {
			t.Errorf("%s: no automaton was smaller for it", name)
		}
	}
}

func (r rule) String() string { return fmt.Sprintf("%v=>%d", r.node, r.accept) }

// String writes the expression as a regular expression, for failures of tests.
func (n Node) String() string {
	if n.x == nil {
		return "()"
	}
	var subs []string
	for _, s := range n.x.subs {
		subs = append(subs, s.String())
	}
	switch n.x.op {
	case opLiteral:
		return fmt.Sprintf("%q", n.x.lit)
	case opSet:
		return fmt.Sprintf("%x", n.x.set)
	case opOOB:
		return "OOB"
	case opCat:
		return strings.Join(subs, " ")
	case opAlt:
		return "(" + strings.Join(subs, "|") + ")"
	}
	return "(" + subs[0] + ")" + map[opcode]string{opStar: "*", opPlus: "+", opOpt: "?"}[n.x.op]
}

// TestLimits checks that what grows without bounds stops at the limits.
func TestLimits(t *testing.T) {
	var explosive Builder
	for i := range 24 {
		n, _, err := Glob(fmt.Sprintf("/**/%c*/**/x%d", 'a'+i, i), GlobOptions{})
		if err != nil {
			t.Fatal(err)
		}
		explosive.Add(n, Accept(i))
	}
	var long Builder
	for i := range 40 {
		long.Add(Literal(strings.Repeat(fmt.Sprint(i), 10000)), 1)
	}
	for _, test := range []struct {
		name    string
		builder *Builder
		limits  Limits
	}{
		{"states", &explosive, Limits{States: 5000}},
		{"memory", &explosive, Limits{Memory: 4 << 20}},
		{"memory for rules", &long, Limits{Memory: 1 << 20}},
	} {
		_, err := test.builder.Build(NewBudget(context.Background(), test.limits))
		var le *diag.LimitError
		if !errors.As(err, &le) || !errors.Is(err, diag.ErrLimit) {
			t.Errorf("%s: error %v", test.name, err)
			continue
		}
		if le.Got <= le.Limit {
			t.Errorf("%s: got %d within the limit of %d", test.name, le.Got, le.Limit)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := explosive.Build(NewBudget(ctx, Limits{})); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: error %v", err)
	}
}

// TestBuildManyAccepts has more accept values than subsumption tells apart.
func TestBuildManyAccepts(t *testing.T) {
	const n = 3 * maxReach
	var rules []rule
	all, _, err := Glob("/a/**", GlobOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range Accept(n) {
		rules = append(rules, rule{Literal(fmt.Sprintf("/a/%d", i)), i})
	}
	for _, top := range []Accept{5, n - 1} {
		d := build(t, append(slices.Clone(rules), rule{all, top}), func(b, a Accept) bool { return b == top && a%2 == 0 })
		for i := range Accept(n) {
			got := d.Accepts(d.Match(Start, fmt.Sprintf("/a/%d", i)))
			if !slices.Contains(got, top) {
				t.Fatalf("top %d, rule %d: accepts %v", top, i, got)
			}
			if i != top && i%2 == 1 && !slices.Contains(got, i) {
				t.Fatalf("top %d, rule %d is not covered: accepts %v", top, i, got)
			}
		}
	}
}
