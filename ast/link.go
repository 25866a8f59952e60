// SPDX-License-Identifier: Apache-2.0

package ast

// LinkRule is `link [subset] From -> To,` (also spelled `l [subset] From -> To,`).
type LinkRule struct {
	Span
	Qualifiers
	Subset   bool // the new name may not allow more than the file's present one
	From, To Pattern
}

func (*LinkRule) stmt() {}

// Class implements Rule.
func (*LinkRule) Class() Class { return ClassLink }

func (r *LinkRule) clone() Rule { c := *r; return &c }

func (r *LinkRule) check(c checker) *CheckError {
	return first(c.qualifiers(&r.Qualifiers, takesPriority|takesOwner), c.fileName("From", r.From), c.needed("To", r.To))
}
