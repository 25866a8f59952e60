// SPDX-License-Identifier: Apache-2.0

// Package render turns syntax trees into policy text.
//
// There are three ways to produce text. Append writes the canonical form of a
// node: what a tree built by hand prints as. Format lays out a parsed file
// anew, in canonical form, and keeps its comments. Verbatim and Editor are
// lossless: what was read and not changed comes out as the very bytes it was
// read from.
//
// What cannot be written is refused with a *diag.Diagnostic that wraps the
// *ast.CheckError; no function ever writes text that means something other
// than its node. The package does no I/O. Its functions may be called from
// many goroutines at once, also on one tree.
package render

import (
	"errors"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/diag"
)

// Style is how canonical text is laid out. The zero Style is upstream's: two
// blanks for every level of braces.
type Style struct {
	Indent string // for every level; empty: two blanks
	Prefix string // at the start of every line
}

const defaultIndent = "  "

// Append appends the canonical text of n in the zero Style; see Style.Append.
func Append(dst []byte, n ast.Node) ([]byte, error) {
	return Style{}.Append(dst, n)
}

// Append appends the canonical text of n to dst and returns the longer slice.
// A file ends in a newline, every other node without one; what is put after
// a *ast.Comment, an assignment or an include must begin with a newline.
//
// The text lexes to the very values of the node. The many spellings of a thing
// become one: synonyms, the order of permissions, quotes, the form of
// includes. Comments between the nodes of a parsed file are left
// out; Format keeps them. Apart from growing dst, nothing is allocated.
//
// When the node cannot be written dst is returned as it was, with a
// *diag.Diagnostic.
func (s Style) Append(dst []byte, n ast.Node) ([]byte, error) {
	p := printer{dst: dst, style: s}
	if err := p.print(n); err != nil {
		return dst, err
	}
	return p.dst, nil
}

// String returns the canonical text of n, or the error where it cannot be
// written. It is for messages and tests.
func String(n ast.Node) string {
	text, err := Append(nil, n)
	if err != nil {
		return "<" + err.Error() + ">"
	}
	return string(text)
}

// printer appends canonical text. It trusts its nodes: they have been checked.
type printer struct {
	dst   []byte
	style Style
	eol   string // empty: a newline
	depth int    // of braces
	err   error  // an error that showed only while printing

	file   *ast.File // that is being printed; nil when unknown
	source bool      // keep the comments of file
}

func (p *printer) print(n ast.Node) error {
	var isFile bool
	p.file, isFile = n.(*ast.File)
	if err := ast.Check(n); err != nil {
		return unwritable(p.file, err)
	}
	if !isFile {
		p.str(p.style.Prefix)
	}
	p.node(n)
	return p.err
}

// unwritable turns the error of a check into a diagnostic.
func unwritable(f *ast.File, err error) error {
	d := &diag.Diagnostic{Code: diag.CodeUnwritable, Message: err.Error(), Err: err}
	if ce := (*ast.CheckError)(nil); errors.As(err, &ce) && !ast.IsNil(ce.Node) && f != nil {
		d.Pos = f.Position(ce.Node.Pos())
	}
	return d
}

func (p *printer) node(n ast.Node) {
	switch n := n.(type) {
	case *ast.File:
		p.list(body{list: n.Stmts}, true)
		if len(n.Stmts) > 0 {
			p.lineEnd()
		}
	case ast.Stmt:
		p.stmt(n)
	case ast.Expr:
		p.expr(n, 0)
	case *ast.Xattr:
		p.xattr(n)
	case *ast.Flag:
		p.flag(n)
	case *ast.MountCond:
		p.mountCond(n)
	}
}

func (p *printer) str(s string) { p.dst = append(p.dst, s...) }

func (p *printer) byte(c byte) { p.dst = append(p.dst, c) }

// lineEnd ends a line.
func (p *printer) lineEnd() {
	if p.eol != "" {
		p.str(p.eol)
	} else {
		p.byte('\n')
	}
}

// newline starts a line at the current depth.
func (p *printer) newline() {
	p.lineEnd()
	p.str(p.style.Prefix)
	indent := p.style.Indent
	if indent == "" {
		indent = defaultIndent
	}
	for range p.depth {
		p.str(indent)
	}
}
