// SPDX-License-Identifier: Apache-2.0

package compile

import (
	"slices"

	"github.com/goarmor/apparmor/ast"
)

// The rank of an attachment is the length that the reference computes: that of
// the shortest string that matches, counted up to the first wildcard. The
// reference assumes that every class of bytes that is not spelled out, and so
// every wildcard, might be the NUL that ends a path. Counting stops after it,
// and after an alternation that has one.

// xmatchLen returns the rank of a profile with these attachments, all of which
// are valid patterns.
func xmatchLen(patterns []ast.Pattern) uint32 {
	group := piece{}
	for _, p := range patterns {
		s := rankScanner{text: string(p)}
		group.alts = append(group.alts, s.sequence(false))
	}
	group.measure()
	return uint32(group.length)
}

// piece is a part of a pattern: one byte, a class, a wildcard or an
// alternation.
type piece struct {
	text   string // which part it is, for comparing
	alts   [][]piece
	length int
	stops  bool
}

// measureAll adds up pieces to the first that stops the count.
func measureAll(seq []piece) (length int, stops bool) {
	for _, p := range seq {
		length += p.length
		if p.stops {
			return length, true
		}
	}
	return length, false
}

// measure computes the length of an alternation. The reference first moves
// what alternatives have in common at their ends after the alternation, where
// it does not count if one of the alternatives stops the count.
func (g *piece) measure() {
	lengths := make([]int, len(g.alts))
	stopping := make([]bool, len(g.alts))
	for i, a := range g.alts {
		lengths[i], stopping[i] = measureAll(a)
		g.stops = g.stops || stopping[i]
	}
	for i, a := range g.alts {
		if stopping[i] {
			continue
		}
		common := 0
		for j, b := range g.alts {
			if stopping[j] {
				common = max(common, commonEnd(a, b))
			}
		}
		tail, _ := measureAll(a[len(a)-common:])
		lengths[i] -= tail
	}
	if len(lengths) > 0 {
		g.length = slices.Min(lengths)
	}
}

// commonEnd returns how many pieces two sequences have in common at the end.
func commonEnd(a, b []piece) int {
	n := 0
	for n < min(len(a), len(b)) && a[len(a)-1-n].text == b[len(b)-1-n].text {
		n++
	}
	return n
}

// rankScanner takes a pattern apart.
type rankScanner struct {
	text string
	pos  int
}

// sequence reads up to the end, or inside an alternation to the comma or brace
// that ends an alternative.
func (s *rankScanner) sequence(inside bool) []piece {
	var seq []piece
	for s.pos < len(s.text) {
		c := s.text[s.pos]
		if inside && (c == ',' || c == '}') {
			break
		}
		from := s.pos
		s.pos++
		p := piece{length: 1}
		switch c {
		case '\\':
			s.pos = min(s.pos+1, len(s.text))
		case '?':
			p.stops = true
		case '*':
			for s.pos < len(s.text) && s.text[s.pos] == '*' {
				s.pos++
			}
			p.stops = true
			if !s.wholeComponent(from) {
				p.length = 0
			}
		case '[':
			p.stops = s.pos < len(s.text) && s.text[s.pos] == '^'
			s.skipClass()
		case '{':
			p.length = 0
			for s.pos <= len(s.text) {
				p.alts = append(p.alts, s.sequence(true))
				s.pos++
				if s.pos > len(s.text) || s.text[s.pos-1] == '}' {
					break
				}
			}
			s.pos = min(s.pos, len(s.text))
			p.measure()
		}
		p.text = s.text[from:s.pos]
		seq = append(seq, p)
	}
	return seq
}

// wholeComponent reports whether the stars from a place to the scanner's are a
// whole component of a path, and so match one byte at least.
func (s *rankScanner) wholeComponent(from int) bool {
	return from > 0 && s.text[from-1] == '/' && (s.pos == len(s.text) || s.text[s.pos] == '/')
}

// skipClass moves past the bracket that closes a class.
func (s *rankScanner) skipClass() {
	for s.pos < len(s.text) {
		c := s.text[s.pos]
		s.pos++
		if c == ']' {
			return
		}
		if c == '\\' {
			s.pos = min(s.pos+1, len(s.text))
		}
	}
}
