// SPDX-License-Identifier: Apache-2.0

package query

import (
	"context"

	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/diag"
)

// side is one of two automata that are walked along a grammar.
type side struct {
	dfa   *blob.DFA // nil: all strings lead to the same permissions
	start uint32
	// before is what led to the start, if that is not the start of the automaton.
	before string
	// perms are those granted in a state.
	perms func(state uint32, owner bool) blob.Effective
}

func (s *side) step(state uint32, b byte) uint32 {
	if s.dfa == nil {
		return state
	}
	return s.dfa.Step(state, b)
}

// dead reports whether no string that begins so is granted anything.
func (s *side) dead(state uint32) bool { return s.dfa != nil && state == blob.TrapState }

// grants reports whether any string is granted or refused these permissions
// in a way of its own.
func (s *side) grants(want Perms) bool {
	if s.dfa == nil {
		return has(s.perms(0, true), want)
	}
	for state := range s.dfa.States() {
		if has(s.perms(uint32(state), true), want) || has(s.perms(uint32(state), false), want) {
			return true
		}
	}
	return false
}

func has(e blob.Effective, want Perms) bool {
	return (e.Allow|e.Audit|e.Quiet|e.Prompt)&uint32(want) != 0
}

// reaching returns for each state whether any string leads from there to one
// that has such permissions.
func (s *side) reaching(want Perms) []bool {
	n := s.dfa.States()
	before := make([][]uint32, n) // the states before each
	reached := make([]bool, n)
	var todo []uint32
	var next [256]uint32
	for i := range n {
		state := uint32(i)
		s.dfa.Row(state, &next)
		last := state
		for _, to := range next {
			if to != last && to != state { // most of a row is one state
				before[to] = append(before[to], state)
				last = to
			}
		}
		if has(s.perms(state, true), want) || has(s.perms(state, false), want) {
			reached[i] = true
			todo = append(todo, state)
		}
	}
	for len(todo) > 0 {
		state := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for _, from := range before[state] {
			if !reached[from] {
				reached[from] = true
				todo = append(todo, from)
			}
		}
	}
	return reached
}

// place is where a walk is: the states of both sides, those of a second string
// that is walked at the same time, the row of the grammar and what was granted
// at gates. The second string is the target of a pair or, within labels, the
// component without the slashes that may belong to a separator.
type place struct {
	a, b   uint32
	c, d   uint32
	row    uint16
	passed uint32 // index of what was granted at gates
}

// visited is a place and the step that first led there.
type visited struct {
	place
	parent int32 // -1: where the walk began
	by     byte
}

// product walks two sides along a grammar, breadth first.
type product struct {
	ctx     context.Context
	a, b    side
	grammar grammar
	within  bool // only strings matter to which b grants anything
	// through is called at gates and returns what they let through; false ends
	// the walk there.
	through func(p *product, at place, to place) (place, bool)

	class, order [256]byte // as of blob.ByteClasses
	symbols      [][]byte  // of each row, made when first needed
	nodes        []visited
	seen         map[place]struct{}
}

// maxPlaces bounds the work and memory of one walk. A place takes about 100
// bytes.
const maxPlaces = 1 << 20

// run calls visit for each place in order of the shortest string that leads to
// it. The error is a *diag.LimitError or ctx's.
func (p *product) run(visit func(node int)) error {
	p.symbols = make([][]byte, len(p.grammar))
	first := place{a: p.a.start, b: p.b.start, row: grammarStart}
	if p.grammar[grammarStart].label {
		first.c, first.d = first.a, first.b
	}
	p.nodes = append(p.nodes[:0], visited{first, -1, 0})
	p.seen = map[place]struct{}{first: {}}
	for i := 0; i < len(p.nodes); i++ {
		if i%1024 == 0 {
			if err := p.ctx.Err(); err != nil {
				return err
			}
		}
		visit(i)
		from := p.nodes[i].place
		if from.passed == 0 && (p.within || p.a.dead(from.a) && p.a.dead(from.c)) && p.b.dead(from.b) && p.b.dead(from.d) {
			continue // and nothing that comes
		}
		for _, b := range p.bytes(from.row) {
			to := p.step(from, b)
			if p.grammar[to.row].gate {
				var ok bool
				if to, ok = p.through(p, from, to); !ok {
					continue
				}
			}
			if _, ok := p.seen[to]; ok {
				continue
			}
			if len(p.nodes) >= maxPlaces {
				return &diag.LimitError{What: "pairs of states to compare", Limit: maxPlaces, Got: maxPlaces + 1}
			}
			p.seen[to] = struct{}{}
			p.nodes = append(p.nodes, visited{to, int32(i), b})
		}
	}
	return nil
}

func (p *product) step(from place, b byte) place {
	to := from
	to.a, to.b = p.a.step(from.a, b), p.b.step(from.b, b)
	to.row = p.grammar[from.row].next[b]
	was, is := &p.grammar[from.row], &p.grammar[to.row]
	switch {
	case is.label:
		to.c, to.d = p.a.inLabel(from.c, b, was.pending, is.pending), p.b.inLabel(from.d, b, was.pending, is.pending)
	case was.label, p.a.dead(to.a) && p.b.dead(to.b):
		// What follows is not a label, or no target makes a difference to a
		// pair.
		to.c, to.d = 0, 0
	default:
		to.c, to.d = p.a.step(from.c, b), p.b.step(from.d, b)
	}
	return to
}

// inLabel is step for a component: slashes are walked once it is clear that
// they do not begin a separator.
func (s *side) inLabel(state uint32, b byte, pending, still uint8) uint32 {
	if still > pending {
		return state
	}
	for range pending - still {
		state = s.step(state, '/')
	}
	return s.step(state, b)
}

// bytes returns one byte for each way to go on from a row, in the order of
// preference.
func (p *product) bytes(r uint16) []byte {
	if p.symbols[r] == nil {
		at := &p.grammar[r]
		type way struct {
			class byte
			to    uint16
		}
		taken := map[way]bool{}
		list := []byte{}
		for i := range 256 {
			b := p.order[i]
			if at.binary {
				b = byte(i)
			}
			w := way{p.class[b], at.next[b]}
			if w.to != 0 && !taken[w] {
				taken[w] = true
				list = append(list, b)
			}
		}
		p.symbols[r] = list
	}
	return p.symbols[r]
}

// input returns the shortest string that leads to a node.
func (p *product) input(node int) []byte {
	n := 0
	for i := node; p.nodes[i].parent >= 0; i = int(p.nodes[i].parent) {
		n++
	}
	in := make([]byte, n)
	for i := node; p.nodes[i].parent >= 0; i = int(p.nodes[i].parent) {
		n--
		in[n] = p.nodes[i].by
	}
	return in
}
