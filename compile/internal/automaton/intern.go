// SPDX-License-Identifier: Apache-2.0

package automaton

import (
	"encoding/binary"
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
	lists  map[string]nodeID    // op and subs
	sets   []Set                // of symbols from firstSet on
	setIDs map[Set]symbol
	loops  []Set // the loopers: sets that some expression repeats
	key    []byte
	work   int   // done so far
	bytes  int64 // held
}

func newInterner() *interner {
	return &interner{
		lits:   map[string]nodeID{},
		syms:   map[symbol]nodeID{},
		ones:   map[[2]uint32]nodeID{},
		lists:  map[string]nodeID{},
		setIDs: map[Set]symbol{},
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
	subs := make([]nodeID, len(x.subs))
	for i, s := range x.subs {
		subs[i] = in.node(s)
	}
	if x.op == opAlt {
		in.work += sortWork(len(subs))
		slices.Sort(subs)
		subs = slices.Compact(subs)
	}
	return in.list(x.op, subs)
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
	id := in.add(shape{op: op, subs: []nodeID{sub}})
	in.ones[k] = id
	return id
}

func (in *interner) list(op opcode, subs []nodeID) nodeID {
	in.key = append(in.key[:0], byte(op))
	for _, s := range subs {
		in.key = binary.LittleEndian.AppendUint32(in.key, uint32(s))
	}
	if id, ok := in.lists[string(in.key)]; ok {
		return id
	}
	id := in.add(shape{op: op, subs: subs})
	in.bytes += int64(len(in.key))
	in.lists[string(in.key)] = id
	return id
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
