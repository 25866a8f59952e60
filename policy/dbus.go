// SPDX-License-Identifier: Apache-2.0

package policy

import "github.com/goarmor/apparmor/ast"

func dbusPatterns(rule ast.Rule, list []pattern) []pattern {
	s := rule.(*ast.DBusRule)
	return append(list,
		pattern{&s.Bus, variables},
		pattern{&s.Name, variables},
		pattern{&s.Path, variables | slashes},
		pattern{&s.Interface, variables},
		pattern{&s.Member, variables},
		pattern{&s.PeerName, variables},
		pattern{&s.PeerLabel, variables},
	)
}
