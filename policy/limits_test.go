// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/parser"
	"github.com/goarmor/apparmor/policy"
)

// TestLimits asks for as much as each limit allows, and for one more.
func TestLimits(t *testing.T) {
	rep := strings.Repeat
	const (
		statements = "policy statements"
		nesting    = "nesting of policy"
		variables  = "variables in variables"
		values     = "values of a variable"
		expanded   = "bytes of expanded policy"
	)
	// Each variable is the one before it.
	chain := func(n int) string {
		text := "@{V0}=a\n"
		for i := range n {
			text += fmt.Sprintf("@{V%d}=@{V%d}\n", i+1, i)
		}
		return text + fmt.Sprintf("/t { /@{V%d} r, }\n", n)
	}
	for _, c := range []struct {
		what     string
		limits   policy.Limits
		ok, over string
	}{
		// A profile counts once and each of its rules twice: where it is
		// collected, and where it is resolved.
		{statements, policy.Limits{Statements: 5}, "/t { /a r, /b r, }", "/t { /a r, /b r, /c r, }"},
		{statements, policy.Limits{Statements: 6}, "$A=true\n/t { if $A { /a r, } }", "$A=true\n/t { if $A { /a r, /b r, /c r, } }"},
		{statements, policy.Limits{Statements: 3 + 16 + 1}, rep("alias /a -> /b,\n", 16) + "/t { /c r, }", rep("alias /a -> /b,\n", 18) + "/t { /c r, }"},
		{nesting, policy.Limits{Nesting: 3}, "/t { audit { audit { /a r, } } }", "/t { audit { audit { audit { /a r, } } } }"},
		{nesting, policy.Limits{Nesting: 3}, "$A = not not true\n", "$A = not not not not true\n"},
		{nesting, policy.Limits{}, "/t " + rep("{", 250) + rep("} ", 250), ""},
		{variables, policy.Limits{Nesting: 3}, chain(3), chain(4)},
		{values, policy.Limits{Values: 3}, "@{V}=a b c\n", "@{V}=a b c d\n"},
		{values, policy.Limits{Values: 3}, "@{V}=a b\n@{V}+=b a c\n", "@{V}=a b\n@{V}+=c\n@{V}+=d\n"},
		{values, policy.Limits{Values: 8}, "@{V}=a b\n@{W}=@{V}@{V}@{V}\n/t { /@{W} r, }", "@{V}=a b c\n@{W}=@{V}@{V}\n/t { /@{W} r, }"},
		{expanded, policy.Limits{ExpandedBytes: 100}, "@{V}=" + rep("a", 45) + "\nprofile t { /@{V}/@{V} r, }", "@{V}=" + rep("a", 51) + "\nprofile t { /@{V}/@{V} r, }"},
		{expanded, policy.Limits{ExpandedBytes: 600}, "alias /a -> /b,\nprofile t { /a r, /a w, }", "alias /a -> /b,\nprofile t { /a r, /a w, /a k, }"},
	} {
		if err := resolve(t, c.ok, c.limits); err != nil {
			t.Errorf("%s, %+v, within: %v", c.what, c.limits, err)
		}
		if c.over == "" {
			continue
		}
		err := resolve(t, c.over, c.limits)
		var limit *diag.LimitError
		if !errors.As(err, &limit) || !errors.Is(err, diag.ErrLimit) || limit.What != c.what || limit.Got <= limit.Limit {
			t.Errorf("%s, %+v: %v", c.what, c.limits, err)
		}
	}
}

func resolve(t *testing.T, text string, limits policy.Limits) error {
	t.Helper()
	file, err := parser.Parse("t", text+"\n")
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	_, err = policy.Resolve(t.Context(), &ast.Unit{Main: file}, policy.Options{Limits: limits})
	return err
}

// TestLimitIncludes includes files in files, and one file many times.
func TestLimitIncludes(t *testing.T) {
	unit := func(files, times int) *ast.Unit {
		u := &ast.Unit{Main: &ast.File{}, Included: map[*ast.Include][]*ast.File{}}
		outer := u.Main
		for range files {
			inner := &ast.File{}
			for range times {
				s := &ast.Include{Path: "x"}
				outer.Stmts = append(outer.Stmts, s)
				u.Included[s] = []*ast.File{inner}
			}
			outer = inner
		}
		u.Main.Stmts = []ast.Stmt{&ast.Profile{Name: "t", Kind: ast.KindProfile, Body: u.Main.Stmts}}
		return u
	}
	for _, c := range []struct {
		what         string
		limits       policy.Limits
		files, times int
	}{
		{"", policy.Limits{IncludeDepth: 3}, 3, 2},
		{"include depth", policy.Limits{IncludeDepth: 3}, 4, 1},
		{"", policy.Limits{}, 100, 1},
		{"include depth", policy.Limits{}, 101, 1},
		{"", policy.Limits{Statements: 1 + 2 + 4 + 8}, 3, 2},
		{"policy statements", policy.Limits{Statements: 1 + 2 + 4 + 8 - 1}, 3, 2},
		{"policy statements", policy.Limits{Statements: 1000}, 60, 2}, // two to the sixtieth
	} {
		_, err := policy.Resolve(t.Context(), unit(c.files, c.times), policy.Options{Limits: c.limits})
		var limit *diag.LimitError
		if errors.As(err, &limit); c.what == "" && err != nil || c.what != "" && (limit == nil || limit.What != c.what) {
			t.Errorf("%d files %d times, %+v: %v, want %q", c.files, c.times, c.limits, err, c.what)
		}
	}
}

// TestLimitFindings counts errors and warnings.
func TestLimitFindings(t *testing.T) {
	wrong := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "/@{U%d} r, ", i)
		}
		return "profile t { " + b.String() + "}"
	}
	var limit *diag.LimitError
	if err := resolve(t, wrong(3), policy.Limits{Errors: 3}); err == nil || errors.As(err, &limit) {
		t.Errorf("as many errors as are allowed: %v", err)
	}
	err := resolve(t, wrong(9), policy.Limits{Errors: 3})
	var list diag.List
	if !errors.As(err, &limit) || !errors.As(err, &list) || len(list) != 4 || limit.What != "errors" || limit.Got != 4 {
		t.Errorf("too many errors: %+v", err)
	}

	file, err := parser.Parse("t", "profile t {\n"+strings.Repeat("/a ux,\n", 9)+"}\n")
	if err != nil {
		t.Fatal(err)
	}
	for most, want := range map[int]int{3: 3, 20: 10} { // one is that there is no abi
		set, err := policy.Resolve(t.Context(), &ast.Unit{Main: file}, policy.Options{Limits: policy.Limits{Warnings: most}})
		if err != nil || len(set.Warnings) != want {
			t.Errorf("%d warnings at most: %d, %v", most, len(set.Warnings), err)
		}
	}
}
