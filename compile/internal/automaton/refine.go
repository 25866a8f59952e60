// SPDX-License-Identifier: Apache-2.0

package automaton

import (
	"math/bits"
	"slices"
)

// refine finds the blocks of the core, and of the dead state, by Hopcroft's partition
// refinement on signatures. The states of a block are compared by the blocks that they
// lead to, their signature; a block is split into groups of equal signature, of which
// the largest keeps the block's number. Only states that lead to a block with a new
// number have to be looked at again, and every time that happens to a transition, its
// target is in a block of at most half the size.
//
// States that need no second look still have one common signature, and the
// others cannot have it, because they lead to a new block.
func (m *minimizer) refine(budget *Budget) bool {
	labels := slices.Max(m.d.label) + 1
	m.blocks.init(m.core, len(m.alive), int(labels)+1, func(e int32) uint32 {
		if !m.alive[e] {
			return labels // that of the dead state
		}
		return m.d.label[m.state(uint32(e))]
	})
	for _, e := range m.core {
		if m.alive[e] {
			m.blocks.mark(e)
		}
	}
	turn := m.refiner.turn[:0]
	defer func() { m.refiner.turn = turn }()
	for len(m.blocks.touched) > 0 {
		turn, m.blocks.touched = m.blocks.touched, turn[:0]
		for _, b := range turn {
			m.refineBlock(b)
			if !m.spend(budget) {
				return false
			}
		}
	}
	return true
}

// settle finds the block of each element of the rest, from the last to the first: what
// an element leads to has one already, and so its signature is known. An element with
// the signature and the label of a block is of that block, which may be one of the core.
func (m *minimizer) settle(budget *Budget) bool {
	k, p := &m.blocks, &m.refiner
	dead, most := k.of[Dead], int(k.n)+len(m.rest)
	table := p.places(most)
	m.of, m.hashes = room(m.of, most), room(m.hashes, most)
	// add enters a block at a place of the table, and probe finds that of a signature.
	add := func(i int, e uint32, h uint64) {
		m.of, m.hashes = append(m.of, e), append(m.hashes, h)
		table[i] = int32(len(m.of))
	}
	probe := func(e uint32) (i int, h uint64) {
		p.words = p.words[:0]
		m.signature(e)
		own, last := len(p.words), len(table)-1
		// The label comes last: many a state has one label and leads to one block,
		// both numbered in the same order, and the hash of the two alone is one for all.
		h = mix(signatureHash(p.words), uint64(m.d.label[m.state(e)]))
		for i = int(h) & last; table[i] != 0; i = (i + 1) & last {
			p.work++
			b := table[i] - 1
			if m.hashes[b] != h {
				continue
			}
			of := m.of[b]
			m.signature(of)
			same := slices.Equal(p.words[:own], p.words[own:]) && m.d.label[m.state(e)] == m.d.label[m.state(of)]
			p.words = p.words[:own]
			if same {
				break
			}
		}
		return i, h
	}
	for b := range k.n {
		e := uint32(k.elems[k.first[b]])
		i, h := probe(e)
		add(i, e, h)
		if !m.spend(budget) {
			return false
		}
	}
	for _, e := range slices.Backward(m.rest) {
		switch {
		case !m.alive[e]:
			k.of[e] = dead
			continue
		case e == Start && m.keepStart():
			k.of[e] = int32(len(m.of))
			m.of, m.hashes = append(m.of, e), append(m.hashes, 0) // nothing joins it
			continue
		}
		i, h := probe(e)
		if table[i] == 0 {
			add(i, e, h)
		}
		k.of[e] = table[i] - 1
		if !m.spend(budget) {
			return false
		}
	}
	return true
}

// spend counts the work that has been done.
func (m *minimizer) spend(budget *Budget) bool {
	work := m.refiner.work
	m.refiner.work = 0
	return budget.Spend(work)
}

