// SPDX-License-Identifier: Apache-2.0

package automaton

import (
	"math/rand/v2"
	"reflect"
	"slices"
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
		leads := false
		for _, row := range want {
			leads = leads || slices.Contains(row, Start)
		}
		if rs.toStart() != leads {
			t.Errorf("seed %d: leads to the start: %t", seed, !leads)
		}
	}
}

// TestPackedRows saves rows and reads them as they are saved.
func TestPackedRows(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 3))
		n, k := []int{3, 200, 300, 70_000}[r.IntN(3+int(seed%50)/49)], 1+r.IntN(256)
		if n > 300 {
			k = 3
		}
		d := &DFA{classes: &classes{n: k}, label: make([]uint32, n)}
		row := make([]uint32, k)
		for range n {
			usual := r.Uint32N(uint32(n))
			for c := range row {
				if row[c] = usual; r.IntN(1+r.IntN(8)) == 0 {
					row[c] = r.Uint32N(uint32(n))
				}
			}
			d.rows.add(row)
		}
		s := d.save()
		got, ok := s.open(d.classes, 1)
		if !ok {
			t.Fatalf("seed %d: refused", seed)
		}
		if got.rows.toStart() != d.rows.toStart() {
			t.Errorf("seed %d: leads to the start: %t", seed, got.rows.toStart())
		}
		filled, want := make([]uint32, k), make([]uint32, k)
		for s := range uint32(n) {
			got.rows.fill(filled, s)
			d.rows.fill(want, s)
			if !slices.Equal(filled, want) || !slices.Equal(got.rows.arcsOf(s), d.rows.arcsOf(s)) {
				t.Fatalf("seed %d: state %d has other transitions", seed, s)
			}
			for c := range k {
				if to := got.rows.step(s, uint16(c)); to != want[c] {
					t.Fatalf("seed %d: state %d leads to %d on class %d, want %d", seed, s, to, c, want[c])
				}
			}
		}
		again := got.save()
		if !reflect.DeepEqual(again, s) {
			t.Errorf("seed %d: saved again, it is another one", seed)
		}
		// A number that cannot be is refused.
		for name, change := range map[string]func(*SavedDFA){
			"a state that is not there":  func(s *SavedDFA) { s.Most = packNumbers(append(slices.Repeat([]uint32{1}, n-1), uint32(n)+1)) },
			"a target that is not there": func(s *SavedDFA) { s.To = packNumbers(slices.Repeat([]uint32{uint32(n)}, max(1, len(s.Class)))) },
			"a label that is not there":  func(s *SavedDFA) { s.Label = append(slices.Clone(s.Label[1:]), 1) },
			"a class that is not there":  func(s *SavedDFA) { s.Class = append(slices.Clone(s.Class[:max(1, len(s.Class))-1]), byte(k)) },
			"a width that there is not":  func(s *SavedDFA) { s.To.Width = 3 },
			"half a number":              func(s *SavedDFA) { s.Arcs = Packed{2, append(slices.Clone(s.Arcs.Data), 0)} },
			"fewer states":               func(s *SavedDFA) { s.Label = s.Label[1:] },
			"more arcs than there are":   func(s *SavedDFA) { s.Arcs = packNumbers(slices.Repeat([]uint32{uint32(k) + 1}, n)) },
			"fewer arcs than there are": func(s *SavedDFA) {
				s.Arcs, s.Class, s.To = packNumbers(make([]uint32, n)), []byte{0}, packNumbers([]uint32{0})
			},
			"all arcs without all the arcs": func(s *SavedDFA) {
				s.Most, s.Arcs, s.Class, s.To = packNumbers(make([]uint32, n)), packNumbers(make([]uint32, n)), nil, Packed{Width: 1}
			},
			"a class twice": func(s *SavedDFA) {
				s.Arcs, s.Class, s.To = packNumbers(append([]uint32{2}, make([]uint32, n-1)...)), []byte{0, 0}, packNumbers([]uint32{0, 0})
			},
		} {
			bad := s
			change(&bad)
			if _, ok := bad.open(d.classes, 1); ok && !(name == "a class that is not there" && k == 256) {
				t.Errorf("seed %d: %s is opened", seed, name)
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
