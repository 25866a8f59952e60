// SPDX-License-Identifier: Apache-2.0

package parser

import (
	"errors"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/internal/lex"
)

func (p *parser) rlimitRule(from ast.Pos, q ast.Qualifiers) (ast.Stmt, bool) {
	if q != (ast.Qualifiers{}) || from != p.pos() {
		return nil, p.fail(&p.tok, diag.CodeQualifier, "an rlimit rule takes no qualifiers")
	}
	p.next()
	if !p.isWord("rlimit") {
		if hint := nearestHint(ast.VocabularyOf("rlimit"), p.tok.Text); hint != "" {
			return nil, p.failHint(&p.tok, hint, diag.CodeSyntax, "unexpected word, expected rlimit")
		}
		return nil, p.unexpected("rlimit")
	}
	p.next()
	n := &ast.RlimitRule{Name: p.tok.Text}
	name := p.tok
	if !p.expect(lex.Value, "a resource") {
		return nil, false
	}
	if !ast.Rlimits().Has(n.Name) {
		return nil, p.failHint(&name, nearestHint(ast.Rlimits(), n.Name), diag.CodeRlimit, "unknown resource %q", n.Name)
	}
	if !p.expect(lex.LessEqual, "<=") {
		return nil, false
	}
	value := p.tok
	switch value.Kind {
	case lex.Number:
	case lex.Value:
		if value.Text != "infinity" {
			return nil, p.failHint(&value, nearestHint(ast.VocabularyOf("infinity"), value.Text), diag.CodeRlimit, "this is neither a number nor infinity")
		}
	default:
		return nil, p.unexpected("a number or infinity")
	}
	n.Value = value.Text
	p.next()
	unit := p.tok
	if unit.Kind == lex.Value {
		n.Unit = unit.Text
		p.next()
	} else {
		unit = value
	}
	if err := (*ast.CheckError)(nil); errors.As(ast.Check(n), &err) {
		return nil, p.fail(&unit, diag.CodeRlimit, "%s: it %s", n.Name, err.Problem)
	}
	if !p.comma() {
		return nil, false
	}
	n.Span = p.span(from)
	return n, true
}