// refiner is what refining a block needs, reused from block to block.
type refiner struct {
	words  []uint64 // signatures, one after another
	groups []group
	table  []int32 // groups or blocks by hash of their signature, plus one; 0 for none
	of     []int32 // by marked element: its group
	sorted []int32
	moved  []int32 // what is in a new block
	turn   []int32 // the blocks to look at
	work   int     // done and not yet counted
}

// ints is how many numbers of 4 bytes there is room for.
func (p *refiner) ints() int {
	return cap(p.table) + cap(p.of) + cap(p.sorted) + cap(p.moved) + cap(p.turn) + 6*cap(p.groups)
}

// group holds the marked elements of one signature.
type group struct {
	words span
	hash  uint64
	n, at int32
}

// refineBlock splits a block into its groups.
func (m *minimizer) refineBlock(b int32) {
	k, p := &m.blocks, &m.refiner
	first, past := k.first[b], k.past[b]
	marked := k.elems[first : first+k.marked[b]]
	k.marked[b] = 0
	if past-first == 1 {
		return
	}
	m.group(marked)
	rest := past - first - int32(len(marked))
	if len(p.groups) == 1 && rest == 0 {
		return
	}
	if len(p.groups) > 1 {
		p.sort(marked)
		for i, e := range marked {
			k.place[e] = first + int32(i)
		}
	}
	// The largest part stays the block.
	largest, size := -1, rest
	for i := range p.groups {
		if n := p.groups[i].n; n > size {
			largest, size = i, n
		}
	}
	p.moved = p.moved[:0]
	from := first
	cut := func(i int, n int32) {
		if i == largest {
			k.first[b], k.past[b] = from, from+n
		} else if n > 0 {
			k.add(from, from+n)
			p.moved = append(p.moved, k.elems[from:from+n]...)
		}
		from += n
	}
	for i := range p.groups {
		cut(i, p.groups[i].n)
	}
	cut(-1, rest)
	for _, t := range p.moved {
		p.work += 2 + 2*len(m.leading(t))
		for _, s := range m.leading(t) {
			k.mark(s)
		}
	}
}

// group finds the groups of elements.
func (m *minimizer) group(elems []int32) {
	p := &m.refiner
	p.words, p.groups, p.of = p.words[:0], p.groups[:0], p.of[:0]
	table := p.places(len(elems))
	for _, e := range elems {
		from := len(p.words)
		m.signature(uint32(e))
		own := p.words[from:]
		h := signatureHash(own)
		last := uint64(len(table) - 1)
		i := h & last
		for ; table[i] != 0; i = (i + 1) & last {
			g := &p.groups[table[i]-1]
			if g.hash == h && slices.Equal(p.words[g.words.from:g.words.from+g.words.n], own) {
				break
			}
		}
		if table[i] == 0 {
			p.groups = append(p.groups, group{words: span{uint32(from), uint32(len(own))}, hash: h})
			table[i] = int32(len(p.groups))
		} else {
			p.words = p.words[:from]
		}
		p.groups[table[i]-1].n++
		p.of = append(p.of, table[i]-1)
	}
}

// places returns an empty table for n groups or blocks, of which at least half stays
// empty.
func (p *refiner) places(n int) []int32 {
	size := 1 << bits.Len(uint(2*n-1))
	if len(p.table) < size {
		p.table = make([]int32, size)
		return p.table
	}
	table := p.table[:size]
	clear(table)
	return table
}

// signatureHash returns the hash of a signature.
func signatureHash(words []uint64) uint64 {
	h := uint64(len(words))
	for _, w := range words {
		h = mix(h, w)
	}
	return h
}

// sort puts marked elements in the order of their groups.
func (p *refiner) sort(marked []int32) {
	at := int32(0)
	for i := range p.groups {
		p.groups[i].at = at
		at += p.groups[i].n
	}
	p.sorted = append(p.sorted[:0], marked...)
	for i, e := range p.sorted {
		g := &p.groups[p.of[i]]
		marked[g.at] = e
		g.at++
	}
}

// noMost says that there is no block to which more than half of the classes lead.
const noMost = ^uint64(0)

