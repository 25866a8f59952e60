// SPDX-License-Identifier: Apache-2.0

package automaton

import "slices"

// nfa is the nondeterministic automaton of all rules. It is built from the
// ends of the rules to their beginnings, so that rules that end alike share
// states, while the trie makes those that begin alike share them too.
type nfa struct {
	in     interner
	states []state
	edges  []edge
	eps    []uint32 // targets of the empty edges
	reach  reaches
	budget *Budget

	bytes   [256]uint64 // fits of every byte
	setFits []uint64    // fits of every set
	finals  map[Accept]uint32
	memo    map[step]uint32
	table   []uint32 // states by hash of their edges, 0 for none
	hashes  []uint32 // by state
	start   uint32
	trie    trie
	of      []uint32 // by node of the trie: its state
	used    Set      // bytes that have edges
	hasOOB  bool     // some edge is on the out-of-band symbol

	work int // done and not yet counted

	// Filled in by close.
	closures []uint32 // lists of states
	closure  []span   // the list of each state

	mark, stack []uint32 // of close, and lists of compile
	keys        []uint64 // of compileTrie
}

// state is one state. It has edges, or it accepts, or it only has empty edges
// and is left out of closures.
type state struct {
	edge, edgeN uint32
	eps, epsN   uint32
	fits        uint64 // the loopers that every byte to come is in
	reach       uint32 // the accept values to come, an ID of reaches
	final       int32  // index+1 of the accept value
	loop        int32  // looper+1, if the state repeats it forever
}

type edge struct {
	on symbol
	to uint32
}

type span struct{ from, n uint32 }

// step is a memoised step: an expression before a state.
type step struct {
	node nodeID
	to   uint32
}

// The state from which nothing can be reached.
const deadState uint32 = 0

// reset makes n ready for other rules.
func (n *nfa) reset(rules int, budget *Budget) {
	n.in.reset()
	n.reach.reset()
	n.trie.reset(&n.in, rules)
	*n = nfa{
		in: n.in, reach: n.reach, trie: n.trie, budget: budget,
		states:  append(n.states[:0], state{fits: ^uint64(0)}),
		edges:   n.edges[:0],
		eps:     n.eps[:0],
		setFits: n.setFits[:0],
		finals:  emptied(n.finals),
		memo:    emptied(n.memo),
		table:   n.table[:0],
		hashes:  n.hashes[:0],
		of:      n.of[:0],

		closures: n.closures[:0], closure: n.closure[:0],
		mark: n.mark, stack: n.stack[:0], keys: n.keys[:0],
	}
}

// make builds the automaton. accepts are the accept values in use, sorted.
// It is not whole if the budget says that the work was stopped.
func (n *nfa) make(rules []rule, accepts []Accept, budget *Budget) {
	n.reset(len(rules), budget)
	in, t := &n.in, &n.trie
	for _, r := range rules {
		t.insert(r.node, r.accept)
		work := t.work + in.work
		t.work, in.work = 0, 0
		if !budget.Spend(work) || !budget.Need(t.size()+in.bytes) {
			return
		}
	}
	size := len(t.nodes)
	for _, l := range t.tails {
		size += t.length(l)
	}
	if !budget.Need(t.size() + in.bytes + int64(size)*int64(stateSize+edgeSize+4)) {
		return
	}
	n.states = slices.Grow(n.states, size)
	n.edges = slices.Grow(n.edges, size)
	n.hashes = room(n.hashes, size)
	n.table = zeros(n.table, tableSize(size))
	for b := range 256 {
		n.bytes[b] = in.fitSet(SetOf(byte(b)))
	}
	for _, s := range in.sets {
		n.setFits = append(n.setFits, in.fitSet(s))
	}
	in.fit(&n.bytes)
	if !budget.Spend((256+len(in.sets)+size/8)*(1+len(in.loops)) + 8*len(in.shapes)) {
		return
	}
	for i, a := range accepts {
		s := n.newState()
		n.states[s].final = int32(i) + 1
		n.states[s].fits = ^uint64(0)
		n.states[s].reach = n.reach.one(i)
		n.finals[a] = s
	}
	n.compileTrie()
	if budget.Err() == nil {
		n.close()
	}
}

func (n *nfa) newState() uint32 {
	n.states = append(n.states, state{edge: uint32(len(n.edges)), eps: uint32(len(n.eps))})
	return uint32(len(n.states) - 1)
}

// fitsOf returns the loopers that contain a symbol.
func (n *nfa) fitsOf(y symbol) uint64 {
	switch {
	case y < symbolOOB:
		return n.bytes[y]
	case y == symbolOOB:
		return 0
	}
	return n.setFits[y-firstSet]
}

