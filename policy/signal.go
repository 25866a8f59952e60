// SPDX-License-Identifier: Apache-2.0

package policy

import "github.com/goarmor/apparmor/ast"

func signalPatterns(rule ast.Rule, list []pattern) []pattern {
	s := rule.(*ast.SignalRule)
	return append(list,
		pattern{&s.Peer, variables},
	)
}
