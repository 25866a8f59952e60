// SPDX-License-Identifier: Apache-2.0

package automaton

import (
	"cmp"
	"slices"
)

// expand makes the row of a state.
func (b *subset) expand(s int) {
	x := &b.scratch
	x.targets, x.touched, x.wide = x.targets[:0], x.touched[:0], x.wide[:0]
	b.work += 16
	for _, q := range b.set(uint32(s)) {
		st := &b.n.states[q]
		b.work += 1 + 2*int(st.edgeN)
		for _, e := range b.n.edges[st.edge : st.edge+st.edgeN] {
			c := b.single[e.on]
			if c == noClass {
				x.wide = append(x.wide, uint32(e.on-firstSet), e.to)
				continue
			}
			head := &x.head[c]
			if *head == 0 {
				x.touched = append(x.touched, c)
			}
			x.targets = append(x.targets, target{e.to, *head})
			*head = int32(len(x.targets))
		}
	}
	if len(x.wide) == 0 {
		if 2*len(x.touched) < b.classes.n {
			b.expandFew()
			return
		}
		clear(x.row)
		b.work += 2 * len(x.row)
		for _, c := range x.touched {
			x.row[c] = b.follow(c)
			if b.stopped() {
				return
			}
		}
		b.rows.add(x.row)
		return
	}
	w := b.wideOf(x.wide)
	sp := &b.splits[w.split]
	if b.expandMost(w, sp) {
		return
	}
	b.work += 2 * len(x.row)
	for c, g := range sp.group {
		if b.stopped() {
			return
		}
		if x.head[c] != 0 {
			x.row[c] = b.followWide(w, g, uint16(c))
		} else {
			x.row[c] = b.destOf(w, g)
		}
	}
	b.rows.add(x.row)
}

// destOf returns the state that the classes of a group lead to on which no edge is
// of that class alone.
func (b *subset) destOf(w *wide, g uint16) uint32 {
	dest := &b.wideInts[w.groups+wideGroup*uint32(g)+wideDest]
	if *dest == unknownState {
		*dest = b.state(b.base(w, g))
	}
	return *dest
}

// expandMost makes the row of a state if more than half of the classes are in one
// group and have no edges of their own: all these lead to one state, and need no
// look each. It reports whether that is so.
func (b *subset) expandMost(w *wide, sp *split) bool {
	x := &b.scratch
	slices.Sort(x.touched)
	rest := sp.size
	for _, c := range x.touched {
		if sp.group[c] == sp.most {
			rest--
		}
	}
	if 2*rest <= b.classes.n {
		return false
	}
	// The first of the classes that lead to one state. States are numbered in the
	// order of the classes that lead to them.
	first := sp.first
	for _, c := range x.touched {
		if c == first {
			for first++; sp.group[first] != sp.most; first++ {
			}
		}
	}
	from := len(b.rows.arcs)
	most := unknownState
	touched, others := x.touched, sp.others
	for len(touched) > 0 || len(others) > 0 {
		if b.stopped() {
			return true
		}
		var c uint16
		if len(others) == 0 || len(touched) > 0 && touched[0] < others[0] {
			c, touched = touched[0], touched[1:]
		} else {
			c, others = others[0], others[1:]
			if len(touched) > 0 && touched[0] == c {
				touched = touched[1:]
			}
		}
		if c > first && most == unknownState {
			most = b.destOf(w, sp.most)
		}
		var to uint32
		if g := sp.group[c]; x.head[c] != 0 {
			to = b.followWide(w, g, c)
		} else {
			to = b.destOf(w, g)
		}
		b.rows.arcs = append(b.rows.arcs, arc{uint32(c), to})
	}
	most = b.destOf(w, sp.most)
	kept := b.rows.arcs[:from]
	for _, a := range b.rows.arcs[from:] {
		if a.to != most {
			kept = append(kept, a)
		}
	}
	b.rows.arcs = kept
	b.rows.close(most, from)
	return true
}

