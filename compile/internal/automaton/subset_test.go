// SPDX-License-Identifier: Apache-2.0

package automaton

import "testing"

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
