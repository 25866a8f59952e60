// SPDX-License-Identifier: Apache-2.0

package blob

import "fmt"

// baseReserved are the bits of a BASE entry that must be clear.
const baseReserved = ^(BaseMask | BaseDiff | BaseOOB)

// verify applies the kernel's checks to the tables. accept2 says whether the
// ACCEPT2 table must be present or absent.
//
// One check is this package's own: that the trap leads nowhere else. Kernels
// assume it, and differ in what they do if it does not hold.
func (d *DFA) verify(accept2 bool) error {
	n := len(d.Base)
	switch {
	case len(d.Base) == 0:
		return missingTable(tableBase)
	case len(d.Default) == 0:
		return missingTable(tableDefault)
	case len(d.Next) == 0:
		return missingTable(tableNext)
	case len(d.Check) == 0:
		return missingTable(tableCheck)
	case len(d.Accept) == 0:
		return missingTable(tableAccept)
	case accept2 && d.Accept2 == nil:
		return missingTable(tableAccept2)
	case !accept2 && d.Accept2 != nil:
		return fmt.Errorf("table ACCEPT2 is present with a permission table but without permsv above 2")
	case len(d.Default) != n:
		return lengths(tableDefault, tableBase, len(d.Default), n)
	case len(d.Accept) != n:
		return lengths(tableAccept, tableBase, len(d.Accept), n)
	case d.Accept2 != nil && len(d.Accept2) != n:
		return lengths(tableAccept2, tableBase, len(d.Accept2), n)
	case len(d.Next) != len(d.Check):
		return lengths(tableNext, tableCheck, len(d.Next), len(d.Check))
	case d.EC != nil && len(d.EC) != 256:
		return fmt.Errorf("table EC has %d entries, not 256", len(d.EC))
	case n < 2:
		return fmt.Errorf("DFA has %d states: there is no start state", n)
	case d.Flags&^(FlagDiff|FlagOOB) != 0:
		return fmt.Errorf("unknown DFA header flags %#x", d.Flags)
	}
	if err := d.verifyStates(); err != nil {
		return err
	}
	for i, next := range d.Next {
		if next >= uint32(n) || d.Check[i] >= uint32(n) {
			return fmt.Errorf("slot %d: NXT %d or CHK %d is not one of the %d states", i, next, d.Check[i], n)
		}
	}
	if err := d.verifyChains(); err != nil {
		return err
	}
	return d.verifyTrap()
}

func missingTable(id tableID) error { return fmt.Errorf("table %v is missing", id) }

func lengths(a, b tableID, la, lb int) error {
	return fmt.Errorf("table %v has %d entries and %v has %d", a, la, b, lb)
}

func (d *DFA) verifyStates() error {
	n, slots := uint32(len(d.Base)), uint32(min(uint64(len(d.Next)), 1<<31))
	for s, base := range d.Base {
		off := base & BaseMask
		switch {
		case d.Default[s] >= n:
			return fmt.Errorf("state %d: default %d is not one of the %d states", s, d.Default[s], n)
		case base&baseReserved != 0:
			return fmt.Errorf("state %d: BASE %#x has reserved bits set", s, base)
		case base&BaseDiff != 0 && d.Flags&FlagDiff == 0:
			return fmt.Errorf("state %d is differentially encoded, but the DFA header does not say so", s)
		case base&BaseOOB != 0 && d.Flags&FlagOOB == 0:
			return fmt.Errorf("state %d has an out-of-band transition, but the DFA header does not say so", s)
		case base&BaseOOB != 0 && off == 0:
			return fmt.Errorf("state %d has an out-of-band transition and base 0", s)
		case off+255 >= slots:
			return fmt.Errorf("state %d: base %d + 255 is past the %d slots of NXT", s, off, slots)
		}
	}
	return nil
}

