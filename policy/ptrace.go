// SPDX-License-Identifier: Apache-2.0

package policy

import "github.com/goarmor/apparmor/ast"

func ptracePatterns(rule ast.Rule, list []pattern) []pattern {
	s := rule.(*ast.PtraceRule)
	return append(list,
		pattern{&s.Peer, variables},
	)
}
