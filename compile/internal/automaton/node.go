// SPDX-License-Identifier: Apache-2.0

package automaton

// Node is an expression over bytes and one symbol that is not a byte, the
// out-of-band symbol. Nodes are immutable and may be shared: between
// expressions, builders and goroutines. The zero Node matches the empty
// string.
type Node struct{ x *expr }

type opcode uint8

const (
	opLiteral opcode = iota // the bytes of lit, at least one
	opSet                   // one byte of set
	opOOB                   // the out-of-band symbol
	opCat                   // subs one after the other
	opAlt                   // one of subs; none of them: nothing matches
	opStar                  // subs[0] any number of times
	opPlus                  // subs[0] at least once
	opOpt                   // subs[0] or nothing
)

// expr is what a Node points to. A nil expr matches the empty string.
type expr struct {
	op   opcode
	lit  string
	set  Set
	subs []Node
}

// Empty returns the expression of the empty string.
func Empty() Node { return Node{} }

// Literal returns the expression of one string of bytes.
func Literal(s string) Node { return (*Nodes)(nil).literal(s) }

// Nodes is memory for the expressions of Glob, for those who make many. They are
// valid until Reset, which takes the memory back. The zero Nodes is ready for use,
// and is not safe for concurrent use.
type Nodes struct {
	list []expr
	subs []Node
	scan globScanner
}

// Reset takes the memory of all expressions back.
func (m *Nodes) Reset() { m.list, m.subs = m.list[:0], m.subs[:0] }

// forget drops what the expressions hold on to.
func (m *Nodes) forget() {
	m.Reset()
	clear(m.list[:cap(m.list)])
	clear(m.subs[:cap(m.subs)])
	m.scan = globScanner{}
}

// node is a node with its expression in the memory of m if that is not nil.
func (m *Nodes) node(x expr) Node {
	if m == nil {
		own := x // in the heap only here
		return Node{&own}
	}
	if len(m.list) == cap(m.list) {
		// Those that there are stay where they are.
		m.list = make([]expr, 0, min(cap(m.list)+cap(m.list)/2+32, 1<<12))
	}
	m.list = append(m.list, x)
	return Node{&m.list[len(m.list)-1]}
}

// room returns an empty list for so many nodes.
func (m *Nodes) room(most int) []Node {
	if m == nil {
		return make([]Node, 0, most)
	}
	from := len(m.subs)
	if cap(m.subs)-from < most {
		m.subs, from = make([]Node, 0, max(most, min(cap(m.subs)+cap(m.subs)/2+64, 1<<13))), 0
	}
	m.subs = m.subs[:from+most]
	return m.subs[from : from : from+most]
}

// literal is Literal.
func (m *Nodes) literal(s string) Node {
	if s == "" {
		return Node{}
	}
	return m.node(expr{op: opLiteral, lit: s})
}

// Bytes returns the expression of one string, given byte by byte.
func Bytes(b ...byte) Node { return Literal(string(b)) }

// In returns the expression of one byte of a set. Nothing matches the
// expression of the empty set.
func In(s Set) Node { return (*Nodes)(nil).in(s) }

func (m *Nodes) in(s Set) Node {
	switch s.Len() {
	case 0:
		return nothing
	case 1:
		return m.literal(string([]byte{s.first()}))
	}
	return m.node(expr{op: opSet, set: s})
}

// OneOf returns the expression of one of the given bytes.
func OneOf(b ...byte) Node { return In(SetOf(b...)) }

// NoneOf returns the expression of one byte that is none of those given.
func NoneOf(b ...byte) Node { return In(SetOf(b...).Not()) }

// OOB returns the expression of the out-of-band symbol.
func OOB() Node { return oobNode }

var (
	oobNode = Node{&expr{op: opOOB}}
	nothing = Node{&expr{op: opAlt}}
)

// Cat returns the expression of the nodes one after the other; of none, the
// empty string.
func Cat(nodes ...Node) Node { return (*Nodes)(nil).cat(nodes) }

func (m *Nodes) cat(nodes []Node) Node {
	n := 0
	var only Node
	for _, s := range nodes {
		switch {
		case s.x == nil:
		case s.x == nothing.x:
			return nothing
		case s.x.op == opCat:
			n += len(s.x.subs)
			only = s
		default:
			n++
			only = s
		}
	}
	if n == 0 {
		return Node{}
	}
	if n == 1 || only.x.op == opCat && n == len(only.x.subs) {
		return only
	}
	subs := m.room(n)
	for _, s := range nodes {
		switch {
		case s.x == nil:
		case s.x.op == opCat:
			subs = append(subs, s.x.subs...)
		default:
			subs = append(subs, s)
		}
	}
	return m.node(expr{op: opCat, subs: subs})
}

// Alt returns the expression of any one of the nodes; of none, an expression
// that nothing matches.
func Alt(nodes ...Node) Node { return (*Nodes)(nil).alt(nodes) }

func (m *Nodes) alt(nodes []Node) Node {
	subs := m.room(len(nodes))
	for _, s := range nodes {
		if s.x != nothing.x {
			subs = append(subs, s)
		}
	}
	switch len(subs) {
	case 0:
		return nothing
	case 1:
		return subs[0]
	}
	return m.node(expr{op: opAlt, subs: subs})
}

// Star returns the expression of n any number of times.
func Star(n Node) Node { return repeat(opStar, n, Node{}) }

// Plus returns the expression of n at least once.
func Plus(n Node) Node { return repeat(opPlus, n, n) }

// Opt returns the expression of n or the empty string.
func Opt(n Node) Node { return repeat(opOpt, n, Node{}) }

// repeat makes a node with one operand; without is the result if the operand
// matches nothing.
func repeat(op opcode, n, without Node) Node {
	switch {
	case n.x == nil:
		return n
	case n.x == nothing.x:
		return without
	case n.x.op == opStar, n.x.op == op:
		return n
	}
	return Node{&expr{op: op, subs: []Node{n}}}
}

// Size is about how many bytes the expression takes itself, without those that
// it is made of.
func (n Node) Size() int64 {
	if n.x == nil {
		return 0
	}
	return 80 + 8*int64(len(n.x.subs)) + int64(len(n.x.lit))
}

// MinLen returns the length of the shortest string that matches, in bytes; the
// out-of-band symbol has no length. It is -1 when nothing matches.
func (n Node) MinLen() int {
	if n.x == nil {
		return 0
	}
	switch n.x.op {
	case opLiteral:
		return len(n.x.lit)
	case opSet:
		return 1
	case opCat:
		sum := 0
		for _, s := range n.x.subs {
			l := s.MinLen()
			if l < 0 {
				return -1
			}
			sum += l
		}
		return sum
	case opAlt:
		least := -1
		for _, s := range n.x.subs {
			if l := s.MinLen(); l >= 0 && (least < 0 || l < least) {
				least = l
			}
		}
		return least
	case opPlus:
		return n.x.subs[0].MinLen()
	}
	return 0
}
