// SPDX-License-Identifier: Apache-2.0

package render_test

import (
	"errors"
	"fmt"
	"reflect"
	"testing"

	"github.com/leanovate/gopter"
	"github.com/leanovate/gopter/prop"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/render"
)

// typed checks that an error, if there is one, is of this package.
func typed(err error) error {
	var d *diag.Diagnostic
	if err != nil && (!errors.As(err, &d) || d.Code != diag.CodeUnwritable && d.Code != diag.CodeEdit) {
		return fmt.Errorf("the error is %T: %w", err, err)
	}
	return nil
}

// spoil changes a tree in ways that no parser would: places that are not where
// the text is, statements that appear twice, are exchanged or gone, nil nodes.
func (g trees) spoil(f *ast.File) {
	lists := []*[]ast.Stmt{&f.Stmts}
	for n := range ast.All(f) {
		switch n := n.(type) {
		case *ast.Profile:
			lists = append(lists, &n.Body)
		case *ast.Block:
			lists = append(lists, &n.Body)
		case *ast.If:
			lists = append(lists, &n.Then, &n.Else)
		}
		if g.Intn(4) > 0 || n == ast.Node(f) {
			continue
		}
		v := reflect.ValueOf(n).Elem()
		for _, name := range []string{"From", "To", "Open", "Close"} {
			if pos := v.FieldByName(name); pos.IsValid() && pos.Type() == reflect.TypeFor[ast.Pos]() && g.Intn(3) == 0 {
				pos.SetUint(uint64(g.Intn(len(f.Src) + 10)))
			}
		}
	}
	for _, l := range lists {
		if len(*l) == 0 || g.Intn(3) > 0 {
			continue
		}
		i, j := g.Intn(len(*l)), g.Intn(len(*l))
		switch g.Intn(5) {
		case 0:
			(*l)[i], (*l)[j] = (*l)[j], (*l)[i]
		case 1:
			(*l)[i] = (*l)[j]
		case 2:
			*l = append((*l)[:i], (*l)[i+1:]...)
		case 3:
			(*l)[i] = g.stmt(bodyTypes)
		case 4:
			(*l)[i] = reflect.Zero(reflect.PointerTo(pick(g, bodyTypes))).Interface().(ast.Stmt)
		}
	}
}

// TestBrokenTrees holds for every tree, whatever was done to it: nothing
// panics, and errors are typed.
func TestBrokenTrees(t *testing.T) {
	failed := 0
	property := func(g trees) string {
		tree := g.file()
		if ast.Check(tree) != nil {
			return ""
		}
		f, err := parseBack(tree, g.messy(tree))
		if err != nil {
			return err.Error()
		}
		e := render.NewEditor(f)
		g.spoil(f)
		late := render.NewEditor(f)
		for _, err := range []error{
			func() error { _, err := render.Append(nil, f); return err }(),
			func() error { _, err := render.Format(f); return err }(),
			func() error { _, err := render.Verbatim(f); return err }(),
		} {
			if err != nil {
				failed++
			}
			if err := typed(err); err != nil {
				return err.Error()
			}
		}
		for _, e := range []*render.Editor{e, late} {
			e.Comments()
			for n := range ast.All(f) {
				if err := typed(e.Append(n, &ast.AllRule{})); err != nil {
					return err.Error()
				}
				s, ok := n.(ast.Stmt)
				if !ok {
					continue
				}
				e.CommentsOn(s)
				for _, err := range []error{
					e.InsertBefore(s, &ast.AllRule{}), e.InsertAfter(s, &ast.AllRule{}), e.Prepend(s, &ast.AllRule{}), e.Remove(s),
				} {
					if err := typed(err); err != nil {
						return err.Error()
					}
				}
			}
			e.Bytes()
		}
		return ""
	}
	parameters := gopter.DefaultTestParameters()
	parameters.MinSuccessfulTests = 3000
	properties := gopter.NewProperties(parameters)
	properties.Property("nothing panics", prop.ForAll(property, anyTrees))
	properties.TestingRun(t)
	if failed < 100 {
		t.Errorf("only %d trees were refused", failed)
	}
}

// TestNil: no node is refused everywhere.
func TestNil(t *testing.T) {
	f := &ast.File{}
	e := render.NewEditor(f)
	for _, s := range []ast.Stmt{nil, (*ast.FileRule)(nil), (*ast.Profile)(nil), (*ast.If)(nil), (*ast.Comment)(nil), (*ast.Bad)(nil)} {
		for name, err := range map[string]error{
			"Append":       func() error { _, err := render.Append(nil, s); return err }(),
			"Format":       func() error { _, err := render.Format(&ast.File{Stmts: []ast.Stmt{s}}); return err }(),
			"Verbatim":     func() error { _, err := render.Verbatim(&ast.File{Stmts: []ast.Stmt{s}}); return err }(),
			"InsertAfter":  e.InsertAfter(s, &ast.AllRule{}),
			"InsertBefore": e.InsertBefore(s, &ast.AllRule{}),
			"Replace":      e.Replace(s, &ast.AllRule{}),
			"Remove":       e.Remove(s),
			"Prepend":      e.Prepend(s, &ast.AllRule{}),
			"insert":       e.Append(f, s),
		} {
			if err == nil || typed(err) != nil {
				t.Errorf("%s of %T: %v", name, s, err)
			}
		}
		if got := e.CommentsOn(s); got != nil {
			t.Errorf("comments on %T: %v", s, got)
		}
	}
	for name, err := range map[string]error{
		"Append":      func() error { _, err := render.Append(nil, (*ast.File)(nil)); return err }(),
		"Format":      func() error { _, err := render.Format(nil); return err }(),
		"Verbatim":    func() error { _, err := render.Verbatim(nil); return err }(),
		"insert into": e.Append((*ast.File)(nil), &ast.AllRule{}),
		"no editor":   render.NewEditor(nil).Append(nil, &ast.AllRule{}),
	} {
		if err == nil || typed(err) != nil {
			t.Errorf("%s of no file: %v", name, err)
		}
	}
	if got := e.Bytes(); len(got) != 0 {
		t.Errorf("written after nothing but errors: %q", got)
	}
}
