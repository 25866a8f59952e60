// SPDX-License-Identifier: Apache-2.0

package blob

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/goarmor/apparmor/internal/linux"
)

// Who says to whom a difference matters.
type Who uint8

// Owner and Other differ only for files: the owner is a task whose fsuid owns
// the file.
const (
	Anyone Who = iota
	Owner
	Other
)

// String returns "anyone", "owner" or "other".
func (w Who) String() string {
	switch w {
	case Owner:
		return "owner"
	case Other:
		return "other"
	}
	return "anyone"
}

// Difference is one thing in which two profiles differ: a plain member (Part
// is PartProfile), or the answer of an automaton to an input.
type Difference struct {
	Profile string // its name
	Part    Part   // where they differ

	// Member and its two values as text, TextA and TextB, for plain members and
	// for automata that only one of the profiles has.
	Member       string
	TextA, TextB string

	// Input is one of the shortest to which the automata answer differently,
	// and A and B are the answers. They are for Who: only automata of files
	// answer the owner otherwise than others.
	Input Input
	Who   Who
	A, B  Effective
}

// String describes the difference in one line.
func (d Difference) String() string {
	if d.Member != "" {
		return fmt.Sprintf("%s: %s: %s | %s", d.Profile, d.Member, d.TextA, d.TextB)
	}
	who := ""
	if d.Who != Anyone {
		who = " (" + d.Who.String() + ")"
	}
	return fmt.Sprintf("%s: %s after %v%s: %v | %v", d.Profile, d.Part, d.Input, who, d.A, d.B)
}

// DiffOptions choose what counts as a difference. The zero value compares
// meaning: everything that can change a decision or what is logged, but none
// of the ways in which equal meaning is written differently.
type DiffOptions struct {
	// Strict also compares what no request can see: the permission that every
	// policydb state has by construction, and what is granted to the empty
	// string, which permission tables do not keep.
	Strict bool
	// Decisions compares only what is allowed, prompted for or denied and
	// what exec leads to, not what is audited or quiet.
	Decisions bool
	// Max is the number of differences to look for in each automaton; zero
	// means ten. Each has a pair of answers that those before it do not have.
	Max int
	// MaxPairs bounds the work and memory for each automaton: the number of
	// pairs of states; zero means DefaultMaxPairs.
	MaxPairs int
	// Ignore, if set, is called with each difference; those for which it
	// returns true do not count. Inputs that lead to the same two states are
	// one difference, shown with the shortest of them.
	Ignore func(Difference) bool
}

// DefaultMaxPairs is the default of DiffOptions.MaxPairs. A pair takes about
// 40 bytes.
const DefaultMaxPairs = 1 << 23

// Diff returns in what two profiles differ: plain members first, then xmatch,
// policydb and file. Nothing is returned for profiles of equal meaning. The
// namespace and name are not compared. The error is a *diag.LimitError when
// an automaton needed more than MaxPairs; the differences that were found so
// far are returned with it.
//
// Both profiles must come from a Policy.
func Diff(a, b *Profile, o DiffOptions) ([]Difference, error) {
	return diffAs(a.Name, a, b, o)
}

// diffAs is Diff with the name that differences have.
func diffAs(name string, a, b *Profile, o DiffOptions) ([]Difference, error) {
	c := differ{name: name, a: a, b: b, o: o}
	c.members()
	c.automaton(PartXMatch, a.XMatch, b.XMatch)
	c.automaton(PartPolicydb, a.Policydb, b.Policydb)
	c.automaton(PartFile, a.File, b.File)
	return c.found, errors.Join(c.errs...)
}

// Equal reports whether two profiles mean the same.
func Equal(a, b *Profile) (bool, error) {
	d, err := Diff(a, b, DiffOptions{Max: 1})
	return len(d) == 0 && err == nil, err
}

// DiffPolicy compares two policies profile by profile, by name: those of a
// first, in its order, then those that only b has.
func DiffPolicy(a, b *Policy, o DiffOptions) ([]Difference, error) {
	return DiffAll([]*Policy{a}, []*Policy{b}, o)
}

