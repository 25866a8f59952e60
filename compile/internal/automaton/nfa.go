package automaton

import (
	"context"
	"encoding/binary"
	"slices"

	"github.com/goarmor/apparmor/diag"
)

// nfa is the nondeterministic automaton of all rules. It is built from the
// ends of the rules to their beginnings, so that rules that end alike share
// states, while the trie makes those that begin alike share them too.
type nfa struct {
	in     *interner
	states []state
	edges  []edge
	eps    []uint32 // targets of the empty edges
	reach  *reaches
	limits *meter

	bytes   [256]uint64 // fits of every byte
	setFits []uint64    // fits of every set
	finals  map[Accept]uint32
	memo    map[step]uint32
	table   []uint32 // states by hash of their edges, 0 for none
	hashes  []uint32 // by state
	start   uint32
	used    Set  // bytes that edges are taken on
	hasOOB  bool // some edge is taken on the out-of-band symbol

	// Filled in by close.
	closures []uint32 // lists of states
	closure  []span   // the list of each state
}

// state is one state. It has edges, or it accepts, or it only has empty edges
// and is left out of closures.
type state struct {
	edge, edgeN uint32
	eps, epsN   uint32
	fits        uint64 // the loopers that every byte to come is in
	reach       uint32 // the accept values to come, an ID of reaches
	final       int32  // index+1 of the accept value
	loop        int32  // looper+1, if the state repeats it for ever
}

type edge struct {
	on symbol
	to uint32
}

type span struct{ from, n uint32 }

// step is what is remembered: an expression before a state.
type step struct {
	node nodeID
	to   uint32
}

// reaches interns sets of accept values.
type reaches struct {
	sets   [][]uint64
	index  map[string]uint32
	unions map[[2]uint32]uint32
	key    []byte
}

func (r *reaches) intern(set []uint64) uint32 {
	for len(set) > 0 && set[len(set)-1] == 0 {
		set = set[:len(set)-1]
	}
	r.key = r.key[:0]
	for _, w := range set {
		r.key = binary.LittleEndian.AppendUint64(r.key, w)
	}
	if id, ok := r.index[string(r.key)]; ok {
		return id
	}
	id := uint32(len(r.sets))
	r.sets = append(r.sets, set)
	r.index[string(r.key)] = id
	return id
}

func (r *reaches) one(i int) uint32 {
	set := make([]uint64, i/64+1)
	set[i/64] = 1 << (i % 64)
	return r.intern(set)
}

func (r *reaches) union(a, b uint32) uint32 {
	if a == b || b == 0 {
		return a
	}
	if a == 0 {
		return b
	}
	k := [2]uint32{min(a, b), max(a, b)}
	if id, ok := r.unions[k]; ok {
		return id
	}
	x, y := r.sets[a], r.sets[b]
	if len(x) < len(y) {
		x, y = y, x
	}
	set := slices.Clone(x)
	for i, w := range y {
		set[i] |= w
	}
	id := r.intern(set)
	r.unions[k] = id
	return id
}

// The state that nothing gets anywhere from.
const deadState uint32 = 0

