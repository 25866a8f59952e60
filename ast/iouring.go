// SPDX-License-Identifier: Apache-2.0

package ast

import "github.com/goarmor/apparmor/internal/lang"

// IOUringPerm is a set of io_uring permissions; zero means all.
type IOUringPerm uint8

// The io_uring permissions.
const (
	IOUringSQPoll IOUringPerm = 1 << iota
	IOUringOverrideCreds
)

// String returns the names of the permissions, separated by blanks.
func (p IOUringPerm) String() string { return lang.IOUringPerms.String(uint(p)) }

// IOUringRule is `io_uring [perms] [label=],`.
type IOUringRule struct {
	Span
	Qualifiers
	Perms IOUringPerm // zero: all
	Label Pattern     // whose credentials are used; empty: any
}

func (*IOUringRule) stmt() {}

// Class implements Rule.
func (*IOUringRule) Class() Class { return ClassIOUring }

func (r *IOUringRule) clone() Rule { c := *r; return &c }

func (r *IOUringRule) check(c checker) *CheckError {
	return first(c.qualifiers(&r.Qualifiers, takesPriority), c.perms(uint(r.Perms), lang.IOUringPerms.All()), c.pattern("Label", r.Label))
}
