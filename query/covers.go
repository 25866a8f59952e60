package query

import (
	"strings"

	"github.com/goarmor/apparmor/blob"
)

// Covers returns what b allows that a does not: nothing when every request
// that b grants is granted by a as well, with the same transition on exec. Each
// result has a shortest input, and A and B are what the profiles say to it;
// or it names a member (capabilities, mode) or a class that only a mediates.
//
// What is audited does not count, nor do resource limits, path flags and
// attachments. Both profiles should be compiled for one kernel: a profile that
// decides on networks in another class than the other is reported as such. The
// error is a *diag.LimitError for automata that are too large to compare.
func Covers(a, b *Profile) ([]blob.Difference, error) {
	gaps := memberGaps(a, b)
	x, y := complete(a), complete(b)
	scope := blob.Scope{States: []blob.ScopeState{
		scopeStart:  {Next: map[byte]int{}, Other: blob.OutOfScope},
		scopeAll:    {Counts: true, Other: scopeAll},
		scopeMore:   {Other: scopeAll},
		scopeItself: {Counts: true, Other: blob.OutOfScope},
		scopeLabel:  {Next: map[byte]int{}, Other: blob.OutOfScope},
	}}
	for c := range blob.Class(classes) {
		compare, gap := mediated(a, b, c)
		if gap {
			gaps = append(gaps, blob.Difference{Profile: a.Name, Part: blob.PartPolicydb, Member: "class " + c.String(),
				TextA: mediation(a, c), TextB: mediation(b, c)})
		}
		if compare {
			addClass(scope, c)
		}
	}
	found, err := blob.Diff(x, y, blob.DiffOptions{
		Decisions: true,
		Relation: func(_ blob.Part, a, b blob.Effective) bool {
			extra := b.Allow &^ b.Deny &^ (a.Allow &^ a.Deny)
			return extra == 0 && (b.Allow&blob.PermExec == 0 || a.Exec == b.Exec)
		},
		Ignore: func(d blob.Difference) bool {
			return d.Member != "" || d.Part == blob.PartXMatch
		},
		Scope: &scope,
	})
	return append(gaps, found...), err
}

// classes is one more than the highest class.
const classes = byte(blob.ClassDBus) + 1

// mediated tells whether strings of a class are to be compared, and whether
// b allows all of a class that a does not.
func mediated(a, b *Profile, c blob.Class) (compare, gap bool) {
	inA, inB := a.Mediates(c), b.Mediates(c)
	switch c {
	case blob.ClassFile, blob.ClassCap, blob.ClassLabel:
		return false, false // decided elsewhere, or asked for another class
	case blob.ClassNet:
		if a.Mediates(blob.ClassNetV9) || b.Mediates(blob.ClassNetV9) {
			return false, false
		}
	case blob.ClassNetV9:
		if inA != inB {
			// Whoever lacks it decides by the older class, if by any.
			return false, inA || a.Mediates(blob.ClassNet)
		}
	}
	return inA && inB, inA && !inB
}

// The states of the scope in which policydb automata are compared.
const (
	scopeStart  = iota
	scopeAll    // everything from here on is asked for
	scopeMore   // what is longer is: the byte of a class alone only says that it is mediated
	scopeItself // nothing longer is
	scopeLabel  // after the byte of labels
)

// addClass takes the strings that kernels ask for in a class into the scope.
func addClass(scope blob.Scope, c blob.Class) {
	to := scopeMore
	switch c {
	case blob.ClassPtrace: // asked for as a label
		scope.States[scopeLabel].Next[byte(c)] = scopeMore
		c, to = blob.ClassLabel, scopeLabel
	case blob.ClassNamespaces:
		to = scopeItself
	case blob.ClassIOUring:
		to = scopeAll
	}
	scope.States[scopeStart].Next[byte(c)] = to
}

func mediation(p *Profile, c blob.Class) string {
	if p.Mediates(c) {
		return "mediated"
	}
	return "not mediated"
}

func memberGaps(a, b *Profile) []blob.Difference {
	var gaps []blob.Difference
	if extra := b.Caps.Allow &^ a.Caps.Allow; extra != 0 {
		gaps = append(gaps, blob.Difference{Profile: a.Name, Member: "capabilities",
			TextA: capabilityNames(a.Caps.Allow), TextB: capabilityNames(b.Caps.Allow)})
	}
	if permissive(b.EffectiveMode()) > permissive(a.EffectiveMode()) {
		gaps = append(gaps, blob.Difference{Profile: a.Name, Member: "mode",
			TextA: a.EffectiveMode().String(), TextB: b.EffectiveMode().String()})
	}
	return gaps
}

// permissive ranks modes by what they let pass.
func permissive(m blob.Mode) int {
	switch m {
	case blob.Complain:
		return 1
	case blob.Unconfined:
		return 2
	}
	return 0
}

// complete returns the profile with every automaton present, so that what is
// absent is compared for what it means.
func complete(p *Profile) *blob.Profile {
	q := *p.Profile
	if q.File == nil {
		q.File = empty()
		if db, start := p.FileDB(); db != nil {
			file := *db
			file.DFAStart = start
			q.File = &file
		}
	}
	if q.Policydb == nil {
		q.Policydb = empty()
	}
	return &q
}

// empty returns an automaton that knows no string and grants nothing.
func empty() *blob.PolicyDB {
	return &blob.PolicyDB{Perms: []blob.Perm{{}}, DFA: &blob.DFA{
		Accept: make([]uint32, 2), Base: make([]uint32, 2), Default: make([]uint32, 2),
		Next: make([]uint32, 256), Check: make([]uint32, 256),
	}}
}

func capabilityNames(set uint64) string {
	var names []string
	for i, name := range capabilities {
		if set>>i&1 != 0 {
			names = append(names, name)
		}
	}
	if set>>len(capabilities) != 0 {
		names = append(names, "and unknown ones")
	}
	if names == nil {
		return "none"
	}
	return strings.Join(names, " ")
}