// edgeState returns a state with one edge.
func (n *nfa) edgeState(on symbol, to uint32) uint32 {
	s := n.newState()
	n.states[s].fits = ^uint64(0)
	n.addEdge(s, on, to)
	return n.unique(s)
}

// unique returns a state with the edges of s, the state that was made last: an
// earlier one if there is one, or else s. States that lead to equal futures in
// equal ways are thus one, whatever rules they come from.
func (n *nfa) unique(s uint32) uint32 {
	st := &n.states[s]
	edges, eps := n.edges[st.edge:], n.eps[st.eps:]
	h := uint64(len(edges))
	n.work += 8 + 2*len(edges) + 2*len(eps)
	for _, e := range edges {
		h = mix(h, uint64(e.on)<<32|uint64(e.to))
	}
	for _, e := range eps {
		h = mix(h, uint64(e))
	}
	mask := uint32(len(n.table) - 1)
	i := uint32(h) & mask
	for ; n.table[i] != 0; i = (i + 1) & mask {
		o := n.table[i]
		if ot := &n.states[o]; n.hashes[o] == uint32(h) &&
			slices.Equal(n.edges[ot.edge:ot.edge+ot.edgeN], edges) && slices.Equal(n.eps[ot.eps:ot.eps+ot.epsN], eps) {
			n.edges, n.eps, n.states = n.edges[:st.edge], n.eps[:st.eps], n.states[:s]
			return o
		}
	}
	n.table[i] = s
	for len(n.hashes) <= int(s) {
		n.hashes = append(n.hashes, 0)
	}
	n.hashes[s] = uint32(h)
	if 2*len(n.states) > len(n.table) {
		n.growTable()
	}
	return s
}

func (n *nfa) growTable() {
	old := n.table
	n.work += len(old)
	n.table = make([]uint32, 2*len(old))
	mask := uint32(len(n.table) - 1)
	for _, s := range old {
		if s == 0 {
			continue
		}
		i := n.hashes[s] & mask
		for n.table[i] != 0 {
			i = (i + 1) & mask
		}
		n.table[i] = s
	}
}

// addEdge adds an edge to the state that was made last.
func (n *nfa) addEdge(s uint32, on symbol, to uint32) {
	n.edges = append(n.edges, edge{on, to})
	n.work += 4
	st := &n.states[s]
	st.edgeN++
	st.fits &= n.fitsOf(on) & n.states[to].fits
	st.reach = n.reach.union(st.reach, n.states[to].reach)
	switch {
	case on < symbolOOB:
		n.used.Add(byte(on))
	case on == symbolOOB:
		n.hasOOB = true
	}
}

// close computes which states are entered together with each state.
func (n *nfa) close() {
	n.closure = zeros(n.closure, len(n.states))
	n.mark = zeros(n.mark, len(n.states))
	mark, stack := n.mark, n.stack
	defer func() { n.stack = stack[:0] }()
	for s := range n.states {
		if !n.check() {
			return
		}
		from := uint32(len(n.closures))
		stack = append(stack[:0], uint32(s))
		mark[s] = uint32(s) + 1
		for len(stack) > 0 {
			top := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			st := &n.states[top]
			n.work += 2 + int(st.epsN)
			if st.edgeN > 0 || st.final != 0 {
				n.closures = append(n.closures, top)
			}
			for _, e := range n.eps[st.eps : st.eps+st.epsN] {
				if mark[e] != uint32(s)+1 {
					mark[e] = uint32(s) + 1
					stack = append(stack, e)
				}
			}
		}
		n.closure[s] = span{from, uint32(len(n.closures)) - from}
	}
}

// check counts what has been done and is held, and reports whether to go on.
func (n *nfa) check() bool {
	work := n.work + n.reach.work
	n.work, n.reach.work = 0, 0
	return n.budget.Spend(work) && n.budget.Need(n.size())
}

// What the elements take in bytes.
const (
	stateSize = 40
	edgeSize  = 8
)

// size is the bytes that the automaton holds, with what it was made from.
func (n *nfa) size() int64 {
	return int64(len(n.states)+len(n.closure))*(stateSize+12) + int64(len(n.edges))*edgeSize +
		int64(len(n.eps)+len(n.closures)+len(n.table)+len(n.hashes)+len(n.of))*4 +
		int64(len(n.memo))*40 + int64(len(n.finals))*24 + n.reach.bytes + n.trie.size() + n.in.bytes
}

// mix adds a number to a hash.
func mix(h, v uint64) uint64 {
	h = (h ^ v) * 0xff51afd7ed558ccd
	return h ^ h>>32
}