// verifyChains checks that following the default of differentially encoded
// states ends.
func (d *DFA) verifyChains() error {
	if d.Flags&FlagDiff == 0 {
		return nil
	}
	// walk[s] is the walk that came through s first; a walk that meets its
	// own trail is a loop, one that meets an older trail is known to end.
	walk := make([]uint32, len(d.Base))
	for i := range d.Base {
		id := uint32(i) + 1
		for s := uint32(i); d.Base[s]&BaseDiff != 0 && walk[s] == 0; {
			walk[s] = id
			s = d.Default[s]
			if walk[s] == id {
				return fmt.Errorf("state %d: chain of differentially encoded states loops at state %d", i, s)
			}
		}
	}
	return nil
}

func (d *DFA) verifyTrap() error {
	if d.Base[TrapState]&(BaseDiff|BaseOOB) != 0 || d.Default[TrapState] != TrapState {
		return fmt.Errorf("state 0 is not a trap")
	}
	off := d.Base[TrapState] & BaseMask
	for i := off; i < off+256; i++ {
		if d.Check[i] == TrapState && d.Next[i] != TrapState {
			return fmt.Errorf("state 0 is not a trap: byte %#02x leads to state %d", i-off, d.Next[i])
		}
	}
	return nil
}

// verify applies the kernel's checks to a permission entry.
func (p *Perm) verify(xtable int) error {
	switch {
	case p.Allow&p.Deny != 0:
		return fmt.Errorf("allow %#x and deny %#x overlap", p.Allow, p.Deny)
	case p.Subtree&^p.Allow != 0:
		return fmt.Errorf("subtree %#x is not within allow %#x", p.Subtree, p.Allow)
	case p.Cond&(p.Allow|p.Deny) != 0:
		return fmt.Errorf("cond %#x overlaps allow %#x or deny %#x", p.Cond, p.Allow, p.Deny)
	case p.Kill&p.Allow != 0:
		return fmt.Errorf("kill %#x and allow %#x overlap", p.Kill, p.Allow)
	case p.Complain&(p.Allow|p.Deny) != 0:
		return fmt.Errorf("complain %#x overlaps allow %#x or deny %#x", p.Complain, p.Allow, p.Deny)
	case p.Prompt&(p.Allow|p.Deny) != 0:
		return fmt.Errorf("prompt %#x overlaps allow %#x or deny %#x", p.Prompt, p.Allow, p.Deny)
	case p.Complain&p.Prompt != 0:
		return fmt.Errorf("complain %#x and prompt %#x overlap", p.Complain, p.Prompt)
	case p.Hide&p.Allow != 0:
		return fmt.Errorf("hide %#x and allow %#x overlap", p.Hide, p.Allow)
	case p.XIndex&XTypeMask == XTable && int(p.XIndex&XIndexMask) >= xtable:
		return fmt.Errorf("exec index %d is past the %d entries of the xtable", p.XIndex&XIndexMask, xtable)
	case p.Tag != 0:
		return fmt.Errorf("tag %d without tag sets", p.Tag)
	case p.Label != 0 && int64(p.Label) >= int64(xtable):
		return fmt.Errorf("label %d is past the %d entries of the xtable", p.Label, xtable)
	}
	return nil
}

// verifyPerms checks the permission table, or the exec indexes that the old
// form packs into ACCEPT, against the automaton and the transition table.
func (db *PolicyDB) verifyPerms(kind Part) error {
	if db.Perms == nil {
		if kind != PartFile {
			return nil
		}
		for s, accept := range db.DFA.Accept {
			for _, half := range [2]uint32{accept, accept >> oldHalf} {
				if i := int(half >> oldIndex & oldXMax); i >= oldXTable && i-oldXTable >= len(db.XTable) {
					return fmt.Errorf("state %d: exec index %d is past the %d entries of the xtable", s, i-oldXTable, len(db.XTable))
				}
			}
		}
		return nil
	}
	for i := range db.Perms {
		if err := db.Perms[i].verify(len(db.XTable)); err != nil {
			return fmt.Errorf("permission entry %d: %w", i, err)
		}
	}
	for s, accept := range db.DFA.Accept {
		last := uint64(accept)
		if db.DFA.Accept2 != nil {
			last += uint64(db.DFA.Accept2[s] & AcceptPair)
		}
		if last >= uint64(len(db.Perms)) {
			return fmt.Errorf("state %d: index %d is past the %d permission entries", s, last, len(db.Perms))
		}
	}
	return nil
}
