// SPDX-License-Identifier: Apache-2.0

package blob

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Frame is a policy made ready for others like it: profiles that differ from its
// own in what is not an automaton of rules, and whose automata are its own with a few
// states more. Such a policy is written and verified at the cost of what is
// different: what has been verified once is copied as bytes.
//
// A Frame is immutable and safe for concurrent use.
type Frame struct {
	limits   KernelLimits
	profiles []framed
}

type framed struct {
	profile        *Profile
	policydb, file *framedDB
}

// framedDB is an automaton with its tables as they are written.
type framedDB struct {
	*PolicyDB
	perms  []byte
	tables [6][]byte // the contents of frameTables
	start  []uint32  // the slots of the start state
}

// frameTables is the order of tables in the stream.
var frameTables = [6]tableID{tableAccept, tableAccept2, tableBase, tableDefault, tableNext, tableCheck}

// Extension is what makes an automaton of rules of another one: its start state
// is replaced, states are added after its own, and the slots that they take. The
// slots of the start state that there was are free. Without Base it adds no
// state.
type Extension struct {
	Flags  uint16   // of the whole: those that the automaton has, and FlagDiff if an added state is a difference
	Accept []uint32 // of the start state, and of the states that are added
	// Accept2 is nil if the automaton has no such table.
	Accept2 []uint32
	Base    []uint32 // of the added states, as in DFA
	Default []uint32 // likewise, as many as Base
	Slots   []Slot   // those that are set, of all states
	Len     uint32   // how many slots there are in the whole
	Perms   []Perm   // entries after those that the permission table has
	// XTable is all of the exec targets, in the place of those of the frame,
	// of which there are no more; nil: they stay.
	XTable []string
}

// Slot is one transition in the tables of a DFA: slot At of Next and Check, with
// the values Next, the state that it leads to, and Check, the state that has it.
type Slot struct{ At, Next, Check uint32 }

// ErrFrame is returned for policy that cannot be a Frame: it has classes of
// bytes, explicit start states, or states that are differences from the start.
var ErrFrame = errors.New("blob: the policy cannot be a frame for others")

// NewFrame makes a frame of a policy for a kernel. The policy is checked as by
// Policy.Check.
func NewFrame(p *Policy, limits KernelLimits) (*Frame, error) {
	if err := p.Check(limits); err != nil {
		return nil, err
	}
	f := &Frame{limits: limits}
	for _, q := range p.profiles() {
		x := framed{profile: q}
		for _, part := range [...]struct {
			db *PolicyDB
			to **framedDB
		}{{q.Policydb, &x.policydb}, {q.File, &x.file}} {
			if part.db == nil {
				continue
			}
			var err error
			if *part.to, err = frameDB(part.db, p.raw[part.db.DFA]); err != nil {
				return nil, err
			}
		}
		f.profiles = append(f.profiles, x)
	}
	return f, nil
}

// frameDB makes an automaton ready. Its tables as they were in a stream are taken
// from there, if there are any.
func frameDB(db *PolicyDB, raw rawTables) (*framedDB, error) {
	d := db.DFA
	if d.EC != nil || db.Start != 0 || db.DFAStart != 0 {
		return nil, ErrFrame
	}
	for s, base := range d.Base {
		if base&BaseDiff != 0 && (s == int(StartState) || d.Default[s] == StartState) {
			return nil, ErrFrame
		}
	}
	x := &framedDB{PolicyDB: db}
	var w writer
	w.perms(db.Perms)
	x.perms = w.buf
	for i, t := range x.lists() {
		id := frameTables[i]
		switch elem := x.elem(id); {
		case t == nil:
		case len(raw[id]) == elem*len(t): // else it is narrow in a wide automaton
			x.tables[i] = raw[id]
		default:
			x.tables[i] = appendTable(make([]byte, 0, elem*len(t)), t, elem)
		}
	}
	for slot, s := range d.Check {
		if s == StartState {
			x.start = append(x.start, uint32(slot))
		}
	}
	return x, nil
}

func (x *framedDB) lists() [6][]uint32 {
	d := x.DFA
	return [6][]uint32{d.Accept, d.Accept2, d.Base, d.Default, d.Next, d.Check}
}

// elem returns the length of an element of a table.
func (x *framedDB) elem(id tableID) int {
	if !x.DFA.Wide && (id == tableDefault || id == tableNext || id == tableCheck) {
		return 2
	}
	return 4
}

