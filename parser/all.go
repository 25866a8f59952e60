// SPDX-License-Identifier: Apache-2.0

package parser

import "github.com/goarmor/apparmor/ast"

// allClass reads rules on everything.
type allClass struct{}

func (allClass) read(p *parser, from ast.Pos, q ast.Qualifiers) (ast.Stmt, bool) {
	word := p.tok
	p.next()
	n := &ast.AllRule{Qualifiers: q}
	if !p.valid(n, &word, nil) || !p.comma() {
		return nil, false
	}
	n.Span = p.span(from)
	return n, true
}
