// SPDX-License-Identifier: Apache-2.0

package policy

import "github.com/goarmor/apparmor/ast"

func mqueuePatterns(rule ast.Rule, list []pattern) []pattern {
	s := rule.(*ast.MqueueRule)
	return append(list,
		pattern{&s.Label, variables},
		pattern{&s.Name, variables},
	)
}
