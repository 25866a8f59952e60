// SPDX-License-Identifier: Apache-2.0

package ast

import (
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/internal/lang"
)

// MqueuePerm is a set of message queue permissions; zero means all.
type MqueuePerm uint8

// The message queue permissions.
const (
	MqueueCreate MqueuePerm = 1 << iota
	MqueueOpen
	MqueueDelete
	MqueueRead
	MqueueWrite
	MqueueGetattr
	MqueueSetattr
)

// String returns the names of the permissions, separated by blanks.
func (p MqueuePerm) String() string { return lang.MqueuePerms.String(uint(p)) }

// MqueueRule is `mqueue [perms] [type=] [label=] [name],`.
type MqueueRule struct {
	Span
	Qualifiers
	Perms MqueuePerm // zero: all
	Type  string     // posix, sysv; empty: implied by the name, or both
	Label Pattern    // of the queue; empty: any
	Name  Pattern    // of posix, with its slash; a number, of sysv; empty: any
}

func (*MqueueRule) stmt() {}

// Class implements Rule.
func (*MqueueRule) Class() Class { return ClassMqueue }

func (r *MqueueRule) clone() Rule { c := *r; return &c }

func (r *MqueueRule) check(c checker) *CheckError {
	if err := first(
		c.qualifiers(&r.Qualifiers, takesPriority),
		c.perms(uint(r.Perms), lang.MqueuePerms.All()),
		c.optional(diag.CodeCondition, "Type", r.Type, MqueueTypes(), "type of message queue"),
		c.pattern("Label", r.Label),
	); err != nil || r.Name == "" {
		return err
	}
	switch path := r.Name[0] == '/'; {
	case path && r.Type == "sysv":
		return c.fail(diag.CodeCondition, "Name", string(r.Name), "the name of a sysv message queue must be a number")
	case path:
		return c.pattern("Name", r.Name)
	case !isDigits(string(r.Name)):
		return c.fail(diag.CodeCondition, "Name", string(r.Name), "the name of a message queue must begin with a slash or be a number")
	case r.Type == "posix":
		return c.fail(diag.CodeCondition, "Name", string(r.Name), "the name of a posix message queue must begin with a slash")
	}
	return nil
}

// MqueueTypes returns the types of mqueue rules.
func MqueueTypes() Vocabulary { return Vocabulary{words: mqueueTypes} }

var mqueueTypes = []string{"posix", "sysv"}
