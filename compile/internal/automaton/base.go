// SPDX-License-Identifier: Apache-2.0

package automaton

import (
	"errors"
	"sync/atomic"

	"github.com/goarmor/apparmor/blob"
)

// Base is an automaton with its tables, made ready to have small automata added
// to it. It is immutable and safe for concurrent use.
//
// It has the automaton twice: as fine as accept values tell states apart, which
// is what the added values are weighed against, and as small as what comes of
// them lets it be, which is what the tables hold.
type Base struct {
	fine, least *DFA
	of          []uint32 // by state of fine: the state of least
	tables      *blob.DFA
	comb        comb // the slots that are taken, but for those of the start
	// What states store is looked for in the tables until that has been done
	// often enough for an index to be worth it.
	looked atomic.Int32
	index  atomic.Pointer[storedIndex]
}

// storedIndex has what each state stores in the tables.
type storedIndex struct {
	entries []entry // one state after the other
	own     []span  // each state's, in the order of slots
}

// manyLooked is about how many states are looked for in the time that it takes to
// make an index of a large automaton.
const manyLooked = 1 << 10

// ErrBase is returned for automata that cannot be a Base.
var ErrBase = errors.New("automaton: a base needs accept values, a start state that is kept apart, its own tables and no out-of-band transitions")

// NewBase makes a base of an automaton that still has its accept values, of the
// same automaton resolved, and of the tables that Pack made of that one. Both are
// minimised with KeepStart, the second from the first.
//
// The tables are shared and must not be changed.
func NewBase(fine, least *DFA, tables *blob.DFA) (*Base, error) {
	b, err := newBase(fine, least, tables)
	if err == nil {
		b.match()
		b.index.Store(b.newIndex())
	}
	return b, err
}

// newBase makes a base without the states that those of fine become.
func newBase(fine, least *DFA, tables *blob.DFA) (*Base, error) {
	if fine.sets == nil || fine.classes != least.classes || fine.classes.oob != noClass ||
		tables.States() != least.States() || fine.rows.toStart() || least.rows.toStart() ||
		tables.EC != nil || tables.Base[Start]&blob.BaseDiff != 0 {
		return nil, ErrBase
	}
	b := &Base{fine: fine, least: least, tables: tables}
	b.comb.init()
	// The slots of the start state are free, because it is replaced.
	b.comb.used = make([]uint64, (combZero+len(tables.Check)+63)/64)
	for slot, s := range tables.Check {
		if s > Start {
			b.comb.set(slot)
		}
	}
	b.comb.advance()
	return b, nil
}

// stores reports whether a slot is one that a state which has it can use.
func (b *Base) stores(slot int, s uint32) bool {
	base := int(b.tables.Base[s] & blob.BaseMask)
	return s != Dead && slot >= base && slot-base < 256
}

// newIndex makes the index of what states store.
func (b *Base) newIndex() *storedIndex {
	t := b.tables
	x := &storedIndex{own: make([]span, t.States())}
	for slot, s := range t.Check {
		if b.stores(slot, s) {
			x.own[s].n++
		}
	}
	n := uint32(0)
	for s := range x.own {
		x.own[s].from = n
		n += x.own[s].n
	}
	x.entries = make([]entry, n)
	at := make([]uint32, t.States())
	for slot, s := range t.Check {
		if b.stores(slot, s) {
			x.entries[x.own[s].from+at[s]] = entry{int32(slot) - int32(t.Base[s]&blob.BaseMask), t.Next[slot]}
			at[s]++
		}
	}
	return x
}

// match finds the state of least for each state of fine. States of fine are
// numbered breadth first, so one that leads to another for the first time has
// been matched before.
func (b *Base) match() {
	b.of = make([]uint32, b.fine.States())
	b.of[Start] = Start
	k := b.fine.classes.n
	fine, least := make([]uint32, k), make([]uint32, k)
	for s := range b.of {
		b.fine.rows.fill(fine, uint32(s))
		b.least.rows.fill(least, b.of[s])
		for c, t := range fine {
			b.of[t] = least[c]
		}
	}
}

// States returns the number of states of the tables.
func (b *Base) States() int { return b.least.States() }

// storedBy returns what a state of the tables stores, in the order of slots. It may
// be in the memory that is given for it.
func (b *Base) storedBy(s uint32, memory *[]entry) []entry {
	if s == Dead {
		return nil
	}
	x := b.index.Load()
	if x == nil && b.looked.Add(1) > manyLooked {
		x = b.newIndex()
		b.index.Store(x)
	}
	if x != nil {
		own := x.own[s]
		return x.entries[own.from : own.from+own.n]
	}
	// The tables are verified: those of each state end before the last slot.
	base := b.tables.Base[s] & blob.BaseMask
	next, list := b.tables.Next[base:], (*memory)[:0]
	for c, owner := range b.tables.Check[base : base+256] {
		if owner == s {
			list = append(list, entry{int32(c), next[c]})
		}
	}
	*memory = list
	return list
}
