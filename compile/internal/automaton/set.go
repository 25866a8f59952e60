// SPDX-License-Identifier: Apache-2.0

package automaton

import "math/bits"

// Set is a set of bytes. The zero Set is empty.
type Set [4]uint64

// SetOf returns the set of the given bytes.
func SetOf(bytes ...byte) Set {
	var s Set
	for _, b := range bytes {
		s.Add(b)
	}
	return s
}

// Add puts b into the set.
func (s *Set) Add(b byte) { s[b>>6] |= 1 << (b & 63) }

// AddRange puts the bytes from lo to hi, both included, into the set.
func (s *Set) AddRange(lo, hi byte) {
	for i := int(lo); i <= int(hi); i++ {
		s.Add(byte(i))
	}
}

// Has reports whether b is in the set.
func (s Set) Has(b byte) bool { return s[b>>6]>>(b&63)&1 != 0 }

// Not returns the bytes that are not in the set.
func (s Set) Not() Set { return Set{^s[0], ^s[1], ^s[2], ^s[3]} }

// Union returns the bytes of both sets.
func (s Set) Union(t Set) Set { return Set{s[0] | t[0], s[1] | t[1], s[2] | t[2], s[3] | t[3]} }

// Contains reports whether every byte of t is in s.
func (s Set) Contains(t Set) bool {
	return t[0]&^s[0]|t[1]&^s[1]|t[2]&^s[2]|t[3]&^s[3] == 0
}

// Len returns the number of bytes in the set.
func (s Set) Len() int {
	return bits.OnesCount64(s[0]) + bits.OnesCount64(s[1]) + bits.OnesCount64(s[2]) + bits.OnesCount64(s[3])
}

// first returns the smallest byte of a set that is not empty.
func (s Set) first() byte {
	for i, w := range s {
		if w != 0 {
			return byte(i<<6 + bits.TrailingZeros64(w))
		}
	}
	return 0
}
