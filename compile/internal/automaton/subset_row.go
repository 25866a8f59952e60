// SPDX-License-Identifier: Apache-2.0

package automaton

import (
	"cmp"
	"slices"
)

// expand makes the row of a state.
func (b *subset) expand(s int) {
	x := &b.scratch
	x.targets, x.touched, x.sets = x.targets[:0], x.touched[:0], x.sets[:0]
	b.work += 16
	for _, q := range b.set(uint32(s)) {
		st := &b.n.states[q]
		b.work += 1 + 2*int(st.edgeN)
		for _, e := range b.n.edges[st.edge : st.edge+st.edgeN] {
			var head *int32
			if c := b.single[e.on]; c != noClass {
				if head = &x.head[c]; *head == 0 {
					x.touched = append(x.touched, c)
				}
			} else {
				set := uint32(e.on - firstSet)
				if head = &x.setHead[set]; *head == 0 {
					x.sets = append(x.sets, set)
				}
			}
			x.targets = append(x.targets, target{e.to, *head})
			*head = int32(len(x.targets))
		}
	}
	if len(x.sets) == 0 && 2*len(x.touched) < b.classes.n {
		b.expandFew()
		return
	}
	clear(x.row)
	b.work += 2 * len(x.row)
	if len(x.sets) == 0 {
		for _, c := range x.touched {
			x.row[c] = b.follow(nil, c)
			if b.stopped() {
				return
			}
		}
		b.rows.add(x.row)
		return
	}
	slices.Sort(x.sets)
	sp := b.splitOf(x.sets)
	b.collectBases(sp)
	for c, g := range sp.group {
		if b.stopped() {
			return
		}
		switch {
		case x.head[c] != 0:
			x.row[c] = b.follow(x.bases[g], uint16(c))
		case x.dest[g] == unknownState:
			b.work += len(x.bases[g])
			x.list = append(x.list[:0], x.bases[g]...)
			x.dest[g] = b.state(b.canonical(x.list))
			fallthrough
		default:
			x.row[c] = x.dest[g]
		}
	}
	b.rows.add(x.row)
}

// expandFew makes the row of a state that leads nowhere on most classes.
func (b *subset) expandFew() {
	from := len(b.rows.arcs)
	for _, c := range b.scratch.touched {
		if b.stopped() {
			return
		}
		if t := b.follow(nil, c); t != Dead {
			b.rows.arcs = append(b.rows.arcs, arc{uint32(c), t})
		}
	}
	arcs := b.rows.arcs[from:]
	if len(arcs) > 1 {
		slices.SortFunc(arcs, func(a, b arc) int { return cmp.Compare(a.class, b.class) })
	}
	b.rows.close(Dead, from)
}

// stopped reports whether a row that takes long was stopped.
func (b *subset) stopped() bool { return b.work+b.subsume.work > pollWork && !b.check() }

const unknownState = ^uint32(0)

// splitOf returns the groups of classes for the wide sets of a state, sorted.
func (b *subset) splitOf(sets []uint32) *split {
	mask := uint32(len(b.splitTable) - 1)
	i := hash(sets) & mask
	for ; b.splitTable[i] != 0; i = (i + 1) & mask {
		if sp := &b.splits[b.splitTable[i]-1]; slices.Equal(sp.sets, sets) {
			return sp
		}
	}
	b.splits = again(b.splits)
	b.splitTable[i] = uint32(len(b.splits))
	sp := &b.splits[len(b.splits)-1]
	sp.sets = append(sp.sets[:0], sets...)
	sp.group = resize(sp.group, b.classes.n)
	sp.member = again(sp.member[:0])
	sp.member[0] = sp.member[0][:0]
	for len(b.in) < b.classes.n {
		b.in = append(b.in, nil)
	}
	of := b.in[:b.classes.n]
	for c := range of {
		of[c] = of[c][:0]
	}
	for _, s := range sets {
		b.work += len(b.wide[s])
		for _, c := range b.wide[s] {
			of[c] = append(of[c], s)
		}
	}
	b.bytes += 128 + 2*int64(b.classes.n) + 4*int64(len(sets))
	for c, in := range of {
		b.work += 4 * len(sp.member)
		g := slices.IndexFunc(sp.member, func(m []uint32) bool { return slices.Equal(m, in) })
		if g < 0 {
			g = len(sp.member)
			sp.member = again(sp.member)
			sp.member[g] = append(sp.member[g][:0], in...)
			b.bytes += 24 + 4*int64(len(in))
		}
		sp.group[c] = uint16(g)
	}
	if 2*len(b.splits) > len(b.splitTable) {
		b.splitTable = zeros(b.splitTable, 2*len(b.splitTable))
		mask = uint32(len(b.splitTable) - 1)
		for n := range b.splits {
			i := hash(b.splits[n].sets) & mask
			for b.splitTable[i] != 0 {
				i = (i + 1) & mask
			}
			b.splitTable[i] = uint32(n) + 1
		}
	}
	return sp
}

// again returns a list with one element more: what was there before, if there
// was one, whose memory is used again.
func again[T any](list []T) []T {
	if len(list) < cap(list) {
		return list[:len(list)+1]
	}
	var none T
	return append(list, none)
}

// collectBases collects, for each group, the states that its wide edges lead
// to, and takes those edges off the scratch.
func (b *subset) collectBases(sp *split) {
	x := &b.scratch
	for len(x.bases) < len(sp.member) {
		x.bases = append(x.bases, nil)
		x.dest = append(x.dest, 0)
	}
	for g, sets := range sp.member {
		x.gen++
		b.work += 8 + len(sets)
		list := x.bases[g][:0]
		for _, s := range sets {
			for t := x.setHead[s]; t != 0 && !b.stopped(); t = x.targets[t-1].next {
				list = b.enterState(list, x.targets[t-1].to)
			}
		}
		x.bases[g] = list
		x.dest[g] = unknownState
	}
	for _, s := range x.sets {
		x.setHead[s] = 0
	}
}

// enterState appends the states entered with s that are not yet marked.
func (b *subset) enterState(list []uint32, s uint32) []uint32 {
	x := &b.scratch
	c := b.n.closure[s]
	b.work += 1 + int(c.n)
	for _, q := range b.n.closures[c.from : c.from+c.n] {
		if x.mark[q] != x.gen {
			x.mark[q] = x.gen
			list = append(list, q)
		}
	}
	return list
}

// follow returns the state after a class: what the wide edges lead to, and
// what the edges on the class alone do. It takes the latter off the scratch.
func (b *subset) follow(base []uint32, c uint16) uint32 {
	x := &b.scratch
	x.gen++
	b.work += 4 + 2*len(base)
	list := append(x.list[:0], base...)
	for _, q := range base {
		x.mark[q] = x.gen
	}
	for t := x.head[c]; t != 0 && !b.stopped(); t = x.targets[t-1].next {
		list = b.enterState(list, x.targets[t-1].to)
	}
	x.head[c] = 0
	x.list = list
	return b.state(b.canonical(list))
}
