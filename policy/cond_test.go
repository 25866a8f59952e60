// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"testing"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/diag"
)

// decide resolves `if x { /yes r, } else { /no r, }`.
func decide(x ast.Expr, stmts ...ast.Stmt) (bool, diag.List, error) {
	s, err := resolveFile(Options{Default: nil}, append(stmts, &ast.Profile{Name: "t", Body: []ast.Stmt{
		&ast.If{Cond: x, Then: []ast.Stmt{read("/yes")}, Else: []ast.Stmt{read("/no")}, HasElse: true},
	}})...)
	if err != nil {
		return false, nil, err
	}
	return paths(s.Profiles[0])[0] == "/yes", s.Warnings, nil
}

func TestCompare(t *testing.T) {
	vars := []ast.Stmt{
		set("ONE", "1"), set("AB", "b", "a"), set("ABC", "c", "a", "b"), set("NUMS", "10", "9"),
		set("EMPTY", ""), set("VIA", "@{ONE}"),
	}
	type want int
	const (
		no want = iota
		yes
		fails
	)
	for _, tt := range []struct {
		x, op, y string
		want     want
	}{
		{"a", "==", "a", yes},
		{"a", "==", "b", no},
		{"a", "!=", "b", yes},
		{"010", "==", "8", no},
		{"@{AB}", "==", "@{AB}", yes},
		{"@{AB}", "==", "@{ABC}", no},
		{"@{ONE}", "==", "1", yes},
		{"@{VIA}", "==", "1", yes},
		{"a", "in", "@{AB}", yes},
		{"c", "in", "@{AB}", no},
		{"@{AB}", "in", "@{ABC}", yes},
		{"@{ABC}", "in", "@{AB}", no},
		{"9", "in", "@{NUMS}", yes},
		{"a", "in", "b", no},
		{"10", ">", "9", yes},
		{"010", ">=", "8", yes},
		{"010", ">", "8", no},
		{"0x10", ">", "8", yes},
		{"-1", "<", "1", yes},
		{"1", "<=", "1", yes},
		{"@{ONE}", ">", "0", yes},
		{"a10", ">", "a9", no},
		{"a", "<", "b", yes},
		{"1", "<", "a", fails},
		{"@{NUMS}", ">", "1", fails},
		{"@{EMPTY}", ">", "1", fails},
		{"@{NONE}", "==", "1", fails},
		{"@{exec_path}", "==", "/t", fails},
		{"1_0", ">", "a", no},
	} {
		ops := map[string]ast.CompareOp{
			"==": ast.CompareEqual, "!=": ast.CompareNotEqual, "in": ast.CompareIn, ">": ast.CompareGreater,
			">=": ast.CompareGreaterEqual, "<": ast.CompareLess, "<=": ast.CompareLessEqual,
		}
		got, _, err := decide(&ast.CompareExpr{Op: ops[tt.op], X: ast.Pattern(tt.x), Y: ast.Pattern(tt.y)}, vars...)
		if (err != nil) != (tt.want == fails) || err == nil && got != (tt.want == yes) {
			t.Errorf("%s %s %s: %t, %v", tt.x, tt.op, tt.y, got, err)
		}
	}
	_, _, err := decide(&ast.CompareExpr{Op: 99, X: "a", Y: "b"})
	wantCode(t, "unknown operator", err, diag.CodeExpression)
}