// DiffAll is DiffPolicy for policies of several namespaces, as InspectAll returns
// them: profiles are compared with those of the same name and namespace. A
// difference names a profile of a namespace by its full name, :ns:name.
func DiffAll(a, b []*Policy, o DiffOptions) ([]Difference, error) {
	var found []Difference
	var errs []error
	shown := func(p *Profile) string {
		if len(a) > 1 || len(b) > 1 {
			return strings.TrimPrefix(p.FullName(), "::")
		}
		return p.Name
	}
	only := func(p *Profile, inA, inB string) {
		d := Difference{Profile: shown(p), Member: "profile", TextA: inA, TextB: inB}
		if o.Ignore == nil || !o.Ignore(d) {
			found = append(found, d)
		}
	}
	inB := map[string]*Profile{}
	for _, b := range b {
		for _, p := range b.profiles() {
			inB[p.FullName()] = p
		}
	}
	for _, a := range a {
		for _, p := range a.profiles() {
			q := inB[p.FullName()]
			if q == nil {
				only(p, "present", "absent")
				continue
			}
			delete(inB, p.FullName())
			d, err := diffAs(shown(p), p, q, o)
			found = append(found, d...)
			if err != nil {
				errs = append(errs, fmt.Errorf("profile %q: %w", shown(p), err))
			}
		}
	}
	for _, b := range b {
		for _, q := range b.profiles() {
			if inB[q.FullName()] != nil {
				only(q, "absent", "present")
			}
		}
	}
	return found, errors.Join(errs...)
}

// FullName returns the name with its namespace, whether the header or the name
// has it: ":ns:name", and "::name" for the namespace that the policy is loaded
// into.
func (p *Profile) FullName() string {
	ns, name := splitName(p.Name)
	if ns == "" {
		ns = p.Namespace
	}
	return ":" + ns + ":" + name
}

type differ struct {
	name  string
	a, b  *Profile
	o     DiffOptions
	found []Difference
	errs  []error
}

func (c *differ) report(d Difference) bool {
	d.Profile = c.name
	if c.o.Ignore != nil && c.o.Ignore(d) {
		return false
	}
	c.found = append(c.found, d)
	return true
}

func (c *differ) member(name string, a, b any) {
	x, y := fmt.Sprint(a), fmt.Sprint(b)
	if x != y {
		c.report(Difference{Member: name, TextA: x, TextB: y})
	}
}

// members compares everything but the automata.
func (c *differ) members() {
	a, b := c.a, c.b
	c.member("rename", a.Rename, b.Rename)
	c.member("attach", a.Attach, b.Attach)
	if a.XMatch != nil && b.XMatch != nil {
		c.member("xmatch_len", a.XMatchLen, b.XMatchLen)
	}
	c.member("disconnected", a.Disconnected, b.Disconnected)
	c.member("disconnected_ipc", a.DisconnectedIPC, b.DisconnectedIPC)
	c.member("kill", a.Kill, b.Kill)
	c.member("error", a.Error, b.Error)
	c.member("hat", a.Hat, b.Hat)
	c.member("flags", hex(a.FlagBits), hex(b.FlagBits))
	c.member("mode", a.EffectiveMode(), b.EffectiveMode())
	c.member("audit", a.Audit, b.Audit)
	c.member("path_flags", a.pathFlagsText(), b.pathFlagsText())
	c.member("capabilities allowed", hex(a.Caps.Allow), hex(b.Caps.Allow))
	if !c.o.Decisions {
		c.member("capabilities audited", hex(a.Caps.Audit), hex(b.Caps.Audit))
		c.member("capabilities quiet", hex(a.Caps.Quiet), hex(b.Caps.Quiet))
	}
	c.member("capsx", hex(a.Caps.Extended), hex(b.Caps.Extended))
	c.member("xattrs", strings.Join(a.Xattrs, ", "), strings.Join(b.Xattrs, ", "))
	c.member("rlimits", a.rlimitsText(), b.rlimitsText())
	c.member("secmark", fmt.Sprintf("%+v", a.Secmarks), fmt.Sprintf("%+v", b.Secmarks))
	c.member("net_allowed_af", a.familiesText(c.o.Decisions), b.familiesText(c.o.Decisions))
	c.member("data", a.dataText(), b.dataText())
}

func hex[T uint32 | uint64](v T) string { return fmt.Sprintf("%#x", v) }

// EffectiveMode returns the mode, which the header may force to complain.
func (p *Profile) EffectiveMode() Mode {
	if p.Header&forceComplain != 0 {
		return Complain
	}
	return p.Mode
}

// familiesText lists the families with any mask that is not zero.
func (p *Profile) familiesText(decisions bool) string {
	var parts []string
	for i, m := range p.Families {
		switch {
		case decisions && m.Allow != 0:
			parts = append(parts, fmt.Sprintf("%d: %#x", i, m.Allow))
		case !decisions && m != FamilyMask{}:
			parts = append(parts, fmt.Sprintf("%d: allow %#x audit %#x quiet %#x", i, m.Allow, m.Audit, m.Quiet))
		}
	}
	return strings.Join(parts, ", ")
}

func (p *Profile) pathFlagsText() string {
	if !p.HasPathFlags && p.PathFlags == 0 {
		return "none"
	}
	return hex(uint32(p.PathFlags))
}

func (p *Profile) rlimitsText() string {
	var s []string
	for i, v := range p.Rlimits {
		if p.RlimitMask>>i&1 != 0 {
			s = append(s, fmt.Sprintf("%s=%d", linux.Rlimits.Name(i), v))
		}
	}
	return strings.Join(s, " ")
}

