// SPDX-License-Identifier: Apache-2.0

package parser

import (
	"strconv"
	"strings"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/internal/lang"
	"github.com/goarmor/apparmor/internal/lex"
	"github.com/goarmor/apparmor/internal/linux"
)

// signalClass reads signal rules.
type signalClass struct{}

func (signalClass) read(p *parser, from ast.Pos, q ast.Qualifiers) (ast.Stmt, bool) {
	word := p.tok
	p.next()
	n := &ast.SignalRule{Qualifiers: q}
	bits, ok := p.perms(&lang.SignalPerms, false)
	if !ok {
		return nil, false
	}
	n.Perms = ast.SignalPerm(bits)
	peer := false
	unknown := word // the first signal that is not known
	for p.tok.Kind == lex.Cond {
		cond := p.tok
		if cond.Wide {
			return nil, p.failHint(&cond, "write the value without parentheses", diag.CodeSyntax, "peer takes one value here, not a list")
		}
		switch cond.Text {
		case "set":
			if cond.Op != lex.OpEqual {
				return nil, p.notEqual(&cond)
			}
			p.next()
			ok = p.condValues(func(t *lex.Token) bool {
				name, known := signalName(string(tokenPattern(p.src, t)))
				if !known && unknown.From == word.From {
					unknown = *t
				}
				n.Signals = append(n.Signals, name)
				return true
			})
		case "peer":
			p.next()
			var value lex.Token
			value, ok = p.condValue(&cond, false)
			ok = ok && p.set(&n.Peer, &peer, &cond, &value)
		default:
			ok = p.noCond(&cond, "signal", "set", "peer")
		}
		if !ok {
			return nil, false
		}
	}
	if !p.valid(n, &word, func(e *ast.CheckError) lex.Token {
		if e.Field == "Signals" {
			return unknown
		}
		return lex.Token{}
	}) || !p.ruleEnd(&lang.SignalPerms) {
		return nil, false
	}
	n.Span = p.span(from)
	return n, true
}

// signalName returns the canonical name of a signal, or the name as it is and
// false. What follows rtmin+ is a number; a missing one is 0.
func signalName(name string) (string, bool) {
	if ast.IsSignal(name) {
		return name, true
	}
	rest, ok := strings.CutPrefix(name, "rtmin+")
	if !ok {
		return name, false
	}
	// Like the C library's atoi: a sign and digits, and nothing is 0.
	digits := strings.TrimLeft(rest, "+-")
	if i := strings.IndexFunc(digits, func(r rune) bool { return r < '0' || r > '9' }); i >= 0 {
		digits = digits[:i]
	}
	n, err := strconv.Atoi(digits)
	if digits != "" && err != nil || n > 0 && strings.HasPrefix(rest, "-") || n > linux.MaxRealTime {
		return name, false
	}
	return "rtmin+" + strconv.Itoa(n), true
}
