// SPDX-License-Identifier: Apache-2.0

package automaton

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/goarmor/apparmor/diag"
)

// TestHash counts how often sets share a place of a table that is twice as large, as
// few do of sets that are alike, too.
func TestHash(t *testing.T) {
	const n = 50_000
	for name, set := range map[string]func(i uint32) []uint32{
		"single states":         func(i uint32) []uint32 { return []uint32{i} },
		"every eighth":          func(i uint32) []uint32 { return []uint32{8 * i} },
		"every thousandth":      func(i uint32) []uint32 { return []uint32{1024 * i} },
		"windows":               func(i uint32) []uint32 { return []uint32{i, i + 1, i + 2, i + 3, i + 4, i + 5} },
		"pairs of one sum":      func(i uint32) []uint32 { return []uint32{i, 2*n - i} },
		"two such pairs":        func(i uint32) []uint32 { return []uint32{i, 2*n - i, 3*n + i, 5*n - i} },
		"pairs of one distance": func(i uint32) []uint32 { return []uint32{i, i + n} },
		"subsets": func(i uint32) []uint32 {
			var set []uint32
			for b := range uint32(16) {
				if i>>b&1 != 0 {
					set = append(set, 500+b)
				}
			}
			return set
		},
	} {
		taken := make([]bool, 1<<17)
		mask, steps := uint32(len(taken)-1), 0
		for i := range uint32(n) {
			at := hash(set(i)) & mask
			for ; taken[at]; at = (at + 1) & mask {
				steps++
			}
			taken[at] = true
		}
		// Random places come to about 0.31.
		if steps > n/2 {
			t.Errorf("%s: %.2f steps for a set", name, float64(steps)/n)
		}
	}
}

// TestPartition checks that classes are what sets and bytes in use tell apart, none of
// them empty, in the order of their first byte.
func TestPartition(t *testing.T) {
	for seed := range uint64(500) {
		r := rand.New(rand.NewPCG(seed, 8))
		var used Set
		for range r.IntN(20) {
			used.Add(byte(r.IntN(256)))
		}
		var sets []Set
		for range r.IntN(6) {
			lo := r.IntN(256)
			var s Set
			s.AddRange(byte(lo), byte(lo+r.IntN(256-lo)))
			for range r.IntN(4) {
				s.Add(byte(r.IntN(256)))
			}
			sets = append(sets, s)
		}
		c := partition(used, sets, seed%2 == 0)
		n := 0
		for a := range 256 {
			if k := int(c.of[a]); k > n {
				t.Fatalf("seed %d: byte %d is in class %d, of which %d is the first byte's", seed, a, k, n)
			} else if k == n {
				n++
			}
			for b := range a {
				apart := used.Has(byte(a)) || used.Has(byte(b)) || slices.ContainsFunc(sets, func(s Set) bool { return s.Has(byte(a)) != s.Has(byte(b)) })
				if apart != (c.of[a] != c.of[b]) {
					t.Fatalf("seed %d: bytes %d and %d are in classes %d and %d", seed, b, a, c.of[b], c.of[a])
				}
			}
		}
		oob := noClass
		if seed%2 == 0 {
			oob = n
			n++
		}
		if c.n != n || int(c.oob) != oob {
			t.Fatalf("seed %d: %d classes, %d for out of band; want %d, %d", seed, c.n, c.oob, n, oob)
		}
	}
}

// TestSets checks that the sets of states are canonical, each of them once, and their
// rows as well: nothing else keeps an automaton small.
func TestSets(t *testing.T) {
	for seed := range uint64(3000) {
		r := rand.New(rand.NewPCG(seed, 11))
		b := Builder{Covers: [...]func(b, a Accept) bool{
			nil,
			func(b, a Accept) bool { return b > a },
			func(b, a Accept) bool { return (b+1)%(a+1) == 0 },
			func(_, _ Accept) bool { return true },
		}[seed%4]}
		for range 1 + r.IntN(3) {
			for _, rule := range randomRules(r, seed%8 < 4) {
				b.Add(rule.node, rule.accept)
			}
		}
		var m Memory
		d, err := b.BuildIn(&m, NewBudget(t.Context(), Limits{States: 2000}))
		if errors.Is(err, diag.ErrLimit) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		x := &m.subset
		first := map[string]int{}
		for i := range x.sets {
			set := x.set(uint32(i))
			if pruned := x.subsume.prune(slices.Compact(slices.Sorted(slices.Values(set)))); !slices.Equal(set, pruned) {
				t.Fatalf("seed %d, state %d: the set %v, of which %v matters", seed, i, set, pruned)
			}
			if h := hash(set); x.hashes[i] != h {
				t.Fatalf("seed %d, state %d: a hash of %#x, want %#x", seed, i, x.hashes[i], h)
			}
			key := fmt.Sprint(set)
			if j, ok := first[key]; ok {
				t.Fatalf("seed %d: states %d and %d are the set %v", seed, j, i, set)
			}
			first[key] = i
			row := make([]uint32, d.classes.n)
			d.rows.fill(row, uint32(i))
			var want rows
			if want.add(row); want.of[0].most != d.rows.of[i].most || !slices.Equal(want.arcs, d.rows.arcsOf(uint32(i))) {
				t.Fatalf("seed %d, state %d: the row %v is %v with the exceptions %v", seed, i, row, d.rows.of[i].most, d.rows.arcsOf(uint32(i)))
			}
		}
	}
}
