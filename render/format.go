// SPDX-License-Identifier: Apache-2.0

package render

import (
	"strings"

	"github.com/goarmor/apparmor/ast"
)

// Format returns the text of a parsed file in canonical form, in the zero
// Style; see Style.Format.
func Format(f *ast.File) ([]byte, error) {
	return Style{}.Format(f)
}

// Format returns the text of a parsed file in canonical form: a statement to a
// line, indented by its depth, spelled as Append spells it. Comments stay
// where they are, beside or above a statement, and empty lines stay, several
// as one. Formatting what is formatted changes nothing, and the text means
// what it meant.
//
// A statement that has a comment inside it, or that could not be parsed, is
// copied as it is. Statements without a place, which were put into the tree by
// hand, are written in their place. A statement that was taken out of the
// tree cannot be told from one that was overlooked and is an error; use an
// Editor to remove statements.
func (s Style) Format(f *ast.File) ([]byte, error) {
	if err := ast.Check(f); err != nil {
		return nil, unwritable(f, err)
	}
	p := printer{dst: make([]byte, 0, len(f.Src)+len(f.Src)/8), style: s, file: f, source: true}
	p.list(body{f.Stmts, 0, len(f.Src)}, true)
	if len(p.dst) > 0 {
		p.lineEnd()
	}
	if p.err != nil {
		return nil, p.err
	}
	return p.dst, nil
}

// list appends statements, each on a line of its own, with what is
// between them in the source. The first line is a new one except at the top.
func (p *printer) list(b body, top bool) {
	pos := b.from
	for i, s := range b.list {
		gap := ""
		switch {
		case !p.source:
		case !isParsed(p.file, s):
			// What is put in comes after the comment beside what it follows.
			n := commentBeside(p.file.Src[pos:b.to])
			gap = p.file.Src[pos : pos+n]
			pos += n
		case pos <= s.Pos().Offset() && s.End().Offset() <= b.to:
			gap = p.file.Src[pos:s.Pos().Offset()]
			pos = s.End().Offset()
		default:
			p.misplaced(s)
		}
		p.gap(gap, i == 0, true, setApart(b.list, i), top)
		p.stmt(s)
	}
	if p.source && p.file != nil {
		p.gap(p.file.Src[pos:b.to], len(b.list) == 0, false, false, top)
	}
}

// commentBeside returns the length of the blanks and the comment that s begins
// with, up to the end of the line, or 0 when there is no comment.
func commentBeside(s string) int {
	n := len(s) - len(strings.TrimLeft(s, " \t"))
	if !isComment(s[n:]) {
		return 0
	}
	if end := strings.IndexByte(s[n:], '\n'); end >= 0 {
		return n + end
	}
	return len(s)
}

// gap appends what is before a statement or, if none is next, after
// the last one: line breaks, empty lines and comments.
func (p *printer) gap(text string, first, next, apart, top bool) {
	newlines := 0
	for i := 0; i < len(text); {
		switch {
		case text[i] == '\n':
			newlines++
			i++
		case isBlank(text[i]):
			i++
		case isComment(text[i:]):
			comment, _, _ := strings.Cut(text[i:], "\n")
			if newlines == 0 && !(first && top) {
				p.byte(' ') // beside what is before it
			} else {
				p.lineBreak(first, top, apart || newlines > 1)
				first, apart = false, false
			}
			p.str(strings.TrimRight(comment, " \t\r"))
			newlines = 0
			i += len(comment)
		default:
			p.unknown(text[i:])
			return
		}
	}
	if next {
		p.lineBreak(first, top, apart || newlines > 1)
	}
}

// lineBreak begins a line, after an empty one if they are to be set apart.
func (p *printer) lineBreak(first, top, apart bool) {
	switch {
	case first && top:
		p.str(p.style.Prefix)
		return
	case apart && !first:
		p.lineEnd()
	}
	p.newline()
}

// setApart reports whether there is always an empty line before the i-th
// statement: profiles are set apart, with the comments above them.
func setApart(list []ast.Stmt, i int) bool {
	if i == 0 {
		return false
	}
	switch list[i-1].(type) {
	case *ast.Profile:
		return true
	case *ast.Comment:
		return false
	}
	for _, s := range list[i:] {
		switch s.(type) {
		case *ast.Comment:
			continue
		case *ast.Profile:
			return true
		}
		return false
	}
	return false
}

// misplaced notes a statement whose place is not within its parent's.
func (p *printer) misplaced(s ast.Stmt) {
	if p.err == nil {
		p.err = unwritable(p.file, &ast.CheckError{Node: s, Problem: "is not where it was in the source"})
	}
}

// unknown notes source text that no node of the tree covers.
func (p *printer) unknown(text string) {
	if p.err == nil {
		line, _, _ := strings.Cut(text, "\n")
		p.err = unwritable(p.file, &ast.CheckError{Node: p.file, Text: line, Problem: "is in the source but not in the tree"})
	}
}

// opaque reports whether a statement is to be copied instead of written: it
// has a comment inside.
func (p *printer) opaque(s ast.Stmt) bool {
	if !p.source || !isParsed(p.file, s) {
		return false
	}
	text := p.file.Text(s)
	switch s := s.(type) {
	case *ast.Include:
		return false
	case *ast.Profile, *ast.Block:
		// Bodies are lists of their own; the question is about the head.
		b, ok := bodies(p.file, s)
		if !ok {
			return true
		}
		text = p.file.Src[s.Pos().Offset():b[0].from]
	case *ast.If:
		b, ok := bodies(p.file, s)
		if !ok {
			return true
		}
		from := s.Pos().Offset()
		for _, b := range b {
			if hasComment(p.file.Src[from:b.from]) {
				return true
			}
			from = b.to
		}
		return false
	}
	return hasComment(text)
}

// hasComment reports whether text may hold a comment: a hash outside quotes.
func hasComment(text string) bool {
	if strings.IndexByte(text, '#') < 0 {
		return false
	}
	quoted := false
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			quoted = !quoted
		case '#':
			if !quoted {
				return true
			}
		}
	}
	return false
}

// sourceBody returns where the i-th body of a node is in the source that is
// being formatted, and just its statements when there is none.
func (p *printer) sourceBody(n ast.Stmt, i int, list []ast.Stmt) body {
	if p.source && isParsed(p.file, n) {
		if b, ok := bodies(p.file, n); ok && i < len(b) {
			return b[i]
		}
	}
	return body{list: list}
}
