// SPDX-License-Identifier: Apache-2.0

package query

import (
	"strings"

	"github.com/goarmor/apparmor/blob"
)

// Lookup is one thing that was looked up in a compiled profile to answer a
// request.
type Lookup struct {
	// Part is where: blob.PartFile or blob.PartPolicydb, blob.PartXMatch for
	// attachments, or blob.PartProfile for what is not in an automaton:
	// capabilities, resource limits and families of sockets.
	Part blob.Part
	// Class is the class by which the profile mediates the request.
	Class blob.Class
	// Input is the input of the automaton from its start, or the name of the
	// member.
	Input string
	// Owner says whether the owner's permissions were looked at; except for
	// files they are those of everybody.
	Owner bool
	// Perms are the permissions that mattered to the decision. They can be
	// more than the request's, as for links, which may grant no more than
	// their targets do.
	Perms Perms
	// Found is what the profile grants there.
	Found blob.Effective
}

// Trace is Ask that also returns what was looked up, in order. It is empty if
// the class of the request is not mediated or the profile has no automaton for
// it.
func (p *Profile) Trace(r Request) (Decision, []Lookup, error) {
	var found []Lookup
	d, err := p.put(r, &found)
	return d, found, err
}

// asked is a profile that is asked a request. The profile is from a verified
// policy.
type asked struct {
	*blob.Profile
	set     *blob.Policy
	steps   *int      // how many are left, see MaxSteps; negative: none were left
	lookups *[]Lookup // nil: not wanted
}

// match returns the state of an automaton after a text.
func match[T string | []byte](p asked, d *blob.DFA, s uint32, text T) uint32 {
	if d.Flags&blob.FlagDiff == 0 { // a step for a byte
		if *p.steps -= len(text); *p.steps < 0 {
			return blob.TrapState
		}
		for i := 0; i < len(text) && s != blob.TrapState; i++ {
			s = d.Step(s, text[i])
		}
		return s
	}
	for i := 0; i < len(text) && s != blob.TrapState; i++ {
		s = d.StepWithin(s, text[i], p.steps)
	}
	return s
}

func (p asked) note(part blob.Part, c blob.Class, owner bool, want Perms, e blob.Effective, input ...string) {
	*p.lookups = append(*p.lookups, Lookup{part, c, strings.Join(input, ""), owner, want, e})
}

// onPath returns what is granted on a string that begins like a path.
func (p asked) onPath(name string, owner bool, want Perms) blob.Effective {
	return p.onPaths(name, "", false, owner, want)
}

// onPair returns what is granted on two names with a NUL between them.
func (p asked) onPair(name, target string, owner bool, want Perms) blob.Effective {
	return p.onPaths(name, target, true, owner, want)
}

func (p asked) onPaths(name, target string, pair, owner bool, want Perms) blob.Effective {
	db, s := p.FileDB()
	if db == nil {
		return blob.Effective{}
	}
	s = match(p, db.DFA, s, name)
	if pair {
		s = match(p, db.DFA, match(p, db.DFA, s, "\x00"), target)
	}
	e := p.FilePerms(s, owner)
	if p.lookups != nil {
		part, class, nul := blob.PartFile, "", ""
		if db == p.Policydb {
			part, class = blob.PartPolicydb, string([]byte{byte(blob.ClassFile)})
		}
		if pair {
			nul = "\x00"
		}
		p.note(part, blob.ClassFile, owner, want, e, class, name, nul, target)
	}
	return e
}

// inClass looks up a string of a class in the policydb automaton.
func (p asked) inClass(c blob.Class, rest []byte, want Perms) Decision {
	s := p.ClassState(c)
	if s == blob.TrapState {
		return unmediated(want)
	}
	return decide(want, p.after(c, s, rest, want))
}

// after returns what the policydb automaton grants on rest in state s, the one
// after the byte of the class.
func (p asked) after(c blob.Class, s uint32, rest []byte, want Perms) blob.Effective {
	e := p.PolicydbPerms(match(p, p.Policydb.DFA, s, rest))
	if p.lookups != nil {
		by := c
		if c == blob.ClassLabel {
			by = blob.Class(rest[0]) // whose strings begin with the class of labels
		}
		p.note(blob.PartPolicydb, by, true, want, e, string([]byte{byte(c)}), string(rest))
	}
	return e
}
