// SPDX-License-Identifier: Apache-2.0

package ast

// PivotRootRule is `pivot_root [oldroot=] [new] [-> profile],`.
type PivotRootRule struct {
	Span
	Qualifiers
	OldRoot Pattern // where the old root goes; empty: anywhere
	NewRoot Pattern // empty: any
	Target  string  // profile after `->`, literal text; empty: none
}

func (*PivotRootRule) stmt() {}

// Class implements Rule.
func (*PivotRootRule) Class() Class { return ClassPivotRoot }

func (r *PivotRootRule) clone() Rule { c := *r; return &c }

func (r *PivotRootRule) check(c checker) *CheckError {
	return first(
		c.qualifiers(&r.Qualifiers, takesPriority),
		c.pattern("OldRoot", r.OldRoot),
		c.optionalPath("NewRoot", r.NewRoot),
		c.pattern("Target", Pattern(r.Target)),
	)
}
