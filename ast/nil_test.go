// SPDX-License-Identifier: Apache-2.0

package ast_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/goarmor/apparmor/ast"
)

// nilNodes are nil pointers to nodes of every type.
func nilNodes() []ast.Node {
	return []ast.Node{
		nil,
		(*ast.File)(nil), (*ast.Include)(nil), (*ast.ABI)(nil), (*ast.Alias)(nil), (*ast.VarAssign)(nil), (*ast.BoolAssign)(nil),
		(*ast.Profile)(nil), (*ast.Xattr)(nil), (*ast.Flag)(nil), (*ast.Block)(nil), (*ast.If)(nil), (*ast.Comment)(nil), (*ast.Bad)(nil),
		(*ast.BinaryExpr)(nil), (*ast.NotExpr)(nil), (*ast.ParenExpr)(nil), (*ast.BoolLit)(nil), (*ast.BoolVar)(nil),
		(*ast.DefinedExpr)(nil), (*ast.CompareExpr)(nil),
		(*ast.FileRule)(nil), (*ast.LinkRule)(nil), (*ast.CapabilityRule)(nil), (*ast.NetworkRule)(nil), (*ast.UnixRule)(nil),
		(*ast.DBusRule)(nil), (*ast.SignalRule)(nil), (*ast.PtraceRule)(nil), (*ast.MountRule)(nil), (*ast.MountCond)(nil),
		(*ast.PivotRootRule)(nil), (*ast.ChangeProfileRule)(nil), (*ast.RlimitRule)(nil), (*ast.MqueueRule)(nil),
		(*ast.IOUringRule)(nil), (*ast.UsernsRule)(nil), (*ast.AllRule)(nil),
	}
}

func TestNil(t *testing.T) {
	for _, n := range nilNodes() {
		if !ast.IsNil(n) {
			t.Errorf("%T: not nil", n)
		}
		var ce *ast.CheckError
		if err := ast.Check(n); !errors.As(err, &ce) || ce.Error() == "" {
			t.Errorf("%T: %v", n, err)
		}
		ast.Walk(n, func(n ast.Node) bool { t.Errorf("%T is visited", n); return true })

		// Below something else.
		if s, ok := n.(ast.Stmt); ok {
			for _, in := range []ast.Node{
				&ast.File{Stmts: []ast.Stmt{s}},
				&ast.Profile{Name: "p", Body: []ast.Stmt{s}},
				&ast.Block{Body: []ast.Stmt{s}},
				&ast.If{Cond: &ast.BoolLit{}, Then: []ast.Stmt{s}},
				&ast.If{Cond: &ast.BoolLit{}, Else: []ast.Stmt{s}, ElseIf: true},
			} {
				if err := ast.Check(in); !errors.As(err, &ce) {
					t.Errorf("%T in %T: %v", n, in, err)
				}
				for range ast.All(in) {
				}
			}
			ast.ProfileNames(&ast.File{Stmts: []ast.Stmt{s}})
		}
		if e, ok := n.(ast.Expr); ok {
			for _, in := range []ast.Node{
				&ast.If{Cond: e}, &ast.NotExpr{X: e}, &ast.ParenExpr{X: e}, &ast.BinaryExpr{X: &ast.BoolLit{}, Y: e},
				&ast.BoolAssign{Name: "a", Value: e},
			} {
				if err := ast.Check(in); !errors.As(err, &ce) {
					t.Errorf("%T in %T: %v", n, in, err)
				}
				for range ast.All(in) {
				}
			}
		}
	}
	if ast.IsNil(&ast.AllRule{}) {
		t.Error("a node is nil")
	}
	if names := ast.ProfileNames(nil); names != nil {
		t.Errorf("profiles of nothing: %v", names)
	}
	if err := ast.Check(struct{ ast.Stmt }{}); err == nil {
		t.Error("a type of another package passes")
	}
	if got := fmt.Sprint(ast.Check(ast.AllRule{})); got == "<nil>" {
		t.Error("a rule that is not a pointer passes")
	}
}

// A type of another package is a rule by embedding one.
type foreign struct{ ast.Rule }

func TestForeignRule(t *testing.T) {
	for _, r := range []ast.Rule{nil, (*ast.AllRule)(nil), foreign{}, &foreign{}, foreign{&ast.AllRule{}}} {
		if ast.CheckRule(r, ast.State{}) == nil {
			t.Errorf("%#v is valid", r)
		}
		if got := ast.CloneRule(r); got != r {
			t.Errorf("the clone of %#v is %#v", r, got)
		}
	}
}
