// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/diag"
)

// resolveFile resolves statements made by hand.
func resolveFile(opts Options, stmts ...ast.Stmt) (*Set, error) {
	return Resolve(context.Background(), &ast.Unit{Main: &ast.File{Name: "test", Stmts: stmts}}, opts)
}

// expandOne returns what a path becomes in a profile /t with the assignments.
func expandOne(tb testing.TB, path ast.Pattern, stmts ...ast.Stmt) (ast.Pattern, error) {
	tb.Helper()
	stmts = append(stmts, &ast.Profile{Name: "/t", Body: []ast.Stmt{
		&ast.SignalRule{Peer: path}, // a label: its slashes are not squeezed
	}})
	s, err := resolveFile(Options{}, stmts...)
	if err != nil {
		return "", err
	}
	return s.Profiles[0].Rules[0].Rule.(*ast.SignalRule).Peer, nil
}

func set(name string, values ...ast.Pattern) ast.Stmt {
	return &ast.VarAssign{Name: name, Values: values}
}

func TestExpand(t *testing.T) {
	for _, tt := range []struct {
		name, path, want string
		vars             []ast.Stmt
	}{
		{"one value", "/x@{V}y", "/xay", []ast.Stmt{set("V", "a")}},
		{"sorted set", "/@{V}", "/{a,b}", []ast.Stmt{set("V", "b", "a", "b")}},
		{"one value between slashes", "/x/@{V}/y", "/x/a/y", []ast.Stmt{set("V", "/a/")}},
		{"one value before a slash", "@{V}/y", "/y", []ast.Stmt{set("V", "/")}},
		{"one value after the first slash", "/@{V}/y", "//a//y", []ast.Stmt{set("V", "/a/")}},
		{"slashes after a slash", "/x/@{V}", "/x/{a/,b}", []ast.Stmt{set("V", "//a/", "b")}},
		{"slashes before a slash", "@{V}/y", "{/a,b}/y", []ast.Stmt{set("V", "/a//", "b/")}},
		{"slashes between others", "/x@{V}y", "/x{/a/,/b/}y", []ast.Stmt{set("V", "/a/", "/b/")}},
		{"only slashes", "/x/@{V}/y", "/x/{,a}/y", []ast.Stmt{set("V", "/", "/a/")}},
		{"root", "@{V}/b", "{,/a}/b", []ast.Stmt{set("V", "/", "/a/")}},
		{"slash after a value that ends in one", "@{W}@{V}", "z/{x//,y/}", []ast.Stmt{set("V", "//x//", "/y/"), set("W", "z/")}},
		{"empty value", "/a@{V}", "/a{,a,b}", []ast.Stmt{set("V", "a", "", "b")}},
		{"a comma pastes as text", "/@{V}", "/{q,r,s}", []ast.Stmt{set("V", "q,r", "s")}},
		{"nested", "/@{V}", "/{q/x/,q/y/,z}", []ast.Stmt{set("A", "x", "y"), set("V", "/q/@{A}/", "/z")}},
		{"nested twice the same", "@{V}", "{x-x,x-y,y-x,y-y}", []ast.Stmt{set("A", "x", "y"), set("V", "@{A}-@{A}")}},
		{"nested values are not trimmed", "@{V}", "//q//k", []ast.Stmt{set("A", "/q/"), set("V", "/@{A}/k")}},
		{"defined later", "@{V}", "x", []ast.Stmt{set("V", "@{W}"), set("W", "x")}},
		{"escaped", `/r\@{V}`, `/r\@{V}`, []ast.Stmt{set("V", "a")}},
		{"escaped backslash", `/r\\@{V}`, `/r\\a`, []ast.Stmt{set("V", "a")}},
		{"not a name", "/@{V-x}@{1}@{_V}", "/@{V-x}@{1}@{_V}", []ast.Stmt{set("V", "a")}},
		{"open", "/@{V", "/@{V", []ast.Stmt{set("V", "a")}},
		{"in a class", "/[@{V}]", "/[a]", []ast.Stmt{set("V", "a")}},
		{"in an alternation", "/{@{V},b}", "/{{a,c},b}", []ast.Stmt{set("V", "a", "c")}},
		{"profile name", "@{profile_name}", "/t", nil},
		{"profile name in a value", "@{V}", "x/t", []ast.Stmt{set("V", "x@{profile_name}")}},
		{"the built-in one wins", "@{profile_name}", "/t", []ast.Stmt{set("profile_name", "x")}},
		{"the attachment", "@{attach_path}@{exec_path}", "/t/t", nil},
		{"added", "@{V}", "{a,b}", []ast.Stmt{set("V", "a"), &ast.VarAssign{Name: "V", Op: ast.AssignAdd, Values: []ast.Pattern{"b"}}}},
		{"replaced", "@{V}", "b", []ast.Stmt{set("V", "a"), &ast.VarAssign{Name: "V", Op: ast.AssignReplace, Values: []ast.Pattern{"b"}}}},
		{"default not needed", "@{V}", "a", []ast.Stmt{set("V", "a"), &ast.VarAssign{Name: "V", Op: ast.AssignDefault, Values: []ast.Pattern{"b"}}}},
		{"default taken", "@{V}", "b", []ast.Stmt{&ast.VarAssign{Name: "V", Op: ast.AssignDefault, Values: []ast.Pattern{"b"}}}},
		{"default added to", "@{V}", "{a,b}", []ast.Stmt{
			&ast.VarAssign{Name: "V", Op: ast.AssignDefault, Values: []ast.Pattern{"b"}},
			&ast.VarAssign{Name: "V", Op: ast.AssignAdd, Values: []ast.Pattern{"a"}},
		}},
	} {
		got, err := expandOne(t, ast.Pattern(tt.path), tt.vars...)
		if err != nil || string(got) != tt.want {
			t.Errorf("%s: %q becomes %q, want %q (%v)", tt.name, tt.path, got, tt.want, err)
		}
	}
}

