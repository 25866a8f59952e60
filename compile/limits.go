// SPDX-License-Identifier: Apache-2.0

package compile

import (
	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/diag"
)

// Limits bound the resources that compiling one policy may use. A zero field
// selects its default.
type Limits struct {
	// States is the most states that one automaton may have before it is
	// minimised. The default is 1<<20.
	States int
	// Memory is about how many bytes the construction of one automaton may
	// hold at once. The default is 1 GiB.
	Memory int64
	// Bytes is the greatest length of the binary policy. The default is
	// 64 MiB.
	Bytes int64
}

// The defaults of Limits.
const (
	DefaultStates = 1 << 20
	DefaultMemory = 1 << 30
	DefaultBytes  = 64 << 20
)

func (l Limits) withDefaults() Limits {
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

// checkBytes checks the length of a binary policy.
func (l Limits) checkBytes(n int64) error {
	if n <= l.Bytes {
		return nil
	}
	return &diag.LimitError{What: "bytes of binary policy", Limit: l.Bytes, Got: n}
}

// count adds up the least size of the tables of the profiles, so that a policy
// that is too large is refused before all of it is compiled.
func (c *compiler) count(p *blob.Profile) error {
	for _, db := range [...]*blob.PolicyDB{p.XMatch, p.Policydb, p.File} {
		if db != nil && db.DFA != nil {
			d := db.DFA
			c.bytes += 4*int64(len(d.Accept)+len(d.Accept2)+len(d.Base)) + 2*int64(len(d.Default)+len(d.Next)+len(d.Check))
		}
	}
	return c.limits.checkBytes(c.bytes)
}