// signature appends the blocks that an element leads to, and counts the work: the one
// that more than half of the classes lead to, if there is one, and all others with their
// classes. Equal functions from classes to blocks have equal signatures.
func (m *minimizer) signature(e uint32) {
	p := &m.refiner
	r := &m.d.rows.of[m.state(e)]
	arcs := r.listed(m.d.rows.arcs)
	p.work += 20 + 4*len(arcs)
	words, from := p.words, len(p.words)
	if r.most != various {
		b := m.blockOf(r.most)
		words = append(words, uint64(b))
		for _, a := range arcs {
			if t := m.blockOf(a.to); t != b {
				words = append(words, uint64(a.class)<<32|uint64(t))
			}
		}
		p.words = words
		return
	}
	words = append(words, noMost)
	for _, a := range arcs {
		words = append(words, uint64(m.blockOf(a.to)))
	}
	p.words = words
	blocks := words[from+1:]
	b, ok := majority(blocks)
	if !ok {
		return // all classes, in their order
	}
	words[from] = b
	kept := blocks[:0]
	for c, t := range blocks {
		if t != b {
			kept = append(kept, uint64(c)<<32|t)
		}
	}
	p.words = words[:from+1+len(kept)]
}

func (m *minimizer) blockOf(s uint32) uint32 { return uint32(m.blocks.of[m.element(s)]) }

// blocks is a partition of some of the numbers below some n that can be refined.
type blocks struct {
	n       int32   // blocks
	elems   []int32 // by block, one block after the other
	place   []int32 // of each element in elems
	of      []int32 // the block of each element
	first   []int32 // of each block: its begin in elems
	past    []int32 // and its end
	marked  []int32 // and how many are marked; these come first
	touched []int32 // the blocks that have marked elements

	ints []int32 // of the lists
	keys []int32 // of init
}

// init makes a block of the given elements, which are below n, of each key below keys.
func (b *blocks) init(elems []int32, n, keys int, key func(e int32) uint32) {
	size := len(elems)
	b.ints = zeros(b.ints, 2*n+4*size)
	b.n, b.touched = 0, b.touched[:0]
	ints := b.ints
	cut := func(n int) []int32 {
		s := ints[:n:n]
		ints = ints[n:]
		return s
	}
	b.place, b.of = cut(n), cut(n)
	b.elems, b.first, b.past, b.marked = cut(size), cut(size)[:0], cut(size)[:0], cut(size)[:0]
	b.keys = zeros(b.keys, 2*keys+1)
	at, block := b.keys[:keys+1], b.keys[keys+1:]
	for _, e := range elems {
		at[key(e)+1]++
	}
	for k := range keys {
		size := at[k+1]
		at[k+1] += at[k]
		if size > 0 {
			block[k] = b.n
			b.n++
			b.first, b.past, b.marked = append(b.first, at[k]), append(b.past, at[k]+size), append(b.marked, 0)
		}
	}
	for _, e := range elems {
		k := key(e)
		b.elems[at[k]], b.place[e], b.of[e] = e, at[k], block[k]
		at[k]++
	}
}

// add makes a block of the elements in a range of elems.
func (b *blocks) add(from, past int32) {
	s := b.n
	b.n++
	b.first, b.past, b.marked = append(b.first, from), append(b.past, past), append(b.marked, 0)
	for _, e := range b.elems[from:past] {
		b.of[e] = s
	}
}

// mark moves an element to the marked ones of its block. An element that is
// alone needs no mark: its block cannot be refined.
func (b *blocks) mark(e int32) {
	s := b.of[e]
	if b.past[s]-b.first[s] == 1 {
		return
	}
	i, j := b.place[e], b.first[s]+b.marked[s]
	if i < j {
		return
	}
	if b.marked[s] == 0 {
		b.touched = append(b.touched, s)
	}
	b.marked[s]++
	other := b.elems[j]
	b.elems[i], b.place[other] = other, i
	b.elems[j], b.place[e] = e, j
}
