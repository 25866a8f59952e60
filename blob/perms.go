// SPDX-License-Identifier: Apache-2.0

package blob

// Part is a part of a profile.
type Part uint8

// The parts of a profile: its plain members and its three automata.
const (
	PartProfile Part = iota
	PartXMatch
	PartPolicydb
	PartFile
)

func (p Part) String() string {
	switch p {
	case PartXMatch:
		return "xmatch"
	case PartPolicydb:
		return "policydb"
	case PartFile:
		return "file"
	}
	return "profile"
}

// acceptPair is the bit of ACCEPT2 that, in permission-table form, says that
// the entry is followed by one for those who do not own the file.
const acceptPair = 1

// The old form of ACCEPT: two halves of 14 bits, the owner's first.
const (
	oldHalf       = 14
	oldUnconfined = 1 << 7
	oldUnsafe     = 1 << 8
	oldInherit    = 1 << 9
	oldContinue   = 1 << 28 // classes only
	oldOnexec     = 1 << 30
	oldChange     = 1 << 31

	// Values of the exec index.
	oldXUnconfined = 1
	oldXName       = 2
	oldXChild      = 3
	oldXTable      = 4 // and above: entry index-4 of the transition table
)

// Effective is what a state of an automaton means, in the kernel's permission
// bits whatever form it was written in. Values are comparable: two equal ones
// decide every request alike.
type Effective struct {
	Allow    uint32
	Deny     uint32 // explicitly denied; what is merely not allowed is not in it
	Audit    uint32 // logged when allowed
	Quiet    uint32 // not logged when denied
	Prompt   uint32 // user space is asked
	Complain uint32 // allowed and learned
	Kill     uint32
	Hide     uint32
	Subtree  uint32
	Cond     uint32
	Tag      uint32
	Label    uint32
	// Exec is the transition on exec. It is zero where neither exec nor
	// onexec is allowed or prompted for: what is written there then means
	// nothing.
	Exec Exec
}

// Exec is what becomes of a task that executes a file.
type Exec struct {
	// ByName looks for the profile that attaches to the path, among the
	// profile's children when Child is set.
	ByName bool
	Child  bool
	// Table is set when Target names the new label; otherwise it is empty.
	Table      bool
	Target     string
	Inherit    bool // keep the label, or do so when the target is not found
	Unconfined bool // become unconfined, or do so when the target is not found
	Unsafe     bool // keep the environment as it is
}

// IsZero reports whether no transition is set.
func (x Exec) IsZero() bool { return x == Exec{} }

// String returns the transition as policy writes it: "ix", "Px", "pux",
// "Cx -> target"; and "" for none.
func (x Exec) String() string {
	if x.IsZero() {
		return ""
	}
	p, c, u := "P", "C", "U"
	if x.Unsafe {
		p, c, u = "p", "c", "u"
	}
	s := ""
	switch {
	case x.Child:
		s = c
	case x.ByName || x.Table:
		s = p
	}
	if x.Inherit {
		s += "i" // alone it has no upper case: the environment is kept as it is
	}
	if x.Unconfined {
		s += u
	}
	if s == "" {
		return "unsafe"
	}
	s += "x"
	if x.Table {
		s += " -> " + x.Target
	}
	return s
}

// decodeExec reads an exec index in the kernel's form.
func decodeExec(x uint32, xtable []string) Exec {
	e := Exec{
		ByName:     x&XTypeMask == XName,
		Table:      x&XTypeMask == XTable,
		Child:      x&XChild != 0,
		Inherit:    x&XInherit != 0,
		Unconfined: x&XUnconfined != 0,
		Unsafe:     x&XUnsafe != 0,
	}
	if e.Inherit && !e.ByName && !e.Table && !e.Unconfined {
		e.Unsafe = false // the environment stays as it is anyway
	}
	if i := x & XIndexMask; e.Table && int64(i) < int64(len(xtable)) {
		e.Target = xtable[i]
	}
	return e
}

// oldFile widens the seven packed file bits.
func oldFile(v uint32) uint32 {
	r := v & (PermExec | PermWrite | PermRead | PermAppend)
	if v&PermRead != 0 {
		r |= PermOpen | PermGetattr
	}
	if v&PermWrite != 0 {
		r |= PermCreate | PermDelete | PermOpen | PermSetattr | PermChmod | PermChown
	}
	if v&0x10 != 0 {
		r |= PermLink
	}
	if v&0x20 != 0 {
		r |= PermLock
	}
	if v&0x40 != 0 {
		r |= PermMmap
	}
	return r
}

// oldXIndex turns the packed exec bits of one half into the kernel's form.
func oldXIndex(half uint32) uint32 {
	var x uint32
	if half&oldUnsafe != 0 {
		x |= XUnsafe
	}
	if half&oldInherit != 0 {
		x |= XInherit
	}
	if half&oldUnconfined != 0 {
		x |= XUnconfined
	}
	switch i := half >> 10 & 0xf; i {
	case 0:
	case oldXUnconfined:
		x |= XUnconfined
	case oldXName:
		x |= XName
	case oldXChild:
		x |= XName | XChild
	default:
		x |= XTable | (i - oldXTable)
	}
	return x
}

