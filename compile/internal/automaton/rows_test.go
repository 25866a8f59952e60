// SPDX-License-Identifier: Apache-2.0

package automaton

import (
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestRows checks that rows of all kinds come back as they were added, as a
// whole and class by class.
func TestRows(t *testing.T) {
	for seed := range uint64(500) {
		r := rand.New(rand.NewPCG(seed, 9))
		classes := 1 + r.IntN(12)
		var rs rows
		var want [][]uint32
		for range 20 {
			row := make([]uint32, classes)
			likely, few := r.Uint32N(4), 1+r.IntN(4)
			for c := range row {
				if row[c] = likely; r.IntN(few) > 0 {
					row[c] = r.Uint32N(6)
				}
			}
			rs.add(row)
			want = append(want, row)
		}
		got := make([]uint32, classes)
		for s, row := range want {
			rs.fill(got, uint32(s))
			if diff := cmp.Diff(row, got); diff != "" {
				t.Fatalf("seed %d, row %d: %s", seed, s, diff)
			}
			most, ok := majority(row)
			if (rs.of[s].most != various) != ok || ok && rs.of[s].most != most {
				t.Errorf("seed %d, row %v: most is %d, want %d, %t", seed, row, rs.of[s].most, most, ok)
			}
			for c, to := range row {
				if got := rs.step(uint32(s), uint16(c)); got != to {
					t.Errorf("seed %d, row %v: class %d leads to %d", seed, row, c, got)
				}
			}
		}
		for to := range uint32(7) {
			leads := false
			for _, row := range want {
				for _, s := range row {
					leads = leads || s == to
				}
			}
			if rs.leads(to) != leads {
				t.Errorf("seed %d: leads to %d: %t", seed, to, !leads)
			}
		}
	}
}

func TestMajority(t *testing.T) {
	for _, tt := range []struct {
		list []int
		want int
		ok   bool
	}{
		{nil, 0, false},
		{[]int{7}, 7, true},
		{[]int{7, 8}, 0, false},
		{[]int{7, 8, 7}, 7, true},
		{[]int{1, 2, 2, 2, 3}, 2, true},
		{[]int{1, 1, 2, 2, 3}, 0, false},
	} {
		if got, ok := majority(tt.list); ok != tt.ok || ok && got != tt.want {
			t.Errorf("%v: %d, %t", tt.list, got, ok)
		}
	}
}
