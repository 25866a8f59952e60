// SPDX-License-Identifier: Apache-2.0

package ast

import "github.com/goarmor/apparmor/internal/lang"

// PtracePerm is a set of ptrace permissions; zero means all.
type PtracePerm uint8

// The ptrace permissions.
const (
	PtraceTrace PtracePerm = 1 << iota
	PtraceRead
	PtraceTracedBy
	PtraceReadBy
)

// String returns the names of the permissions, separated by blanks.
func (p PtracePerm) String() string { return lang.PtracePerms.String(uint(p)) }

// PtraceRule is `ptrace [perms] [peer=],`.
type PtraceRule struct {
	Span
	Qualifiers
	Perms PtracePerm // zero: all
	Peer  Pattern    // the label of the other task; empty: any
}

func (*PtraceRule) stmt() {}

// Class implements Rule.
func (*PtraceRule) Class() Class { return ClassPtrace }

func (r *PtraceRule) clone() Rule { c := *r; return &c }

func (r *PtraceRule) check(c checker) *CheckError {
	return first(c.qualifiers(&r.Qualifiers, takesPriority), c.perms(uint(r.Perms), lang.PtracePerms.All()), c.pattern("Peer", r.Peer))
}
