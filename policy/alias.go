// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"strings"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/diag"
)

// alias is one `alias from -> to,`. It is a plain test of the beginning of a
// text: /a is found in /a/b and in /ab, and not in /{a,b}.
type alias struct {
	from, to string
	origin   Origin
}

// apply returns p with the alias's beginning replaced, if p has it.
func (a *alias) apply(p ast.Pattern) (ast.Pattern, bool) {
	rest, ok := strings.CutPrefix(string(p), a.from)
	if !ok {
		return p, false
	}
	return ast.Pattern(a.to + rest), true
}

func (r *resolver) alias(s *ast.Alias, o Origin) {
	if !strings.HasPrefix(string(s.From), "/") || !strings.HasPrefix(string(s.To), "/") {
		r.errorf(o, diag.CodeRule, o.File.Text(s), "both sides of an alias must begin with a slash")
		return
	}
	pair := [2]ast.Pattern{s.From, s.To}
	if r.aliased[pair] {
		r.warnf(o, diag.ClassUnexpected, diag.WarnDuplicateAlias, o.File.Text(s), "the alias is repeated")
		return
	}
	r.aliased[pair] = true
	r.aliases = append(r.aliases, alias{string(s.From), string(s.To), o})
}

// copyBytes is what a copy of a rule counts for besides its text, so that a
// few aliases of many short paths count too.
const copyBytes = 256

// copies returns the copies of a rule that the aliases add to it, with the
// slashes of their paths as they were written. Aliases do not apply to copies.
func (r *resolver) copies(rule ast.Rule, o Origin) []ast.Rule {
	var copies []ast.Rule
	for i := range r.aliases {
		a := &r.aliases[i]
		var c ast.Rule
		made := 0
		switch rule := rule.(type) {
		case *ast.FileRule:
			if f, n := a.file(rule, &r.files); f != nil {
				c, made = f, n
			}
		case *ast.LinkRule:
			if l, n := a.link(rule); l != nil {
				c, made = l, n
			}
		default:
			return nil
		}
		if c == nil {
			continue
		}
		copies = append(copies, c)
		if !r.made(o, copyBytes+made) {
			return copies
		}
	}
	return copies
}
