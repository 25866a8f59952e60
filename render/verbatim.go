// SPDX-License-Identifier: Apache-2.0

package render

import (
	"strings"

	"github.com/goarmor/apparmor/ast"
)

// Verbatim returns the text of a parsed file as it was read, byte for byte.
// Statements without a place, which were put into the tree by hand, are
// written in canonical form, on lines of their own, after the statement that
// they follow. The source must be covered by the tree: a statement that was
// taken out of it is an error; use an Editor to remove or change what was
// parsed. Changed fields of a parsed statement are not seen.
func Verbatim(f *ast.File) ([]byte, error) {
	if f == nil {
		return nil, unwritable(nil, ast.Check(f))
	}
	e := newEditor(f)
	if err := e.adopt(f); err != nil {
		return nil, err
	}
	return e.Bytes(), nil
}

// adopt checks that the source below a parsed node is covered by the tree, and
// inserts the statements that are not parsed.
func (e *Editor) adopt(n ast.Node) error {
	list, ok := bodies(e.file, n)
	if !ok {
		return e.fail(n, "is not laid out in the source as the tree says")
	}
	for i, b := range list {
		pos := b.from
		var prev ast.Stmt // the last parsed one
		for j, s := range b.list {
			if !isParsed(e.file, s) {
				if isElseIf(n, i) {
					return e.fail(s, "is put by hand where the source has another conditional")
				}
				at := e.bodyStart(n, i, b)
				if prev != nil {
					indent, _ := e.indentAt(prev.Pos().Offset())
					at = e.after(prev.End().Offset(), indent, afterOne)
				}
				if err := e.insertAt(at, s); err != nil {
					return err
				}
				continue
			}
			from, to := s.Pos().Offset(), s.End().Offset()
			if from < pos || to > b.to {
				return e.fail(b.list[j], "is not where it was in the source")
			}
			if err := e.covered(pos, from); err != nil {
				return err
			}
			if err := e.adopt(s); err != nil {
				return err
			}
			prev, pos = s, to
		}
		if err := e.covered(pos, b.to); err != nil {
			return err
		}
	}
	return nil
}

// covered reports source text that is not part of any node.
func (e *Editor) covered(from, to int) error {
	gap := e.file.Src[:to]
	if i := skipTrivia(gap, from); i < to {
		line, _, _ := strings.Cut(gap[i:], "\n")
		return unwritable(e.file, &ast.CheckError{Node: e.file, Text: line, Problem: "is in the source but not in the tree"})
	}
	return nil
}
