// SPDX-License-Identifier: Apache-2.0

package parser

import (
	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/internal/lex"
)

// mountClass reads mount, remount and umount rules.
type mountClass struct{}

func (mountClass) read(p *parser, from ast.Pos, q ast.Qualifiers) (ast.Stmt, bool) {
	word := p.tok
	n := &ast.MountRule{Qualifiers: q}
	switch p.tok.Text {
	case "remount":
		n.Op = ast.OpRemount
	case "umount", "unmount":
		n.Op = ast.OpUmount
	}
	p.next()
	var unknown lex.Token // the first option that is not known
	for p.tok.Kind == lex.Cond {
		if !p.mountCond(n, &unknown) {
			return nil, false
		}
	}
	if !p.valid(n, &word, func(e *ast.CheckError) lex.Token {
		switch {
		case e.Field != "Conds":
			return lex.Token{}
		case unknown.To != 0 && e.Text == string(tokenPattern(p.src, &unknown)):
			return unknown
		}
		c := &n.Conds[e.Index]
		return lex.Token{From: uint32(c.From.Offset()), To: uint32(c.To.Offset())}
	}) {
		return nil, false
	}
	if p.tok.Kind == lex.Value {
		source := p.pattern()
		switch {
		case n.Op != ast.OpMount:
			n.Target = p.match(&p.tok)
		case source == "" || source == "detached":
			n.Detached = true
		default:
			n.Source = source
		}
		p.next()
	}
	if n.Op == ast.OpMount && p.accept(lex.Arrow) {
		if p.tok.Kind == lex.Cond {
			return nil, p.fail(&p.tok, diag.CodeSyntax, "conditions must come before the arrow")
		}
		n.Target = p.match(&p.tok)
		if !p.expect(lex.Value, "a mount point") {
			return nil, false
		}
	}
	if p.tok.Kind == lex.Cond && !p.onNewLine() {
		return nil, p.fail(&p.tok, diag.CodeSyntax, "conditions must come before the paths")
	}
	if p.tok.Kind == lex.Value && !p.onNewLine() {
		return nil, p.failHint(&p.tok, mountHint(n, p.tok.Text), diag.CodeSyntax, "unexpected word, expected a comma at the end of the rule")
	}
	if p.tok.Kind == lex.Arrow && n.Op != ast.OpMount {
		return nil, p.fail(&p.tok, diag.CodeSyntax, "this rule takes a mount point and nothing else")
	}
	if !p.comma() {
		return nil, false
	}
	n.Span = p.span(from)
	return n, true
}

// mountHint is the hint on a word after the paths of a mount rule.
func mountHint(n *ast.MountRule, word string) string {
	switch {
	case word == "in" || n.Source == "options" || n.Target == "options":
		return "write the options after the word in as a list in parentheses"
	case n.Op == ast.OpMount && n.Target == "":
		return "put an arrow between what is mounted and where"
	}
	return ""
}

// mountCond reads one condition of a mount rule, and keeps the first unknown
// option.
func (p *parser) mountCond(n *ast.MountRule, unknown *lex.Token) bool {
	from, cond := p.pos(), p.tok
	c := ast.MountCond{In: cond.Op == lex.OpIn}
	switch cond.Text {
	case "fstype", "vfstype":
	case "options", "option":
		c.Options = true
	default:
		return p.noCond(&cond, "mount", "fstype", "options")
	}
	p.next()
	if !p.condValues(func(t *lex.Token) bool {
		value := tokenPattern(p.src, t)
		if c.Options && unknown.To == 0 && !ast.MountFlags().Has(string(value)) {
			*unknown = *t
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
