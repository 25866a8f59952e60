// SPDX-License-Identifier: Apache-2.0

package querytest

import (
	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/query"
	"github.com/goarmor/apparmor/query/explain"
)

// Consistent compares what rules are said to decide with what was found.
func Consistent(e *explain.Explanation) string {
	for _, s := range e.Steps {
		allowed, denied := s.Always, query.Perms(0)
		for _, r := range s.Rules {
			if r.Effect == ast.Deny || r.Effect == ast.Prompt {
				denied |= r.Decides
			} else {
				allowed |= r.Decides
			}
			for _, o := range r.Overridden {
				if s.Rules[o.By].Decides&o.Perms == 0 {
					return "a rule yields to one that does not decide"
				}
			}
		}
		// Bits that come with one permission of the language are decided one way.
		const single = query.Exec | query.Write | query.Read | query.Append | query.Lock
		if both := allowed & denied & single; both != 0 && s.Part == blob.PartFile {
			return "decided in two ways: " + both.String()
		}
		found := query.Perms(s.Found.Allow) & s.Perms
		if found&^allowed != 0 {
			return "nobody grants " + (found &^ allowed).String()
		}
		if missing := s.Perms &^ found & allowed &^ denied; missing&^query.Mmap != 0 {
			// Whoever decides execution may only keep mmap from being implied.
			return "nobody denies " + missing.String()
		}
	}
	return ""
}
