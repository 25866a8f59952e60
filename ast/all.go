// SPDX-License-Identifier: Apache-2.0

package ast

// AllRule is `all,`, which grants what rules of every class can grant.
type AllRule struct {
	Span
	Qualifiers
}

func (*AllRule) stmt() {}

// Class implements Rule.
func (*AllRule) Class() Class { return ClassAll }

func (r *AllRule) clone() Rule { c := *r; return &c }

func (r *AllRule) check(c checker) *CheckError { return c.qualifiers(&r.Qualifiers, 0) }
