// SPDX-License-Identifier: Apache-2.0

package ast

import "github.com/goarmor/apparmor/diag"

// Safety is the `safe` or `unsafe` of a change_profile rule.
type Safety uint8

// The safeties.
const (
	SafetyDefault Safety = iota // no word; the same as Safe
	Safe
	Unsafe
)

// ChangeProfileRule is `change_profile [safe|unsafe] [exec] [-> target],`.
type ChangeProfileRule struct {
	Span
	Qualifiers
	Safety Safety  // needs Exec
	Exec   Pattern // empty: any
	Target Pattern // empty: any
}

func (*ChangeProfileRule) stmt() {}

// Class implements Rule.
func (*ChangeProfileRule) Class() Class { return ClassChangeProfile }

func (r *ChangeProfileRule) clone() Rule { c := *r; return &c }

func (r *ChangeProfileRule) check(c checker) *CheckError {
	if err := first(
		c.qualifiers(&r.Qualifiers, takesPriority),
		c.inRange("Safety", int(r.Safety), int(Unsafe)),
		c.pattern("Exec", r.Exec),
		c.pattern("Target", r.Target),
	); err != nil {
		return err
	}
	switch e := r.Exec; {
	case e != "" && e[0] != '/' && !e.startsVariable() && !(c.expanded && e[0] == '{'):
		return c.fail(diag.CodePath, "Exec", string(e), "the executable must begin with a slash or a variable")
	case e == "" && r.Safety != SafetyDefault:
		return c.fail(diag.CodeRule, "Safety", "", "safe and unsafe need an executable")
	}
	return nil
}
