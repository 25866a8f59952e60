// SPDX-License-Identifier: Apache-2.0

package parser

import (
	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/internal/lang"
	"github.com/goarmor/apparmor/internal/lex"
)

// ioUringClass reads io_uring rules.
type ioUringClass struct{}

func (ioUringClass) read(p *parser, from ast.Pos, q ast.Qualifiers) (ast.Stmt, bool) {
	word := p.tok
	p.next()
	n := &ast.IOUringRule{Qualifiers: q}
	bits, ok := p.perms(&lang.IOUringPerms, true)
	if !ok {
		return nil, false
	}
	n.Perms = ast.IOUringPerm(bits)
	label := false
	for p.tok.Kind == lex.Cond && !p.tok.Wide {
		cond := p.tok
		p.next()
		value, ok := p.condValue(&cond, false)
		if !ok {
			return nil, false
		}
		if cond.Text != "label" {
			return nil, p.noCond(&cond, "io_uring", "label")
		}
		if !p.set(&n.Label, &label, &cond, &value) {
			return nil, false
		}
	}
	if p.tok.Kind == lex.Cond && !p.peerConds(func(cond, value *lex.Token) bool {
		if cond.Text != "label" || cond.Op != lex.OpEqual {
			return p.noCond(cond, "io_uring", "label")
		}
		return p.set(&n.Label, &label, cond, value)
	}) {
		return nil, false
	}
	if !p.valid(n, &word, nil) || !p.comma() {
		return nil, false
	}
	n.Span = p.span(from)
	return n, true
}
