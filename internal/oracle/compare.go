// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"strings"
	"testing"

	"github.com/goarmor/apparmor/blob"
)

// Allowance is one way in which a policy that this module compiles may differ
// from what apparmor_parser 3.0.8 makes of the same text, because version 6.0,
// whose meaning is ours, differs from it in the same way.
type Allowance struct {
	Name string
	Why  string
	// Forgive removes from a difference what this allowance covers: it makes
	// A and B, or TextA and TextB, equal in that respect. A is ours.
	Forgive func(d *blob.Difference, ours, theirs *blob.Profile)
}

// Allowances returns the list that Compare goes by.
func Allowances() []Allowance {
	return []Allowance{
		{"plain xmatch", "3.0.8 writes no attachment automaton for a profile whose name is a plain path; the kernel then compares names",
			forgivePlainXMatch},
		{"new classes", "3.0.8 knows no user namespaces (0x15) and no io_uring (0x16), so it never marks them as mediated",
			forgiveNewClasses},
		{"network class", "3.0.8 writes network rules in class 0x0e where 6.0 uses 0x0f, when the kernel has network_v9",
			forgiveNetworkClass},
		{"socket types", "a network rule without a type has in 3.0.8 the types that exist, in 6.0 every number",
			forgiveSocketTypes},
		{"unix downgrade", "without unix mediation a unix rule becomes a network rule, in 3.0.8 with every permission, in 6.0 with its own; 6.0 drops such a deny rule",
			forgiveUnixDowngrade},
		{"mmap of ix", "3.0.8 gives m with each ix rule, 6.0 where ix is what is left after resolution",
			forgiveImpliedMmap},
		{"audit of denied", "3.0.8 leaves the audit bits of permissions that are denied",
			forgiveDeniedAudit},
		{"mount looseness", "3.0.8 writes looser flag strings for mounts and asks for the data to be audited",
			forgiveMount},
	}
}

// Compare compares two policies for equal meaning and returns what differs
// beyond Allowances, a line each. The first is ours, the second is from
// apparmor_parser 3.0.8. For policies of 6.0 use blob.DiffPolicy, where there
// is nothing to allow.
func Compare(tb testing.TB, ours, theirs *blob.Policy) []string {
	tb.Helper()
	profiles := func(p *blob.Policy) map[string]*blob.Profile {
		m := map[string]*blob.Profile{}
		for _, q := range p.Profiles() {
			m[q.Name] = q
		}
		return m
	}
	a, b := profiles(ours), profiles(theirs)
	allowances := Allowances()
	found, err := blob.DiffPolicy(ours, theirs, blob.DiffOptions{Ignore: func(d blob.Difference) bool {
		x, y := a[d.Profile], b[d.Profile]
		if x == nil || y == nil {
			return false
		}
		return forgiven(d, allowances, x, y)
	}})
	var out []string
	for _, d := range found {
		out = append(out, d.String())
	}
	if err != nil {
		out = append(out, err.Error())
	}
	return out
}

// forgiven reports whether nothing is left of a difference.
func forgiven(d blob.Difference, list []Allowance, ours, theirs *blob.Profile) bool {
	for _, a := range list {
		a.Forgive(&d, ours, theirs)
	}
	return d.A == d.B && d.TextA == d.TextB
}

func forgivePlainXMatch(d *blob.Difference, ours, theirs *blob.Profile) {
	if d.Part != blob.PartXMatch || d.Member == "" || theirs.XMatch != nil {
		return
	}
	// What the automaton attaches to must be the one path that is the name, of
	// a child without its parent's.
	name, ok := onlyMatch(ours.XMatch)
	if !ok || ours.XMatchLen != uint32(len(name)) {
		return
	}
	if ours.Name == name || strings.HasSuffix(ours.Name, "//"+name) {
		d.TextA = d.TextB
	}
}

