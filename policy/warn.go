// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"strings"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/diag"
)

// warnRule gives the warnings about a resolved rule.
func (r *resolver) warnRule(rule ast.Rule, o Origin) {
	if s, ok := rule.(*ast.ChangeProfileRule); ok {
		r.warnAudit(s, o)
	}
	r.patterns = patternsOf(rule, r.patterns[:0])
	for _, p := range r.patterns {
		r.warnPattern(*p.Pattern, o)
	}
}

// warnPattern warns of a backslash before a byte that is literal without it,
// and of a wildcard in a class, which the reference turns into a useless
// regular expression: `/[*]` matches `/]` and not `/*`.
func (r *resolver) warnPattern(p ast.Pattern, o Origin) {
	if c, ok := wildcardInClass(string(p)); ok {
		d := r.warnf(o, diag.ClassUnexpected, diag.WarnClassWildcard, string(p), "a %c in a class is not literal", c)
		if d != nil {
			d.Hint = `write \` + string(c)
		}
	}
	c, ok := needlessEscape(string(p))
	switch {
	case !ok:
	case c == ' ' || c == '\t':
		r.warnf(o, diag.ClassFormat, diag.WarnEscape, string(p), "a blank is escaped; put the word in quotes")
	default:
		r.warnf(o, diag.ClassFormat, diag.WarnEscape, string(p), "the backslash before %q changes nothing", c)
	}
}

// wildcardInClass returns the first wildcard in a class of bytes.
func wildcardInClass(p string) (c byte, found bool) {
	i := strings.IndexByte(p, '[')
	if i < 0 {
		return 0, false
	}
	class := false
	for i = 0; i < len(p); i++ {
		switch p[i] {
		case '\\':
			i++
		case '[':
			class = true
		case ']':
			class = false
		case '*', '?':
			if class {
				return p[i], true
			}
		}
	}
	return 0, false
}

// needlessEscape returns the first byte of a pattern that has a backslash it
// does not need. Escapes of NUL, which stay in a pattern, need theirs, and so
// do an `@` that would begin a variable and the `-` of a class.
func needlessEscape(p string) (c byte, found bool) {
	i := strings.IndexByte(p, '\\')
	if i < 0 {
		return 0, false
	}
	class := false
	for i = 0; i+1 < len(p); i++ {
		switch p[i] {
		case '[':
			class = true
		case ']':
			class = false
		case '\\':
			i++
			switch c := p[i]; {
			case strings.IndexByte(`\*?[]{}^$,"aefnrtdx`, c) >= 0, '0' <= c && c <= '7':
			case c == '@' && strings.HasPrefix(p[i+1:], "{"):
			case c == '-' && class:
			default:
				return c, true
			}
		}
	}
	return 0, false
}

// warnPathName warns of a profile at the top whose name is a path. The related
// place is the end of the profile, where the reference says so.
func (r *resolver) warnPathName(s *ast.Profile, o Origin) {
	if !strings.HasPrefix(string(s.Name), "/") {
		return
	}
	d := r.warnf(o, diag.ClassDeprecated, diag.WarnPathName, string(s.Name), "a path is used as the name of a profile, which is deprecated")
	if d == nil {
		return
	}
	d.Hint = "write `profile NAME " + string(s.Name) + "`"
	if s.Close.IsValid() {
		d.Related = append(d.Related, o.File.Position(s.Close))
	}
}
