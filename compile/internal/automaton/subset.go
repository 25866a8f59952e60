// SPDX-License-Identifier: Apache-2.0

package automaton

import (
	"math/bits"
	"slices"
)

// subset makes an automaton deterministic: its states are sets of states of
// the nfa, found by following all symbols from the start.
type subset struct {
	n       *nfa
	accepts []Accept
	classes classes
	subsume subsumer

	// Single symbols and sets of several classes.
	single     []uint16   // the class of each symbol, or noClass
	wide       [][]uint16 // by set: its classes
	wideLists  arena[uint16]
	splits     []split
	splitTable []uint32   // by hash, plus one; 0 for none
	in         [][]uint32 // by class: the sets that it is in, of a split that is made
	wides      []wide     // by hash of their edges
	wideInts   []uint32   // what they are made of

	// The sets, one after another, found by their hash.
	members []uint32
	sets    []span
	table   []uint32 // state+1, or 0
	hashes  []uint32
	entered []uint32 // by state of the nfa: the state of what is entered with it; 0: not known yet

	rows   rows
	label  []uint32
	labels []uint32      // by hash, plus one; 0 for none
	values [][]Accept    // by label
	listed arena[Accept] // what values are made of
	dfa    DFA

	scratch scratch

	budget *Budget
	work   int   // done and not yet counted
	bytes  int64 // held beside what grows with the states
}

// split groups the classes by the wide sets that they are in, of those on
// which one state has edges.
type split struct {
	sets   []uint32   // sorted
	group  []uint16   // the group of each class; 0 is in none of the sets
	member [][]uint32 // the sets of each group

	most   uint16   // the group with the most classes
	size   int      // how many these are
	first  uint16   // and the first of them
	others []uint16 // the classes of the other groups
}

// scratch is reused from state to state.
type scratch struct {
	mark    []uint32 // by state: generation
	gen     uint32
	head    []int32 // by class: the last target, index+1
	targets []target
	touched []uint16
	wide    []uint32 // its edges on wide sets: a set and where it leads
	setHead []int32  // by wide set: its last edge, index+1
	next    []int32  // by edge: the one of the set before it, index+1
	sets    []uint32 // the wide sets with edges
	row     []uint32 // by class: where the state leads
	list    []uint32
	merged  []uint32
	seen    []bool // by class
	accepts []Accept
}

type target struct {
	to   uint32
	next int32
}

// maxLikely bounds the states for which memory is reserved in advance.
const maxLikely = 1 << 13

// tableSize returns the size of a hash table for about n states.
func tableSize(n int) int { return 1 << bits.Len(uint(2*min(n, maxLikely))) }

// init makes b ready for an automaton.
func (b *subset) init(n *nfa, accepts []Accept, covers func(b, a Accept) bool) {
	sets := len(n.in.sets)
	b.n, b.accepts, b.budget, b.work, b.bytes = n, accepts, n.budget, 0, 0
	b.classes = partition(n.used, n.in.sets, n.hasOOB)
	c := &b.classes
	b.subsume.init(n, accepts, covers)
	b.single = zeros(b.single, int(firstSet)+sets)
	b.wide, b.splits = zeros(b.wide, sets), b.splits[:0]
	b.wideLists.reset()
	b.splitTable = zeros(b.splitTable, max(len(b.splitTable), 16))
	b.table = zeros(b.table, tableSize(len(n.states)))
	b.wides, b.wideInts = zeros(b.wides, min(tableSize(len(n.states)/16), maxWides)), b.wideInts[:0]
	b.labels, b.values = zeros(b.labels, max(len(b.labels), 16)), b.values[:0]
	b.listed.reset()
	for i := range 256 {
		b.single[i] = c.of[i]
	}
	b.single[symbolOOB] = c.oob
	for i, s := range n.in.sets {
		b.scratch.seen = zeros(b.scratch.seen, c.n)
		seen := b.scratch.seen
		list := b.scratch.touched[:0]
		for x := range 256 {
			if k := c.of[x]; s.Has(byte(x)) && !seen[k] {
				seen[k] = true
				list = append(list, k)
			}
		}
		b.scratch.touched = list
		b.wide[i] = b.wideLists.take(len(list))
		copy(b.wide[i], list)
		b.single[int(firstSet)+i] = noClass
		if len(list) == 1 {
			b.single[int(firstSet)+i] = list[0]
		}
	}
	// Real policy has a few more states here than there.
	likely := min(len(n.states)+len(n.states)/8, maxLikely)
	b.rows.of = room(b.rows.of, likely)
	b.rows.arcs = room(b.rows.arcs, 5*likely/2)
	b.label = room(b.label, likely)
	b.sets = room(b.sets, likely)
	b.hashes = room(b.hashes, likely)
	b.members = room(b.members, 3*likely)
	x := &b.scratch
	b.entered = zeros(b.entered, len(n.states))
	x.mark, x.gen = zeros(x.mark, len(n.states)), 0
	x.head = zeros(x.head, c.n)
	x.row = zeros(x.row, c.n)
	x.setHead = zeros(x.setHead, sets)
	b.bytes = n.size() + 8*int64(len(n.states)) + b.subsume.bytes
	for _, list := range b.wide {
		b.bytes += 24 + 2*int64(len(list))
	}
	b.budget.Spend(256 * len(b.wide))
}

