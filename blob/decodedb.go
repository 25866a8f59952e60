// SPDX-License-Identifier: Apache-2.0

package blob

import (
	"bytes"
	"fmt"
)

// permWords is the number of words of a permission entry on the wire, the
// first of which is reserved.
const permWords = 14

// readPolicyDB reads the group of members that make up one automaton, all of
// them optional, and verifies it. It returns nil when there is none.
func (d *decoder) readPolicyDB(part Part) (*PolicyDB, *FormatError) {
	member := part.String()
	if at := d.pos; d.enter("tags", tagStruct) {
		err := d.failAt(at, ErrUnknown, member, "tag sets are not known to this package")
		err.Errno = 0
		return nil, err
	}
	var db PolicyDB
	var err *FormatError
	if db.Perms, err = d.readPerms(member); err != nil {
		return nil, err
	}
	if db.Perms != nil {
		db.PermsVersion, _ = d.u32("permsv")
	}
	at := d.pos
	raw, ok := d.blob("aadfa")
	if !ok {
		if db.Perms != nil {
			err := d.missing(member, "the DFA that goes with the permission table")
			return nil, err
		}
		// A transition table without automaton means nothing.
		_, err := d.readXTable(member)
		return nil, err
	}
	start := d.pos - len(raw)
	var bad *tableError
	if db.DFA, bad = d.tables(raw); bad != nil {
		err := d.failAt(start+bad.off, ErrDFA, member+" DFA", "%s", bad.reason)
		if part == PartFile && db.Perms == nil && len(raw) == 0 {
			err.Errno = 0 // kernels treat it as no automaton
		}
		return nil, err
	}
	if err := db.DFA.verify(db.hasAccept2()); err != nil {
		return nil, d.failAt(at, ErrDFA, member+" DFA", "%v", err)
	}
	for _, s := range []struct {
		name  string
		state *uint32
	}{{"start", &db.Start}, {"dfa_start", &db.DFAStart}} {
		at := d.pos
		v, ok := d.u32(s.name)
		if !ok {
			continue
		}
		if v >= uint32(db.DFA.States()) {
			return nil, d.failAt(at, ErrDFA, member, "start state %d is not one of the %d states", v, db.DFA.States())
		}
		if v == TrapState {
			err := d.failAt(at, ErrDFA, member, "%s is the trap, where nothing can match", s.name)
			err.Errno = 0
			return nil, err
		}
		*s.state = v
	}
	if db.XTable, err = d.readXTable(member); err != nil {
		return nil, err
	}
	if err := db.verifyPerms(part); err != nil {
		return nil, d.failAt(at, ErrPerms, member, "%v", err)
	}
	return &db, nil
}

// tables returns the automaton of a blob: decoded, or the one that was just
// written there.
func (d *decoder) tables(raw []byte) (*DFA, *tableError) {
	if len(d.written) == 0 {
		dfa, tables, err := decodeDFA(raw)
		if err == nil {
			d.raw[dfa] = tables
		}
		return dfa, err
	}
	dfa := d.written[0]
	d.written = d.written[1:]
	for _, t := range [...]struct {
		id  tableID
		len int
	}{
		{tableAccept, len(dfa.Accept)}, {tableBase, len(dfa.Base)}, {tableDefault, len(dfa.Default)},
		{tableNext, len(dfa.Next)}, {tableCheck, len(dfa.Check)},
	} {
		if t.len == 0 {
			return nil, tableErrorf(0, "table %v is empty", t.id)
		}
	}
	return dfa, nil
}

// hasAccept2 reports whether the form of the permissions needs ACCEPT2.
func (db *PolicyDB) hasAccept2() bool { return db.Perms == nil || db.PermsVersion > 2 }

func (d *decoder) readPerms(member string) ([]Perm, *FormatError) {
	member += " permission table"
	if !d.enter("perms", tagStruct) {
		return nil, nil
	}
	at := d.pos
	version, ok := d.u32("version")
	if !ok {
		return nil, d.missing(member, "the version")
	}
	if version != 1 {
		return nil, d.failAt(at, ErrPerms, member, "version %d is not 1", version)
	}
	n, ok := d.array()
	if !ok {
		return nil, d.missing(member, "the array of entries")
	}
	// The entries themselves bound the memory, not the count that is claimed.
	perms := make([]Perm, 0, min(n, (len(d.data)-d.pos)/(5*permWords)+1))
	for i := range n {
		var v [permWords]uint32
		for j := range v {
			if v[j], ok = d.u32(""); !ok {
				return nil, d.missing(member, fmt.Sprintf("word %d of entry %d of %d", j, i, n))
			}
		}
		perms = append(perms, Perm{
			Allow: v[1], Deny: v[2], Subtree: v[3], Cond: v[4], Kill: v[5], Complain: v[6], Prompt: v[7],
			Audit: v[8], Quiet: v[9], Hide: v[10], XIndex: v[11], Tag: v[12], Label: v[13],
		})
	}
	if !d.enter("", tagArrayEnd) {
		return nil, d.missing(member, fmt.Sprintf("the end of the array after its %d entries", n))
	}
	if !d.enter("", tagStructEnd) {
		return nil, d.missing(member, "the end of the struct")
	}
	return perms, nil
}

func (d *decoder) readXTable(member string) ([]string, *FormatError) {
	if !d.enter("xtable", tagStruct) {
		return nil, nil
	}
	return d.readStrings(ErrXTable, member+" xtable", decodeTarget)
}

// decodeTarget checks the text of an exec target and turns the NUL that takes
// the place of the second colon of ":ns:name" back into one.
func decodeTarget(b []byte) (target, wrong string) {
	if len(b) > 0 && (isSpace(b[0]) || isSpace(b[len(b)-1]) && b[len(b)-1] < 0x80) {
		return "", "begins or ends with a blank"
	}
	nuls := bytes.Count(b, []byte{0})
	switch {
	case len(b) > 0 && b[0] == ':':
		if len(b) == 1 || b[1] == 0 {
			return "", "names no namespace"
		}
		if nuls > 1 {
			return "", "holds more than one NUL byte"
		}
	case nuls > 0:
		return "", "holds a NUL byte and names no namespace"
	}
	return string(bytes.Replace(b, []byte{0}, []byte{':'}, 1)), ""
}

// isSpace is the kernel's isspace, which treats bytes as Latin-1.
func isSpace(c byte) bool { return c == ' ' || '\t' <= c && c <= '\r' || c == 0xa0 }
