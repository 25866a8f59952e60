// SPDX-License-Identifier: Apache-2.0

package blob

import (
	"fmt"
	"strings"
)

// Symbol is one step of an automaton: a byte, or OOB.
type Symbol int16

// OOB is the out-of-band symbol, which no byte of a string can be. It
// separates a path from the values of extended attributes.
const OOB Symbol = -1

// Input is what an automaton is walked with.
type Input []Symbol

// BytesInput returns the input that is all of s.
func BytesInput(s string) Input {
	in := make(Input, len(s))
	for i := range in {
		in[i] = Symbol(s[i])
	}
	return in
}

// Bytes returns the input as bytes; ok is false when it has an out-of-band
// symbol.
func (in Input) Bytes() (b []byte, ok bool) {
	b = make([]byte, len(in))
	for i, s := range in {
		if s == OOB {
			return nil, false
		}
		b[i] = byte(s)
	}
	return b, true
}

// String returns the input in double quotes, bytes that do not print as \xNN
// and the out-of-band symbol as \o.
func (in Input) String() string {
	var b strings.Builder
	b.WriteByte('"')
	for _, s := range in {
		switch {
		case s == OOB:
			b.WriteString(`\o`)
		case s == '"' || s == '\\':
			b.WriteByte('\\')
			b.WriteByte(byte(s))
		case s >= 0x20 && s < 0x7f:
			b.WriteByte(byte(s))
		default:
			fmt.Fprintf(&b, `\x%02x`, byte(s))
		}
	}
	b.WriteByte('"')
	return b.String()
}

// Walk returns the state after all of in, beginning in state s.
func (d *DFA) Walk(s uint32, in Input) uint32 {
	for _, c := range in {
		if c == OOB {
			s = d.StepOOB(s)
		} else {
			s = d.Step(s, byte(c))
		}
	}
	return s
}

// Row fills next with the states after each byte in state s.
func (d *DFA) Row(s uint32, next *[256]uint32) {
	if base := d.Base[s]; d.EC == nil && base&BaseDiff == 0 {
		off := base & BaseMask
		check, to := d.Check[off:off+256], d.Next[off:off+256]
		def := d.Default[s]
		for i, c := range check {
			if c == s {
				next[i] = to[i]
			} else {
				next[i] = def
			}
		}
		return
	}
	for c := range next {
		next[c] = d.Step(s, byte(c))
	}
}
