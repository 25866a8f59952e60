// SPDX-License-Identifier: Apache-2.0

package automaton

import (
	"errors"

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
	comb        comb    // the slots that are taken, but for those of the start
	entries     []entry // what states store in the tables, one state after the other
	own         []span  // each state's, in the order of slots
}

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
	}
	return b, err
}

// newBase makes a base without the states that those of fine become.
func newBase(fine, least *DFA, tables *blob.DFA) (*Base, error) {
	if fine.sets == nil || fine.classes != least.classes || fine.classes.oob != noClass ||
		tables.States() != least.States() || fine.rows.leads(Start) || least.rows.leads(Start) ||
		tables.EC != nil || tables.Base[Start]&blob.BaseDiff != 0 {
		return nil, ErrBase
	}
	b := &Base{fine: fine, least: least, tables: tables, comb: newComb(), own: make([]span, least.States())}
	for slot, s := range tables.Check {
		// The slots of the start state are free, because it is replaced.
		if s > Start {
			b.comb.set(slot)
		}
		b.own[s].n++
	}
	b.comb.advance()
	b.own[Dead].n = 0
	n := uint32(0)
	for s := range b.own {
		b.own[s].from = n
		n += b.own[s].n
	}
	b.entries = make([]entry, n)
	at := make([]uint32, least.States())
	for slot, s := range tables.Check {
		if s != Dead {
			b.entries[b.own[s].from+at[s]] = entry{int32(slot) - int32(tables.Base[s]&blob.BaseMask), tables.Next[slot]}
			at[s]++
		}
	}
	return b, nil
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

// storedBy returns what a state of the tables stores.
func (b *Base) storedBy(s uint32) []entry {
	own := b.own[s]
	return b.entries[own.from : own.from+own.n]
}
