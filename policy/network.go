// SPDX-License-Identifier: Apache-2.0

package policy

import "github.com/goarmor/apparmor/ast"

// What a network rule says is taken as it is written.
func networkPatterns(rule ast.Rule, list []pattern) []pattern {
	s := rule.(*ast.NetworkRule)
	return append(list,
		pattern{&s.Local.Interface, 0},
		pattern{&s.Local.Label, 0},
		pattern{&s.Peer.Interface, 0},
		pattern{&s.Peer.Label, 0},
	)
}
