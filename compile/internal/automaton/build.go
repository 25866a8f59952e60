// SPDX-License-Identifier: Apache-2.0

package automaton

import (
	"errors"
	"slices"

	"github.com/goarmor/apparmor/diag"
)

// Accept is the caller's number for what a matching string is granted. Small
// consecutive numbers are best.
type Accept uint32

// Builder collects expressions. The zero Builder is ready for use. It is not
// safe for concurrent use.
type Builder struct {
	// Covers, if set, reports whether accept value a makes no difference
	// wherever value b is, whatever other values are there. Build may then
	// leave a out of sets that hold b, which can make an otherwise huge
	// automaton small. It must be transitive, and is called with a != b.
	Covers func(b, a Accept) bool

	rules  []rule
	owners []int32
}

type rule struct {
	node   Node
	accept Accept
}

// Add adds an expression: strings that match it get the accept value. Its owner
// is its number, from 0.
func (b *Builder) Add(n Node, a Accept) { b.AddFor(n, a, int32(len(b.rules))) }

// AddFor adds an expression of an owner, which Cost tells apart.
func (b *Builder) AddFor(n Node, a Accept, owner int32) {
	b.rules, b.owners = append(b.rules, rule{n, a}), append(b.owners, owner)
}

// Grow makes room for some more expressions.
func (b *Builder) Grow(n int) {
	b.rules, b.owners = slices.Grow(b.rules, n), slices.Grow(b.owners, n)
}

// Len returns the number of expressions that were added.
func (b *Builder) Len() int { return len(b.rules) }

// Build makes the automaton of all expressions. It does not change the
// Builder.
//
// The error is the budget's; one for a limit is, or matches, a *CostError when
// it is known what caused it.
func (b *Builder) Build(budget *Budget) (*DFA, error) {
	d, err := b.BuildIn(new(Memory), budget)
	if err != nil {
		return nil, err
	}
	// The rest of the memory goes.
	own, classes := *d, *d.classes
	own.classes = &classes
	return &own, nil
}

// BuildIn is Build in the given memory. What it returns holds until the memory is
// used for another automaton.
func (b *Builder) BuildIn(m *Memory, budget *Budget) (*DFA, error) {
	s, err := b.subset(budget, m)
	if err != nil {
		return nil, err
	}
	d := s.build()
	if err := budget.Err(); err != nil {
		if errors.Is(err, diag.ErrLimit) {
			err = &CostError{Err: err, Costs: s.costs(b.owners), States: len(s.sets)}
		}
		return nil, err
	}
	return d, nil
}

// Costs builds the automaton as far as the budget goes, and returns which
// owners' expressions are the cause of how many of its states, the greatest
// first, and how many states there are.
func (b *Builder) Costs(budget *Budget) (costs []Cost, states int) {
	s, err := b.subset(budget, new(Memory))
	if err != nil {
		return nil, 0
	}
	s.build()
	return s.costs(b.owners), len(s.sets)
}

// Memory is what automata are made in, one after the other. The zero Memory is ready
// for use. It is not safe for concurrent use.
type Memory struct {
	Nodes Nodes // of the expressions

	accepts   []Accept
	nfa       nfa
	subset    subset
	minimizer minimizer
	packer    packer
}

// maxKept is the most states of an automaton that leaves its memory to the next one.
const maxKept = 1 << 13

// Release returns an automaton that was made in m. One of many states gets memory of
// its own, and the rest, which is several times as much, goes.
func (m *Memory) Release(d *DFA) *DFA {
	if len(m.subset.sets) <= maxKept {
		return d
	}
	own, classes := *d, *d.classes
	own.classes = &classes
	*m = Memory{Nodes: m.Nodes}
	return &own
}

// Forget drops what the memory holds of the last automaton but the room for the next
// one.
func (m *Memory) Forget() {
	m.Nodes.forget()
	n, t := &m.nfa, &m.nfa.trie
	clear(n.in.shapes[:cap(n.in.shapes)])
	clear(t.atoms[:cap(t.atoms)])
	clear(n.in.lits)
	clear(n.in.syms)
	clear(n.in.ones)
	clear(n.in.setIDs)
	clear(n.reach.unions)
	clear(n.finals)
	clear(n.memo)
	b, a := &m.subset, &m.subset.subsume
	clear(b.wide[:cap(b.wide)])
	clear(b.values[:cap(b.values)])
	clear(a.covered[:cap(a.covered)])
	clear(a.loops[:cap(a.loops)])
	clear(a.active[:cap(a.active)])
	clear(a.first)
	n.budget = nil
	b.n, b.budget, b.dfa, a.n, a.covers = nil, nil, DFA{}, nil, nil
	m.minimizer.d, m.packer.d, m.packer.budget, m.packer.def = nil, nil, nil, nil
}

// Trim drops the memory, but that of expressions, if it has more than so many bytes.
// Tables that were made in it go on to hold.
func (m *Memory) Trim(most int64) {
	if m.Size() > most {
		*m = Memory{Nodes: m.Nodes}
	}
}