func TestVariableErrors(t *testing.T) {
	add := func(name string, v ast.Pattern) ast.Stmt {
		return &ast.VarAssign{Name: name, Op: ast.AssignAdd, Values: []ast.Pattern{v}}
	}
	boolean := func(name string, op ast.AssignOp) ast.Stmt {
		return &ast.BoolAssign{Name: name, Op: op, Value: &ast.BoolLit{Value: true}}
	}
	for _, tt := range []struct {
		name, path string
		code       diag.Code
		vars       []ast.Stmt
	}{
		{"unset", "/@{V}", diag.CodeUndefined, nil},
		{"unset in a value", "/@{V}", diag.CodeUndefined, []ast.Stmt{set("V", "@{W}")}},
		{"of itself", "@{V}", diag.CodeRecursive, []ast.Stmt{set("V", "@{V}")}},
		{"of each other", "@{V}", diag.CodeRecursive, []ast.Stmt{set("V", "@{W}"), set("W", "x@{V}")}},
		{"made of values", "/@{V}", diag.CodeVariable, []ast.Stmt{set("V", "@{A", "@{B")}},
		{"no name", "/@{}", diag.CodeVariable, nil},
		{"a boolean", "/@{V}", diag.CodeUndefined, []ast.Stmt{boolean("V", ast.AssignSet)}},
		{"set twice", "x", diag.CodeRedefined, []ast.Stmt{set("V", "a"), set("V", "a")}},
		{"set after a default", "x", diag.CodeRedefined, []ast.Stmt{&ast.VarAssign{Name: "V", Op: ast.AssignDefault, Values: []ast.Pattern{"b"}}, set("V", "a")}},
		{"added to nothing", "x", diag.CodeUndefined, []ast.Stmt{add("V", "a")}},
		{"added to a boolean", "x", diag.CodeRedefined, []ast.Stmt{boolean("V", ast.AssignSet), add("V", "a")}},
		{"boolean added to", "x", diag.CodeVariable, []ast.Stmt{boolean("V", ast.AssignAdd)}},
		{"boolean set twice", "x", diag.CodeRedefined, []ast.Stmt{boolean("V", ast.AssignSet), boolean("V", ast.AssignSet)}},
		{"boolean of a set", "x", diag.CodeRedefined, []ast.Stmt{set("V", "a"), boolean("V", ast.AssignReplace)}},
		{"no name of a variable", "x", diag.CodeVariable, []ast.Stmt{set("1V", "a")}},
	} {
		_, err := expandOne(t, ast.Pattern(tt.path), tt.vars...)
		if d, ok := errors.AsType[*diag.Diagnostic](err); !ok || d.Code != tt.code {
			t.Errorf("%s: %v, want %s", tt.name, err, tt.code)
		}
	}
	for name, unused := range map[string][]ast.Stmt{
		"recursive":     {set("V", "@{W}"), set("W", "@{V}")},
		"unset":         {set("V", "@{W}")},
		"without value": {set("V")},
	} {
		if _, err := expandOne(t, "x", unused...); err != nil {
			t.Errorf("unused variable, %s: %v", name, err)
		}
	}
}

