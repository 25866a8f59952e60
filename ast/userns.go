// SPDX-License-Identifier: Apache-2.0

package ast

// UsernsRule is `userns [create],`.
type UsernsRule struct {
	Span
	Qualifiers
	Create bool // the word was written; the meaning is the same without
}

func (*UsernsRule) stmt() {}

// Class implements Rule.
func (*UsernsRule) Class() Class { return ClassUserns }

func (r *UsernsRule) clone() Rule { c := *r; return &c }

func (r *UsernsRule) check(c checker) *CheckError { return c.qualifiers(&r.Qualifiers, takesPriority) }
