// SPDX-License-Identifier: Apache-2.0

package automaton

// trie holds the expressions by their common beginnings, so that rules that
// begin alike share states until they differ. Its edges are bytes and whole
// expressions that are not literals. The rest of a rule, which it shares with
// no other, stays unread in a tail.
type trie struct {
	in    *interner
	nodes []trieNode
	tails []tail
	ends  []trieEnd
	atoms []atom // of all rules, one rule after another
	seqs  []span // of each rule
	rules int    // that there will be
	work  int    // done so far
}

// trieNode is what begins in one way. Children are a list.
type trieNode struct {
	key     uint32 // the edge from the parent: a byte, or 256 + a nodeID
	child   uint32 // the first child, 0 for none
	last    uint32 // the last child
	sibling uint32 // the next child of the parent, 0 for none
	tail    int32  // index+1 of the tail: the node is a rule's rest
	end     int32  // index+1 of the first accept value
}

// tail is what follows in a rule: from a byte or atom on.
type tail struct {
	seq, atom, off int32
	accept         Accept
}

// trieEnd is an accept value of a node.
type trieEnd struct {
	accept Accept
	next   int32 // index+1
}

// atom is a piece of a rule: a literal, or an interned expression.
type atom struct {
	lit  string
	node nodeID
}

const literalKeys = 256

// reset makes t ready for other rules.
func (t *trie) reset(in *interner, rules int) {
	clear(t.atoms) // which hold on to literals
	*t = trie{
		in:    in,
		rules: rules,
		nodes: append(room(t.nodes, 4*rules+1), trieNode{}),
		tails: room(t.tails, rules),
		ends:  t.ends[:0],
		atoms: room(t.atoms, 2*rules),
		seqs:  room(t.seqs, rules),
	}
}

// flatten splits an expression into atoms.
func (t *trie) flatten(n Node) {
	switch {
	case n.x == nil:
	case n.x.op == opLiteral:
		t.atoms = append(t.atoms, atom{lit: n.x.lit})
	case n.x.op == opCat:
		for _, s := range n.x.subs {
			t.flatten(s)
		}
	default:
		t.atoms = append(t.atoms, atom{node: t.in.node(n)})
	}
}

// seq returns the atoms of a rule.
func (t *trie) seq(i int32) []atom {
	own := t.seqs[i]
	return t.atoms[own.from : own.from+own.n]
}

// next returns the key at the place of a tail and moves past it.
func (t *trie) next(l *tail) (key uint32, ok bool) {
	seq := t.seq(l.seq)
	if int(l.atom) == len(seq) {
		return 0, false
	}
	a := &seq[l.atom]
	if a.lit == "" {
		l.atom++
		return literalKeys + uint32(a.node), true
	}
	key = uint32(a.lit[l.off])
	if l.off++; int(l.off) == len(a.lit) {
		l.atom, l.off = l.atom+1, 0
	}
	return key, true
}

func (t *trie) find(at, key uint32) uint32 {
	for c := t.nodes[at].child; c != 0; c = t.nodes[c].sibling {
		t.work++
		if t.nodes[c].key == key {
			return c
		}
	}
	return 0
}

func (t *trie) addChild(at, key uint32) uint32 {
	c := uint32(len(t.nodes))
	t.nodes = append(t.nodes, trieNode{key: key})
	n := &t.nodes[at]
	if n.child == 0 {
		n.child = c
	} else {
		t.nodes[n.last].sibling = c
	}
	n.last = c
	return c
}

func (t *trie) addEnd(at uint32, a Accept) {
	n := &t.nodes[at]
	for e := n.end; e != 0; e = t.ends[e-1].next {
		t.work++
		if t.ends[e-1].accept == a {
			return
		}
	}
	t.ends = append(t.ends, trieEnd{a, n.end})
	n.end = int32(len(t.ends))
}

// insert adds a rule.
func (t *trie) insert(n Node, a Accept) {
	from := len(t.atoms)
	t.flatten(n)
	t.seqs = append(t.seqs, span{uint32(from), uint32(len(t.atoms) - from)})
	rest := tail{seq: int32(len(t.seqs) - 1), accept: a}
	t.work += 8 * (1 + len(t.atoms) - from)
	for at := uint32(0); ; {
		t.work++
		key, ok := t.next(&rest)
		if !ok {
			t.addEnd(at, a)
			return
		}
		c := t.find(at, key)
		if c == 0 {
			c = t.addChild(at, key)
			t.tails = append(t.tails, rest)
			t.nodes[c].tail = int32(len(t.tails))
			return
		}
		t.pushDown(c)
		at = c
	}
}

// pushDown reads one key of the tail of a node that another rule reached.
func (t *trie) pushDown(at uint32) {
	i := t.nodes[at].tail
	if i == 0 {
		return
	}
	t.nodes[at].tail = 0
	l := &t.tails[i-1]
	key, ok := t.next(l)
	if !ok {
		t.addEnd(at, l.accept)
		return
	}
	c := t.addChild(at, key)
	t.nodes[c].tail = i
}

// length returns how many bytes and atoms are in a tail.
func (t *trie) length(l tail) int {
	n := -int(l.off)
	for _, a := range t.seq(l.seq)[l.atom:] {
		n += max(1, len(a.lit))
	}
	return n
}

// size is the bytes that are held, by what room was made in advance for, or is
// taken.
func (t *trie) size() int64 {
	n := t.rules
	return int64(max(len(t.nodes), 4*n))*24 + int64(max(len(t.tails), n))*16 + int64(len(t.ends))*8 + int64(max(len(t.atoms), 2*n))*24 + int64(n)*8
}
