// SPDX-License-Identifier: Apache-2.0

package render_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/parser"
	"github.com/goarmor/apparmor/render"
)

func TestFormat(t *testing.T) {
	for _, tt := range []struct{ name, src, want string }{
		{"empty", "", ""},
		{"blank", " \n\n", ""},
		{"comments alone", "\n\n# a\n\n\n#b  \n", "# a\n\n#b\n"},
		{
			"a mess", "#include   <tunables/global>\n\n\n\n/t { #t\n#a\n\n/a   wr ,# beside\n\n\n#  above\ndeny    /b w, /c r,\n\n# last\n}   # closed\n# end\n",
			"include <tunables/global>\n\n/t { #t\n  #a\n\n  /a rw, # beside\n\n  #  above\n  deny /b w,\n  /c r,\n\n  # last\n} # closed\n# end\n",
		},
		{"profiles are set apart", "/a { }\n/b { }\n# c\n/c { ^h { } ^g { } }\n",
			"/a {\n}\n\n/b {\n}\n\n# c\n/c {\n  ^h {\n  }\n\n  ^g {\n  }\n}\n"},
		{"no empty lines at the ends of a body", "/a {\n\n\n  /a r,\n\n\n}\n", "/a {\n  /a r,\n}\n"},
		{"assignments", "@{A}=a # a\n@{B}=b \\\n  c\n", "@{A} = a # a\n@{B} = b c\n"},
		{"a comment inside a rule", "/t {\n capability # c\n   chown,\n /a # a\n r,\n}\n", "/t {\n  capability # c\n   chown,\n  /a # a\n r,\n}\n"},
		{"a comment inside a head", "profile t # c\n {/a   r,}\n", "profile t # c\n {/a   r,}\n"},
		{"a hash that is not a comment", "/t { /a#b r, }\n", "/t {\n  /a#b r,\n}\n"},
		{"conditionals", "/t { if $A { # a\n/a r, } else if $B { } else { # c\n } # d\n}\n",
			"/t {\n  if $A { # a\n    /a r,\n  } else if $B {\n  } else { # c\n  } # d\n}\n"},
		{"a comment before else", "/t { if $A {   } # a\n  else {   } }\n", "/t {\n  if $A {   } # a\n  else {   }\n}\n"},
		{"a comment before the else of an else if", "/t { if $A {/a   r,} else   if $B { } # b\n  else {   } }\n",
			"/t {\n  if $A {\n    /a r,\n  } else if $B { } # b\n  else {   }\n}\n"},
		{"blocks", "/t { audit   deny { # a\n /a r, # b\n } }\n", "/t {\n  audit deny { # a\n    /a r, # b\n  }\n}\n"},
		{"line ends", "# a\r\n/t {\r\n/a r,\r\n}\r\n", "# a\n/t {\n  /a r,\n}\n"},
	} {
		f, err := parser.Parse("t", tt.src)
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		got, err := render.Format(f)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if diff := cmp.Diff(tt.want, string(got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
		again, err := parser.Parse("t", string(got))
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if second, err := render.Format(again); err != nil || string(second) != string(got) {
			t.Errorf("%s, twice: %v\n%s", tt.name, err, cmp.Diff(string(got), string(second)))
		}
	}
}

// Statements of a tree that was changed by hand are written in their place.
func TestFormatChangedTree(t *testing.T) {
	f, err := parser.Parse("t", "# t\n/t { # body\n  /a r, # a\n}\n")
	if err != nil {
		t.Fatal(err)
	}
	p := f.Stmts[0].(*ast.Profile)
	p.Body = append(p.Body, read("/b"), &ast.Profile{Kind: ast.KindHat, Name: "h", Body: []ast.Stmt{read("/c")}})
	got, err := render.Style{Indent: "\t", Prefix: "> "}.Format(f)
	if err != nil {
		t.Fatal(err)
	}
	want := "> # t\n> /t { # body\n> \t/a r, # a\n> \t/b r,\n\n> \t^h {\n> \t\t/c r,\n> \t}\n> }\n"
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}

	p.Body = p.Body[1:]
	if _, err := render.Format(f); err == nil || !strings.Contains(err.Error(), "not in the tree") {
		t.Errorf("a statement was taken out: %v", err)
	}
	f.Stmts = append(f.Stmts, f.Stmts[0])
	if _, err := render.Format(f); err == nil {
		t.Error("a statement that appears twice: no error")
	}
}

// TestFormatCutConditional has a conditional that ends where its condition does, so
// that no braces follow.
func TestFormatCutConditional(t *testing.T) {
	f, err := parser.Parse("t", "/t {\n  if $A {\n    /a r,\n  }\n}\n")
	if err != nil {
		t.Fatal(err)
	}
	n := f.Stmts[0].(*ast.Profile).Body[0].(*ast.If)
	n.To = n.Cond.End()
	if got, err := render.Format(f); err == nil {
		t.Errorf("no error, but:\n%s", got)
	}
}

func TestFormatRecovered(t *testing.T) {
	const src = "/t {\n    /a   r,\n    network   nonsense, # bad\n    /b   r,\n}\n"
	f, err := parser.Config{Recover: 10}.Parse(t.Context(), "t", src)
	if err == nil || f == nil {
		t.Fatalf("recovered: %v, %v", f, err)
	}
	got, err := render.Format(f)
	if err != nil {
		t.Fatal(err)
	}
	want := "/t {\n  /a r,\n  network   nonsense, # bad\n  /b r,\n}\n"
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	got, err = render.Verbatim(f)
	if err != nil || string(got) != src {
		t.Errorf("verbatim: %v\n%s", err, got)
	}
}
