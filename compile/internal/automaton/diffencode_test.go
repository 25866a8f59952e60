// SPDX-License-Identifier: Apache-2.0

package automaton

import (
	"math/rand/v2"
	"testing"
)

// TestDifference compares what two rows differ in with a look at each class.
func TestDifference(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	const classes, states = 9, 12
	kinds := map[bool]int{} // of pairs, whether most classes of both lead to one state
	for range 300 {
		p := &packer{d: &DFA{}, sizes: make([]int, classes)}
		left := wholeRow
		for c := range classes - 2 { // the last one has no bytes, as out of band
			p.sizes[c] = 1 + r.IntN(30)
			left -= p.sizes[c]
		}
		p.sizes[classes-2] = left
		dense := make([][]uint32, states)
		for s := range dense {
			row := make([]uint32, classes)
			most, others := uint32(r.IntN(3)), 1+r.IntN(classes)
			for c := range row {
				if row[c] = most; r.IntN(classes) < others {
					row[c] = uint32(r.IntN(states))
				}
			}
			p.d.rows.add(row)
			dense[s] = row
		}
		for s := range uint32(states) {
			for u := range uint32(states) {
				want, limit := 0, r.IntN(300)
				for c := range classes {
					if dense[s][c] != dense[u][c] {
						want += p.sizes[c]
					}
				}
				if got := p.difference(s, u, wholeRow+1); got != want {
					t.Fatalf("%v and %v differ in %d bytes, want %d", dense[s], dense[u], got, want)
				}
				if got := p.difference(s, u, limit); got != want && (got < limit || want < limit) {
					t.Fatalf("%v and %v differ in %d bytes, want %d, at least with the limit %d", dense[s], dense[u], got, want, limit)
				}
				seen := make([]bool, classes)
				for c, to := range p.d.rows.pairs(s, u) {
					if seen[c] || to != [2]uint32{dense[s][c], dense[u][c]} {
						t.Fatalf("class %d leads to %v, want %d and %d", c, to, dense[s][c], dense[u][c])
					}
					seen[c] = true
				}
				a, b := p.d.rows.of[s].most, p.d.rows.of[u].most
				kinds[a == b && a != various]++
				for c := range classes {
					if !seen[c] && (dense[s][c] != a || dense[u][c] != b) {
						t.Fatalf("class %d is left out", c)
					}
				}
			}
		}
	}
	if kinds[true] < 1000 || kinds[false] < 1000 {
		t.Errorf("pairs of rows: %v", kinds)
	}
}

// TestLastArcs looks at no more than a part of a list, and finds the last state.
func TestLastArcs(t *testing.T) {
	var l lastArcs
	var head int32
	for i := range uint32(2 * maxLast) {
		l.set(&head, i, 7, i+1)
	}
	l.set(&head, 2*maxLast-1, 7, 1000)
	l.set(&head, 2*maxLast-1, 8, 1001)
	for _, test := range []struct{ class, most, want uint32 }{
		{2*maxLast - 1, 7, 1000}, {2*maxLast - 1, 8, 1001}, {2*maxLast - 1, 9, 0},
		{maxLast + 1, 7, maxLast + 2}, {0, 7, 0},
	} {
		if got := l.find(head, test.class, test.most); got != test.want {
			t.Errorf("class %d, most %d: %d, want %d", test.class, test.most, got, test.want)
		}
	}
	if len(l) != 2*maxLast+1 {
		t.Errorf("%d elements", len(l))
	}
}
