// SPDX-License-Identifier: Apache-2.0

package automaton

import (
	"math/bits"
	"slices"
)

// subsumer drops states from sets of states of the nfa where they make no
// difference. This is what keeps policy with many `**` small: below a
// directory that is granted as a whole, rules that grant no more than that
// need no states of their own.
//
// A loop state repeats a set of bytes forever and accepts some values on the
// way. It subsumes every state whose bytes to come are all in the set, and
// whose accept values to come are all accepted by the loop, or covered by
// accepted ones. Likewise an accepting state subsumes those that its value
// covers.
type subsumer struct {
	n       *nfa
	index   []int32 // by state: index+1 in loops
	loops   []loop
	values  []Accept
	covers  func(b, a Accept) bool
	covered [][]uint64 // by accept index: the set of those that cover it; nil: not known yet
	active  []*loop

	words    arena[uint64] // of covered
	verdicts arena[verdict]
	first    map[uint32]int // loops by their finals: the first one, with its verdicts

	work  int   // done and not yet counted
	bytes int64 // held
}

// loop is a loop state and what it subsumes.
type loop struct {
	state    uint32
	fit      uint64    // the bit of its set in state.fits
	finals   uint32    // the reach ID of the values that it accepts
	verdicts []verdict // by reach ID; loops with equal finals share them
}

// verdict says whether all values of a set are accepted or covered.
type verdict uint8

const (
	unasked verdict = iota
	yes
	no
)

// init makes a ready for the states of an automaton.
func (a *subsumer) init(n *nfa, accepts []Accept, covers func(b, a Accept) bool) {
	a.words.reset()
	a.verdicts.reset()
	*a = subsumer{
		n: n, index: zeros(a.index, len(n.states)), values: accepts, covers: covers, covered: a.covered[:0],
		loops: a.loops[:0], active: a.active[:0], words: a.words, verdicts: a.verdicts, first: emptied(a.first),
	}
	a.bytes = 4 * int64(len(n.states))
	if covers != nil {
		a.covered = zeros(a.covered, len(accepts))
	}
	for s := range n.states {
		st := &n.states[s]
		if st.loop == 0 {
			continue
		}
		finals := noReach
		c := n.closure[s]
		if !n.budget.Spend(int(c.n)) {
			return
		}
		for _, q := range n.closures[c.from : c.from+c.n] {
			if n.states[q].final != 0 {
				finals = n.reach.union(finals, n.states[q].reach)
			}
		}
		if finals > unknownReach {
			a.loops = append(a.loops, loop{state: uint32(s), fit: 1 << (st.loop - 1), finals: finals})
			a.index[s] = int32(len(a.loops))
		}
	}
	// No new sets of accept values appear after this point.
	for i := range a.loops {
		l := &a.loops[i]
		if first, ok := a.first[l.finals]; ok {
			l.verdicts = a.loops[first].verdicts
			continue
		}
		// A set of finals more, each of which may have as many verdicts as
		// there are sets.
		all := len(n.reach.sets)
		if a.bytes += int64(all) + 32; !n.budget.Spend(all/8) || !n.budget.Need(n.size()+a.bytes) {
			return
		}
		a.first[l.finals] = i
		l.verdicts = a.verdicts.take(all)
		clear(l.verdicts)
	}
}

// prune drops from a sorted list what other members subsume.
func (a *subsumer) prune(list []uint32) []uint32 {
	finals := 0
	a.active = a.active[:0]
	for _, s := range list {
		switch st := &a.n.states[s]; {
		case st.final != 0:
			finals++
		case st.loop != 0:
			if i := a.index[s]; i != 0 {
				a.active = append(a.active, &a.loops[i-1])
			}
		}
	}
	a.work += 2 * len(list)
	if len(a.active) == 0 && (finals < 2 || a.covers == nil) {
		return list
	}
	kept := list[:0]
	for i, s := range list {
		if a.work > pollWork {
			if !a.n.budget.Spend(a.work) {
				break
			}
			a.work = 0
		}
		if i < finals {
			if finals < 2 || a.covers == nil || !a.coveredBy(s, list[:finals]) {
				kept = append(kept, s)
			}
			continue
		}
		if !a.subsumed(s) {
			kept = append(kept, s)
		}
	}
	return kept
}

// appendLoops appends the numbers of the loops of a set.
func (a *subsumer) appendLoops(loops, list []uint32) []uint32 {
	for _, s := range list {
		if i := a.index[s]; i != 0 {
			loops = append(loops, uint32(i-1))
		}
	}
	return loops
}

// subsumedBy reports whether one of the given loops subsumes s, which is none.
func (a *subsumer) subsumedBy(s uint32, loops []uint32) bool {
	a.work += 2 * len(loops)
	return slices.ContainsFunc(loops, func(i uint32) bool { return a.subsumes(&a.loops[i], s) })
}

// subsumes reports whether all that s leads to is in a loop, too.
func (a *subsumer) subsumes(l *loop, s uint32) bool {
	st := &a.n.states[s]
	return st.fits&l.fit != 0 && a.accepts(l, st.reach)
}

// subsumed reports whether an active loop subsumes s. Of two loops that subsume
// each other, the first one stays.
func (a *subsumer) subsumed(s uint32) bool {
	for _, l := range a.active {
		a.work += 2
		if l.state == s || !a.subsumes(l, s) {
			continue
		}
		if i := a.index[s]; i != 0 && s < l.state && a.subsumes(&a.loops[i-1], l.state) {
			continue
		}
		return true
	}
	return false
}

// accepts reports whether a loop accepts or covers all values of a reach.
func (a *subsumer) accepts(l *loop, reach uint32) bool {
	if reach == unknownReach {
		return false
	}
	v := &l.verdicts[reach]
	if *v == unasked {
		*v = yes
		a.work += 64
		finals := a.n.reach.set(l.finals)
		for w, word := range a.n.reach.set(reach) {
			for ; word != 0; word &= word - 1 {
				i := w*64 + bits.TrailingZeros64(word)
				if !(w < len(finals) && finals[w]>>(i%64)&1 != 0) && !a.isCovered(i, finals) {
					*v = no
				}
			}
		}
	}
	return *v == yes
}

// coverers returns the set of accept values that cover value i, of those that
// are distinguished. Of two that cover each other, only the first one counts.
func (a *subsumer) coverers(i int) []uint64 {
	if a.covered[i] == nil {
		n := min(len(a.values), maxReach)
		a.work += 8 * n
		a.bytes += int64(n/8) + 32
		a.covered[i] = a.words.take((n + 63) / 64)
		clear(a.covered[i])
		low := a.values[i]
		for j, high := range a.values[:n] {
			if i != j && a.covers(high, low) && (j < i || !a.covers(low, high)) {
				a.covered[i][j/64] |= 1 << (j % 64)
			}
		}
	}
	return a.covered[i]
}

// isCovered reports whether a member of the set covers accept value i.
func (a *subsumer) isCovered(i int, set []uint64) bool {
	if a.covers == nil {
		return false
	}
	by := a.coverers(i)
	a.work += len(set)
	for w, word := range set {
		if word&by[w] != 0 {
			return true
		}
	}
	return false
}

// coveredBy reports whether one of the accepting states covers s.
func (a *subsumer) coveredBy(s uint32, finals []uint32) bool {
	by := a.coverers(int(a.n.states[s].final - 1))
	a.work += len(finals)
	for _, f := range finals {
		i := int(a.n.states[f].final - 1)
		if i/64 < len(by) && by[i/64]>>(i%64)&1 != 0 {
			return true
		}
	}
	return false
}
