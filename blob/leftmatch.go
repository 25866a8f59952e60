// SPDX-License-Identifier: Apache-2.0

package blob

// LeftMatch walks an attachment automaton over a path as kernels do when they
// look for the profile of an executable. It returns the final state and how
// many bytes were matched up to the state in which the first loop begins, which
// is where a pattern's literal part ends.
//
// Kernels ignore differential encoding here, and so does this walk: a
// differentially encoded attachment does not match what it was written to
// match. The count is what kernels try to compute; they look for loops by the
// order in which states are numbered, over a short history, and may count a
// few bytes more.
func (d *DFA) LeftMatch(s uint32, path string) (state uint32, count int) {
	first := map[uint32]int{s: 0} // the bytes before each state
	looped := false
	for i := 0; i < len(path) && s != TrapState; i++ {
		s = d.plainStep(s, path[i])
		if looped {
			continue
		}
		if n, ok := first[s]; ok {
			looped, count = true, n
			continue
		}
		count++
		first[s] = count
	}
	return s, count
}

// plainStep is Step with the mark of differential encoding ignored.
func (d *DFA) plainStep(s uint32, b byte) uint32 {
	c := uint32(b)
	if d.EC != nil {
		c = uint32(d.EC[b])
	}
	slot := d.Base[s]&BaseMask + c
	if d.Check[slot] == s {
		return d.Next[slot]
	}
	return d.Default[s]
}
