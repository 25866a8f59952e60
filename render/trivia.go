// SPDX-License-Identifier: Apache-2.0

package render

import (
	"strings"

	"github.com/goarmor/apparmor/ast"
)

// skipTrivia returns the offset of the first byte of s from i on that is
// neither a blank nor part of a comment.
func skipTrivia(s string, i int) int {
	for i < len(s) {
		switch {
		case isBlank(s[i]):
			i++
		case isComment(s[i:]):
			n := strings.IndexByte(s[i:], '\n')
			if n < 0 {
				return len(s)
			}
			i += n
		default:
			return i
		}
	}
	return i
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

// isComment reports whether s begins with a comment.
func isComment(s string) bool {
	return strings.HasPrefix(s, "#") && !strings.HasPrefix(s, "#include")
}

// isParsed reports whether n is text of f.
func isParsed(f *ast.File, n ast.Node) bool {
	return f != nil && !ast.IsNil(n) && n.Pos().IsValid() && n.Pos() <= n.End() && int(n.End()) <= len(f.Src)+1
}

// body is a list of statements and where it is in the source, braces excluded.
type body struct {
	list     []ast.Stmt
	from, to int
}

// bodies returns the statement lists of a parsed node, in order, and false
// when the source is not laid out as the node says.
func bodies(f *ast.File, n ast.Node) ([]body, bool) {
	switch n := n.(type) {
	case *ast.File:
		return []body{{n.Stmts, 0, len(n.Src)}}, true
	case *ast.Profile:
		return braced(f, n, n.Body, n.Open, n.Close)
	case *ast.Block:
		return braced(f, n, n.Body, n.Open, n.Close)
	case *ast.If:
		return branches(f, n)
	}
	return nil, true
}

func braced(f *ast.File, n ast.Node, list []ast.Stmt, open, shut ast.Pos) ([]body, bool) {
	if open < n.Pos() || shut <= open || shut >= n.End() {
		return nil, false
	}
	return []body{{list, open.Offset() + 1, shut.Offset()}}, true
}

// branches finds the braces of a conditional, which its node does not hold:
// between the parsed parts there is nothing but trivia, braces and `else`.
func branches(f *ast.File, n *ast.If) ([]body, bool) {
	if !isParsed(f, n.Cond) || n.Cond.Pos() < n.Pos() || n.Cond.End() > n.End() {
		return nil, false
	}
	src, end := f.Src[:n.End().Offset()], n.Cond.End().Offset()
	then, ok := branch(f, src, end, n.Then)
	if !ok {
		return nil, false
	}
	out := []body{then}
	if !n.HasElse {
		return out, true
	}
	i := skipTrivia(src, then.to+1)
	if !strings.HasPrefix(src[i:], "else") {
		return nil, false
	}
	i = skipTrivia(src, i+len("else"))
	if n.ElseIf {
		// The inner conditional is a statement without braces around it.
		return append(out, body{n.Else, i, len(src)}), true
	}
	otherwise, ok := branch(f, src, i, n.Else)
	return append(out, otherwise), ok
}

// branch finds the braces around list, the opening one after offset i.
func branch(f *ast.File, src string, i int, list []ast.Stmt) (body, bool) {
	i = skipTrivia(src, i)
	if i >= len(src) || src[i] != '{' {
		return body{}, false
	}
	b := body{list: list, from: i + 1}
	end := b.from
	for _, s := range list {
		if isParsed(f, s) {
			end = s.End().Offset()
		}
	}
	b.to = skipTrivia(src, end)
	return b, b.from <= b.to && b.to < len(src) && src[b.to] == '}'
}
