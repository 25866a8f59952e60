// SPDX-License-Identifier: Apache-2.0

package render

import (
	"strings"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/diag"
)

// Editor changes a parsed file and leaves the rest of it as it is, byte for
// byte, comments and blanks included. The tree itself is not changed: every
// statement that a method is given as a place must be one that was parsed, or
// a comment that Comments returned. What is inserted is written in canonical
// form, with the indentation and the line ends of its surroundings, on lines
// of its own where the place has one.
//
// The order in which methods are called matters only between insertions in
// the same place, which come in that order: what is put at the start of a
// body comes before what is put beside its first statement, and what is put
// after a statement before what is put before the next.
//
// An Editor is for one goroutine. A method that returns an error, which is a
// *diag.Diagnostic, has changed nothing.
type Editor struct {
	file     *ast.File
	owner    map[ast.Stmt]place
	comments []*ast.Comment // in order, once they were looked for
	edits    []edit
	gone     []ast.Span // statements that were removed or replaced
	unit     string     // of indentation
	measured bool
	newline  string
}

// place is where a statement is in the tree.
type place struct {
	parent ast.Node
	body   int // index into bodies of parent
}

// NewEditor returns an Editor for a file that the parser made. Line ends and
// indentation are the ones that come first in the file.
func NewEditor(f *ast.File) *Editor {
	if f == nil {
		f = &ast.File{}
	}
	e := newEditor(f)
	e.owner = map[ast.Stmt]place{}
	e.index(f)
	return e
}

// newEditor returns an Editor that knows no statements.
func newEditor(f *ast.File) *Editor {
	e := &Editor{file: f, newline: "\n", unit: defaultIndent}
	if i := strings.IndexByte(f.Src, '\n'); i > 0 && f.Src[i-1] == '\r' {
		e.newline = "\r\n"
	}
	return e
}

// index notes where the statements below a node are.
func (e *Editor) index(n ast.Node) {
	list, _ := bodies(e.file, n)
	for i, b := range list {
		for _, s := range b.list {
			if isParsed(e.file, s) && b.from <= s.Pos().Offset() && s.End().Offset() <= b.to {
				e.owner[s] = place{n, i}
				e.index(s)
			}
		}
	}
}

// indentUnit returns the indentation of one level of braces.
func (e *Editor) indentUnit() string {
	if !e.measured {
		e.measured = true
		e.measure(e.file)
	}
	return e.unit
}

// measure sets the unit of indentation to that of the first statement below a
// node that shows one.
func (e *Editor) measure(n ast.Node) bool {
	list, _ := bodies(e.file, n)
	for _, b := range list {
		for _, s := range b.list {
			if !isParsed(e.file, s) {
				continue
			}
			if n != ast.Node(e.file) {
				outer, _ := e.indentAt(n.Pos().Offset())
				inner, first := e.indentAt(s.Pos().Offset())
				if unit, ok := strings.CutPrefix(inner, outer); ok && first && unit != "" {
					e.unit = unit
					return true
				}
			}
			if e.measure(s) {
				return true
			}
		}
	}
	return false
}

func (e *Editor) fail(n ast.Node, problem string) error {
	err := &ast.CheckError{Node: n, Problem: problem}
	d := &diag.Diagnostic{Code: diag.CodeEdit, Message: err.Error(), Err: err}
	if !ast.IsNil(n) {
		d.Pos = e.file.Position(n.Pos())
	}
	return d
}

// known checks that s is a statement of the file that is still there.
func (e *Editor) known(s ast.Stmt) error {
	if _, ok := e.owner[s]; !ok || !isParsed(e.file, s) {
		return e.fail(s, "is not a statement of this file")
	}
	for _, g := range e.gone {
		if g.From <= s.Pos() && s.End() <= g.To {
			return e.fail(s, "was removed or replaced")
		}
	}
	return nil
}

// movable checks that something can be put beside s or in its place.
func (e *Editor) movable(s ast.Stmt) error {
	if err := e.known(s); err != nil {
		return err
	}
	if isElseIf(e.owner[s].parent, e.owner[s].body) {
		return e.fail(s, "belongs to the else before it")
	}
	return nil
}

// isElseIf reports whether the i-th body of a node is the conditional of an
// `else if`, which is not a list of statements.
func isElseIf(n ast.Node, i int) bool {
	c, ok := n.(*ast.If)
	return ok && c.ElseIf && i == 1
}

// InsertBefore inserts statements before one, below its comments.
func (e *Editor) InsertBefore(s ast.Stmt, list ...ast.Stmt) error {
	if err := e.movable(s); err != nil {
		return err
	}
	return e.insertAt(e.before(s, beforeOne), list...)
}

// InsertAfter inserts statements after one, and after the comment on its
// line.
func (e *Editor) InsertAfter(s ast.Stmt, list ...ast.Stmt) error {
	if err := e.movable(s); err != nil {
		return err
	}
	indent, _ := e.indentAt(s.Pos().Offset())
	return e.insertAt(e.after(s.End().Offset(), indent, afterOne), list...)
}

// Append inserts statements at the end of a file or of the body of a profile
// or block; of a conditional, at the end of its first branch.
func (e *Editor) Append(in ast.Node, list ...ast.Stmt) error {
	b, err := e.container(in)
	if err != nil {
		return err
	}
	return e.insertAt(e.bodyEnd(in, b), list...)
}

