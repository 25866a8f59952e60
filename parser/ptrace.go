// SPDX-License-Identifier: Apache-2.0

package parser

import (
	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/internal/lang"
	"github.com/goarmor/apparmor/internal/lex"
)

// ptraceClass reads ptrace rules.
type ptraceClass struct{}

func (ptraceClass) read(p *parser, from ast.Pos, q ast.Qualifiers) (ast.Stmt, bool) {
	word := p.tok
	p.next()
	n := &ast.PtraceRule{Qualifiers: q}
	bits, ok := p.perms(&lang.PtracePerms, false)
	if !ok {
		return nil, false
	}
	n.Perms = ast.PtracePerm(bits)
	peer := false
	for p.tok.Kind == lex.Cond {
		cond := p.tok
		switch {
		case cond.Wide:
			return nil, p.failHint(&cond, "write the value without parentheses", diag.CodeSyntax, "peer takes one value here, not a list")
		case cond.Text != "peer":
			return nil, p.noCond(&cond, "ptrace", "peer")
		}
		p.next()
		value, ok := p.condValue(&cond, false)
		if !ok || !p.set(&n.Peer, &peer, &cond, &value) {
			return nil, false
		}
	}
	if !p.valid(n, &word, nil) || !p.ruleEnd(&lang.PtracePerms) {
		return nil, false
	}
	n.Span = p.span(from)
	return n, true
}
