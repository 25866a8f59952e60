// SPDX-License-Identifier: Apache-2.0

package policy

import "github.com/goarmor/apparmor/ast"

// Options are words, not patterns.
func mountPatterns(rule ast.Rule, list []pattern) []pattern {
	s := rule.(*ast.MountRule)
	for i := range s.Conds {
		cond := &s.Conds[i]
		kind := variables
		if cond.Options {
			kind = 0
		}
		for j := range cond.Values {
			list = append(list, pattern{&cond.Values[j], kind})
		}
	}
	return append(list,
		pattern{&s.Source, variables | slashes},
		pattern{&s.Target, variables | slashes},
	)
}
