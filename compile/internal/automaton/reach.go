// SPDX-License-Identifier: Apache-2.0

package automaton

import "slices"

// reaches interns sets of accept values, given by index. Only a limited number
// of values is distinguished, because there are many sets: a set that holds
// any other value is unknown.
type reaches struct {
	sets   []span // in words
	words  []uint64
	table  []uint32 // sets by hash, plus one; 0 for none
	unions map[[2]uint32]uint32
	bytes  int64 // held
	work   int   // done so far
}

// maxReach is how many accept values are distinguished.
const maxReach = 1024

// The first sets.
const (
	noReach      uint32 = iota // the empty set
	unknownReach               // a set with values that are not distinguished
)

// reset makes r ready for other values.
func (r *reaches) reset() {
	*r = reaches{
		sets: r.sets[:0], words: r.words[:0], unions: emptied(r.unions),
		table: zeros(r.table, max(len(r.table), 64)),
	}
	r.intern(0)
	r.sets = append(r.sets, span{})
}

// set returns the words of a set, 64 values each.
func (r *reaches) set(id uint32) []uint64 {
	own := r.sets[id]
	return r.words[own.from : own.from+own.n]
}

// intern returns the set of the words from an index on, which are those that
// were added last. They do not stay if there is such a set.
func (r *reaches) intern(from int) uint32 {
	for len(r.words) > from && r.words[len(r.words)-1] == 0 {
		r.words = r.words[:len(r.words)-1]
	}
	set := r.words[from:]
	mask := uint32(len(r.table) - 1)
	i := hashWords(set) & mask
	for ; r.table[i] != 0; i = (i + 1) & mask {
		if id := r.table[i] - 1; slices.Equal(r.set(id), set) {
			r.words = r.words[:from]
			return id
		}
	}
	id := uint32(len(r.sets))
	r.bytes += 64 + 16*int64(len(set)) // twice: the set and what finds it
	r.sets = append(r.sets, span{uint32(from), uint32(len(set))})
	r.table[i] = id + 1
	if 2*len(r.sets) > len(r.table) {
		r.table = make([]uint32, 2*len(r.table))
		mask = uint32(len(r.table) - 1)
		for id := range r.sets {
			if id == int(unknownReach) {
				continue
			}
			i := hashWords(r.set(uint32(id))) & mask
			for r.table[i] != 0 {
				i = (i + 1) & mask
			}
			r.table[i] = uint32(id) + 1
		}
	}
	return id
}

func hashWords(words []uint64) uint32 {
	h := uint64(len(words))
	for _, w := range words {
		h = mix(h, w)
	}
	return uint32(h)
}

// one returns the set of one value.
func (r *reaches) one(i int) uint32 {
	if i >= maxReach {
		return unknownReach
	}
	from := len(r.words)
	for range i / 64 {
		r.words = append(r.words, 0)
	}
	r.words = append(r.words, 1<<(i%64))
	return r.intern(from)
}

func (r *reaches) union(a, b uint32) uint32 {
	switch {
	case a == b || b == noReach:
		return a
	case a == noReach:
		return b
	case a == unknownReach || b == unknownReach:
		return unknownReach
	}
	k := [2]uint32{min(a, b), max(a, b)}
	if id, ok := r.unions[k]; ok {
		return id
	}
	r.bytes += 32
	x, y := r.set(a), r.set(b)
	r.work += 32 + len(x) + len(y)
	if len(x) < len(y) {
		x, y = y, x
	}
	from := len(r.words)
	r.words = append(r.words, x...)
	for i, w := range y {
		r.words[from+i] |= w
	}
	id := r.intern(from)
	r.unions[k] = id
	return id
}
