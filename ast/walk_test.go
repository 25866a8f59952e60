// SPDX-License-Identifier: Apache-2.0

package ast_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/goarmor/apparmor/ast"
)

// tree returns a file with every node that has children.
func tree() *ast.File {
	return &ast.File{Stmts: []ast.Stmt{
		&ast.BoolAssign{Name: "B", Value: &ast.NotExpr{X: &ast.BoolLit{}}},
		&ast.Profile{
			Name:   "p",
			Xattrs: []ast.Xattr{{Name: "x"}},
			Flags:  []ast.Flag{{Name: "complain"}, {Name: "audit"}},
			Body: []ast.Stmt{
				&ast.If{
					Cond: &ast.BinaryExpr{X: &ast.ParenExpr{X: &ast.BoolVar{Name: "B"}}, Y: &ast.DefinedExpr{Name: "V"}},
					Then: []ast.Stmt{&ast.AllRule{}},
					Else: []ast.Stmt{&ast.Profile{Kind: ast.KindHat, Name: "h"}},
				},
				&ast.Block{Body: []ast.Stmt{
					&ast.MountRule{Conds: []ast.MountCond{{}, {Options: true}}},
					&ast.Profile{Name: "c", Body: []ast.Stmt{&ast.Profile{Name: "g"}}},
				}},
			},
		},
		&ast.Profile{Namespace: "ns", Name: "q", Body: []ast.Stmt{&ast.Profile{Name: "c"}}},
	}}
}

func TestWalk(t *testing.T) {
	want := []string{
		"*ast.File", "*ast.BoolAssign", "*ast.NotExpr", "*ast.BoolLit",
		"*ast.Profile", "*ast.Xattr", "*ast.Flag", "*ast.Flag",
		"*ast.If", "*ast.BinaryExpr", "*ast.ParenExpr", "*ast.BoolVar", "*ast.DefinedExpr", "*ast.AllRule", "*ast.Profile",
		"*ast.Block", "*ast.MountRule", "*ast.MountCond", "*ast.MountCond", "*ast.Profile", "*ast.Profile",
		"*ast.Profile", "*ast.Profile",
	}
	var walked, ranged []string
	ast.Walk(tree(), func(n ast.Node) bool {
		walked = append(walked, fmt.Sprintf("%T", n))
		return true
	})
	if diff := cmp.Diff(want, walked); diff != "" {
		t.Errorf("Walk (-want +got):\n%s", diff)
	}
	for n := range ast.All(tree()) {
		ranged = append(ranged, fmt.Sprintf("%T", n))
	}
	if diff := cmp.Diff(want, ranged); diff != "" {
		t.Errorf("All (-want +got):\n%s", diff)
	}

	// Every way out of All.
	for stop := range want {
		i := 0
		for range ast.All(tree()) {
			if i++; i > stop {
				break
			}
		}
		if i != stop+1 {
			t.Errorf("stopped at %d, not %d", i, stop+1)
		}
	}

	var pruned []string
	ast.Walk(tree(), func(n ast.Node) bool {
		pruned = append(pruned, fmt.Sprintf("%T", n))
		_, isProfile := n.(*ast.Profile)
		return !isProfile
	})
	want = []string{"*ast.File", "*ast.BoolAssign", "*ast.NotExpr", "*ast.BoolLit", "*ast.Profile", "*ast.Profile"}
	if diff := cmp.Diff(want, pruned); diff != "" {
		t.Errorf("Walk without profiles' children (-want +got):\n%s", diff)
	}

	ast.Walk(nil, func(ast.Node) bool { t.Error("nil was visited"); return true })
	ast.Walk(&ast.If{Then: []ast.Stmt{nil}}, func(n ast.Node) bool { return n != nil })
}

func TestWalkReachesItems(t *testing.T) {
	f := tree()
	for n := range ast.All(f) {
		if flag, ok := n.(*ast.Flag); ok {
			flag.Name = "enforce"
		}
	}
	for _, flag := range f.Stmts[1].(*ast.Profile).Flags {
		if flag.Name != "enforce" {
			t.Errorf("flag %q was not changed through its node", flag.Name)
		}
	}
}

func TestProfileNames(t *testing.T) {
	want := []string{"p", "p//h", "p//c", "p//c//g", ":ns://q", ":ns://q//c"}
	if diff := cmp.Diff(want, ast.ProfileNames(tree())); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
