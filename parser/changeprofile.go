// SPDX-License-Identifier: Apache-2.0

package parser

import (
	"strings"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/internal/lex"
)

// changeProfileClass reads change_profile rules.
type changeProfileClass struct{}

func (changeProfileClass) read(p *parser, from ast.Pos, q ast.Qualifiers) (ast.Stmt, bool) {
	word := p.tok
	p.next()
	n := &ast.ChangeProfileRule{Qualifiers: q}
	safety := p.tok
	if p.tok.Kind == lex.Value && !p.tok.Quoted {
		switch p.tok.Text {
		case "safe":
			n.Safety = ast.Safe
			p.next()
		case "unsafe":
			n.Safety = ast.Unsafe
			p.next()
		}
	}
	exec := p.tok
	if p.tok.Kind == lex.Value {
		n.Exec = p.pattern()
		p.next()
	}
	if p.accept(lex.Arrow) {
		n.Target = p.match(&p.tok)
		if !p.expect(lex.Value, "a profile name") {
			return nil, false
		}
	}
	if !p.valid(n, &word, func(e *ast.CheckError) lex.Token {
		switch {
		case e.Field == "Safety":
			return safety
		case e.Field != "Exec":
			return lex.Token{}
		case strings.HasPrefix(e.Text, "->"):
			e.Hint = "put blanks around the arrow"
		case n.Safety == ast.SafetyDefault:
			e.Hint = "write -> before the profile to change to"
		}
		return exec
	}) || !p.comma() {
		return nil, false
	}
	n.Span = p.span(from)
	return n, true
}
