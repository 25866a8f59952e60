// SPDX-License-Identifier: Apache-2.0

package policy

import "github.com/goarmor/apparmor/ast"

func linkPatterns(rule ast.Rule, list []pattern) []pattern {
	s := rule.(*ast.LinkRule)
	return append(list,
		pattern{&s.From, variables | slashes},
		pattern{&s.To, variables | slashes},
	)
}

// link returns a copy of a rule with the beginnings that the alias names
// replaced, or nil if there are none.
func (a *alias) link(s *ast.LinkRule) (c *ast.LinkRule, made int) {
	from, hit := a.apply(s.From)
	to, hitTo := a.apply(s.To)
	if !hit && !hitTo {
		return nil, 0
	}
	copied := *s
	c = &copied
	c.From, c.To = from, to
	return c, len(from) + len(to)
}
