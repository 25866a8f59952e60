// SPDX-License-Identifier: Apache-2.0

package parser

import (
	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/internal/lex"
)

// linkClass reads rules with the word link.
type linkClass struct{}

func (linkClass) read(p *parser, from ast.Pos, q ast.Qualifiers) (ast.Stmt, bool) {
	word := p.tok
	p.next()
	n := &ast.LinkRule{Qualifiers: q}
	if p.isWord("subset") {
		n.Subset = true
		p.next()
	}
	n.From = p.pattern()
	if !p.fileName() || !p.expect(lex.Arrow, "an arrow") {
		return nil, false
	}
	n.To = p.match(&p.tok)
	if !p.expect(lex.Value, "a path") || !p.valid(n, &word, nil) || !p.comma() {
		return nil, false
	}
	n.Span = p.span(from)
	return n, true
}