// Size is about how many bytes the memory has.
func (m *Memory) Size() int64 {
	k, p := &m.minimizer, &m.packer
	bytes := cap(k.alive) + cap(p.diff) + cap(p.depth)
	ints := cap(m.accepts) + cap(k.in) + cap(k.past) + cap(k.source) + cap(k.blocks.ints) + cap(k.blocks.keys) + cap(k.blocks.touched) + k.refiner.ints() +
		cap(k.label) + cap(k.number) + cap(k.order) + cap(k.rest) + cap(k.core) + cap(k.of) + cap(k.stack) +
		cap(p.count) + cap(p.like) + cap(p.voted) + cap(p.heads) + cap(p.votes)
	words := cap(m.Nodes.subs) + cap(k.hashes) + cap(k.refiner.words) + cap(k.rows.arcs) + cap(p.sizes) + cap(p.entries) + cap(p.own) + cap(p.order) + cap(p.spare) +
		cap(p.comb.used) + cap(p.comb.tried.list)
	return int64(bytes) + 4*int64(ints) + 8*int64(words) + 12*int64(cap(k.rows.of)) + 16*int64(cap(p.last)) + 80*int64(cap(m.Nodes.list)) +
		m.nfa.room() + m.subset.room()
}

// room is about how many bytes the automaton has room for.
func (n *nfa) room() int64 {
	in, t := &n.in, &n.trie
	ints := cap(n.eps) + cap(n.table) + cap(n.hashes) + cap(n.of) + cap(n.closures) + cap(n.mark) + cap(n.stack) +
		cap(n.reach.table) + cap(in.lists) + cap(in.subs.chunk) + cap(in.stack)
	words := cap(n.edges) + cap(n.setFits) + cap(n.closure) + cap(n.keys) + cap(n.reach.sets) + cap(n.reach.words) + cap(t.ends) + cap(t.seqs)
	maps := len(n.finals) + len(n.memo) + len(n.reach.unions) + len(in.lits) + len(in.syms) + len(in.ones) + len(in.setIDs)
	return 4*int64(ints) + 8*int64(words) + 16*int64(cap(t.tails)) + 24*int64(cap(t.nodes)+cap(t.atoms)) + 32*int64(cap(in.sets)+cap(in.loops)) +
		stateSize*int64(cap(n.states)) + 56*int64(cap(in.shapes)) + 48*int64(maps)
}

// room is about how many bytes the automaton has room for.
func (b *subset) room() int64 {
	a, x := &b.subsume, &b.scratch
	bytes := cap(a.verdicts.chunk) + cap(x.seen) + int(a.bytes)
	shorts := cap(b.single) + cap(b.wideLists.chunk) + cap(x.touched)
	ints := cap(b.splitTable) + cap(b.wideInts) + cap(b.members) + cap(b.table) + cap(b.hashes) + cap(b.entered) +
		cap(b.label) + cap(b.labels) + cap(b.listed.chunk) +
		cap(x.mark) + cap(x.head) + cap(x.wide) + cap(x.setHead) + cap(x.next) + cap(x.sets) + cap(x.row) + cap(x.list) + cap(x.merged) + cap(x.accepts)
	words := cap(b.sets) + cap(b.rows.arcs) + cap(a.active) + cap(a.words.chunk) + cap(x.targets)
	lists := cap(b.wide) + cap(b.in) + cap(b.wides) + cap(b.values) + cap(a.covered)
	for _, sp := range b.splits[:cap(b.splits)] {
		shorts += cap(sp.group) + cap(sp.others)
		ints += cap(sp.sets) + 32
		lists += cap(sp.member)
		for _, sets := range sp.member[:cap(sp.member)] {
			ints += cap(sets)
		}
	}
	for _, sets := range b.in[:cap(b.in)] {
		ints += cap(sets)
	}
	for _, set := range b.values {
		ints += len(set)
	}
	return int64(bytes) + 2*int64(shorts) + 4*int64(ints) + 8*int64(words) + 12*int64(cap(b.rows.of)) + 24*int64(lists) + 48*int64(cap(a.loops))
}

// subset makes what is to be made deterministic.
func (b *Builder) subset(budget *Budget, m *Memory) (*subset, error) {
	accepts := slices.Grow(m.accepts[:0], len(b.rules))
	for _, r := range b.rules {
		accepts = append(accepts, r.accept)
	}
	slices.Sort(accepts)
	accepts = slices.Compact(accepts)
	m.accepts = accepts
	m.nfa.make(b.rules, accepts, budget)
	if err := budget.Err(); err != nil {
		return nil, err
	}
	m.subset.init(&m.nfa, accepts, b.Covers)
	return &m.subset, budget.Err()
}

// arena is memory for small lists that stay where they are.
type arena[T any] struct{ chunk []T }

// maxChunk is the most elements that there is room for in advance.
const maxChunk = 1 << 14

// take returns a list of n elements with any content.
func (a *arena[T]) take(n int) []T {
	from := len(a.chunk)
	if a.chunk == nil || cap(a.chunk)-from < n {
		a.chunk, from = make([]T, 0, max(n, min(2*cap(a.chunk), maxChunk), 16)), 0
	}
	a.chunk = a.chunk[:from+n]
	return a.chunk[from : from+n : from+n]
}

// reset takes all lists back.
func (a *arena[T]) reset() { a.chunk = a.chunk[:0] }

// emptied returns a map without elements: the given one, if there is one.
func emptied[K comparable, V any](m map[K]V) map[K]V {
	if m == nil {
		return map[K]V{}
	}
	clear(m)
	return m
}

// zeros returns a slice of n zero elements, in the memory of a list if that
// suffices.
func zeros[T any](list []T, n int) []T {
	if cap(list) < n {
		return make([]T, n)
	}
	list = list[:n]
	clear(list)
	return list
}

// room returns an empty slice with room for n elements, in the memory of a list
// if that suffices.
func room[T any](list []T, n int) []T {
	if cap(list) < n {
		return make([]T, 0, n)
	}
	return list[:0]
}