func appendTable(b []byte, t []uint32, elem int) []byte {
	for _, v := range t {
		if elem == 2 {
			b = binary.BigEndian.AppendUint16(b, uint16(v))
		} else {
			b = binary.BigEndian.AppendUint32(b, v)
		}
	}
	return b
}

// Extended is what a policy has in the place of one profile of a Frame.
type Extended struct {
	// Head has all but Policydb and File, which are not looked at.
	Head *Profile
	// Policydb and File are what these automata of the frame's profile are
	// extended by; nil: they stay as they are. They must be nil where the
	// frame's profile has none.
	Policydb, File *Extension
}

// Append appends to b the stream of a policy with as many profiles as the frame
// has, in their order. It applies the checks of Encode and Policy.Check to what
// differs from the frame. The errors are those of these two; then b is returned
// as it was.
func (f *Frame) Append(b []byte, profiles []Extended) ([]byte, error) {
	b, _, err := f.append(b, profiles)
	return b, err
}

// Policy is Append for a Policy.
func (f *Frame) Policy(profiles []Extended) (*Policy, error) {
	size := 0
	for i := range min(len(profiles), len(f.profiles)) {
		size += f.profiles[i].encodedLen(&profiles[i])
	}
	data, heads, err := f.append(make([]byte, 0, size), profiles)
	if err != nil {
		return nil, err
	}
	return &Policy{data: data, heads: heads.heads, needs: heads.needs, checked: &f.limits}, nil
}

func (f *Frame) append(b []byte, profiles []Extended) (_ []byte, heads *Policy, err error) {
	if len(profiles) != len(f.profiles) {
		return b, nil, &FormatError{Offset: -1, Reason: fmt.Sprintf("%d profiles for a frame of %d", len(profiles), len(f.profiles)), Err: ErrSyntax}
	}
	heads, err = f.heads(profiles)
	if err != nil {
		return b, nil, err
	}
	w := writer{buf: b}
	for i := range profiles {
		p, x := &profiles[i], &f.profiles[i]
		w.origin = len(w.buf)
		w.head(p.Head, i == 0)
		for _, part := range [...]struct {
			kind Part
			db   *framedDB
			e    *Extension
		}{{PartPolicydb, x.policydb, p.Policydb}, {PartFile, x.file, p.File}} {
			if err := part.db.check(part.e, part.kind, f.limits); err != nil {
				return b, nil, named(err, p.Head.Name, part.kind)
			}
			if part.db == nil {
				continue
			}
			if part.kind == PartPolicydb {
				w.tag("policydb", tagStruct)
			}
			w.extended(part.db, part.e)
			if part.kind == PartPolicydb {
				w.tag("", tagStructEnd)
			}
		}
		w.tail(p.Head)
		if w.err != "" {
			return b, nil, &FormatError{Offset: -1, Profile: p.Head.Name, Reason: w.err, Err: ErrTooLarge}
		}
	}
	return w.buf, heads, nil
}

// heads writes the profiles without their automata of rules and reads them back,
// as Encode does with whole ones.
func (f *Frame) heads(profiles []Extended) (*Policy, error) {
	list := make([]*Profile, len(profiles))
	copies := make([]Profile, len(profiles))
	for i := range profiles {
		copies[i] = *profiles[i].Head
		copies[i].Policydb, copies[i].File = nil, nil
		list[i] = &copies[i]
	}
	p, err := Encode(list)
	if err != nil {
		return nil, err
	}
	return p, p.Check(f.limits)
}

// named adds the profile and the automaton to an error.
func named(err error, profile string, kind Part) error {
	var limits *KernelError
	if errors.As(err, &limits) {
		limits.Profile, limits.Member = profile, kind.String()
	}
	var format *FormatError
	if errors.As(err, &format) {
		format.Profile, format.Member = profile, kind.String()
	}
	return err
}

func (x *framed) encodedLen(p *Extended) int {
	n := p.Head.encodedLen()
	for _, part := range [...]struct {
		db *framedDB
		e  *Extension
	}{{x.policydb, p.Policydb}, {x.file, p.File}} {
		if part.db == nil {
			continue
		}
		n += 128 + part.db.extendedLen(part.e) + len(part.db.perms) + 32*len(part.db.XTable)
		if part.e != nil {
			n += 5*permWords*len(part.e.Perms) + 64*len(part.e.XTable)
		}
	}
	return n
}

