// SPDX-License-Identifier: Apache-2.0

package render

import (
	"slices"
	"strings"

	"github.com/goarmor/apparmor/ast"
)

// Comments returns the comments of the file between its statements, in order.
// They are nodes like those that the parser makes of statements, and places
// for the methods of the Editor: a comment can be replaced, removed and
// inserted beside. Comments inside a statement, which goes on below them, are
// part of it and not among these.
func (e *Editor) Comments() []*ast.Comment {
	if e.comments == nil {
		e.comments = []*ast.Comment{}
		e.findComments(e.file)
	}
	return slices.Clone(e.comments)
}

// CommentsOn returns the comments that belong to a statement, in order: the
// lines of comment right above it, and the comment beside its end. Remove
// these too if the comments should go with the statement.
func (e *Editor) CommentsOn(s ast.Stmt) []*ast.Comment {
	if _, ok := e.owner[s]; !ok || !isParsed(e.file, s) {
		return nil
	}
	e.Comments()
	src := e.file.Src
	var list []*ast.Comment
	top := s.Pos().Offset()
	for _, c := range slices.Backward(e.comments) {
		from, to := c.From.Offset(), c.To.Offset()
		switch {
		case to <= top:
			_, own := e.indentAt(from)
			between := src[to:top]
			if !own || strings.Trim(between, " \t\r\n") != "" || strings.Count(between, "\n") != 1 {
				return list
			}
			top = from
			list = slices.Insert(list, 0, c)
		case from >= s.End().Offset() && strings.Trim(src[s.End().Offset():from], " \t") == "":
			list = append(list, c)
		}
	}
	return list
}

// findComments collects the comments in the bodies of a node.
func (e *Editor) findComments(n ast.Node) {
	list, _ := bodies(e.file, n)
	for i, b := range list {
		pos := b.from
		for _, s := range b.list {
			if isParsed(e.file, s) {
				e.commentsIn(pos, s.Pos().Offset(), place{n, i})
				e.findComments(s)
				pos = s.End().Offset()
			}
		}
		e.commentsIn(pos, b.to, place{n, i})
	}
}

// commentsIn collects the comments of a gap between statements.
func (e *Editor) commentsIn(from, to int, at place) {
	src := e.file.Src
	for i := from; i < to; i++ {
		if src[i] != '#' {
			continue
		}
		end := lineEnd(src, i)
		text := strings.TrimSuffix(src[i:end], "\r")
		c := &ast.Comment{Span: ast.Span{From: ast.Pos(i + 1), To: ast.Pos(i + 1 + len(text))}, Text: text[1:]}
		e.comments = append(e.comments, c)
		e.owner[c] = at
		i = end
	}
}
