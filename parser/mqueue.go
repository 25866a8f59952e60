// SPDX-License-Identifier: Apache-2.0

package parser

import (
	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/internal/lang"
	"github.com/goarmor/apparmor/internal/lex"
)

// mqueueClass reads mqueue rules.
type mqueueClass struct{}

func (mqueueClass) read(p *parser, from ast.Pos, q ast.Qualifiers) (ast.Stmt, bool) {
	word := p.tok
	p.next()
	n := &ast.MqueueRule{Qualifiers: q}
	bits, ok := p.perms(&lang.MqueuePerms, false)
	if !ok {
		return nil, false
	}
	n.Perms = ast.MqueuePerm(bits)
	label, kind := false, word
	for p.tok.Kind == lex.Cond && !p.tok.Wide {
		cond := p.tok
		p.next()
		value, ok := p.condValue(&cond, false)
		if !ok {
			return nil, false
		}
		switch cond.Text {
		case "type":
			n.Type, kind = value.Text, value
		case "label":
			if !p.set(&n.Label, &label, &cond, &value) {
				return nil, false
			}
		default:
			return nil, p.noCond(&cond, "mqueue", "type", "label")
		}
	}
	name := p.tok
	if p.tok.Kind == lex.Value {
		n.Name = p.match(&p.tok)
		p.next()
	}
	if !p.valid(n, &word, func(e *ast.CheckError) lex.Token {
		switch e.Field {
		case "Type":
			return kind
		case "Name":
			return name
		}
		return lex.Token{}
	}) || !p.comma() {
		return nil, false
	}
	n.Span = p.span(from)
	return n, true
}
