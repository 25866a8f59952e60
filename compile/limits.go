// SPDX-License-Identifier: Apache-2.0

package compile

import (
	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/compile/internal/automaton"
	"github.com/goarmor/apparmor/diag"
)

// Limits bound the resources that compiling one policy may use: all of its
// profiles, children and hats, and every automaton of them, together. A zero
// field selects its default.
//
// What is counted depends on the policy and the features alone, so the same
// input always passes, or fails at the same place, on every machine.
type Limits struct {
	// Work is how many steps the construction of all automata may take: looks
	// at an element of a set, transitions followed, slots tried. A step is a
	// few nanoseconds; docs/limits.md has what was measured.
	Work int64
	// States is how many states all automata may have before they are
	// minimised.
	States int
	// Memory is by how many bytes the heap may grow: what is in use at once,
	// and as much garbage as Go's collector leaves with GOGC=100.
	Memory int64
	// Bytes is the greatest length of the binary policy.
	Bytes int64
}

// The defaults of Limits: work and states are ten times what Debian's largest
// profile takes.
const (
	DefaultWork   = 256 << 20
	DefaultStates = 1 << 18
	DefaultMemory = 256 << 20
	DefaultBytes  = 64 << 20
)

// Untrusted returns limits for policy of strangers: it costs about a second of
// one core and 64 MiB at most. The parsing and resolving of such policy has
// limits in parser.Untrusted and policy.Untrusted.
func Untrusted() Limits {
	return Limits{Work: 192 << 20, States: 1 << 17, Memory: 64 << 20, Bytes: 8 << 20}
}

func (l Limits) withDefaults() Limits {
	if l.Work == 0 {
		l.Work = DefaultWork
	}
	if l.States == 0 {
		l.States = DefaultStates
	}
	if l.Memory == 0 {
		l.Memory = DefaultMemory
	}
	if l.Bytes == 0 {
		l.Bytes = DefaultBytes
	}
	return l
}

// budget is what automata are bounded by.
func (l Limits) budget() automaton.Limits {
	return automaton.Limits{Work: l.Work, States: l.States, Memory: l.Memory}
}

// checkBytes checks the length of a binary policy.
func (l Limits) checkBytes(n int64) error {
	if n <= l.Bytes {
		return nil
	}
	return &diag.LimitError{What: "bytes of binary policy", Limit: l.Bytes, Got: n}
}

// count adds up the least size of the tables of the profiles, so that a policy
// that is too large is refused before all of it is compiled, and counts the
// memory that they and their binary form take.
func (c *compiler) count(p *blob.Profile) error {
	var held int64
	for _, db := range [...]*blob.PolicyDB{p.XMatch, p.Policydb, p.File} {
		if db != nil && db.DFA != nil {
			d := db.DFA
			states, slots := int64(len(d.Accept)+len(d.Accept2)+len(d.Base)), int64(len(d.Next)+len(d.Check))
			binary := 4*states + 2*int64(len(d.Default)) + 2*slots
			c.bytes += binary
			held += 4*(states+int64(len(d.Default))+slots) + 2*binary + int64(len(db.Perms))*64
		}
	}
	if !c.budget.Hold(held) {
		return c.budget.Err()
	}
	return c.limits.checkBytes(c.bytes)
}

// used is what was taken of each limit.
func (c *compiler) used() Limits {
	u := c.budget.Used()
	return Limits{Work: u.Work, States: u.States, Memory: u.Memory, Bytes: c.binary}
}
