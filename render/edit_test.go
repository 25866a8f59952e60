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

// find returns the statement of f whose source text begins with a prefix.
func find(t *testing.T, f *ast.File, prefix string) ast.Stmt {
	t.Helper()
	for n := range ast.All(f) {
		if s, ok := n.(ast.Stmt); ok && strings.HasPrefix(f.Text(s), prefix) {
			return s
		}
	}
	t.Fatalf("no statement begins with %q", prefix)
	return nil
}

func read(path string) ast.Stmt { return &ast.FileRule{Path: ast.Pattern(path), Perms: ast.FileRead} }

func TestEditor(t *testing.T) {
	comment := &ast.Comment{Text: "c"}
	for _, tt := range []struct {
		name, src, want string
		edit            func(e *render.Editor, at func(string) ast.Stmt) error
	}{
		{
			"after a line", "/t {\n\t/a r, # a\n\n\t/b r,\n}\n", "/t {\n\t/a r, # a\n\t/x r,\n\n\t/b r,\n}\n",
			func(e *render.Editor, at func(string) ast.Stmt) error { return e.InsertAfter(at("/a"), read("/x")) },
		},
		{
			"before a line", "/t {\n  # b\n  /b r,\n}\n", "/t {\n  # b\n  /x r,\n  /y r,\n  /b r,\n}\n",
			func(e *render.Editor, at func(string) ast.Stmt) error {
				return e.InsertBefore(at("/b"), read("/x"), read("/y"))
			},
		},
		{
			"within a line", "/t { /a r, /b r, }\n", "/t { /w r, /a r, /x r, /y r, /b r, }\n",
			func(e *render.Editor, at func(string) ast.Stmt) error {
				if err := e.InsertBefore(at("/a"), read("/w")); err != nil {
					return err
				}
				return e.InsertAfter(at("/a"), read("/x"), read("/y"))
			},
		},
		{
			"glued", "/t {/a r,/b r,}\n", "/t { /w r, /a r, /x r, /b r,}\n",
			func(e *render.Editor, at func(string) ast.Stmt) error {
				if err := e.InsertBefore(at("/a"), read("/w")); err != nil {
					return err
				}
				return e.InsertAfter(at("/a"), read("/x"))
			},
		},
		{
			"a comment within a line", "/t { /a r, /b r, }\n", "/t { /a r,\n# c\n/b r, }\n",
			func(e *render.Editor, at func(string) ast.Stmt) error { return e.InsertAfter(at("/a"), comment) },
		},
		{
			"a profile within a line", "/t { /b r, }\n", "/t { ^h {\n}\n/b r, }\n",
			func(e *render.Editor, at func(string) ast.Stmt) error {
				return e.InsertBefore(at("/b"), &ast.Profile{Kind: ast.KindHat, Name: "h"})
			},
		},
		{
			"in order", "/a {\n}\n", "/a {\n}\n@{X} = 1\n@{Y} = 2\n",
			func(e *render.Editor, at func(string) ast.Stmt) error {
				if err := e.InsertAfter(at("/a"), &ast.VarAssign{Name: "X", Values: []ast.Pattern{"1"}}); err != nil {
					return err
				}
				return e.InsertAfter(at("/a"), &ast.VarAssign{Name: "Y", Values: []ast.Pattern{"2"}})
			},
		},
		{
			"no newline at the end", "/a { }", "/a { }\n/b {\n}\n/c {\n}\n",
			func(e *render.Editor, at func(string) ast.Stmt) error {
				if err := e.InsertAfter(at("/a"), &ast.Profile{Kind: ast.KindPath, Name: "/b"}); err != nil {
					return err
				}
				return e.InsertAfter(at("/a"), &ast.Profile{Kind: ast.KindPath, Name: "/c"})
			},
		},
		{
			"line ends", "/t {\r\n  /a r,\r\n}\r\n", "/t {\r\n  /a r,\r\n  ^h {\r\n  }\r\n}\r\n",
			func(e *render.Editor, at func(string) ast.Stmt) error {
				return e.InsertAfter(at("/a"), &ast.Profile{Kind: ast.KindHat, Name: "h"})
			},
		},
		{
			"into an empty body", "  /t { }\n", "  /t {\n    /y r,\n    /x r,\n  }\n",
			func(e *render.Editor, at func(string) ast.Stmt) error {
				if err := e.Append(at("/t"), read("/x")); err != nil {
					return err
				}
				return e.Prepend(at("/t"), read("/y"))
			},
		},
		{
			"into a body of comments", "/t { # a\n  # b\n}\n", "/t { # a\n  /y r,\n  # b\n  /x r,\n}\n",
			func(e *render.Editor, at func(string) ast.Stmt) error {
				if err := e.Append(at("/t"), read("/x")); err != nil {
					return err
				}
				return e.Prepend(at("/t"), read("/y"))
			},
		},
		{
			"at the ends of a body", "/t {\n    /a r,\n    # a\n}\n", "/t {\n    /y r,\n    /a r,\n    # a\n    /x r,\n}\n",
			func(e *render.Editor, at func(string) ast.Stmt) error {
				if err := e.Append(at("/t"), read("/x")); err != nil {
					return err
				}
				return e.Prepend(at("/t"), read("/y"))
			},
		},
		{
			"at the end of a line of a body", "/t { /a r, }\n", "/t { /y r, /a r, /x r, }\n",
			func(e *render.Editor, at func(string) ast.Stmt) error {
				if err := e.Append(at("/t"), read("/x")); err != nil {
					return err
				}
				return e.Prepend(at("/t"), read("/y"))
			},
		},
		{
			"a conditional", "/t {\n  if $B {\n  } else {\n    /a r,\n  }\n}\n", "/t {\n  if $B {\n    /x r,\n  } else {\n    /a r,\n    /y r,\n  }\n}\n",
			func(e *render.Editor, at func(string) ast.Stmt) error {
				if err := e.Append(at("if"), read("/x")); err != nil {
					return err
				}
				return e.InsertAfter(at("/a"), read("/y"))
			},
		},
		{
			"replace", "/t {\n  /a r, # a\n  /b r,\n}\n", "/t {\n  /x r, # a\n  /y r,\n  /z r,\n}\n",
			func(e *render.Editor, at func(string) ast.Stmt) error {
				if err := e.Replace(at("/a"), read("/x")); err != nil {
					return err
				}
				return e.Replace(at("/b"), read("/y"), read("/z"))
			},
		},
		{
			"replace glued", "/t {/a r,/b r,}\n", "/t { signal, /b r,}\n",
			func(e *render.Editor, at func(string) ast.Stmt) error { return e.Replace(at("/a"), &ast.SignalRule{}) },
		},
		{
			"replace by a comment", "/t { /a r, /b r, }\n/u { /c r, # d\n}\n", "/t { # c\n/b r, }\n/u { # c\n# d\n}\n",
			func(e *render.Editor, at func(string) ast.Stmt) error {
				if err := e.Replace(at("/a"), comment); err != nil {
					return err
				}
				return e.Replace(at("/c"), comment)
			},
		},
		{
			"remove lines", "/t {\n  /a r,\n  dbus\n    send,\n  /b r, # b\n}\n", "/t {\n  /a r,\n  # b\n}\n",
			func(e *render.Editor, at func(string) ast.Stmt) error {
				if err := e.Remove(at("dbus")); err != nil {
					return err
				}
				return e.Remove(at("/b"))
			},
		},
		{
			"remove at the end of a line", "/t {\n  /a r, /b r,\n  /c r, /d r, # d\n}\n", "/t {\n  /a r,\n  /c r, # d\n}\n",
			func(e *render.Editor, at func(string) ast.Stmt) error {
				if err := e.Remove(at("/b")); err != nil {
					return err
				}
				return e.Remove(at("/d"))
			},
		},
		{
			"in the order of the places", "/t {/a r,/b r,}\n", "/t { /w r, /x r, /y r, /b r, /z r, }\n",
			func(e *render.Editor, at func(string) ast.Stmt) error {
				for _, err := range []error{
					e.Append(at("/t"), read("/z")), e.InsertBefore(at("/b"), read("/y")), e.InsertAfter(at("/a"), read("/x")),
					e.Prepend(at("/t"), read("/w")), e.Remove(at("/a")),
				} {
					if err != nil {
						return err
					}
				}
				return nil
			},
		},
		{
			"indentation of the file", "/t {\n\tif $B {\n\t}\n}\n", "/t {\n\tif $B {\n\t\t^h {\n\t\t\t/x r,\n\t\t}\n\t}\n}\n",
			func(e *render.Editor, at func(string) ast.Stmt) error {
				return e.Append(at("if"), &ast.Profile{Kind: ast.KindHat, Name: "h", Body: []ast.Stmt{read("/x")}})
			},
		},
		{
			"a newline that is escaped", "/t {\r\n  /a r,\r\n}\r\n", "/t {\r\n  /a r,\r\n  ptrace peer=\"\\\n\",\r\n}\r\n",
			func(e *render.Editor, at func(string) ast.Stmt) error {
				return e.InsertAfter(at("/a"), &ast.PtraceRule{Peer: "\\\n"})
			},
		},
		{
			"remove within a line", "/t { /a r, /b r, /c r, }\n", "/t { /b r, }\n",
			func(e *render.Editor, at func(string) ast.Stmt) error {
				if err := e.Remove(at("/a")); err != nil {
					return err
				}
				return e.Remove(at("/c"))
			},
		},
		{
			"remove glued", "/t {/a r,/b r,}\n", "/t { /b r,}\n",
			func(e *render.Editor, at func(string) ast.Stmt) error { return e.Remove(at("/a")) },
		},
		{
			"remove and insert", "/t {\n  /a r,\n}\n", "/t {\n  /x r,\n  /y r,\n}\n",
			func(e *render.Editor, at func(string) ast.Stmt) error {
				if err := e.InsertBefore(at("/a"), read("/x")); err != nil {
					return err
				}
				if err := e.InsertAfter(at("/a"), read("/y")); err != nil {
					return err
				}
				return e.Remove(at("/a"))
			},
		},
		{
			"replace by nothing", "/t { }\n/u { }\n", "/u { }\n",
			func(e *render.Editor, at func(string) ast.Stmt) error { return e.Replace(at("/t")) },
		},
		{
			"nothing", "/t { }", "/t { }",
			func(e *render.Editor, at func(string) ast.Stmt) error { return e.InsertAfter(at("/t")) },
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f, err := parser.Parse("t", tt.src)
			if err != nil {
				t.Fatal(err)
			}
			e := render.NewEditor(f)
			if err := tt.edit(e, func(prefix string) ast.Stmt { return find(t, f, prefix) }); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, string(e.Bytes())); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if tt.name != "in order" { // an assignment after a profile
				if _, err := parser.Parse("edited", string(e.Bytes())); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func TestComments(t *testing.T) {
	const src = "# top\n\n# a\n  # b\n/t { # open\n  /a r, # beside\n  # above\n  /b r,\n\n  # apart\n\n  /c r, /d r, # d\n  capability # inside\n    chown,\n" +
		"  if $B { # then\n  } else { # else\n  }\n} # close\n# end\n"
	f, err := parser.Parse("t", src)
	if err != nil {
		t.Fatal(err)
	}
	e := render.NewEditor(f)
	texts := func(list []*ast.Comment) (out []string) {
		for _, c := range list {
			if got := f.Text(c); got != "#"+c.Text {
				t.Errorf("%q is at %q", c.Text, got)
			}
			out = append(out, strings.TrimSpace(c.Text))
		}
		return out
	}
	want := []string{"top", "a", "b", "open", "beside", "above", "apart", "d", "then", "else", "close", "end"}
	if diff := cmp.Diff(want, texts(e.Comments())); diff != "" {
		t.Errorf("Comments (-want +got):\n%s", diff)
	}
	for prefix, want := range map[string][]string{
		"/t": {"a", "b", "close"}, "/a": {"beside"}, "/b": {"above"}, "/c": nil, "/d": {"d"}, "capability": nil, "if": nil,
	} {
		if diff := cmp.Diff(want, texts(e.CommentsOn(find(t, f, prefix)))); diff != "" {
			t.Errorf("CommentsOn %s (-want +got):\n%s", prefix, diff)
		}
	}
	if got := e.CommentsOn(read("/a")); got != nil {
		t.Errorf("comments on a statement of no file: %v", got)
	}
}

func TestEditorOfFile(t *testing.T) {
	for _, tt := range []struct{ src, prepended, appended string }{
		{"", "include <x>\n", "include <x>\n"},
		{"# a\n", "# a\ninclude <x>\n", "# a\ninclude <x>\n"},
		{"# a\n\n# t\n/t { }\n", "# a\n\n# t\ninclude <x>\n/t { }\n", "# a\n\n# t\n/t { }\ninclude <x>\n"},
		{"/t { }", "include <x>\n/t { }", "/t { }\ninclude <x>\n"},
	} {
		f, err := parser.Parse("t", tt.src)
		if err != nil {
			t.Fatal(err)
		}
		x := &ast.Include{Path: "x"}
		e := render.NewEditor(f)
		if err := e.Prepend(f, x); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tt.prepended, string(e.Bytes())); diff != "" {
			t.Errorf("%q, prepended (-want +got):\n%s", tt.src, diff)
		}
		e = render.NewEditor(f)
		if err := e.Append(f, x); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tt.appended, string(e.Bytes())); diff != "" {
			t.Errorf("%q, appended (-want +got):\n%s", tt.src, diff)
		}
	}
}

func TestEditorRefuses(t *testing.T) {
	const src = "/t {\n  if $A {\n    /a r,\n  } else if $B {\n    /b r,\n  }\n  /c r,\n}\n"
	f, err := parser.Parse("t", src)
	if err != nil {
		t.Fatal(err)
	}
	at := func(prefix string) ast.Stmt { return find(t, f, prefix) }
	for name, edit := range map[string]func(e *render.Editor) error{
		"foreign statement":     func(e *render.Editor) error { return e.InsertAfter(read("/c"), read("/x")) },
		"foreign container":     func(e *render.Editor) error { return e.Append(&ast.Profile{}, read("/x")) },
		"another file":          func(e *render.Editor) error { return e.Append(&ast.File{}, read("/x")) },
		"no container":          func(e *render.Editor) error { return e.Append(at("/c"), read("/x")) },
		"unwritable":            func(e *render.Editor) error { return e.InsertAfter(at("/c"), read("x y")) },
		"replace by unwritable": func(e *render.Editor) error { return e.Replace(at("/c"), read("x y")) },
		"remove an else if":     func(e *render.Editor) error { return e.Remove(at("if $B")) },
		"beside an else if":     func(e *render.Editor) error { return e.InsertBefore(at("if $B"), read("/x")) },
		"removed": func(e *render.Editor) error {
			if err := e.Remove(at("/c")); err != nil {
				t.Fatal(err)
			}
			return e.InsertAfter(at("/c"), read("/x"))
		},
		"within removed": func(e *render.Editor) error {
			if err := e.Remove(at("if $A")); err != nil {
				t.Fatal(err)
			}
			return e.Replace(at("/b"), read("/x"))
		},
		"around edited": func(e *render.Editor) error {
			if err := e.InsertAfter(at("/b"), read("/x")); err != nil {
				t.Fatal(err)
			}
			return e.Remove(at("if $A"))
		},
	} {
		if err := edit(render.NewEditor(f)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	e := render.NewEditor(f)
	if err := e.Append(at("if $B"), read("/x")); err != nil {
		t.Error(err)
	}
	if got := string(e.Bytes()); !strings.Contains(got, "/b r,\n    /x r,\n") {
		t.Errorf("into an else if:\n%s", got)
	}
}

func TestVerbatim(t *testing.T) {
	const src = "# top\n/t { # t\n  /a r, # a\n\n  if $B { /b r, } # b\n}\n"
	f, err := parser.Parse("t", src)
	if err != nil {
		t.Fatal(err)
	}
	p := f.Stmts[0].(*ast.Profile)
	p.Body = append([]ast.Stmt{read("/x")}, p.Body...)
	p.Body = append(p.Body[:2:2], append([]ast.Stmt{read("/y"), read("/z")}, p.Body[2:]...)...)
	f.Stmts = append(f.Stmts, &ast.Profile{Kind: ast.KindPath, Name: "/u"})
	got, err := render.Verbatim(f)
	if err != nil {
		t.Fatal(err)
	}
	want := "# top\n/t { # t\n  /x r,\n  /a r, # a\n  /y r,\n  /z r,\n\n  if $B { /b r, } # b\n}\n/u {\n}\n"
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}

	p.Body = p.Body[:1]
	if _, err := render.Verbatim(f); err == nil || !strings.Contains(err.Error(), "not in the tree") {
		t.Errorf("a statement was taken out: %v", err)
	}
	f.Stmts = []ast.Stmt{f.Stmts[0], f.Stmts[0]}
	if _, err := render.Verbatim(f); err == nil {
		t.Error("a statement that appears twice: no error")
	}
}
