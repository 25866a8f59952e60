// SPDX-License-Identifier: Apache-2.0

package query

import (
	"encoding/binary"
	"slices"
)

// grammar is an automaton of the strings that kernels ask about in one class,
// without the byte of the class. Comparing policies along it finds exactly the
// differences that requests can see.
type grammar []row

// row is a state of a grammar.
type row struct {
	next [256]uint16 // the row after each byte; zero: no such string
	// ends are the permissions that are asked for after the strings that end
	// here.
	ends Perms
	// gate is set if the permissions before the last byte decide whether, and
	// how, what follows it matters.
	gate bool
	// binary prefers low bytes to those that read well.
	binary bool

	// label is set within labels, and split where a separator has ended: what
	// follows is a component of its own. pending is the number of slashes at
	// the end of the string that may begin a separator.
	label, split bool
	pending      uint8
}

const grammarStart = 1

// piece appends a part of a string to the state of a nondeterministic
// automaton and returns the state after it.
type piece func(n *nfa, from int) (to int)

type nfa []nfaState

type nfaState struct {
	row
	edges []nfaEdge
	empty []int // reached without a byte
}

type nfaEdge struct {
	on func(byte) bool
	to int
}

func (n *nfa) add() int {
	*n = append(*n, nfaState{})
	return len(*n) - 1
}

// one is a byte of a set.
func one(on func(byte) bool) piece {
	return func(n *nfa, from int) int {
		to := n.add()
		(*n)[from].edges = append((*n)[from].edges, nfaEdge{on, to})
		return to
	}
}

func anyOf(bs ...byte) piece { return one(func(b byte) bool { return slices.Contains(bs, b) }) }

func noneOf(bs ...byte) piece {
	return one(func(b byte) bool { return !slices.Contains(bs, b) })
}

// lit is these bytes.
func lit(bs ...byte) piece {
	var all []piece
	for _, b := range bs {
		all = append(all, anyOf(b))
	}
	return seq(all...)
}

func seq(all ...piece) piece {
	return func(n *nfa, from int) int {
		for _, p := range all {
			from = p(n, from)
		}
		return from
	}
}

func alt(all ...piece) piece {
	return func(n *nfa, from int) int {
		to := n.add()
		for _, p := range all {
			begin := n.add()
			(*n)[from].empty = append((*n)[from].empty, begin)
			end := p(n, begin)
			(*n)[end].empty = append((*n)[end].empty, to)
		}
		return to
	}
}

func opt(p piece) piece { return alt(p, seq()) }

func many(p piece) piece {
	return func(n *nfa, from int) int {
		loop := n.add()
		(*n)[from].empty = append((*n)[from].empty, loop)
		end := p(n, loop)
		(*n)[end].empty = append((*n)[end].empty, loop)
		return loop
	}
}

// ends marks the end of a string with which these permissions are asked for.
func ends(want Perms) piece {
	return func(n *nfa, from int) int {
		to := n.add()
		(*n)[from].empty = append((*n)[from].empty, to)
		(*n)[to].ends |= want
		return to
	}
}

// gate marks the state after the byte that leads through a gate.
func gate(n *nfa, from int) int {
	(*n)[from].gate = true
	return from
}

// binaryPart marks what follows as numbers.
func binaryPart(n *nfa, from int) int {
	(*n)[from].binary = true
	return from
}

func number(width int) piece {
	var all []piece
	for range width {
		all = append(all, binaryPart, noneOf())
	}
	return seq(all...)
}

// newGrammar makes the states deterministic.
func newGrammar(p piece) grammar {
	var n nfa
	p(&n, n.add())
	g := make(grammar, 1)
	index := map[string]uint16{}
	var sets [][]int
	intern := func(set []int) uint16 {
		if len(set) == 0 {
			return 0
		}
		set = n.closure(set)
		key := make([]byte, 0, 2*len(set))
		for _, s := range set {
			key = binary.BigEndian.AppendUint16(key, uint16(s))
		}
		if i, ok := index[string(key)]; ok {
			return i
		}
		r := row{}
		for _, s := range set {
			r.ends |= n[s].ends
			r.gate = r.gate || n[s].gate
			r.binary = r.binary || n[s].binary
			r.label, r.split = r.label || n[s].label, r.split || n[s].split
			r.pending = max(r.pending, n[s].pending)
		}
		g = append(g, r)
		sets = append(sets, set)
		index[string(key)] = uint16(len(g) - 1)
		return uint16(len(g) - 1)
	}
	intern([]int{0})
	for i := grammarStart; i < len(g); i++ {
		for b := range 256 {
			var to []int
			for _, s := range sets[i-grammarStart] {
				for _, e := range n[s].edges {
					if e.on(byte(b)) {
						to = append(to, e.to)
					}
				}
			}
			next := intern(to)
			g[i].next[b] = next
		}
	}
	return g
}

// closure adds the states that are reached without a byte.
func (n nfa) closure(set []int) []int {
	var all []int
	seen := make([]bool, len(n))
	for len(set) > 0 {
		s := set[len(set)-1]
		set = set[:len(set)-1]
		if !seen[s] {
			seen[s] = true
			all = append(all, s)
			set = append(set, n[s].empty...)
		}
	}
	slices.Sort(all)
	return all
}

// The pieces that strings are made of.
var (
	text = many(noneOf(0))
	word = seq(noneOf(0), text)
	// component is the name of a file, which is neither . nor ..
	component = alt(
		seq(noneOf(0, '/', '.'), many(noneOf(0, '/'))),
		seq(lit('.'), noneOf(0, '/', '.'), many(noneOf(0, '/'))),
		seq(lit('.', '.'), noneOf(0, '/'), many(noneOf(0, '/'))),
	)
	path = seq(lit('/'), many(seq(component, lit('/'))), opt(component))
)