// extendedLen returns the length of the DFA on the wire.
func (x *framedDB) extendedLen(e *Extension) int {
	n := dfaHeaderSize
	for i, id := range frameTables {
		if x.tables[i] != nil {
			n += pad8(tableHeader + len(x.tables[i]) + x.elem(id)*e.more(x, id))
		}
	}
	return n
}

// targets returns the exec targets of the whole.
func (x *framedDB) targets(e *Extension) []string {
	if e != nil && e.XTable != nil {
		return e.XTable
	}
	return x.XTable
}

// more returns by how many entries a table grows.
func (e *Extension) more(x *framedDB, id tableID) int {
	switch {
	case e == nil || len(e.Base) == 0:
		return 0
	case id == tableNext, id == tableCheck:
		return int(e.Len) - len(x.DFA.Next)
	}
	return len(e.Base) - 1
}

// extended writes an automaton and what goes with it, as policyDB does.
func (w *writer) extended(x *framedDB, e *Extension) {
	flags, targets := x.DFA.Flags, x.targets(e)
	var perms []Perm
	if e != nil && len(e.Base) > 0 {
		flags, perms = e.Flags, e.Perms
	} else {
		e = nil
	}
	if x.Perms != nil {
		w.permsHead(len(x.Perms) + len(perms))
		w.buf = append(w.buf, x.perms...)
		w.perms(perms)
		w.permsEnd(x.PermsVersion)
	}
	w.dfaHead(flags, x.extendedLen(e))
	var lists [6][]uint32
	if e != nil {
		lists = [6][]uint32{e.Accept, e.Accept2, e.Base, e.Default}
	}
	for i, id := range frameTables {
		t := x.tables[i]
		if t == nil {
			continue
		}
		elem, more := x.elem(id), e.more(x, id)
		w.tableHeader(id, elem, len(t)/elem+more)
		at := len(w.buf)
		w.buf = append(w.buf, t...)
		switch {
		case e == nil:
		case id == tableNext, id == tableCheck:
			w.zeros(more * elem)
			x.slots(w.buf[at:], e, id, elem)
		default:
			list := lists[i]
			put(w.buf[at:], StartState, list[0], elem)
			w.buf = appendTable(w.buf, list[1:], elem)
		}
		w.zeros(-(tableHeader + len(w.buf) - at) & 7)
	}
	w.xtable(targets)
}

// slots writes the slots of an extension into one of their tables.
func (x *framedDB) slots(t []byte, e *Extension, id tableID, elem int) {
	for _, at := range x.start {
		put(t, at, 0, elem)
	}
	for _, s := range e.Slots {
		v := s.Check
		if id == tableNext {
			v = s.Next
		}
		put(t, s.At, v, elem)
	}
}

func put(t []byte, i, v uint32, elem int) {
	if elem == 2 {
		binary.BigEndian.PutUint16(t[2*i:], uint16(v))
	} else {
		binary.BigEndian.PutUint32(t[4*i:], v)
	}
}

// check applies the checks of kernels to what an extension adds, which are those
// of DFA.verify, PolicyDB.verifyPerms and PolicyDB.check, given that they hold for
// what it is added to.
func (x *framedDB) check(e *Extension, kind Part, k KernelLimits) error {
	if e == nil {
		return nil
	}
	fail := func(err error, format string, args ...any) error {
		return &FormatError{Offset: -1, Reason: fmt.Sprintf(format, args...), Errno: EPROTO, Err: err}
	}
	if x == nil {
		return fail(ErrDFA, "the frame has no such automaton")
	}
	targets := x.targets(e)
	switch {
	case len(targets) < len(x.XTable):
		return fail(ErrXTable, "%d exec targets in the place of %d", len(targets), len(x.XTable))
	case x.Perms == nil && len(targets) > MaxOldTargets:
		return &KernelError{Reason: fmt.Sprintf("%d exec targets are more than the %d that the old form can name", len(targets), MaxOldTargets)}
	}
	for _, t := range e.XTable {
		if _, wrong := decodeTarget([]byte(encodeTarget(t))); wrong != "" {
			return fail(ErrXTable, "exec target %q %s", t, wrong)
		}
	}
	if len(e.Base) == 0 {
		return nil
	}
	d := x.DFA
	n := uint64(len(d.Base)) + uint64(len(e.Base)) - 1
	switch {
	case len(e.Accept) != len(e.Base) || len(e.Default) != len(e.Base) ||
		d.Accept2 == nil && e.Accept2 != nil || d.Accept2 != nil && len(e.Accept2) != len(e.Base):
		return fail(ErrDFA, "the tables of the added states have different lengths")
	case e.Flags&^FlagDiff != d.Flags&^FlagDiff || e.Flags&d.Flags != d.Flags:
		return fail(ErrDFA, "DFA header flags %#x of states added to an automaton with %#x", e.Flags, d.Flags)
	case n > 1<<16 && !d.Wide || n > 1<<31:
		return fail(ErrTooLarge, "%d states do not fit the tables", n)
	case uint64(e.Len) < uint64(len(d.Next)) || e.Len > 1<<31:
		return fail(ErrDFA, "%d slots after extending an automaton of %d", e.Len, len(d.Next))
	case e.Flags&FlagDiff != 0 && !k.DiffEncode:
		return &KernelError{Reason: "the kernel does not say that it knows differential encoding"}
	case x.Perms == nil && len(e.Perms) > 0:
		return fail(ErrPerms, "permission entries are added where there is no table")
	}
	if err := x.checkStates(e, uint32(n)); err != nil {
		return fail(ErrDFA, "%v", err)
	}
	if err := x.checkPerms(e, kind, len(targets)); err != nil {
		return fail(ErrPerms, "%v", err)
	}
	return nil
}

