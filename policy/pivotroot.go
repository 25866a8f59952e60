// SPDX-License-Identifier: Apache-2.0

package policy

import "github.com/goarmor/apparmor/ast"

func pivotRootPatterns(rule ast.Rule, list []pattern) []pattern {
	s := rule.(*ast.PivotRootRule)
	return append(list,
		pattern{&s.OldRoot, variables | slashes},
		pattern{&s.NewRoot, variables | slashes},
	)
}
