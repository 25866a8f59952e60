// SPDX-License-Identifier: Apache-2.0

package parser

import (
	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/internal/lex"
)

// pivotRootClass reads pivot_root rules.
type pivotRootClass struct{}

func (pivotRootClass) read(p *parser, from ast.Pos, q ast.Qualifiers) (ast.Stmt, bool) {
	word := p.tok
	p.next()
	n := &ast.PivotRootRule{Qualifiers: q}
	for p.tok.Kind == lex.Cond {
		cond := p.tok
		if cond.Text != "oldroot" {
			return nil, p.noCond(&cond, "pivot_root", "oldroot")
		}
		p.next()
		value, ok := p.condValue(&cond, false)
		if !ok {
			return nil, false
		}
		n.OldRoot = p.match(&value)
	}
	switch p.tok.Kind {
	case lex.Path, lex.Var:
		n.NewRoot = p.pattern()
		p.next()
	}
	if p.accept(lex.Arrow) {
		target := p.tok
		n.Target = string(p.pattern())
		if !p.expect(lex.Value, "a profile name") || !p.notEmpty(n.Target, &target) {
			return nil, false
		}
	}
	if !p.valid(n, &word, nil) || !p.comma() {
		return nil, false
	}
	n.Span = p.span(from)
	return n, true
}
