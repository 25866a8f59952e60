// SPDX-License-Identifier: Apache-2.0

package parser

import (
	"slices"
	"strings"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/internal/lex"
)

func (p *parser) mountRule(from ast.Pos, q ast.Qualifiers) (ast.Stmt, bool) {
	if !p.noOwner(&q, p.tok.Text) {
		return nil, false
	}
	n := &ast.MountRule{Qualifiers: q}
	switch p.tok.Text {
	case "remount":
		n.Op = ast.OpRemount
	case "umount", "unmount":
		n.Op = ast.OpUmount
	}
	p.next()
	for p.tok.Kind == lex.Cond {
		if !p.mountCond(n) {
			return nil, false
		}
	}
	if !p.mountFlagsAgree(n) {
		return nil, false
	}
	if p.tok.Kind == lex.Value {
		word := p.pattern()
		switch {
		case n.Op != ast.OpMount:
			n.Target = p.match(&p.tok)
		case word == "" || word == "detached":
			n.Detached = true
		default:
			n.Source = word
		}
		p.next()
	}
	if n.Op == ast.OpMount && p.accept(lex.Arrow) {
		if p.tok.Kind == lex.Cond {
			return nil, p.fail(&p.tok, diag.CodeSyntax, "conditions cannot stand behind the arrow")
		}
		n.Target = p.match(&p.tok)
		if !p.expect(lex.Value, "a mount point") {
			return nil, false
		}
	}
	if p.tok.Kind == lex.Cond && !p.onNewLine() {
		return nil, p.fail(&p.tok, diag.CodeSyntax, "conditions must stand before the paths")
	}
	if p.tok.Kind == lex.Value && !p.onNewLine() {
		return nil, p.failHint(&p.tok, mountHint(n, p.tok.Text), diag.CodeSyntax, "unexpected word, expected a comma at the end of the rule")
	}
	if p.tok.Kind == lex.Arrow && n.Op != ast.OpMount {
		return nil, p.fail(&p.tok, diag.CodeSyntax, "this rule has a mount point and nothing else")
	}
	if !p.comma() {
		return nil, false
	}
	n.Span = p.span(from)
	return n, true
}

// mountHint is the hint on a word behind the paths of a mount rule.
func mountHint(n *ast.MountRule, word string) string {
	switch {
	case word == "in" || n.Source == "options" || n.Target == "options":
		return "options in takes a list in parentheses"
	case n.Op == ast.OpMount && n.Target == "":
		return "put an arrow between what is mounted and where"
	}
	return ""
}

// mountCond reads one condition of a mount rule.
func (p *parser) mountCond(n *ast.MountRule) bool {
	from, cond := p.pos(), p.tok
	c := ast.MountCond{In: cond.Op == lex.OpIn}
	switch cond.Text {
	case "fstype", "vfstype":
	case "options", "option":
		c.Options = true
	default:
		return p.noCond(&cond, "mount", ast.VocabularyOf("fstype", "options"))
	}
	p.next()
	if !p.condValues(func(t *lex.Token) bool {
		value := tokenPattern(p.src, t)
		if c.Options && n.Op != ast.OpUmount && !ast.MountFlags().Has(string(value)) {
			hint := nearestHint(ast.MountFlags(), string(value))
			if strings.Contains(string(value), ",") {
				hint = "write a list in parentheses"
			}
			return p.failHint(t, hint, diag.CodeMountFlag, "unknown mount option %q", string(value))
		}
		c.Values = append(c.Values, value)
		return true
	}) {
		return false
	}
	c.Span = p.span(from)
	n.Conds = append(n.Conds, c)
	return true
}

// mountFlagsAgree checks that `options=` does not ask for a flag and for its
// opposite.
func (p *parser) mountFlagsAgree(n *ast.MountRule) bool {
	if n.Op == ast.OpUmount {
		return true
	}
	for i := range n.Conds {
		c := &n.Conds[i]
		if !c.Options || c.In {
			continue
		}
		// No more than the known options can differ, however long the list.
		var seen []ast.Pattern
		for _, a := range c.Values {
			if slices.Contains(seen, a) {
				continue
			}
			for _, b := range seen {
				if ast.MountFlagsExclude(string(a), string(b)) {
					t := lex.Token{From: uint32(c.From.Offset()), To: uint32(c.To.Offset())}
					return p.fail(&t, diag.CodeMountFlag, "the options %s and %s exclude each other", b, a)
				}
			}
			seen = append(seen, a)
		}
	}
	return true
}
