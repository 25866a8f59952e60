// SPDX-License-Identifier: Apache-2.0

// Package treetest holds what tests of several packages ask of syntax trees.
package treetest

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/goarmor/apparmor/ast"
)

// Spans checks that the nodes of a parsed file nest and are in order, that
// they lie in the text, and that the text between them and theirs together
// are the whole.
func Spans(f *ast.File) error {
	c := &copier{file: f}
	c.stmts(f.Stmts, 0, len(f.Src))
	c.copyTo(len(f.Src))
	if c.err == nil && c.text.String() != f.Src {
		c.err = fmt.Errorf("%s: the nodes do not add up to the text", f.Name)
	}
	return c.err
}

// copier puts a text together from its nodes.
type copier struct {
	file *ast.File
	text strings.Builder
	at   int
	err  error // the first
}

func (c *copier) copyTo(to int) {
	switch {
	case c.err != nil:
	case to < c.at || to > len(c.file.Src):
		c.err = fmt.Errorf("%s: offset %d after %d or the end", c.file.Name, to, c.at)
	default:
		c.text.WriteString(c.file.Src[c.at:to])
		c.at = to
	}
}

func (c *copier) stmts(list []ast.Stmt, from, to int) {
	for _, s := range list {
		start, end := s.Pos().Offset(), s.End().Offset()
		if c.err == nil && (start < from || end < start || end > to) {
			c.err = fmt.Errorf("%s: %T at %d-%d is not within %d-%d", c.file.Name, s, start, end, from, to)
		}
		c.copyTo(start)
		if c.err != nil {
			return
		}
		switch s := s.(type) {
		case *ast.Profile:
			c.stmts(s.Body, s.Open.Offset()+1, s.Close.Offset())
		case *ast.Block:
			c.stmts(s.Body, s.Open.Offset()+1, s.Close.Offset())
		case *ast.If:
			c.stmts(s.Then, start, end)
			c.stmts(s.Else, start, end)
		default:
			c.text.WriteString(c.file.Text(s))
			c.at = end
		}
		c.copyTo(end)
		from = end
	}
}

// Outline lists the statements of a tree by their type.
func Outline(list []ast.Stmt) string {
	var b strings.Builder
	for i, s := range list {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(strings.TrimPrefix(fmt.Sprintf("%T", s), "*ast."))
		switch s := s.(type) {
		case *ast.Profile:
			fmt.Fprintf(&b, "{%s}", Outline(s.Body))
		case *ast.Block:
			fmt.Fprintf(&b, "{%s}", Outline(s.Body))
		case *ast.If:
			fmt.Fprintf(&b, "{%s|%s}", Outline(s.Then), Outline(s.Else))
		}
	}
	return b.String()
}

// Diff compares trees by what they say: without places, and without the
// spellings that canonical text does not keep. It returns the first
// difference, or the empty string. (What cmp needs for nested trees grows
// with two to the depth.)
func Diff(a, b ast.Node) string {
	return diff("", reflect.ValueOf(a), reflect.ValueOf(b))
}

func diff(path string, a, b reflect.Value) string {
	if a.IsValid() != b.IsValid() || a.IsValid() && a.Type() != b.Type() {
		return fmt.Sprintf("%s: %v | %v", path, a, b)
	}
	if !a.IsValid() {
		return ""
	}
	switch a.Type() {
	case reflect.TypeFor[ast.Span](), reflect.TypeFor[ast.Pos]():
		return ""
	case reflect.TypeFor[ast.IncludeKind]():
		magic := uint64(ast.IncludeMagic)
		if (a.Uint() == magic) != (b.Uint() == magic) {
			return path + ": kinds of include"
		}
		return ""
	}
	switch a.Kind() {
	case reflect.Pointer, reflect.Interface:
		return diff(path, a.Elem(), b.Elem())
	case reflect.Slice:
		if a.Len() != b.Len() {
			return fmt.Sprintf("%s: %d | %d items", path, a.Len(), b.Len())
		}
		for i := range a.Len() {
			if d := diff(fmt.Sprintf("%s[%d]", path, i), a.Index(i), b.Index(i)); d != "" {
				return d
			}
		}
		return ""
	case reflect.Struct:
		for i := range a.NumField() {
			f := a.Type().Field(i)
			switch {
			case !f.IsExported(),
				a.Type() == reflect.TypeFor[ast.File]() && f.Name != "Stmts",
				a.Type() == reflect.TypeFor[ast.Include]() && f.Name == "Hash":
				continue
			}
			if d := diff(path+"."+f.Name, a.Field(i), b.Field(i)); d != "" {
				return d
			}
		}
		return ""
	}
	if !a.Equal(b) {
		return fmt.Sprintf("%s: %#v | %#v", path, a, b)
	}
	return ""
}
