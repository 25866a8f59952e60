// SPDX-License-Identifier: Apache-2.0

package automaton

import "slices"

// compileTrie makes a state for each node of the trie. A child comes after its
// parent.
func (n *nfa) compileTrie() {
	t := &n.trie
	n.of = zeros(n.of, len(t.nodes))
	of := n.of
	keys := n.keys // the bytes of children, and the children
	defer func() { n.keys = keys }()
	for i := len(t.nodes) - 1; i >= 0; i-- {
		if !n.check() {
			return
		}
		node := &t.nodes[i]
		if node.tail != 0 {
			l := t.tails[node.tail-1]
			of[i] = n.compileSeq(t.seq(l.seq), l)
			continue
		}
		n.stack = n.stack[:0]
		keys = keys[:0]
		for c := node.child; c != 0; c = t.nodes[c].sibling {
			if k := t.nodes[c].key; k >= literalKeys {
				s := n.compile(nodeID(k-literalKeys), of[c])
				n.stack = append(n.stack, s)
			} else {
				keys = append(keys, uint64(k)<<32|uint64(c))
			}
		}
		for e := node.end; e != 0; e = t.ends[e-1].next {
			n.stack = append(n.stack, n.finals[t.ends[e-1].accept])
		}
		eps := n.stack
		slices.Sort(eps)
		if len(keys) == 0 {
			of[i] = n.union(slices.Compact(eps))
			continue
		}
		n.work += sortWork(len(keys)) + sortWork(len(eps))
		slices.Sort(keys)
		s := n.withEps(slices.Compact(eps))
		for _, k := range keys {
			n.addEdge(s, symbol(k>>32), of[uint32(k)])
		}
		of[i] = n.unique(s)
	}
	if len(of) > 0 {
		n.start = of[0]
	}
}

// union returns a state that is any of the given ones: the only one, the dead
// one for none, or else a new one.
func (n *nfa) union(of []uint32) uint32 {
	switch len(of) {
	case 0:
		return deadState
	case 1:
		return of[0]
	}
	return n.unique(n.withEps(of))
}

// withEps makes a state with empty edges.
func (n *nfa) withEps(to []uint32) uint32 {
	s := n.newState()
	n.states[s].fits = ^uint64(0)
	n.addEps(s, to...)
	return s
}

// addEps adds empty edges to a state that has none yet.
func (n *nfa) addEps(s uint32, to ...uint32) {
	st := &n.states[s]
	st.eps, st.epsN = uint32(len(n.eps)), uint32(len(to))
	n.eps = append(n.eps, to...)
	n.work += 4 * len(to)
	for _, e := range to {
		st.fits &= n.states[e].fits
		st.reach = n.reach.union(st.reach, n.states[e].reach)
	}
}

// compileSeq compiles the rest of a rule.
func (n *nfa) compileSeq(seq []atom, l tail) uint32 {
	k := n.finals[l.accept]
	for i := len(seq) - 1; i >= int(l.atom); i-- {
		a := seq[i]
		switch {
		case a.lit == "":
			k = n.compile(a.node, k)
		case i == int(l.atom):
			k = n.literal(a.lit[l.off:], k)
		default:
			k = n.literal(a.lit, k)
		}
	}
	return k
}

// literal returns the state from which a literal leads to a state.
func (n *nfa) literal(lit string, to uint32) uint32 {
	for i := len(lit) - 1; i >= 0; i-- {
		to = n.edgeState(symbol(lit[i]), to)
	}
	return to
}

// compile returns the state from which an expression leads to a state.
func (n *nfa) compile(id nodeID, to uint32) uint32 {
	k := step{id, to}
	if s, ok := n.memo[k]; ok {
		return s
	}
	if n.work > pollWork && !n.check() {
		return deadState
	}
	n.work += 8
	x := &n.in.shapes[id]
	var s uint32
	switch x.op {
	case opLiteral:
		return n.literal(x.lit, to)
	case opSet, opOOB:
		s = n.edgeState(x.sym, to)
	case opCat:
		s = to
		for _, sub := range slices.Backward(x.subs) {
			s = n.compile(sub, s)
		}
	case opAlt:
		from := len(n.stack)
		for _, sub := range x.subs {
			alt := n.compile(sub, to)
			n.stack = append(n.stack, alt)
		}
		alts := n.stack[from:]
		n.work += sortWork(len(alts))
		slices.Sort(alts)
		s = n.union(slices.Compact(alts))
		n.stack = n.stack[:from]
	case opOpt:
		one := n.compile(x.subs[0], to)
		s = n.union([]uint32{min(one, to), max(one, to)})
	case opStar:
		s, _ = n.loop(x.subs[0], to)
	case opPlus:
		_, s = n.loop(x.subs[0], to)
	}
	n.memo[k] = s
	return s
}

// loop returns the state from which any number of repetitions of an expression
// leads to a state, and the one from which at least one does.
func (n *nfa) loop(id nodeID, to uint32) (star, plus uint32) {
	x := &n.in.shapes[id]
	s := n.newState()
	n.states[s].fits = x.fits
	if x.op == opSet {
		n.addEps(s, to)
		n.addEdge(s, x.sym, s)
		n.states[s].loop = int32(slices.Index(n.in.loops, n.in.setOf(x.sym))) + 1
		return s, n.edgeState(x.sym, s)
	}
	// The body leads back to s, so the facts about s must be set first.
	n.states[s].fits &= n.states[to].fits
	n.states[s].reach = n.states[to].reach
	body := n.compile(id, s)
	n.addEps(s, body, to)
	return s, body
}