// state returns the number of the state that is at an index of an extension.
func (x *framedDB) state(i int) uint32 {
	if i == 0 {
		return StartState
	}
	return uint32(len(x.DFA.Base) + i - 1)
}

// added returns the index in an extension of a state that it has.
func (x *framedDB) added(s uint32) (i uint32, ok bool) {
	switch n := uint32(len(x.DFA.Base)); {
	case s == StartState:
		return 0, true
	case s >= n:
		return s - n + 1, true
	}
	return 0, false
}

func (x *framedDB) checkStates(e *Extension, n uint32) error {
	for i, base := range e.Base {
		s := x.state(i)
		switch {
		case e.Default[i] >= n:
			return fmt.Errorf("state %d: default %d is not one of the %d states", s, e.Default[i], n)
		case base&baseReserved != 0 || base&BaseOOB != 0:
			return fmt.Errorf("state %d: BASE %#x has bits that no added state has", s, base)
		case base&BaseDiff != 0 && e.Flags&FlagDiff == 0:
			return fmt.Errorf("state %d is differentially encoded, which the DFA header does not say", s)
		case base&BaseMask+255 >= e.Len:
			return fmt.Errorf("state %d: base %d + 255 is past the %d slots of NXT", s, base&BaseMask, e.Len)
		}
	}
	// No chain of the automaton's own states comes through one of these.
	for i := range e.Base {
		j, steps := uint32(i), 0
		for e.Base[j]&BaseDiff != 0 {
			next, ok := x.added(e.Default[j])
			if !ok {
				break
			}
			if j = next; steps == len(e.Base) {
				return fmt.Errorf("state %d: chain of differentially encoded states loops at state %d", x.state(i), x.state(int(j)))
			}
			steps++
		}
	}
	for _, t := range e.Slots {
		if t.Next >= n || t.At >= e.Len {
			return fmt.Errorf("slot %d of %d: NXT %d is not one of the %d states", t.At, e.Len, t.Next, n)
		}
		if _, ok := x.added(t.Check); !ok || t.Check >= n {
			return fmt.Errorf("slot %d: CHK %d is not an added state", t.At, t.Check)
		}
	}
	return nil
}

func (x *framedDB) checkPerms(e *Extension, kind Part, targets int) error {
	if x.Perms == nil {
		if kind != PartFile {
			return nil
		}
		for i, accept := range e.Accept {
			for _, half := range [2]uint32{accept, accept >> oldHalf} {
				if t := int(half >> oldIndex & oldXMax); t >= oldXTable && t-oldXTable >= targets {
					return fmt.Errorf("state %d: exec index %d is past the %d entries of the xtable", x.state(i), t-oldXTable, targets)
				}
			}
		}
		return nil
	}
	for i := range e.Perms {
		if err := e.Perms[i].verify(targets); err != nil {
			return fmt.Errorf("permission entry %d: %w", len(x.Perms)+i, err)
		}
	}
	entries := uint64(len(x.Perms) + len(e.Perms))
	for i, accept := range e.Accept {
		last := uint64(accept)
		if e.Accept2 != nil {
			last += uint64(e.Accept2[i] & AcceptPair)
		}
		if last >= entries {
			return fmt.Errorf("state %d: index %d is past the %d permission entries", x.state(i), last, entries)
		}
	}
	return nil
}
