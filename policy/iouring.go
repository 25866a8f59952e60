// SPDX-License-Identifier: Apache-2.0

package policy

import "github.com/goarmor/apparmor/ast"

// The label of an io_uring rule is taken as it is written.
func ioUringPatterns(rule ast.Rule, list []pattern) []pattern {
	s := rule.(*ast.IOUringRule)
	return append(list,
		pattern{&s.Label, 0},
	)
}