// oldClasses widens the packed bits of a policydb state: seven that are the
// kernel's own and seven further ones.
func oldClasses(low, high, abi uint32) uint32 {
	r := low&0x7f | high&3<<8 | high&0x1c<<18 | high&0x60<<19
	if abi >= 9 {
		r |= low & 0x80 // rename; bits 8 to 13 are setcred and up, two places on
		r |= low & 0x3f00 << 2
	}
	return r
}

// permReader reads the permissions of states out of one automaton.
type permReader struct {
	db   *PolicyDB
	kind Part
	abi  uint32
}

// at returns the permissions of state s. The owner matters to files only.
func (p permReader) at(s uint32, owner bool) Effective {
	var e Effective
	var x uint32
	if p.db.Perms != nil {
		e, x = p.table(s, owner)
	} else {
		e, x = p.packed(s, owner)
	}
	if e.Allow&(PermExec|PermOnexec) != 0 || e.Prompt&PermExec != 0 {
		e.Exec = decodeExec(x, p.db.XTable)
	}
	return e
}

func (p permReader) table(s uint32, owner bool) (Effective, uint32) {
	d := p.db.DFA
	i := d.Accept[s]
	if !owner && d.Accept2 != nil {
		i += d.Accept2[s] & acceptPair
	}
	q := &p.db.Perms[i]
	return Effective{
		Allow: q.Allow, Deny: q.Deny, Audit: q.Audit, Quiet: q.Quiet, Prompt: q.Prompt,
		Complain: q.Complain, Kill: q.Kill, Hide: q.Hide, Subtree: q.Subtree, Cond: q.Cond,
		Tag: q.Tag, Label: q.Label,
	}, q.XIndex
}

func (p permReader) packed(s uint32, owner bool) (Effective, uint32) {
	a1, a2 := p.db.DFA.Accept[s], uint32(0)
	if p.db.DFA.Accept2 != nil {
		a2 = p.db.DFA.Accept2[s]
	}
	switch {
	case p.kind == PartFile:
		shift := 0
		if !owner {
			shift = oldHalf
		}
		e := Effective{
			Allow: oldFile(a1>>shift) | implicitFile,
			Audit: oldFile(a2 >> shift),
			Quiet: oldFile(a2 >> (shift + 7)),
		}
		if a1&oldOnexec != 0 {
			e.Allow |= PermOnexec
		}
		if a1&oldChange != 0 {
			e.Allow |= PermChangeProf
		}
		return e, oldXIndex(a1 >> shift & (1<<oldHalf - 1))
	case s == TrapState:
		return Effective{}, 0
	case p.kind == PartXMatch:
		return Effective{Allow: a1 & (0x7f | PermChangeHat)}, 0
	}
	return Effective{
		Allow: oldClasses(a1, a1>>oldHalf, p.abi) | a1&PermChangeHat | a1&oldContinue>>1 | implicitPolicydb,
		Audit: oldClasses(a2, a2>>oldHalf, 0),
		Quiet: oldClasses(a2>>7, a2>>(oldHalf+7), 0),
	}, 0
}

// FilePerms returns what the profile's file automaton (see FileDB) grants in
// state s to the owner of the file or to everybody else. A profile without one
// grants nothing.
func (p *Profile) FilePerms(s uint32, owner bool) Effective {
	db, _ := p.FileDB()
	switch {
	case db == nil:
		return Effective{}
	case p.File == nil:
		return permReader{db, PartPolicydb, p.ABI()}.at(s, owner)
	}
	return permReader{db, PartFile, p.ABI()}.at(s, owner)
}

// PolicydbPerms returns what the policydb automaton grants in state s; a
// profile without one has no such states and grants nothing.
func (p *Profile) PolicydbPerms(s uint32) Effective {
	if p.Policydb == nil {
		return Effective{}
	}
	return permReader{p.Policydb, PartPolicydb, p.ABI()}.at(s, true)
}

// XMatchPerms returns what the attachment automaton grants in state s. Exec
// means that the profile attaches.
func (p *Profile) XMatchPerms(s uint32) Effective {
	if p.XMatch == nil {
		return Effective{}
	}
	return permReader{p.XMatch, PartXMatch, p.ABI()}.at(s, true)
}

// FileDB returns the automaton that decides files and the state in which a
// path begins: File, or for a profile without one the policydb from the state
// of class 2. When there is neither it returns nil: all files are denied.
func (p *Profile) FileDB() (db *PolicyDB, start uint32) {
	if p.File != nil {
		return p.File, p.File.pathStart()
	}
	if s := p.ClassState(ClassFile); s != TrapState {
		return p.Policydb, s
	}
	return nil, TrapState
}

// ClassState returns the state of the policydb automaton after the byte of the
// class. The class is mediated exactly when that is not the trap; otherwise
// everything in it is allowed (files excepted, see FileDB).
func (p *Profile) ClassState(c Class) uint32 {
	if p.Policydb == nil {
		return TrapState
	}
	start := p.Policydb.Start
	if start == 0 {
		start = StartState
	}
	return p.Policydb.DFA.Step(start, byte(c))
}

// Mediates reports whether the policydb automaton has anything on the class.
func (p *Profile) Mediates(c Class) bool { return p.ClassState(c) != TrapState }

func (db *PolicyDB) pathStart() uint32 {
	if db.DFAStart != 0 {
		return db.DFAStart
	}
	return StartState
}