// onlyMatch returns the one string that an attachment automaton accepts, and
// false when there are more, or none.
func onlyMatch(db *blob.PolicyDB) (string, bool) {
	if db == nil {
		return "", false
	}
	var name []byte
	var next [256]uint32
	for s := blob.StartState; len(name) <= 1<<16; {
		found := 0
		db.DFA.Row(s, &next)
		for c, t := range next {
			if t != blob.TrapState {
				found++
				s = t
				name = append(name, byte(c))
			}
		}
		accepts := found == 0 && db.DFA.Accept[s]&1 != 0
		if found != 1 {
			return string(name), accepts
		}
	}
	return "", false
}

func isClass(d *blob.Difference, c blob.Class) bool {
	return d.Part == blob.PartPolicydb && d.Member == "" && len(d.Input) > 0 && d.Input[0] == blob.Symbol(c)
}

func forgiveNewClasses(d *blob.Difference, _, theirs *blob.Profile) {
	for _, c := range []blob.Class{blob.ClassNamespaces, blob.ClassIOUring} {
		if isClass(d, c) && !mediates(theirs, c) {
			d.A = d.B
		}
	}
}

// mediates reports whether the policydb has anything of a class.
func mediates(p *blob.Profile, c blob.Class) bool {
	if p.Policydb == nil {
		return false
	}
	return p.Policydb.DFA.Match(blob.StartState, []byte{byte(c)}) != blob.TrapState
}

func forgiveNetworkClass(d *blob.Difference, ours, theirs *blob.Profile) {
	old, v9 := isClass(d, blob.ClassNet), isClass(d, blob.ClassNetV9)
	if !old && !v9 || !mediates(ours, blob.ClassNetV9) || mediates(theirs, blob.ClassNetV9) {
		return
	}
	if old || len(d.Input) < 3 {
		d.A = d.B // nothing is asked in class 0x0e then; see v9 below
		return
	}
	// What 0x0f says to a family and type must be what 0x0e says in theirs.
	// Unix sockets go on in strings that 0x0e does not have.
	in, ok := d.Input.Bytes()
	if !ok || in[1] == 0 && in[2] == 1 {
		d.A = d.B
		return
	}
	in[0] = byte(blob.ClassNet)
	state := theirs.Policydb.DFA.Match(blob.StartState, in)
	b := theirs.PolicydbPerms(state)
	a := d.A
	a.Allow, b.Allow = a.Allow&blob.AllNetPerms, b.Allow&blob.AllNetPerms
	if a == b {
		d.A = d.B
	}
}

func forgiveSocketTypes(d *blob.Difference, _, _ *blob.Profile) {
	in, ok := d.Input.Bytes()
	if !ok || len(in) != 5 || !isClass(d, blob.ClassNet) && !isClass(d, blob.ClassNetV9) {
		return
	}
	switch t := uint16(in[3])<<8 | uint16(in[4]); t {
	case 1, 2, 3, 4, 5, 10: // stream to seqpacket, packet
	default:
		d.A = d.B
	}
}

func forgiveUnixDowngrade(d *blob.Difference, _, _ *blob.Profile) {
	in, ok := d.Input.Bytes()
	if !isClass(d, blob.ClassNet) || !ok || len(in) != 5 || in[1] != 0 || in[2] != 1 {
		return
	}
	// Ours may have less of everything.
	d.B.Allow &= d.A.Allow
	d.B.Quiet &= d.A.Quiet
	d.B.Audit &= d.A.Audit
}

func forgiveImpliedMmap(d *blob.Difference, _, _ *blob.Profile) {
	if d.Part != blob.PartFile || d.A.Exec.Inherit {
		return
	}
	if d.A.Allow&blob.PermMmap == 0 && d.B.Allow&blob.PermMmap != 0 {
		d.B.Allow &^= blob.PermMmap
		d.B.Audit &^= blob.PermMmap
	}
}

func forgiveDeniedAudit(d *blob.Difference, _, _ *blob.Profile) {
	if d.Member == "" {
		d.B.Audit &= d.A.Audit | d.A.Allow
	}
}

func forgiveMount(d *blob.Difference, _, _ *blob.Profile) {
	if !isClass(d, blob.ClassMount) {
		return
	}
	const auditData = 0x40
	d.B.Allow &= d.A.Allow
	d.B.Audit &^= auditData
	d.B.Audit &= d.A.Audit
}