// newNFA builds the automaton. accepts are the accept values in use, sorted.
func newNFA(ctx context.Context, rules []rule, accepts []Accept, limits *meter) (*nfa, error) {
	in := newInterner()
	n := &nfa{
		in:     in,
		states: make([]state, 1),
		reach:  &reaches{index: map[string]uint32{}, unions: map[[2]uint32]uint32{}},
		limits: limits,
		finals: map[Accept]uint32{},
		memo:   map[step]uint32{},
	}
	n.reach.intern(nil)
	n.states[deadState].fits = ^uint64(0)
	t := &trie{in: in}
	for i, r := range rules {
		if i%1024 == 0 {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
		}
		t.insert(r.node, r.accept)
	}
	size := len(t.nodes)
	for _, l := range t.tails {
		size += t.length(l)
	}
	n.states = slices.Grow(n.states, size)
	n.edges = slices.Grow(n.edges, size)
	n.table = make([]uint32, tableSize(size))
	for b := range 256 {
		n.bytes[b] = in.fitSet(SetOf(byte(b)))
	}
	for _, s := range in.sets {
		n.setFits = append(n.setFits, in.fitSet(s))
	}
	in.fit(&n.bytes)
	for i, a := range accepts {
		s := n.newState()
		n.states[s].final = int32(i) + 1
		n.states[s].fits = ^uint64(0)
		n.states[s].reach = n.reach.one(i)
		n.finals[a] = s
	}
	if err := n.compileTrie(ctx, t); err != nil {
		return nil, err
	}
	return n, n.close(ctx)
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

// unique returns a state with the edges of s, the state that was made last: one
// that was there before, in place of s, or else s. States that lead to equal
// futures in equal ways are thus one, whatever rules they come from.
func (n *nfa) unique(s uint32) uint32 {
	st := &n.states[s]
	edges, eps := n.edges[st.edge:], n.eps[st.eps:]
	h := uint64(len(edges))
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

// compileTrie makes a state for each node of the trie. A child comes after its
// parent.
func (n *nfa) compileTrie(ctx context.Context, t *trie) error {
	of := make([]uint32, len(t.nodes))
	var eps []uint32
	var keys []uint64 // the bytes of children, and the children
	for i := len(t.nodes) - 1; i >= 0; i-- {
		if i%1024 == 0 {
			if err := n.check(ctx); err != nil {
				return err
			}
		}
		node := &t.nodes[i]
		if node.tail != 0 {
			l := t.tails[node.tail-1]
			of[i] = n.compileSeq(t.seqs[l.seq], l)
			continue
		}
		eps = eps[:0]
		keys = keys[:0]
		for c := node.child; c != 0; c = t.nodes[c].sibling {
			if k := t.nodes[c].key; k >= literalKeys {
				eps = append(eps, n.compile(nodeID(k-literalKeys), of[c]))
			} else {
				keys = append(keys, uint64(k)<<32|uint64(c))
			}
		}
		for e := node.end; e != 0; e = t.ends[e-1].next {
			eps = append(eps, n.finals[t.ends[e-1].accept])
		}
		slices.Sort(eps)
		if len(keys) == 0 {
			of[i] = n.union(slices.Compact(eps))
			continue
		}
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
	return nil
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
		var alts []uint32
		for _, sub := range x.subs {
			alts = append(alts, n.compile(sub, to))
		}
		slices.Sort(alts)
		s = n.union(slices.Compact(alts))
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

// loop returns the state from which any number of an expression leads to a
// state, and the one from which at least one does.
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
	// The body leads back to s, so what is known of s has to be known first.
	n.states[s].fits &= n.states[to].fits
	n.states[s].reach = n.states[to].reach
	body := n.compile(id, s)
	n.addEps(s, body, to)
	return s, body
}

// close computes which states are entered together with each state.
func (n *nfa) close(ctx context.Context) error {
	n.closure = make([]span, len(n.states))
	mark := make([]uint32, len(n.states))
	var stack []uint32
	for s := range n.states {
		if s%1024 == 0 {
			if err := n.check(ctx); err != nil {
				return err
			}
		}
		from := uint32(len(n.closures))
		stack = append(stack[:0], uint32(s))
		mark[s] = uint32(s) + 1
		for len(stack) > 0 {
			top := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			st := &n.states[top]
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
	return nil
}

// check reports a done context or a limit that is exceeded.
func (n *nfa) check(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return n.limits.memory(n.size())
}

// size estimates the bytes that the automaton holds.
func (n *nfa) size() int64 {
	return int64(len(n.states))*48 + int64(len(n.edges))*8 + int64(len(n.eps)+len(n.closures))*4
}

// meter measures use against limits.
type meter struct {
	limits Limits
	base   int64 // bytes held by what is finished
}

func (m *meter) memory(n int64) error {
	if n += m.base; m.limits.Memory > 0 && n > m.limits.Memory {
		return &diag.LimitError{What: "bytes of memory for an automaton", Limit: m.limits.Memory, Got: n}
	}
	return nil
}

func (m *meter) states(n int) error {
	if m.limits.States > 0 && n > m.limits.States {
		return &diag.LimitError{What: "states of an automaton", Limit: int64(m.limits.States), Got: int64(n)}
	}
	return nil
}

// mix adds a number to a hash.
func mix(h, v uint64) uint64 {
	h = (h ^ v) * 0xff51afd7ed558ccd
	return h ^ h>>32
}
