// SPDX-License-Identifier: Apache-2.0

package automaton

import (
	"math/bits"
	"slices"
)

// symbol is what an edge is taken on: a byte, the out-of-band symbol, or a set
// of several bytes.
type symbol uint32

const (
	symbolOOB  symbol = 256
	firstSet   symbol = 257 // number of the first set of bytes
	maxLoopers        = 64  // sets whose loops are looked at for subsumption
)

// nodeID names an interned expression: equal expressions have equal IDs.
type nodeID uint32

// shape is an interned expression. What its fields mean depends on op as in
// expr; literals, sets and the out-of-band symbol have no subs.
type shape struct {
	op   opcode
	sym  symbol // of opSet and opOOB
	lit  string
	subs []nodeID
	fits uint64 // the loopers that every byte of the expression is in
}

// interner gives equal expressions one number.
type interner struct {
	shapes []shape
	lits   map[string]nodeID
	syms   map[symbol]nodeID
	ones   map[[2]uint32]nodeID // op and sub
	lists  []nodeID             // those with an op and subs by their hash, plus one; 0 for none
	listed int                  // how many of these there are
	subs   arena[nodeID]        // of all shapes
	stack  []nodeID             // of what is being interned
	sets   []Set                // of symbols from firstSet on
	setIDs map[Set]symbol
	loops  []Set // the loopers: sets that some expression repeats
	work   int   // done so far
	bytes  int64 // held
}

// reset makes in ready for other expressions.
func (in *interner) reset() {
	clear(in.shapes) // which hold on to literals
	in.subs.reset()
	*in = interner{
		shapes: in.shapes[:0],
		lits:   emptied(in.lits),
		syms:   emptied(in.syms),
		ones:   emptied(in.ones),
		lists:  zeros(in.lists, max(len(in.lists), 16)),
		subs:   in.subs,
		stack:  in.stack[:0],
		sets:   in.sets[:0],
		setIDs: emptied(in.setIDs),
		loops:  in.loops[:0],
	}
}

func (in *interner) set(s Set) symbol {
	if id, ok := in.setIDs[s]; ok {
		return id
	}
	id := firstSet + symbol(len(in.sets))
	in.sets = append(in.sets, s)
	in.bytes += 96
	in.setIDs[s] = id
	return id
}

// setOf returns the bytes of a symbol, none for the out-of-band one.
func (in *interner) setOf(y symbol) Set {
	switch {
	case y < symbolOOB:
		return SetOf(byte(y))
	case y == symbolOOB:
		return Set{}
	}
	return in.sets[y-firstSet]
}

func (in *interner) add(s shape) nodeID {
	in.shapes = append(in.shapes, s)
	in.bytes += 160 + 4*int64(len(s.subs)) // with the entry of a map
	return nodeID(len(in.shapes) - 1)
}

// node interns an expression.
func (in *interner) node(n Node) nodeID {
	if n.x == nil {
		return in.list(opCat, nil)
	}
	x := n.x
	in.work += 8 + len(x.lit)/8
	switch x.op {
	case opLiteral:
		if id, ok := in.lits[x.lit]; ok {
			return id
		}
		id := in.add(shape{op: opLiteral, lit: x.lit})
		in.lits[x.lit] = id
		return id
	case opSet:
		return in.symbol(opSet, in.set(x.set))
	case opOOB:
		return in.symbol(opOOB, symbolOOB)
	case opStar, opPlus, opOpt:
		return in.one(x.op, in.node(x.subs[0]))
	}
	from := len(in.stack)
	for _, s := range x.subs {
		id := in.node(s)
		in.stack = append(in.stack, id)
	}
	subs := in.stack[from:]
	if x.op == opAlt {
		in.work += sortWork(len(subs))
		slices.Sort(subs)
		subs = slices.Compact(subs)
	}
	id := in.list(x.op, subs)
	in.stack = in.stack[:from]
	return id
}

func (in *interner) symbol(op opcode, y symbol) nodeID {
	if id, ok := in.syms[y]; ok {
		return id
	}
	id := in.add(shape{op: op, sym: y})
	in.syms[y] = id
	return id
}

func (in *interner) one(op opcode, sub nodeID) nodeID {
	k := [2]uint32{uint32(op), uint32(sub)}
	if id, ok := in.ones[k]; ok {
		return id
	}
	if s := &in.shapes[sub]; s.op == opSet && op != opOpt {
		in.looper(in.setOf(s.sym))
	}
	id := in.add(shape{op: op, subs: in.own(sub)})
	in.ones[k] = id
	return id
}

func (in *interner) list(op opcode, subs []nodeID) nodeID {
	mask := uint32(len(in.lists) - 1)
	i := hashOf(op, subs) & mask
	for ; in.lists[i] != 0; i = (i + 1) & mask {
		if s := &in.shapes[in.lists[i]-1]; s.op == op && slices.Equal(s.subs, subs) {
			return in.lists[i] - 1
		}
	}
	id := in.add(shape{op: op, subs: in.own(subs...)})
	in.bytes += 1 + 4*int64(len(subs))
	in.lists[i] = id + 1
	if in.listed++; 2*in.listed > len(in.lists) {
		old := in.lists
		in.lists = make([]nodeID, 2*len(old))
		mask = uint32(len(in.lists) - 1)
		for _, e := range old {
			if e == 0 {
				continue
			}
			s := &in.shapes[e-1]
			i := hashOf(s.op, s.subs) & mask
			for in.lists[i] != 0 {
				i = (i + 1) & mask
			}
			in.lists[i] = e
		}
	}
	return id
}

func hashOf(op opcode, subs []nodeID) uint32 {
	h := uint64(op) + 1
	for _, s := range subs {
		h = mix(h, uint64(s)+1)
	}
	return uint32(h)
}

// own returns a copy of the subs of a shape that is new.
func (in *interner) own(subs ...nodeID) []nodeID {
	list := in.subs.take(len(subs))
	copy(list, subs)
	return list
}

// sortWork is about how many steps it takes to sort n elements.
func sortWork(n int) int { return n * bits.Len(uint(n)) }

func (in *interner) looper(s Set) {
	if len(in.loops) < maxLoopers && !slices.Contains(in.loops, s) {
		in.loops = append(in.loops, s)
	}
}

// fitSet returns the loopers that contain s.
func (in *interner) fitSet(s Set) uint64 {
	var fits uint64
	for i, l := range in.loops {
		if l.Contains(s) {
			fits |= 1 << i
		}
	}
	return fits
}

// fit computes fits of every shape, once all are known. A shape comes after
// its subs.
func (in *interner) fit(bytes *[256]uint64) {
	for i := range in.shapes {
		s := &in.shapes[i]
		s.fits = ^uint64(0)
		switch s.op {
		case opLiteral:
			for j := 0; j < len(s.lit); j++ {
				s.fits &= bytes[s.lit[j]]
			}
		case opSet:
			s.fits = in.fitSet(in.setOf(s.sym))
		case opOOB:
			s.fits = 0
		}
		for _, sub := range s.subs {
			s.fits &= in.shapes[sub].fits
		}
	}
}
