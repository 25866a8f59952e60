// SPDX-License-Identifier: Apache-2.0

package parser

import (
	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/internal/lang"
	"github.com/goarmor/apparmor/internal/lex"
)

// usernsClass reads userns rules.
type usernsClass struct{}

func (usernsClass) read(p *parser, from ast.Pos, q ast.Qualifiers) (ast.Stmt, bool) {
	word := p.tok
	p.next()
	n := &ast.UsernsRule{Qualifiers: q}
	if p.tok.Kind == lex.Value && p.tok.Text == "create" {
		n.Create = true
		p.next()
	}
	if !p.valid(n, &word, nil) || !p.ruleEnd(&lang.UsernsPerms) {
		return nil, false
	}
	n.Span = p.span(from)
	return n, true
}
