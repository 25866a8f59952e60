// SPDX-License-Identifier: Apache-2.0

package automaton

import "math/bits"

// classes maps symbols to classes of symbols that no state distinguishes.
type classes struct {
	of  [256]uint16
	oob uint16 // noClass when no state has an out-of-band transition
	n   int
}

const noClass = 0xffff

// bytes returns the bytes of each class, none for the out-of-band symbol's.
func (c *classes) bytes() [][]byte {
	sizes := make([]int, c.n)
	for _, k := range c.of {
		sizes[k]++
	}
	all := make([]byte, 256)
	of := make([][]byte, c.n)
	for k, n := range sizes {
		of[k], all = all[:0:n], all[n:]
	}
	for b, k := range c.of {
		of[k] = append(of[k], byte(b))
	}
	return of
}

// partition computes the classes of symbols that no set and no byte in use
// distinguishes. Classes are numbered in the order of their first byte; the
// out-of-band symbol is a class of its own, the last one, if it is used.
func partition(used Set, sets []Set, oob bool) (c classes) {
	c.n = 1
	// Refine the one class of all bytes by one set after the other.
	split := func(s Set) {
		var inside, outside, moved [257]uint16
		for b := range 256 {
			k := c.of[b]
			if s.Has(byte(b)) {
				inside[k]++
			} else {
				outside[k]++
			}
		}
		n := c.n
		for k := range n {
			if inside[k] > 0 && outside[k] > 0 {
				moved[k] = uint16(c.n)
				c.n++
			}
		}
		if c.n == n {
			return
		}
		for b := range 256 {
			if k := c.of[b]; moved[k] != 0 && s.Has(byte(b)) {
				c.of[b] = moved[k]
			}
		}
	}
	for _, s := range sets {
		split(s)
	}
	// Bytes in use are classes of their own.
	var sizes [257]uint16
	for _, k := range c.of {
		sizes[k]++
	}
	for w, word := range used {
		for ; word != 0; word &= word - 1 {
			b := w<<6 + bits.TrailingZeros64(word)
			if k := c.of[b]; sizes[k] > 1 {
				sizes[k]--
				c.of[b] = uint16(c.n)
				c.n++
			}
		}
	}
	var number [257]uint16
	n := uint16(0)
	for b := range 256 {
		if k := c.of[b]; number[k] == 0 {
			n++
			number[k] = n
		}
		c.of[b] = number[c.of[b]] - 1
	}
	c.oob = uint16(c.n)
	if oob {
		c.n++
	} else {
		c.oob = noClass
	}
	return c
}
