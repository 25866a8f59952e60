// SPDX-License-Identifier: Apache-2.0

package render

import (
	"strings"

	"github.com/goarmor/apparmor/ast"
)

// spot is a place in the source to write at.
type spot struct {
	from, to int // what goes
	rank     rank
	kind     spotKind
	indent   string // of new lines
	closing  string // of a spotNewLine: what is before the rest
}

// rank orders what is written at the same offset.
type rank uint8

const (
	atStart   rank = iota // of a body
	afterOne              // after a statement
	beforeOne             // before one
	inPlace               // instead of one
	atEnd                 // of a body
)

// spotKind is how a spot is with its line.
type spotKind uint8

const (
	inline    spotKind = iota // within a line
	lineStart                 // at the start of a line; what is written are lines
	newLine                   // at the end of a line that is to be ended first
)

// before returns the spot before a statement.
func (e *Editor) before(s ast.Stmt, r rank) spot {
	from := s.Pos().Offset()
	indent, first := e.indentAt(from)
	if first {
		from -= len(indent)
		return spot{from: from, to: from, rank: r, kind: lineStart, indent: indent}
	}
	return spot{from: from, to: from, rank: r, indent: indent}
}

// after returns the spot after what ends at offset i: the next line, or the
// same one if there is more on it.
func (e *Editor) after(i int, indent string, r rank) spot {
	src := e.file.Src
	j := i
	for j < len(src) && (src[j] == ' ' || src[j] == '\t' || src[j] == '\r') {
		j++
	}
	if j < len(src) && isComment(src[j:]) {
		j = lineEnd(src, j)
	}
	switch {
	case j == len(src):
		return spot{from: j, to: j, rank: r, kind: newLine, indent: indent}
	case src[j] == '\n':
		return spot{from: j + 1, to: j + 1, rank: r, kind: lineStart, indent: indent}
	}
	return spot{from: i, to: i, rank: r, indent: indent}
}

// bodyStart returns the spot at the start of the i-th body of a node.
func (e *Editor) bodyStart(n ast.Node, i int, b body) spot {
	if _, ok := n.(*ast.File); ok {
		return spot{rank: atStart, kind: lineStart}
	}
	outer, _ := e.indentAt(n.Pos().Offset())
	indent := outer + e.indentUnit()
	for _, s := range b.list {
		if isParsed(e.file, s) {
			if i, ok := e.indentAt(s.Pos().Offset()); ok {
				indent = i
			}
			break
		}
	}
	s := e.after(b.from, indent, atStart)
	if s.kind == inline && skipTrivia(e.file.Src[:b.to], b.from) == b.to {
		// Nothing between the braces, and these on one line.
		return spot{from: b.from, to: b.to, rank: atStart, kind: newLine, indent: indent, closing: outer}
	}
	return s
}

// bodyEnd returns the spot at the end of the first body of a node.
func (e *Editor) bodyEnd(n ast.Node, b body) spot {
	src := e.file.Src
	if _, ok := n.(*ast.File); ok {
		s := spot{from: len(src), to: len(src), rank: atEnd, kind: lineStart}
		if src != "" && src[len(src)-1] != '\n' {
			s.kind = newLine
		}
		return s
	}
	var last ast.Stmt
	for _, s := range b.list {
		if isParsed(e.file, s) {
			last = s
		}
	}
	// The closing brace at the start of a line: above it.
	if outer, first := e.indentAt(b.to); first {
		indent := outer + e.indentUnit()
		if last != nil {
			if i, ok := e.indentAt(last.Pos().Offset()); ok {
				indent = i
			}
		}
		from := b.to - len(outer)
		return spot{from: from, to: from, rank: atEnd, kind: lineStart, indent: indent}
	}
	if last == nil {
		s := e.bodyStart(n, 0, b)
		s.rank = atEnd
		return s
	}
	indent, _ := e.indentAt(last.Pos().Offset())
	return spot{from: last.End().Offset(), to: last.End().Offset(), rank: atEnd, indent: indent}
}

// indentAt returns the blanks that the line of offset i begins with, and
// whether there is nothing else before i on it.
func (e *Editor) indentAt(i int) (indent string, first bool) {
	src := e.file.Src
	start := strings.LastIndexByte(src[:i], '\n') + 1
	end := start
	for end < i && (src[end] == ' ' || src[end] == '\t') {
		end++
	}
	return src[start:end], end == i
}

// lineEnd returns the offset of the newline that ends the line of offset i, or
// the end of the text.
func lineEnd(src string, i int) int {
	if n := strings.IndexByte(src[i:], '\n'); n >= 0 {
		return i + n
	}
	return len(src)
}
