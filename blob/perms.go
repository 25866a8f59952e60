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

// String returns the name of the part.
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

// Effective is what a state of an automaton means, in the kernel's permission
// bits, whatever form it was written in. Values are comparable: two equal ones
// decide every request in the same way.
type Effective struct {
	Allow    uint32 // granted
	Deny     uint32 // explicitly denied; what is merely not allowed is not in it
	Audit    uint32 // logged when allowed
	Quiet    uint32 // not logged when denied
	Prompt   uint32 // user space is asked
	Complain uint32 // allowed and learned
	Kill     uint32 // refused with a signal to the task
	Hide     uint32 // refused with ENOENT
	// Subtree is the part of Allow that is meant for all that is below. Cond is
	// what depends on a condition, in neither Allow nor Deny. Tag and Label are
	// as in Perm.
	Subtree uint32
	Cond    uint32
	Tag     uint32
	Label   uint32
	// Exec is the transition on exec. It is zero where neither exec nor onexec
	// is allowed or prompted for: what is written there then has no meaning.
	Exec Exec
}

// Exec says what happens to a task that executes a file.
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

// DecodeExec reads an exec index in the kernel's form, see Perm.XIndex, with the
// transition table that it may point into.
//
// A plain ix has no Unsafe, whatever the index says: kernels look at that bit
// only when the label changes (profile_transition in
// security/apparmor/domain.c leaves before it on the fallback to the same
// label), so the environment stays as it is either way. apparmor_parser 3.0.8
// writes the bit for "unsafe ix" and not for ix; on 6.1, 6.12, 7.2 and 7.3
// neither makes a program distrust its environment.
func DecodeExec(xindex uint32, xtable []string) Exec {
	e := Exec{
		ByName:     xindex&XTypeMask == XName,
		Table:      xindex&XTypeMask == XTable,
		Child:      xindex&XChild != 0,
		Inherit:    xindex&XInherit != 0,
		Unconfined: xindex&XUnconfined != 0,
		Unsafe:     xindex&XUnsafe != 0,
	}
	if e.Inherit && !e.ByName && !e.Table && !e.Unconfined {
		e.Unsafe = false
	}
	if i := xindex & XIndexMask; e.Table && int64(i) < int64(len(xtable)) {
		e.Target = xtable[i]
	}
	return e
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
		e.Exec = DecodeExec(x, p.db.XTable)
	}
	return e
}

func (p permReader) table(s uint32, owner bool) (Effective, uint32) {
	d := p.db.DFA
	i := d.Accept[s]
	if !owner && d.Accept2 != nil {
		i += d.Accept2[s] & AcceptPair
	}
	q := &p.db.Perms[i]
	return Effective{
		Allow: q.Allow, Deny: q.Deny, Audit: q.Audit, Quiet: q.Quiet, Prompt: q.Prompt,
		Complain: q.Complain, Kill: q.Kill, Hide: q.Hide, Subtree: q.Subtree, Cond: q.Cond,
		Tag: q.Tag, Label: q.Label,
	}, q.XIndex
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
// of class 2. If there is neither, it returns nil: all files are denied.
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
// class. The class is mediated if and only if that is not the trap; otherwise
// everything in it is allowed (except files, see FileDB).
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

// Mediates reports whether the policydb automaton has anything about the
// class.
func (p *Profile) Mediates(c Class) bool { return p.ClassState(c) != TrapState }

func (db *PolicyDB) pathStart() uint32 {
	if db.DFAStart != 0 {
		return db.DFAStart
	}
	return StartState
}
