// SPDX-License-Identifier: Apache-2.0

package automaton

// maxChain is the most states that a kernel has to look at for one byte.
const maxChain = 8

// chooseDiffs encodes a state as its differences from another one where that
// takes fewer entries. The other state always has the lower number, so that
// no chain is a loop, and is never the start state, which a Base replaces.
//
// Three kinds of states are tried: the default, since in the scope of a `**` all
// states resemble the one that most bytes lead to; the last state that leads to the
// same one on most classes; and of those that do, the one that shares most of the
// other transitions, as far as it was the last that had one of them. All work is on
// the exceptions of rows, as there are few.
//
// It reports whether the budget sufficed.
func (p *packer) chooseDiffs() bool {
	d := p.d
	n := d.States()
	p.like, p.heads, p.votes, p.depth = zeros(p.like, n), zeros(p.heads, n), zeros(p.votes, n), zeros(p.depth, n)
	like := p.like // by state: the last one that leads there on most classes
	last := lastArcs(room(p.last, len(d.rows.arcs)))
	heads := p.heads // by state: the first of last that leads there
	votes, voted, depth := p.votes, p.voted[:0], p.depth
	defer func() { p.last, p.voted = last, voted }()
	for i := 1; i < n; i++ {
		s := uint32(i)
		arcs, most := d.rows.arcsOf(s), d.rows.of[s].most
		if !p.budget.Spend(16 + 8*len(arcs)) {
			return false
		}
		stored, rest := 0, wholeRow
		for _, a := range arcs {
			if rest -= p.sizes[a.class]; a.to != p.def[s] {
				stored += p.sizes[a.class]
			}
		}
		if most != various && most != p.def[s] {
			stored += rest
		}
		best := s
		try := func(t uint32) {
			if t <= Start || t >= s || t == best || depth[t]+1 >= maxChain {
				return
			}
			if cost := p.difference(s, t, stored); cost < stored {
				best, stored = t, cost
			}
		}
		if stored > 0 {
			voted = voted[:0]
			for _, a := range arcs {
				if a.to == Dead {
					continue
				}
				if l := last.find(heads[a.to], a.class, most); l != 0 {
					if votes[l] == 0 {
						voted = append(voted, l)
					}
					votes[l] += int32(p.sizes[a.class])
				}
			}
			winner := Dead
			for _, t := range voted {
				if votes[t] > votes[winner] {
					winner = t
				}
			}
			try(winner)
			if most != various && most != Dead {
				try(like[most])
			}
			try(p.def[s])
			try(p.def[p.def[s]])
			for _, t := range voted {
				votes[t] = 0
			}
		}
		for _, a := range arcs {
			if a.to != Dead {
				last.set(&heads[a.to], a.class, most, s)
			}
		}
		if most != various {
			like[most] = s
		}
		if best != s {
			p.def[s], p.diff[s], depth[s] = best, true, depth[best]+1
		}
	}
	return true
}

// wholeRow is the bytes of all classes.
const wholeRow = 256

// lastArcs has, for each state, a list of the transitions that lead there, those of
// one class from rows of one kind as one. Index 0 ends a list; others are one more
// than the place.
type lastArcs []lastArc

type lastArc struct {
	class uint32
	most  uint32 // of the row that it is an exception of
	from  uint32 // the last state that has it
	next  int32
}

// maxLast is how many elements of a list are looked at. Only what many kinds of rows
// lead to has more.
const maxLast = 32

func (l lastArcs) place(head int32, class, most uint32) int32 {
	for range maxLast {
		if head == 0 {
			break
		}
		e := &l[head-1]
		if e.class == class && e.most == most {
			return head
		}
		head = e.next
	}
	return 0
}

// find returns the last state that has a transition, or 0.
func (l lastArcs) find(head int32, class, most uint32) uint32 {
	if i := l.place(head, class, most); i != 0 {
		return l[i-1].from
	}
	return 0
}

// set makes a state the last one that has a transition.
func (l *lastArcs) set(head *int32, class, most, from uint32) {
	if i := l.place(*head, class, most); i != 0 {
		(*l)[i-1].from = from
		return
	}
	*l = append(*l, lastArc{class, most, from, *head})
	*head = int32(len(*l))
}

// difference returns on how many bytes the rows of two states differ, or at least
// limit.
func (p *packer) difference(s, t uint32, limit int) int {
	n, both := 0, 0
	for c, pair := range p.d.rows.pairs(s, t) {
		both += p.sizes[c]
		if pair[0] != pair[1] {
			if n += p.sizes[c]; n >= limit {
				return n
			}
		}
	}
	if p.d.rows.of[s].most != p.d.rows.of[t].most {
		n += wholeRow - both
	}
	return n
}