func (p *Profile) dataText() string {
	s := make([]string, len(p.Data))
	for i, d := range p.Data {
		s[i] = fmt.Sprintf("%q=%x", d.Key, d.Value)
	}
	slices.Sort(s)
	return strings.Join(s, " ")
}

// automaton compares one of the automata.
func (c *differ) automaton(part Part, a, b *PolicyDB) {
	switch {
	case a == nil && b == nil:
		return
	case a == nil || b == nil:
		x, y := "present", "absent"
		if a == nil {
			x, y = y, x
		}
		c.report(Difference{Part: part, Member: part.String() + " DFA", TextA: x, TextB: y})
		return
	}
	limit, pairs := c.o.Max, c.o.MaxPairs
	if limit <= 0 {
		limit = 10
	}
	if pairs <= 0 {
		pairs = DefaultMaxPairs
	}
	w := comparison{
		differ: c, part: part, left: limit, settled: map[[2]uint32]bool{},
		a: newPermIDs(permReader{a, part, c.a.ABI()}, c.mask(part)),
		b: newPermIDs(permReader{b, part, c.b.ABI()}, c.mask(part)),
	}
	startA, startB := a.startOf(part), b.startOf(part)
	inputs := everything
	if part == PartPolicydb && !c.o.Strict {
		inputs = asked
	}
	w.product = newProduct(a.DFA, b.DFA, startA, startB, inputs, pairs)
	if err := w.product.run(w.visit); err != nil {
		c.errs = append(c.errs, fmt.Errorf("%v: %w", part, err))
	}
}

// startOf returns the state in which inputs of that part begin.
func (db *PolicyDB) startOf(part Part) uint32 {
	if part == PartPolicydb {
		if db.Start != 0 {
			return db.Start
		}
		return StartState
	}
	return db.pathStart()
}

// mask returns how permissions are made comparable.
func (c *differ) mask(part Part) func(Effective) Effective {
	return func(e Effective) Effective {
		if part == PartPolicydb && !c.o.Strict {
			e.Allow &^= implicitPolicydb
		}
		if c.o.Decisions {
			e.Audit, e.Quiet, e.Hide, e.Tag, e.Label = 0, 0, 0, 0, 0
		}
		return e
	}
}

// permIDs numbers the distinct permissions of an automaton's states, so that
// most comparisons are lookups.
type permIDs struct {
	read permReader
	mask func(Effective) Effective
	ids  []uint32 // per state: 1 + index of all; zero: not read yet
	all  []answer
	of   map[answer]uint32
}

// answer is what a state says to the owner and to everybody else.
type answer struct{ owner, other Effective }

func newPermIDs(r permReader, mask func(Effective) Effective) *permIDs {
	return &permIDs{read: r, mask: mask, ids: make([]uint32, r.db.DFA.States()), of: map[answer]uint32{}}
}

func (p *permIDs) id(s uint32) uint32 {
	if p.ids[s] == 0 {
		a := answer{owner: p.mask(p.read.at(s, true))}
		a.other = a.owner
		if p.read.kind == PartFile {
			a.other = p.mask(p.read.at(s, false))
		}
		id, ok := p.of[a]
		if !ok {
			id = uint32(len(p.all))
			p.all = append(p.all, a)
			p.of[a] = id
		}
		p.ids[s] = id + 1
	}
	return p.ids[s] - 1
}

// comparison is the walk through one pair of automata.
type comparison struct {
	*differ
	part    Part
	product *product
	a, b    *permIDs
	left    int // differences still to be found
	// settled holds the pairs of answers that are equal or have been reported.
	settled map[[2]uint32]bool
}

func (w *comparison) visit(i int) bool {
	if i == 0 && !w.o.Strict {
		return true // nothing asks for the empty string
	}
	n := w.product.nodes[i]
	if !w.product.scope.counts[n.scope] {
		return true
	}
	key := [2]uint32{w.a.id(n.a), w.b.id(n.b)}
	if w.settled[key] {
		return true
	}
	x, y := w.a.all[key[0]], w.b.all[key[1]]
	owner, other := x.owner == y.owner, x.other == y.other
	if owner && other {
		w.settled[key] = true
		return true
	}
	in := w.product.input(i)
	d := Difference{Part: w.part, Input: in}
	reported := false
	switch {
	case w.part != PartFile || x.owner == x.other && y.owner == y.other:
		d.A, d.B = x.owner, y.owner
		reported = w.report(d)
	default:
		if !owner {
			d.Who, d.A, d.B = Owner, x.owner, y.owner
			reported = w.report(d)
		}
		if !other {
			d.Who, d.A, d.B = Other, x.other, y.other
			reported = w.report(d) || reported
		}
	}
	if reported {
		w.settled[key] = true
		w.left--
	}
	return w.left > 0
}