// Prepend inserts statements at the start of a file or of the body of a
// profile or block; of a conditional, of its first branch. In a file that is
// before the first statement, below the comments at the top.
func (e *Editor) Prepend(in ast.Node, list ...ast.Stmt) error {
	b, err := e.container(in)
	if err != nil {
		return err
	}
	if _, ok := in.(*ast.File); ok {
		for _, s := range b.list {
			if isParsed(e.file, s) {
				return e.insertAt(e.before(s, atStart), list...)
			}
		}
		s := e.bodyEnd(in, b)
		s.rank = atStart
		return e.insertAt(s, list...)
	}
	return e.insertAt(e.bodyStart(in, 0, b), list...)
}

// container returns the first body of a node of the file.
func (e *Editor) container(n ast.Node) (body, error) {
	if s, ok := n.(ast.Stmt); ok {
		if err := e.known(s); err != nil {
			return body{}, err
		}
	} else if n != ast.Node(e.file) {
		return body{}, e.fail(n, "is not a part of this file")
	}
	list, ok := bodies(e.file, n)
	if !ok || len(list) == 0 {
		return body{}, e.fail(n, "has no body to insert into")
	}
	return list[0], nil
}

// Replace writes statements in the place of one. With none it is Remove.
func (e *Editor) Replace(old ast.Stmt, list ...ast.Stmt) error {
	if len(list) == 0 {
		return e.Remove(old)
	}
	if err := e.free(old); err != nil {
		return err
	}
	from, to := old.Pos().Offset(), old.End().Offset()
	indent, _ := e.indentAt(from)
	text, err := e.text(list, indent)
	if err != nil {
		return err
	}
	e.drop(old, edit{spot: spot{from: from, to: to, rank: inPlace, indent: indent, kind: inline}, text: text, ends: endsLine(list[len(list)-1])})
	return nil
}

// Remove takes a statement out, and its lines when nothing else is on them.
// Comments stay; see CommentsOn.
func (e *Editor) Remove(old ast.Stmt) error {
	if err := e.free(old); err != nil {
		return err
	}
	src := e.file.Src
	from, to := old.Pos().Offset(), old.End().Offset()
	indent, first := e.indentAt(from)
	end := to
	for end < len(src) && (src[end] == ' ' || src[end] == '\t' || src[end] == '\r') {
		end++
	}
	last := end == len(src) || src[end] == '\n'
	switch {
	case first && last:
		from, to = from-len(indent), min(end+1, len(src))
	case last: // blanks would be left at the end of the line
		for src[from-1] == ' ' || src[from-1] == '\t' {
			from--
		}
	case first || isBlank(src[from-1]):
		to = end // blanks before it remain
	}
	e.drop(old, edit{spot: spot{from: from, to: to, rank: inPlace, kind: inline}})
	return nil
}

func (e *Editor) drop(s ast.Stmt, x edit) {
	e.edits = append(e.edits, x)
	e.gone = append(e.gone, ast.Span{From: s.Pos(), To: s.End()})
}

// free checks that a statement may be removed: it is there and nothing in it
// has been edited.
func (e *Editor) free(s ast.Stmt) error {
	if err := e.movable(s); err != nil {
		return err
	}
	from, to := s.Pos().Offset(), s.End().Offset()
	for _, x := range e.edits {
		if from < x.to && x.from < to && (x.from < x.to || x.from > from) {
			return e.fail(s, "has edits inside")
		}
	}
	return nil
}

// insertAt inserts statements in a spot.
func (e *Editor) insertAt(s spot, list ...ast.Stmt) error {
	if len(list) == 0 {
		return nil
	}
	if s.kind != inline {
		text, err := e.text(list, s.indent)
		if err != nil {
			return err
		}
		e.edits = append(e.edits, edit{spot: s, text: text})
		return nil
	}
	// One line, unless what is new needs lines of its own.
	pieces := make([]string, len(list))
	x := edit{spot: s}
	for i, n := range list {
		var err error
		if pieces[i], err = e.text(list[i:i+1], s.indent); err != nil {
			return err
		}
		x.ends = x.ends || endsLine(n) || strings.Contains(pieces[i], "\n")
	}
	if x.text = strings.Join(pieces, " "); x.ends {
		x.text, _ = e.text(list, s.indent) // succeeded piece by piece
	}
	x.starts = x.ends && s.rank != beforeOne
	e.edits = append(e.edits, x)
	return nil
}

// endsLine reports whether a statement ends with its line.
func endsLine(s ast.Stmt) bool {
	switch s := s.(type) {
	case *ast.Comment, *ast.VarAssign, *ast.BoolAssign:
		return true
	case *ast.Include:
		return strings.HasSuffix(s.Path, `\`) // which would take a blank in
	}
	return false
}

// text returns the canonical text of statements, a line each, the first
// without indentation.
func (e *Editor) text(list []ast.Stmt, indent string) (string, error) {
	p := printer{style: Style{Prefix: indent, Indent: e.indentUnit()}, eol: e.newline}
	for i, s := range list {
		if i > 0 {
			p.lineEnd()
			if setApart(list, i) {
				p.lineEnd()
			}
		}
		if err := p.print(s); err != nil {
			return "", err
		}
	}
	return string(p.dst[len(indent):]), nil
}
