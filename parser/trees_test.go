// SPDX-License-Identifier: Apache-2.0

package parser

import (
	"context"
	"errors"
	"io/fs"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/diag"
)

// TestTrees follows the includes of trees that are at hand: they come before
// files of their names, lead on to others, and are followed once.
func TestTrees(t *testing.T) {
	ctx := context.Background()
	c := Config{Roots: []fs.FS{mapFS("a", "/file-a r,\n", "b", "/file-b r,\n", "c", "include <tree>\n")}}
	tree := &ast.File{Name: "tree", Stmts: []ast.Stmt{
		&ast.FileRule{Path: "/tree", Perms: ast.FileRead},
		&ast.Include{Path: "b"},
		&ast.Include{Path: "tree"},
		&ast.Include{Path: "//./tree"},
	}}
	c.Trees = map[string]*ast.File{"a": tree, "tree": tree}
	main, err := Config{}.Parse(ctx, "main", "profile x {\n  include <a>\n  include <c>\n  include if exists <none>\n}\n")
	if err != nil {
		t.Fatal(err)
	}
	unit, err := c.FollowIncludes(ctx, main)
	if err != nil {
		t.Fatal(err)
	}
	if unit.Main != main {
		t.Error("the main tree was parsed again")
	}
	got := map[string][]string{}
	for include, files := range unit.Included {
		for _, f := range files {
			got[include.Path] = append(got[include.Path], f.Name)
		}
	}
	want := map[string][]string{"a": {"tree"}, "b": {"b"}, "c": {"c"}, "tree": {"tree", "tree"}, "//./tree": {"tree"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}

	text, err := c.ParseTree(ctx, "main", main.Src)
	if err != nil || len(text.Included) != len(unit.Included) {
		t.Errorf("the text leads elsewhere than the tree: %d includes, want %d, %v", len(text.Included), len(unit.Included), err)
	}

	c.Limits.TotalBytes = 10
	if _, err := c.FollowIncludes(ctx, main); !errors.Is(err, diag.ErrLimit) {
		t.Errorf("a tree of a text above the limit: %v", err)
	}
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := (Config{}).FollowIncludes(cancelled, main); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if _, err := (Config{}).FollowIncludes(ctx, main); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an include that leads nowhere: %v", err)
	}
}