// expandFew makes the row of a state that leads nowhere on most classes.
func (b *subset) expandFew() {
	from := len(b.rows.arcs)
	for _, c := range b.scratch.touched {
		if b.stopped() {
			return
		}
		if t := b.follow(c); t != Dead {
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

// splitOf returns the groups of classes for the wide sets of a state, sorted, by
// their index in splits.
func (b *subset) splitOf(sets []uint32) int {
	mask := uint32(len(b.splitTable) - 1)
	i := hash(sets) & mask
	for ; b.splitTable[i] != 0; i = (i + 1) & mask {
		if n := b.splitTable[i] - 1; slices.Equal(b.splits[n].sets, sets) {
			return int(n)
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
	sp.setMost()
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
	return len(b.splits) - 1
}

// setMost finds the group with the most classes.
func (sp *split) setMost() {
	x := make([]int, len(sp.member))
	for _, g := range sp.group {
		x[g]++
	}
	sp.most, sp.size = 0, x[0]
	for g, n := range x {
		if n > sp.size {
			sp.most, sp.size = uint16(g), n
		}
	}
	sp.others = sp.others[:0]
	for c, g := range slices.Backward(sp.group) {
		if g == sp.most {
			sp.first = uint16(c)
		}
	}
	for c, g := range sp.group {
		if g != sp.most {
			sp.others = append(sp.others, uint16(c))
		}
	}
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

// wide is where wide edges lead to: what states have in common that differ in
// edges on single classes alone, as those below a directory that is granted as a
// whole do. Its lists are in wideInts.
type wide struct {
	edges  span   // pairs of the wide set and the state of the nfa
	split  int    // what groups the classes, of splits
	groups uint32 // the place of the numbers of each group, see wideGroup
}

// wideGroup is what there is of each group, one after the other.
const (
	wideFrom  = iota // the place of the canonical set that the edges lead to
	wideLen          // and its length
	wideHash         // and its hash
	wideLoops        // how many loops are after it, which subsume other states
	wideDest         // its state, if it is known
	wideGroup        // how many there are
)

// maxWides is how many of them are kept, and maxWideInts their numbers together.
const (
	maxWides    = 1 << 8
	maxWideInts = 1 << 16
)

// wideOf returns what the given edges lead to. It holds until it is called again.
func (b *subset) wideOf(edges []uint32) *wide {
	w := &b.wides[hash(edges)&uint32(len(b.wides)-1)]
	b.work += 2 * len(edges)
	if !slices.Equal(b.wideInts[w.edges.from:w.edges.from+w.edges.n], edges) {
		b.fill(w, edges)
	}
	return w
}

// fill makes w what the given edges lead to.
func (b *subset) fill(w *wide, edges []uint32) {
	x := &b.scratch
	if len(b.wideInts) > maxWideInts {
		clear(b.wides)
		b.wideInts = b.wideInts[:0]
	}
	x.sets, x.next = x.sets[:0], x.next[:0]
	for i := 0; i < len(edges); i += 2 {
		set := edges[i]
		if x.setHead[set] == 0 {
			x.sets = append(x.sets, set)
		}
		x.next = append(x.next, x.setHead[set])
		x.setHead[set] = int32(len(x.next))
	}
	slices.Sort(x.sets)
	w.edges = span{uint32(len(b.wideInts)), uint32(len(edges))}
	b.wideInts = append(b.wideInts, edges...)
	w.split = b.splitOf(x.sets)
	member := b.splits[w.split].member
	w.groups = uint32(len(b.wideInts))
	for range member {
		b.wideInts = append(b.wideInts, 0, 0, 0, 0, unknownState)
	}
	for g, sets := range member {
		x.gen++
		b.work += 8 + len(sets)
		list := x.list[:0]
		for _, s := range sets {
			for e := x.setHead[s]; e != 0 && !b.stopped(); e = x.next[e-1] {
				list = b.enterState(list, edges[2*e-1])
			}
		}
		x.list = list
		list = b.canonical(list)
		groups, from := w.groups+wideGroup*uint32(g), uint32(len(b.wideInts))
		of := b.wideInts[groups:]
		of[wideFrom], of[wideLen], of[wideHash] = from, uint32(len(list)), hash(list)
		b.wideInts = append(b.wideInts, list...)
		b.wideInts = b.subsume.appendLoops(b.wideInts, list)
		loops := len(b.wideInts) - int(from) - len(list)
		b.wideInts[groups+wideLoops] = uint32(loops)
	}
	for _, s := range x.sets {
		x.setHead[s] = 0
	}
}

// base returns the canonical set that the edges lead to on the classes of a group.
func (b *subset) base(w *wide, g uint16) []uint32 {
	of := b.wideInts[w.groups+wideGroup*uint32(g):]
	from := of[wideFrom]
	return b.wideInts[from : from+of[wideLen]]
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

// follow returns the state after a class on which no wide edge leads anywhere. It
// takes the edges on the class off the scratch.
func (b *subset) follow(c uint16) uint32 {
	x := &b.scratch
	if t := x.targets[x.head[c]-1]; t.next == 0 {
		x.head[c] = 0
		return b.enter(t.to)
	}
	x.list = b.fresh(c)
	return b.state(b.canonical(x.list))
}

// fresh returns the states entered by the edges on a class alone, and takes these
// off the scratch.
func (b *subset) fresh(c uint16) []uint32 {
	x := &b.scratch
	x.gen++
	b.work += 4
	list := x.list[:0]
	for t := x.head[c]; t != 0 && !b.stopped(); t = x.targets[t-1].next {
		list = b.enterState(list, x.targets[t-1].to)
	}
	x.head[c] = 0
	return list
}

// followWide is follow for a class of a group that wide edges lead somewhere on as
// well. What they lead to is canonical already. It stays so with states beside it
// that neither loop nor accept anything, as these subsume nothing: only they have to
// be looked at.
func (b *subset) followWide(w *wide, g, c uint16) uint32 {
	base := b.base(w, g)
	if len(base) == 0 {
		return b.follow(c)
	}
	x := &b.scratch
	list := b.fresh(c)
	x.list = list
	for _, q := range list {
		if st := &b.n.states[q]; st.final != 0 || st.loop != 0 {
			b.work += 2 * len(base)
			for _, q := range base {
				if x.mark[q] != x.gen {
					list = append(list, q)
				}
			}
			x.list = list
			return b.state(b.canonical(list))
		}
	}
	of := b.wideInts[w.groups+wideGroup*uint32(g):]
	loops := b.wideInts[of[wideFrom]+of[wideLen]:][:of[wideLoops]]
	h := of[wideHash]
	b.work += 8*len(list) + len(base)
	slices.Sort(list)
	all, from := x.merged[:0], 0
	for _, q := range list {
		if b.subsume.subsumedBy(q, loops) {
			continue
		}
		n, found := slices.BinarySearch(base[from:], q)
		all = append(all, base[from:from+n]...)
		from += n
		if !found {
			all = append(all, q)
			h += hashOne(q)
		}
	}
	all = append(all, base[from:]...)
	x.merged = all
	if len(all) == len(base) {
		return b.destOf(w, g)
	}
	return b.stateOf(all, h)
}