// TestExpansionLimits checks that a few lines cannot ask for endless work.
func TestExpansionLimits(t *testing.T) {
	double := func(n int) []ast.Stmt {
		vars := []ast.Stmt{set("V0", "a", "b")}
		for i := 1; i <= n; i++ {
			prev := fmt.Sprintf("@{V%d}", i-1)
			vars = append(vars, set(fmt.Sprintf("V%d", i), ast.Pattern(prev+prev)))
		}
		return vars
	}
	if got, err := expandOne(t, "@{V2}", double(2)...); err != nil || strings.Count(string(got), ",") != 15 {
		t.Errorf("small product: %q, %v", got, err)
	}
	chain := []ast.Stmt{set("C0", "a")}
	for i := 1; i <= 600; i++ {
		chain = append(chain, set(fmt.Sprintf("C%d", i), ast.Pattern(fmt.Sprintf("@{C%d}", i-1))))
	}
	long := []ast.Stmt{set("L", ast.Pattern(strings.Repeat("a", 1<<20)))}
	for name, tt := range map[string]struct {
		path string
		vars []ast.Stmt
	}{
		"product": {"@{V20}", double(20)},
		"chain":   {"@{C600}", chain},
		"bytes":   {strings.Repeat("@{L}", 100), long},
	} {
		_, err := expandOne(t, ast.Pattern(tt.path), tt.vars...)
		if !errors.Is(err, diag.ErrLimit) {
			t.Errorf("%s: %v, want a limit", name, err)
		}
	}
}

func TestSqueeze(t *testing.T) {
	for in, want := range map[string]string{
		"":                    "",
		"/":                   "/",
		"//":                  "//",
		"///":                 "/",
		"//a":                 "//a",
		"///a":                "/a",
		"////a//":             "/a/",
		"//a//b///c":          "//a/b/c",
		"/a//b":               "/a/b",
		"{//com/foo,/com//b}": "{/com/foo,/com/b}",
		"/{/a,/b}":            "/{/a,/b}",
		"@//a///b":            "@/a/b",
		`/a\//b`:              `/a\/b`,
	} {
		if got := squeeze(ast.Pattern(in)); string(got) != want {
			t.Errorf("squeeze(%q) = %q, want %q", in, got, want)
		}
	}
	// Every short text: squeezing twice is squeezing once.
	texts := []string{""}
	for range 6 {
		for _, s := range texts {
			once := squeeze(ast.Pattern(s))
			if squeeze(once) != once || strings.Contains(strings.TrimPrefix(string(once), "/"), "//") {
				t.Errorf("squeeze(%q) = %q", s, once)
			}
		}
		var longer []string
		for _, s := range texts {
			for _, c := range "/a{," {
				longer = append(longer, s+string(c))
			}
		}
		texts = longer
	}
}

func TestEscapeGlob(t *testing.T) {
	for in, want := range map[string]string{
		"/t":         "/t",
		"/t/*":       `/t/\*`,
		"/{a,b}":     `/\{a,b\}`,
		`/\{a,b\},c`: `/\{a,b\},c`,
		`/\\a`:       `/\\a`,
		"a[b]^?":     `a\[b\]\^\?`,
		`end\`:       `end\\`,
		"p//c":       "p//c",
		"a,b":        "a,b",
	} {
		if got := escapeGlob(in); got != want {
			t.Errorf("escapeGlob(%q) = %q, want %q", in, got, want)
		}
	}
}
