// SPDX-License-Identifier: Apache-2.0

package automaton

import (
	"encoding/binary"
	"slices"
)

// reaches interns sets of accept values, given by index. Only a limited number
// of values is distinguished, because there are many sets: a set that holds
// any other value is unknown.
type reaches struct {
	sets   [][]uint64
	index  map[string]uint32
	unions map[[2]uint32]uint32
	key    []byte
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

func newReaches() *reaches {
	r := &reaches{index: map[string]uint32{}, unions: map[[2]uint32]uint32{}}
	r.intern(nil)
	r.sets = append(r.sets, nil)
	return r
}

func (r *reaches) intern(set []uint64) uint32 {
	for len(set) > 0 && set[len(set)-1] == 0 {
		set = set[:len(set)-1]
	}
	r.key = r.key[:0]
	for _, w := range set {
		r.key = binary.LittleEndian.AppendUint64(r.key, w)
	}
	if id, ok := r.index[string(r.key)]; ok {
		return id
	}
	id := uint32(len(r.sets))
	r.bytes += 64 + 16*int64(len(set)) // twice: the set and its key
	r.sets = append(r.sets, set)
	r.index[string(r.key)] = id
	return id
}

// one returns the set of one value.
func (r *reaches) one(i int) uint32 {
	if i >= maxReach {
		return unknownReach
	}
	set := make([]uint64, i/64+1)
	set[i/64] = 1 << (i % 64)
	return r.intern(set)
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
	r.work += 32 + len(r.sets[a]) + len(r.sets[b])
	x, y := r.sets[a], r.sets[b]
	if len(x) < len(y) {
		x, y = y, x
	}
	set := slices.Clone(x)
	for i, w := range y {
		set[i] |= w
	}
	id := r.intern(set)
	r.unions[k] = id
	return id
}