func TestConditions(t *testing.T) {
	lit := func(v bool) ast.Expr { return &ast.BoolLit{Value: v} }
	and := func(x, y ast.Expr) ast.Expr { return &ast.BinaryExpr{X: x, Y: y} }
	or := func(x, y ast.Expr) ast.Expr { return &ast.BinaryExpr{Or: true, X: x, Y: y} }
	not := func(x ast.Expr) ast.Expr { return &ast.NotExpr{X: x} }
	vars := []ast.Stmt{
		set("V", "a"),
		&ast.BoolAssign{Name: "T", Value: not(lit(false))},
		&ast.BoolAssign{Name: "F", Value: &ast.BoolVar{Name: "T"}},
		&ast.BoolAssign{Name: "F", Op: ast.AssignReplace, Value: lit(false)},
		&ast.BoolAssign{Name: "F", Op: ast.AssignDefault, Value: lit(true)},
		&ast.BoolAssign{Name: "D", Op: ast.AssignDefault, Value: &ast.DefinedExpr{Name: "V"}},
	}
	for name, tt := range map[string]struct {
		x    ast.Expr
		want bool
	}{
		"true":              {lit(true), true},
		"false":             {lit(false), false},
		"not":               {not(not(not(lit(false)))), true},
		"and":               {and(lit(true), lit(false)), false},
		"or":                {or(lit(false), lit(true)), true},
		"parentheses":       {&ast.ParenExpr{X: lit(true)}, true},
		"boolean":           {&ast.BoolVar{Name: "T"}, true},
		"replaced":          {&ast.BoolVar{Name: "F"}, false},
		"of an expression":  {&ast.BoolVar{Name: "D"}, true},
		"defined":           {&ast.DefinedExpr{Name: "V"}, true},
		"not defined":       {&ast.DefinedExpr{Name: "W"}, false},
		"built in":          {&ast.DefinedExpr{Name: "exec_path"}, false},
		"defined boolean":   {&ast.DefinedExpr{Name: "T", Bool: true}, false},
		"boolean as set":    {&ast.DefinedExpr{Name: "T"}, false},
		"undefined boolean": {&ast.DefinedExpr{Name: "U", Bool: true}, false},
	} {
		if got, _, err := decide(tt.x, vars...); err != nil || got != tt.want {
			t.Errorf("%s: %t, %v", name, got, err)
		}
	}
	for name, tt := range map[string]struct {
		x    ast.Expr
		code diag.Code
	}{
		"unset boolean":                {&ast.BoolVar{Name: "U"}, diag.CodeUndefined},
		"unset after or":               {or(lit(true), &ast.BoolVar{Name: "U"}), diag.CodeUndefined},
		"set variable":                 {&ast.BoolVar{Name: "V"}, diag.CodeUndefined},
		"boolean in a comparison":      {&ast.CompareExpr{X: "@{T}", Y: "a"}, diag.CodeUndefined},
		"no expression":                {nil, diag.CodeExpression},
		"part of an expression is nil": {not(nil), diag.CodeExpression},
	} {
		_, _, err := decide(tt.x, vars...)
		wantCode(t, name, err, tt.code)
	}
	_, warnings, _ := decide(&ast.DefinedExpr{Name: "T", Bool: true}, vars...)
	found := false
	for _, w := range warnings {
		found = found || w.Code == diag.WarnDefinedBoolean
	}
	if !found {
		t.Errorf("no warning that defined is false for booleans: %v", warnings)
	}
}

// TestValuesSoFar checks that an expression in the preamble sees what was
// assigned before it, and that what is assigned later is not overlooked after.
func TestValuesSoFar(t *testing.T) {
	is := func(v ast.Pattern) ast.Expr { return &ast.CompareExpr{X: "@{V}", Y: v} }
	got, _, err := decide(&ast.BinaryExpr{X: &ast.BoolVar{Name: "B"}, Y: is("y")},
		set("V", "@{W}"), set("W", "x"),
		&ast.BoolAssign{Name: "B", Value: is("x")},
		&ast.VarAssign{Name: "W", Op: ast.AssignReplace, Values: []ast.Pattern{"y"}})
	if err != nil || !got {
		t.Errorf("got %t, %v", got, err)
	}
}

// TestDeadBranch checks that the branch that is not taken leaves no trace,
// but is checked.
func TestDeadBranch(t *testing.T) {
	hat := func(stmts ...ast.Stmt) ast.Stmt { return &ast.Profile{Kind: ast.KindHat, Name: "h", Body: stmts} }
	s, err := resolveFile(Options{}, &ast.Profile{Name: "t", Body: []ast.Stmt{
		&ast.If{Cond: &ast.BoolLit{}, Then: []ast.Stmt{hat(), read("/@{NONE}"), &ast.RlimitRule{Name: "as", Value: "1"}, &ast.ABI{Path: "none"}},
			Else: []ast.Stmt{hat(read("/a"))}, HasElse: true},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Profiles) != 2 || len(s.Profiles[0].Rules)+len(s.Profiles[0].Rlimits) != 0 || len(s.Profiles[1].Rules) != 1 {
		t.Errorf("profiles: %+v", s.Profiles)
	}
	_, err = resolveFile(Options{}, &ast.Profile{Name: "t", Body: []ast.Stmt{
		&ast.If{Cond: &ast.BoolLit{}, Then: []ast.Stmt{&ast.CapabilityRule{Names: []string{"fly"}}}},
	}})
	wantCode(t, "mistake in a dead branch", err, diag.CodeCapability)
}
