// SPDX-License-Identifier: Apache-2.0

package parser

import (
	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/internal/lex"
)

// condValues reads what follows the name of a condition: one value, or a
// list in parentheses, whose values are given to each one by one.
func (p *parser) condValues(each func(t *lex.Token) bool) bool {
	if p.tok.Kind != lex.OpenParen {
		t := p.tok
		if !p.expect(lex.Value, "a value") {
			return false
		}
		return each(&t)
	}
	p.next()
	for n := 0; ; {
		t := p.tok
		switch t.Kind {
		case lex.Comma:
		case lex.Value:
			n++
			if !each(&t) {
				return false
			}
		case lex.CloseParen:
			if n > 0 {
				p.next()
				return true
			}
			return p.unexpected("a value")
		default:
			return p.unexpected("a value or a closing parenthesis")
		}
		p.next()
	}
}

// condValue reads the one value of a condition whose name was read. A list in
// parentheses must hold one value too, unless more are ignored.
func (p *parser) condValue(cond *lex.Token, ignoreMore bool) (first lex.Token, ok bool) {
	if cond.Op != lex.OpEqual {
		return first, p.notEqual(cond)
	}
	n := 0
	ok = p.condValues(func(t *lex.Token) bool {
		if n++; n == 1 {
			first = *t
		} else if !ignoreMore {
			return p.fail(t, diag.CodeCondition, "%s takes one value", cond.Text)
		}
		return true
	})
	return first, ok
}

// peerConds reads the conditions in peer=( ... ). The list is opened by cond,
// the next token; each condition is given to each.
func (p *parser) peerConds(each func(cond, value *lex.Token) bool) bool {
	p.next()
	if !p.expect(lex.OpenParen, "an opening parenthesis") {
		return false
	}
	for {
		cond := p.tok
		switch cond.Kind {
		case lex.Comma:
			p.next()
			continue
		case lex.CloseParen:
			p.next()
			return true
		case lex.Cond:
		case lex.Value:
			if p.onNewLine() {
				return p.failHint(&cond, "is a closing parenthesis missing in the line before?", diag.CodeSyntax, "unexpected word, expected a condition")
			}
			return p.failHint(&cond, "a comma ends a value here; quote a value that holds one", diag.CodeSyntax, "unexpected word, expected a condition")
		case lex.OpenParen:
			return p.failHint(&p.tok, "quote a value that holds a parenthesis", diag.CodeSyntax, "unexpected parenthesis, expected a condition or a closing parenthesis")
		default:
			return p.unexpected("a condition or a closing parenthesis")
		}
		p.next()
		paren := p.accept(lex.OpenParen)
		value := p.tok
		if !p.expect(lex.Value, "a value") || paren && !p.expect(lex.CloseParen, "a closing parenthesis") {
			return false
		}
		if !each(&cond, &value) {
			return false
		}
	}
}

// set stores the value of a condition that may appear once.
func (p *parser) set(dst *ast.Pattern, seen *bool, cond, value *lex.Token) bool {
	if *seen {
		return p.twice(cond)
	}
	*seen = true
	*dst = p.match(value)
	return true
}

// twice reports a condition that is written a second time.
func (p *parser) twice(cond *lex.Token) bool {
	return p.fail(cond, diag.CodeCondition, "%s is repeated", cond.Text)
}

// notEqual reports a condition with another operator than =.
func (p *parser) notEqual(cond *lex.Token) bool {
	return p.fail(cond, diag.CodeCondition, "%s must be followed by =", cond.Text)
}

// noCond reports a condition that a class does not have.
func (p *parser) noCond(cond *lex.Token, rule string, known ...string) bool {
	hint := nearestOf(cond.Text, known...)
	if hint == "" {
		hint = "there are " + list(known)
	}
	return p.failHint(cond, hint, diag.CodeCondition, "%s has no condition %q", rule, cond.Text)
}
