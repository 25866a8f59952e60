// SPDX-License-Identifier: Apache-2.0

package render_test

import (
	"testing"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/internal/seeds"
	"github.com/goarmor/apparmor/internal/treetest"
	"github.com/goarmor/apparmor/parser"
	"github.com/goarmor/apparmor/render"
)

// FuzzWord holds for every byte string: as a literal it is written so that it
// reads back as it was, in whichever rule it is.
func FuzzWord(f *testing.F) {
	words := []string{"a", "a b", "\"", "\\", "@{V}", "{a,b}", "\n", "\xff", "#", ",", "x\\000"}
	for i, s := range append(words, seeds.Words(f, 100)...) {
		f.Add(s, uint8(i))
	}
	f.Fuzz(func(t *testing.T, s string, which uint8) {
		path, err := ast.Literal("/" + s)
		if err != nil {
			return
		}
		word, err := ast.Exact("w" + s)
		if err != nil {
			t.Fatal(err)
		}
		rules := treetest.RulesWith(word, path)
		r := rules[int(which)%len(rules)]
		text, err := render.Append(nil, r)
		if err != nil {
			t.Fatal(err)
		}
		back, err := parser.ParseRule(string(text))
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if d := treetest.Diff(r, back); d != "" {
			t.Fatalf("%s: %s", text, d)
		}
	})
}

// FuzzEdit removes or replaces every statement of a text in turn, and inserts
// beside it: the rest stays as it is and the result parses, as long as it
// makes sense to.
func FuzzEdit(f *testing.F) {
	f.Add("/t { /a r,/b r, # c\n ^h { } if $A { /c r, } else if $B { } }\n", uint8(2))
	f.Add("@{A}=a\n/t {\n  audit { deny { /a r, } }\n}", uint8(3))
	f.Fuzz(func(t *testing.T, src string, which uint8) {
		file, err := parser.Config{Context: parser.ContextFile}.Parse(t.Context(), "fuzz", src)
		if err != nil {
			return
		}
		var list []ast.Stmt
		for n := range ast.All(file) {
			switch s := n.(type) {
			case ast.Rule:
				list = append(list, s)
			case *ast.Block:
				list = append(list, s)
			}
		}
		if len(list) == 0 {
			return
		}
		s := list[int(which)%len(list)]
		for name, edit := range map[string]func(*render.Editor) error{
			"before":  func(e *render.Editor) error { return e.InsertBefore(s, &ast.AllRule{}) },
			"after":   func(e *render.Editor) error { return e.InsertAfter(s, &ast.AllRule{}) },
			"replace": func(e *render.Editor) error { return e.Replace(s, &ast.AllRule{}, &ast.Comment{Text: "c"}) },
			"remove":  func(e *render.Editor) error { return e.Remove(s) },
		} {
			e := render.NewEditor(file)
			if err := edit(e); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if _, err := (parser.Config{Context: parser.ContextFile}).Parse(t.Context(), "edited", string(e.Bytes())); err != nil {
				t.Fatalf("%s: %v\n%s", name, err, e.Bytes())
			}
		}
	})
}
