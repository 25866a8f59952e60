// SPDX-License-Identifier: Apache-2.0

package automaton

// joint is the classes of bytes that neither of two automata tells apart, in
// the order of their first bytes.
type joint struct {
	n           int
	of          [256]uint16 // the class of each byte
	first       [256]uint16 // of each class: its class in the first automaton
	second      [256]uint16 // and in the second
	size        [256]uint16 // how many bytes it has
	bytes       [256]uint8  // one class after the other
	from        [256]uint16 // where those of a class begin
	members     [256]uint16 // classes, by their class in the second automaton
	membersFrom [257]uint16

	index []uint16 // class + 1, by classes of the two
	base  *classes // the first automaton's, if the second's were all bytes
}

// join finds the classes of two automata without out-of-band transitions.
func (j *joint) join(a, b *classes) {
	every := b.n == 256
	if every && j.base == a {
		return
	}
	j.base = nil
	if every {
		j.base = a
	}
	j.index = append(j.index[:0], make([]uint16, a.n*b.n)...)
	j.n = 0
	for x := range 256 {
		i := int(a.of[x])*b.n + int(b.of[x])
		if j.index[i] == 0 {
			j.first[j.n], j.second[j.n], j.size[j.n] = a.of[x], b.of[x], 0
			j.n++
			j.index[i] = uint16(j.n)
		}
		c := j.index[i] - 1
		j.of[x] = c
		j.size[c]++
	}
	at := uint16(0)
	for c := range j.n {
		j.from[c] = at
		at += j.size[c]
	}
	var fill [256]uint16
	for x, c := range j.of {
		j.bytes[j.from[c]+fill[c]] = uint8(x)
		fill[c]++
	}
	clear(j.membersFrom[:])
	for c := range j.n {
		j.membersFrom[j.second[c]+1]++
	}
	for k := range 256 {
		j.membersFrom[k+1] += j.membersFrom[k]
	}
	clear(fill[:])
	for c := range j.n {
		k := j.second[c]
		j.members[j.membersFrom[k]+fill[k]] = uint16(c)
		fill[k]++
	}
}

// bytesOf returns the bytes of a class.
func (j *joint) bytesOf(c uint32) []uint8 {
	return j.bytes[j.from[c] : j.from[c]+j.size[c]]
}

// within returns the classes that are in a class of the second automaton.
func (j *joint) within(k uint32) []uint16 {
	return j.members[j.membersFrom[k]:j.membersFrom[k+1]]
}
