// SPDX-License-Identifier: Apache-2.0

package parser

import (
	"strings"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/internal/lang"
	"github.com/goarmor/apparmor/internal/lex"
)

// capabilityClass reads capability rules.
type capabilityClass struct{}

func (capabilityClass) read(p *parser, from ast.Pos, q ast.Qualifiers) (ast.Stmt, bool) {
	word := p.tok
	p.next()
	n := &ast.CapabilityRule{Qualifiers: q}
	for p.tok.Kind == lex.Word && !lang.IsReserved(p.tok.Text) {
		if name := p.tok.Text; !ast.Capabilities().Has(name) {
			if p.onNewLine() {
				break
			}
			return nil, p.failHint(&p.tok, nearest(ast.Capabilities(), strings.TrimPrefix(strings.ToLower(name), "cap_")), diag.CodeCapability, "unknown capability %q", name)
		}
		n.Names = append(n.Names, p.tok.Text)
		p.next()
	}
	if p.tok.Kind == lex.OpenParen || p.tok.Kind == lex.Illegal && p.tok.Text != "" && p.tok.Text[0] == '"' {
		return nil, p.failHint(&p.tok, "write the names as they are, with blanks between them", diag.CodeSyntax, "capabilities take neither parentheses nor quotes")
	}
	if !p.valid(n, &word, nil) || !p.comma() {
		return nil, false
	}
	n.Span = p.span(from)
	return n, true
}
