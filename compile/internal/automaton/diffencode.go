// SPDX-License-Identifier: Apache-2.0

package automaton

// maxChain is the most states that a kernel has to look at for one byte.
const maxChain = 8

// chooseDiffs encodes a state as its differences from another one where that
// takes fewer entries. The other state always has the lower number, so that
// no chain is a loop, and is never the start state, which a Base replaces.
//
// Two kinds of states are tried: the default, since in the scope of a `**` all
// states resemble the one that most bytes lead to; and the state that shares
// most transitions, of those that had a transition last.
//
// It reports whether the budget sufficed.
func (p *packer) chooseDiffs() bool {
	d := p.d
	n, k := d.States(), d.classes.n
	last := make([]uint32, n*k) // by target and class: the last state with that transition
	votes := make([]int32, n)
	voted := make([]uint32, 0, k)
	depth := make([]uint8, n)
	row, other := make([]uint32, k), make([]uint32, k)
	for i := 1; i < n; i++ {
		s := uint32(i)
		if !p.budget.Spend(8*k + 4*len(voted)) {
			return false
		}
		d.rows.fill(row, s)
		stored := 0
		for c, t := range row {
			if t != p.def[s] {
				stored += p.sizes[c]
			}
		}
		best := s
		try := func(t uint32) {
			if t <= Start || t >= s || depth[t]+1 >= maxChain {
				return
			}
			d.rows.fill(other, t)
			if cost := p.difference(row, other, stored); cost < stored {
				best, stored = t, cost
			}
		}
		if stored > 0 {
			voted = voted[:0]
			for c, t := range row {
				if t == Dead {
					continue
				}
				if l := last[int(t)*k+c]; l != 0 {
					if votes[l] == 0 {
						voted = append(voted, l)
					}
					votes[l] += int32(p.sizes[c])
				}
			}
			most := Dead
			for _, t := range voted {
				if votes[t] > votes[most] {
					most = t
				}
			}
			try(most)
			try(p.def[s])
			try(p.def[p.def[s]])
			for _, t := range voted {
				votes[t] = 0
			}
		}
		for c, t := range row {
			last[int(t)*k+c] = s
		}
		if best != s {
			p.def[s], p.diff[s], depth[s] = best, true, depth[best]+1
		}
	}
	return true
}

// difference returns on how many bytes two rows differ, or at least limit.
func (p *packer) difference(a, b []uint32, limit int) int {
	n := 0
	for c, t := range a {
		if t != b[c] {
			if n += p.sizes[c]; n >= limit {
				break
			}
		}
	}
	return n
}
