// SPDX-License-Identifier: Apache-2.0

package policy

import "github.com/goarmor/apparmor/ast"

// conflict is two rules that cannot both hold, found by comparing texts.
// Patterns that differ in text and overlap in meaning are for the compiler.
type conflict struct {
	first, second Origin
	text          string
	message       string
}

// conflicts compares the rules of one profile, whose full name is name.
func conflicts(name string, rules []Rule) (found []conflict) {
	execs, changes := execs{profile: name}, changes{}
	for i := range rules {
		var c conflict
		var ok bool
		switch s := rules[i].Rule.(type) {
		case *ast.FileRule:
			c, ok = execs.add(s, rules[i].Origin)
		case *ast.ChangeProfileRule:
			c, ok = changes.add(s, rules[i].Origin)
		}
		if ok {
			found = append(found, c)
		}
	}
	return found
}
