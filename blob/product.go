// SPDX-License-Identifier: Apache-2.0

package blob

import (
	"cmp"
	"slices"

	"github.com/goarmor/apparmor/diag"
)

// product walks two automata side by side, breadth first, over classes of
// bytes that neither distinguishes.
type product struct {
	a, b    *DFA
	scope   scopeRows
	symbols []Symbol // one for each class, and OOB if it is used
	nodes   []productNode
	seen    pairSet
	limit   int
}

// productNode is a pair of states, the state of the scope, and the step that
// first led there.
type productNode struct {
	a, b   uint32
	scope  uint32
	parent int32 // -1: where the walk began
	symbol Symbol
}

func newProduct(a, b *DFA, startA, startB uint32, inputs scope, limit int) *product {
	p := &product{a: a, b: b, scope: inputs.rows(), limit: limit}
	p.symbols = jointClasses(a, b, p.scope)
	if (a.Flags|b.Flags)&FlagOOB != 0 {
		p.symbols = append(p.symbols, OOB)
	}
	// The first node is the empty input. It is not in seen: if a longer input
	// leads to the same pair, that is a node of its own.
	p.nodes = append(p.nodes, productNode{startA, startB, 0, -1, 0})
	p.seen = newPairSet(a.States(), b.States(), len(inputs))
	return p
}

// run calls visit for every pair in order of the shortest input that leads to
// it, until visit returns false. It returns a *diag.LimitError when there are
// more pairs than the limit.
func (p *product) run(visit func(i int) bool) error {
	for i := 0; i < len(p.nodes); i++ {
		if !visit(i) {
			return nil
		}
		n := p.nodes[i]
		for _, c := range p.symbols {
			var x, y uint32
			scope := n.scope
			if c == OOB {
				x, y = p.a.StepOOB(n.a), p.b.StepOOB(n.b)
			} else {
				x, y = p.a.Step(n.a, byte(c)), p.b.Step(n.b, byte(c))
				scope = p.scope.next[n.scope][byte(c)]
			}
			if !p.seen.add(x, y, scope) {
				continue
			}
			if len(p.nodes) > p.limit {
				return &diag.LimitError{What: "pairs of states to compare", Limit: int64(p.limit), Got: int64(len(p.nodes))}
			}
			p.nodes = append(p.nodes, productNode{x, y, scope, int32(i), c})
		}
	}
	return nil
}

// input returns the shortest input that leads to node i.
func (p *product) input(i int) Input {
	var in Input
	for p.nodes[i].parent >= 0 {
		in = append(in, p.nodes[i].symbol)
		i = int(p.nodes[i].parent)
	}
	slices.Reverse(in)
	return in
}

// pairSet remembers pairs of states, each with a state of the scope: as bits
// if that is small, otherwise in a hash table.
type pairSet struct {
	width, scope uint64
	bits         []uint64
	hash         map[uint64]struct{}
}

// maxPairBits bounds the bit form to eight megabytes.
const maxPairBits = 1 << 26

func newPairSet(a, b, scope int) pairSet {
	s := pairSet{width: uint64(b), scope: uint64(scope)}
	if n := uint64(a) * uint64(b) * uint64(scope); n <= maxPairBits {
		s.bits = make([]uint64, n/64+1)
	} else {
		s.hash = make(map[uint64]struct{}, max(a, b))
	}
	return s
}

// add reports whether the pair was not in the set yet.
func (s *pairSet) add(a, b, scope uint32) bool {
	key := (uint64(a)*s.width+uint64(b))*s.scope + uint64(scope)
	if s.bits != nil {
		word, bit := &s.bits[key/64], uint64(1)<<(key%64)
		isNew := *word&bit == 0
		*word |= bit
		return isNew
	}
	n := len(s.hash)
	s.hash[key] = struct{}{}
	return len(s.hash) > n
}

// ByteClasses sorts bytes into classes that no state of the automata
// distinguishes: class[b] is the byte that represents b. Order holds all
// bytes, beginning with those that read best in a message; the first byte of a
// class in it represents the class. The automata must be verified.
func ByteClasses(automata ...*DFA) (class, order [256]byte) {
	order = *readingOrder()
	for i := range class {
		class[i] = order[0]
	}
	for _, d := range automata {
		d.refine(&class, &order)
	}
	return class, order
}

// jointClasses returns one byte for each class of bytes that no state of
// either automaton or of the scope distinguishes, beginning with those that
// read best in a message.
func jointClasses(a, b *DFA, scope scopeRows) []Symbol {
	class, order := ByteClasses(a, b)
	for i := range scope.next {
		split(&class, &order, &scope.next[i])
	}
	var symbols []Symbol
	for _, c := range order {
		if class[c] == c {
			symbols = append(symbols, Symbol(c))
		}
	}
	return symbols
}

// refine splits the classes until no state goes to different states on two
// bytes of one class.
func (d *DFA) refine(class *[256]byte, order *[256]byte) {
	var next [256]uint32
	for s := range d.Base {
		if d.Base[s]&BaseMask == 0 && s > 0 && d.isBlank(uint32(s)) {
			continue
		}
		d.Row(uint32(s), &next)
		split(class, order, &next)
	}
}

// split splits the classes whose bytes lead to different states.
func split(class, order *[256]byte, next *[256]uint32) {
	same := true
	for c := range next {
		if next[c] != next[class[c]] {
			same = false
			break
		}
	}
	if same {
		return
	}
	// The first byte, in reading order, of every (old class, next state)
	// represents the new class.
	type cell struct {
		class byte
		next  uint32
	}
	first := make(map[cell]byte)
	var refined [256]byte
	for _, c := range order {
		k := cell{class[c], next[c]}
		if _, ok := first[k]; !ok {
			first[k] = c
		}
		refined[c] = first[k]
	}
	*class = refined
}

// isBlank reports whether the state has no transitions of its own at base 0,
// so that all bytes go to its default.
func (d *DFA) isBlank(s uint32) bool {
	return d.Base[s]&BaseDiff == 0 && !slices.Contains(d.Check[:256], s)
}

// readingOrder returns all bytes, letters first, then what else prints.
func readingOrder() *[256]byte {
	var order [256]byte
	for i := range order {
		order[i] = byte(i)
	}
	rank := func(c byte) int {
		switch {
		case 'a' <= c && c <= 'z':
			return 0
		case '0' <= c && c <= '9':
			return 1
		case 'A' <= c && c <= 'Z':
			return 2
		case c > 0x20 && c < 0x7f:
			return 3
		case c == 0x20:
			return 4
		}
		return 5
	}
	slices.SortStableFunc(order[:], func(a, b byte) int { return cmp.Compare(rank(a), rank(b)) })
	return &order
}
