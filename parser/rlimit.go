// SPDX-License-Identifier: Apache-2.0

package parser

import (
	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/internal/lex"
)

// rlimitClass reads set rlimit rules.
type rlimitClass struct{}

func (rlimitClass) read(p *parser, from ast.Pos, q ast.Qualifiers) (ast.Stmt, bool) {
	word := p.tok
	if from != p.pos() && q == (ast.Qualifiers{}) {
		// Qualifiers that change nothing are qualifiers, too.
		return nil, p.fail(&p.tok, diag.CodeQualifier, "rlimit rules take no qualifiers")
	}
	p.next()
	if !p.isWord("rlimit") {
		if hint := nearestOf(p.tok.Text, "rlimit"); hint != "" {
			return nil, p.failHint(&p.tok, hint, diag.CodeSyntax, "unexpected word, expected rlimit")
		}
		return nil, p.unexpected("rlimit")
	}
	p.next()
	n := &ast.RlimitRule{Qualifiers: q, Name: p.tok.Text}
	name := p.tok
	if !p.expect(lex.Value, "a resource") {
		return nil, false
	}
	if !p.expect(lex.LessEqual, "<=") {
		return nil, false
	}
	value := p.tok
	switch value.Kind {
	case lex.Number:
	case lex.Value:
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
	if !p.valid(n, &word, func(e *ast.CheckError) lex.Token {
		switch e.Field {
		case "Name":
			return name
		case "Value":
			if value.Kind == lex.Value {
				e.Hint = nearestOf(value.Text, "infinity")
				return value
			}
		case "Qualifiers":
			return lex.Token{}
		}
		return unit
	}) || !p.comma() {
		return nil, false
	}
	n.Span = p.span(from)
	return n, true
}
