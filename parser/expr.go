// SPDX-License-Identifier: Apache-2.0

package parser

import (
	"strings"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/internal/lex"
)

// exprFactor bounds the operators of one expression, in units of
// Limits.Depth.
const exprFactor = 2

// expression reads a boolean expression: or binds weaker than and, and weaker
// than not.
func (p *parser) expression() (ast.Expr, bool) {
	p.ops = 0
	return p.or()
}

// op counts an operator of the expression.
func (p *parser) op() bool {
	if p.ops++; p.ops <= exprFactor*p.lim.Depth {
		return true
	}
	p.limit("operators in an expression", int64(exprFactor*p.lim.Depth), int64(p.ops))
	return false
}

func (p *parser) or() (ast.Expr, bool) {
	x, ok := p.and()
	for ok && p.isWord("or") {
		if !p.op() {
			return nil, false
		}
		p.next()
		var y ast.Expr
		y, ok = p.and()
		x = &ast.BinaryExpr{Span: p.span(x.Pos()), Or: true, X: x, Y: y}
	}
	return x, ok
}

func (p *parser) and() (ast.Expr, bool) {
	x, ok := p.not()
	for ok && p.isWord("and") {
		if !p.op() {
			return nil, false
		}
		p.next()
		var y ast.Expr
		y, ok = p.not()
		x = &ast.BinaryExpr{Span: p.span(x.Pos()), X: x, Y: y}
	}
	return x, ok
}

func (p *parser) not() (ast.Expr, bool) {
	if !p.isWord("not") {
		return p.term()
	}
	from := p.pos()
	if !p.op() {
		return nil, false
	}
	p.next()
	x, ok := p.not()
	return &ast.NotExpr{Span: p.span(from), X: x}, ok
}

func (p *parser) term() (ast.Expr, bool) {
	from, t := p.pos(), p.tok
	switch t.Kind {
	case lex.OpenParen:
		if !p.op() {
			return nil, false
		}
		p.next()
		x, ok := p.or()
		if !ok || !p.expect(lex.CloseParen, "a closing parenthesis") {
			return nil, false
		}
		return &ast.ParenExpr{Span: p.span(from), X: x}, true
	case lex.BoolVar:
		p.next()
		return &ast.BoolVar{Span: p.span(from), Name: t.Text}, true
	case lex.Word:
		if t.Text != "defined" {
			break
		}
		p.next()
		v := p.tok
		if v.Kind != lex.Var && v.Kind != lex.BoolVar {
			hint := ""
			if ast.IsVariableName(v.Text) {
				hint = "a variable is written @{" + v.Text + "}"
			}
			return nil, p.failHint(&v, hint, diag.CodeExpression, "unexpected %s, expected a variable", describe(&v))
		}
		p.next()
		return &ast.DefinedExpr{Span: p.span(from), Name: v.Text, Bool: v.Kind == lex.BoolVar}, true
	case lex.Var, lex.Value:
	default:
		return nil, p.unexpected("a condition")
	}
	x := p.operand()
	p.next()
	op, ok := p.compareOp()
	if !ok {
		switch {
		case t.Kind == lex.Var:
			return nil, p.unexpected("a comparison")
		case strings.EqualFold(t.Text, "true"), strings.EqualFold(t.Text, "false"):
			return &ast.BoolLit{Span: p.span(from), Value: len(t.Text) == len("true")}, true
		}
		hint := nearestOf(t.Text, "true", "false", "defined", "not")
		switch {
		case strings.HasSuffix(t.Text, "{"):
			hint = "put a blank before the brace"
		case strings.HasPrefix(p.raw(&p.tok), "="):
			hint = "to compare, write =="
		}
		return nil, p.failHint(&t, hint, diag.CodeExpression, "a condition must be true, false, a variable or a comparison")
	}
	p.next()
	switch p.tok.Kind {
	case lex.Word, lex.Var, lex.Value:
	default:
		return nil, p.unexpected("a word or a variable to compare with")
	}
	y := p.operand()
	p.next()
	return &ast.CompareExpr{Span: p.span(from), Op: op, X: x, Y: y}, true
}

// operand is the next token as a side of a comparison.
func (p *parser) operand() ast.Pattern {
	if p.tok.Kind == lex.Var {
		return ast.Pattern("@{" + p.tok.Text + "}")
	}
	return p.pattern()
}

func (p *parser) compareOp() (ast.CompareOp, bool) {
	if p.isWord("in") {
		return ast.CompareIn, true
	}
	if p.tok.Kind != lex.Compare {
		return 0, false
	}
	switch p.tok.Text {
	case "==":
		return ast.CompareEqual, true
	case "!=":
		return ast.CompareNotEqual, true
	case ">":
		return ast.CompareGreater, true
	case ">=":
		return ast.CompareGreaterEqual, true
	case "<":
		return ast.CompareLess, true
	}
	return ast.CompareLessEqual, true
}
