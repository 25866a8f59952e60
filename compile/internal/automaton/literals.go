// SPDX-License-Identifier: Apache-2.0

package automaton

import (
	"cmp"
	"slices"
)

// literals makes an automaton of strings of bytes, without the detour of Build.
// Its memory is used again by the next one.
type literals struct {
	list   []literalRule
	every  classes        // each byte one
	ranges []literalRange // by state, but for the dead one
	dfa    DFA
	sets   [][]Accept
	single map[Accept]uint32 // label of each set of one value
	values []Accept          // what sets are made of
}

type literalRule struct {
	text   string
	accept Accept
}

// literalRange is the rules that begin with the bytes that lead to a state.
type literalRange struct{ from, to, depth int32 }

// literal returns the one string that an expression matches, if there is one.
func (n Node) literal() (string, bool) {
	switch {
	case n.x == nil:
		return "", true
	case n.x.op == opLiteral:
		return n.x.lit, true
	}
	return "", false
}

// build makes the automaton of l.list. It is valid until the next call, and not
// whole if the budget says that the work was stopped.
func (l *literals) build(budget *Budget) *DFA {
	budget.Spend(2 * sortWork(len(l.list)))
	slices.SortFunc(l.list, func(a, b literalRule) int {
		return cmp.Or(cmp.Compare(a.text, b.text), cmp.Compare(a.accept, b.accept))
	})
	d := &l.dfa
	if l.every.n == 0 {
		l.every = classes{oob: noClass, n: 256}
		for b := range l.every.of {
			l.every.of[b] = uint16(b)
		}
	}
	d.classes = &l.every
	d.rows.of, d.rows.arcs = append(d.rows.of[:0], row{}), d.rows.arcs[:0]
	d.label = append(d.label[:0], 0)
	l.sets, l.values = append(l.sets[:0], nil), l.values[:0]
	if l.single == nil {
		l.single = map[Accept]uint32{}
	}
	clear(l.single)
	l.ranges = append(l.ranges[:0], literalRange{0, int32(len(l.list)), 0})
	for i := 0; i < len(l.ranges); i++ {
		if !budget.count() || i%64 == 0 && !budget.Need(l.size()) {
			break
		}
		r := l.ranges[i]
		// Each rule that begins so is looked at, and each that ends here kept.
		if !budget.Spend(literalWork + int(r.to-r.from)) {
			break
		}
		at := r.from
		for at < r.to && len(l.list[at].text) == int(r.depth) {
			at++
		}
		d.label = append(d.label, l.labelOf(l.list[r.from:at]))
		from := len(d.rows.arcs)
		for at < r.to {
			b := l.list[at].text[r.depth]
			first := at
			// Most beginnings are of one rule.
			for at++; at < r.to && l.list[at].text[r.depth] == b; at++ {
			}
			l.ranges = append(l.ranges, literalRange{first, at, r.depth + 1})
			d.rows.arcs = append(d.rows.arcs, arc{uint32(b), uint32(len(l.ranges))})
		}
		d.rows.close(Dead, from)
	}
	d.sets = l.sets
	return d
}

// literalWork is the work for a state beside the rules that lead there.
const literalWork = 8

// size is the bytes that are held.
func (l *literals) size() int64 {
	return int64(len(l.list))*32 + int64(len(l.ranges))*(12+16+4) + int64(len(l.dfa.rows.arcs))*8 + int64(len(l.sets))*(24+16) + int64(len(l.values))*4
}

// labelOf returns the label of the values of rules that end in a state.
func (l *literals) labelOf(rules []literalRule) uint32 {
	if len(rules) == 0 {
		return 0
	}
	from := len(l.values)
	for _, r := range rules {
		if n := len(l.values); n == from || l.values[n-1] != r.accept {
			l.values = append(l.values, r.accept)
		}
	}
	set := l.values[from:len(l.values):len(l.values)]
	if len(set) == 1 {
		if label, ok := l.single[set[0]]; ok {
			l.values = l.values[:from]
			return label
		}
		l.single[set[0]] = uint32(len(l.sets))
	}
	l.sets = append(l.sets, set)
	return uint32(len(l.sets) - 1)
}
