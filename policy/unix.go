// SPDX-License-Identifier: Apache-2.0

package policy

import "github.com/goarmor/apparmor/ast"

func unixPatterns(rule ast.Rule, list []pattern) []pattern {
	s := rule.(*ast.UnixRule)
	return append(list,
		pattern{&s.Local.Addr, variables | slashes},
		pattern{&s.Local.Label, variables},
		pattern{&s.Peer.Addr, variables | slashes},
		pattern{&s.Peer.Label, variables},
	)
}