// build makes the automaton. It is not whole if the budget says that the work
// was stopped.
func (b *subset) build() *DFA {
	b.state(nil)
	b.rows.close(Dead, 0)
	c := b.n.closure[b.n.start]
	start := append(b.scratch.list[:0], b.n.closures[c.from:c.from+c.n]...)
	start = b.canonical(start)
	b.addState(start, hash(start))
	for s := 1; s < len(b.sets); s++ {
		if !b.check() || !b.budget.transitions(len(b.rows.arcs)) {
			break
		}
		b.expand(s)
	}
	b.check()
	b.dfa = DFA{classes: &b.classes, rows: b.rows, label: b.label, sets: b.values}
	return &b.dfa
}

// check counts what has been done and is held, and reports whether to go on.
func (b *subset) check() bool {
	work := b.work + b.subsume.work
	b.work, b.subsume.work = 0, 0
	return b.budget.Spend(work) && b.budget.Need(b.size())
}

// size is the bytes that are held.
func (b *subset) size() int64 {
	return b.bytes + int64(len(b.rows.arcs))*8 + int64(len(b.members)+len(b.wideInts)+len(b.scratch.targets)*2+len(b.scratch.list))*4 +
		int64(len(b.sets))*28 + int64(len(b.table))*4
}

// enter returns the state of what is entered with a state of the nfa alone.
func (b *subset) enter(s uint32) uint32 {
	if to := b.entered[s]; to != 0 {
		return to
	}
	c := b.n.closure[s]
	b.scratch.list = append(b.scratch.list[:0], b.n.closures[c.from:c.from+c.n]...)
	b.entered[s] = b.state(b.canonical(b.scratch.list))
	return b.entered[s]
}

// canonical sorts a list and drops what makes no difference.
func (b *subset) canonical(list []uint32) []uint32 {
	if len(list) > 1 {
		b.work += sortWork(len(list))
		slices.Sort(list)
		list = b.subsume.prune(list)
	}
	return list
}

// state returns the state of a canonical set.
func (b *subset) state(list []uint32) uint32 { return b.stateOf(list, hash(list)) }

// stateOf returns the state of a canonical set with the given hash.
func (b *subset) stateOf(list []uint32, h uint32) uint32 {
	b.work += 16 + 2*len(list)
	mask := uint32(len(b.table) - 1)
	for i := h & mask; ; i = (i + 1) & mask {
		e := b.table[i]
		if e == 0 {
			break
		}
		if b.hashes[e-1] == h && slices.Equal(b.set(e-1), list) {
			return e - 1
		}
	}
	return b.addState(list, h)
}

func (b *subset) set(s uint32) []uint32 {
	sp := b.sets[s]
	return b.members[sp.from : sp.from+sp.n]
}

// addState makes the state of a canonical set with the given hash.
func (b *subset) addState(list []uint32, h uint32) uint32 {
	s := uint32(len(b.sets))
	b.work += 32 + 2*len(list)
	b.budget.count()
	b.sets = append(b.sets, span{uint32(len(b.members)), uint32(len(list))})
	b.members = append(b.members, list...)
	b.hashes = append(b.hashes, h)
	b.label = append(b.label, b.labelOf(list))
	if 2*len(b.sets) > len(b.table) {
		b.table = zeros(b.table, 2*len(b.table))
		b.work += len(b.table)
		for i, h := range b.hashes {
			b.place(h, uint32(i))
		}
	} else {
		b.place(h, s)
	}
	return s
}

func (b *subset) place(h, s uint32) {
	mask := uint32(len(b.table) - 1)
	i := h & mask
	for b.table[i] != 0 {
		i = (i + 1) & mask
	}
	b.table[i] = s + 1
}

// hash is the sum of what it is of each element, so that a list and some more
// elements are quick to hash.
func hash(list []uint32) uint32 {
	var h uint32
	for _, v := range list {
		h += hashOne(v)
	}
	return h
}

// hashOne mixes twice: after once, the sums of pairs such as i and n-i are close.
func hashOne(v uint32) uint32 { return uint32(mix(mix(0x9e3779b97f4a7c15, uint64(v)), 0)) }

// labelOf interns the accept values of a set. The accepting states of the nfa
// have the lowest numbers, in the order of their values.
func (b *subset) labelOf(list []uint32) uint32 {
	if len(b.values) > 0 && (len(list) == 0 || b.n.states[list[0]].final == 0) {
		return 0 // that of the first set, which is empty
	}
	set := b.scratch.accepts[:0]
	for _, s := range list {
		final := b.n.states[s].final
		if final == 0 {
			break
		}
		set = append(set, b.accepts[final-1])
	}
	b.scratch.accepts = set
	mask := uint32(len(b.labels) - 1)
	i := hashValues(set) & mask
	for ; b.labels[i] != 0; i = (i + 1) & mask {
		if id := b.labels[i] - 1; slices.Equal(b.values[id], set) {
			return id
		}
	}
	id := uint32(len(b.values))
	b.bytes += 80 + 8*int64(len(set))
	own := b.listed.take(len(set))
	copy(own, set)
	b.values = append(b.values, own)
	b.labels[i] = id + 1
	if 2*len(b.values) > len(b.labels) {
		b.labels = zeros(b.labels, 2*len(b.labels))
		mask = uint32(len(b.labels) - 1)
		for id, set := range b.values {
			i := hashValues(set) & mask
			for b.labels[i] != 0 {
				i = (i + 1) & mask
			}
			b.labels[i] = uint32(id) + 1
		}
	}
	return id
}

func hashValues(set []Accept) uint32 {
	h := uint64(len(set))
	for _, a := range set {
		h = mix(h, uint64(a))
	}
	return uint32(h)
}
