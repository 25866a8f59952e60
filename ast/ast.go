// SPDX-License-Identifier: Apache-2.0

// Package ast holds AppArmor policy as Go values: files, preambles, profiles
// and every rule type.
//
// A tree comes from package parser or is built by hand. A parsed node knows
// where its text is (Pos and End are offsets into File.Src), so an unchanged
// node prints as the very bytes it was read from. A node built by hand has no
// position (both are zero) and prints in canonical form; see package render.
//
// The values are decoded: quotes are gone and escapes are resolved (see
// Pattern), permission lists are bit sets, synonyms become one constant. What
// a node means does not depend on how it was spelled.
//
// Trees are built as struct literals. Check, and New for a single node, report
// whether policy text can be written for one; package render refuses those for
// which it cannot. Text that comes from elsewhere goes through Literal, Exact
// or Name, after which no byte of it means anything but itself.
//
// The package does no I/O and knows nothing about kernels. Trees are plain
// data: they may be read from many goroutines at once, and must not be changed
// while shared.
package ast

import (
	"reflect"
	"sort"
	"sync"

	"github.com/goarmor/apparmor/diag"
)

// Pos is a place in a file: the byte offset plus one. The zero Pos belongs to
// nodes that were not read from text.
type Pos uint32

// IsValid reports whether p names a place in a file.
func (p Pos) IsValid() bool { return p != 0 }

// Offset returns the byte offset of p, or -1 when p is not valid.
func (p Pos) Offset() int { return int(p) - 1 }

// Span is the extent of a node in its file. Every node embeds one.
type Span struct {
	From Pos // first byte
	To   Pos // one past the last byte
}

// Pos returns the place of the node's first byte.
func (s Span) Pos() Pos { return s.From }

// End returns the place just past the node's last byte.
func (s Span) End() Pos { return s.To }

func (Span) node() {}

// Position is a Pos made readable.
type Position = diag.Position

// Node is any part of a tree. The interface is sealed.
type Node interface {
	Pos() Pos // the place of the first byte; not valid for a node that was built by hand
	End() Pos // the place just past the last byte
	node()
}

// IsNil reports whether n is nil or a nil pointer.
func IsNil(n Node) bool {
	if n == nil {
		return true
	}
	v := reflect.ValueOf(n)
	return v.Kind() == reflect.Pointer && v.IsNil()
}

// Stmt is a node of a file, a profile body or a block.
type Stmt interface {
	Node
	stmt()
}

// Rule is a statement that grants or denies something. A *Block is not a rule:
// it holds rules.
type Rule interface {
	Stmt
	// Quals returns the rule's qualifiers; they may be changed through it.
	Quals() *Qualifiers
	// Class returns the class of the rule.
	Class() Class

	check(checker) *CheckError
	clone() Rule
}

// File is one policy file.
type File struct {
	Name  string // as the parser was told; used in positions
	Src   string // the text; empty for a file built by hand
	Stmts []Stmt // in the order of the text

	once  sync.Once
	lines []uint32 // offsets of line starts
}

// Pos implements Node; a file begins at its first byte.
func (f *File) Pos() Pos { return 1 }

// End implements Node.
func (f *File) End() Pos { return Pos(len(f.Src) + 1) }

func (f *File) node() {}

// Position resolves p. It is safe for concurrent use.
func (f *File) Position(p Pos) Position {
	if !p.IsValid() || p.Offset() > len(f.Src) {
		return Position{File: f.Name}
	}
	f.once.Do(func() {
		f.lines = append(f.lines, 0)
		for i := 0; i < len(f.Src); i++ {
			if f.Src[i] == '\n' {
				f.lines = append(f.lines, uint32(i+1))
			}
		}
	})
	off := uint32(p.Offset())
	line := sort.Search(len(f.lines), func(i int) bool { return f.lines[i] > off }) - 1
	return Position{File: f.Name, Offset: int(off), Line: line + 1, Column: int(off-f.lines[line]) + 1}
}

// Text returns the source text of a node that was read from this file, and
// the empty string for one that was not.
func (f *File) Text(n Node) string {
	from, to := n.Pos().Offset(), n.End().Offset()
	if from < 0 || to < from || to > len(f.Src) {
		return ""
	}
	return f.Src[from:to]
}

// Unit is a file together with everything it includes.
type Unit struct {
	Main *File // the file that was read first, which includes the others
	// Included maps an include statement to the files that it names: one for a
	// file, any number for a directory, in the order in which they take effect
	// (the last name first, as the reference reads them), and none if "if
	// exists" found nothing. The same *File may appear under several
	// statements.
	Included map[*Include][]*File
}
