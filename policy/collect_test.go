// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"context"
	"errors"
	"io/fs"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/features"
)

func read(path ast.Pattern) *ast.FileRule { return &ast.FileRule{Path: path, Perms: ast.FileRead} }

// paths returns the paths of a profile's file rules.
func paths(p *Profile) []string {
	var out []string
	for _, r := range p.Rules {
		if f, ok := r.Rule.(*ast.FileRule); ok {
			out = append(out, string(f.Path))
		}
	}
	return out
}

// wantCode fails the test unless err has a diagnostic with the code.
func wantCode(tb testing.TB, name string, err error, code diag.Code) {
	tb.Helper()
	if list, ok := errors.AsType[diag.List](err); ok {
		for _, d := range list {
			if d.Code == code {
				return
			}
		}
	}
	tb.Errorf("%s: %v, want %s", name, err, code)
}

// TestIncludeOncePerScope checks the scopes in which a file is read once.
func TestIncludeOncePerScope(t *testing.T) {
	inc := func() *ast.Include { return &ast.Include{Path: "a"} }
	a := &ast.File{Name: "a", Stmts: []ast.Stmt{read("/inc")}}
	self := inc()
	a.Stmts = append(a.Stmts, self)
	dead, alive := inc(), inc()
	i := []*ast.Include{inc(), inc(), inc(), inc(), inc()}
	main := &ast.File{Name: "main", Stmts: []ast.Stmt{
		&ast.Profile{Name: "t", Body: []ast.Stmt{
			&ast.Block{Qualifiers: ast.Qualifiers{Audit: true}, Body: []ast.Stmt{i[0]}},
			i[1],
			&ast.Profile{Name: "c", Body: []ast.Stmt{i[2], i[3]}},
			i[4],
		}},
		&ast.Profile{Name: "u", Body: []ast.Stmt{
			&ast.If{Cond: &ast.BoolLit{}, Then: []ast.Stmt{dead}},
			alive,
		}},
	}}
	unit := &ast.Unit{Main: main, Included: map[*ast.Include][]*ast.File{self: {a}, dead: {a}, alive: {a}}}
	for _, s := range i {
		unit.Included[s] = []*ast.File{a}
	}
	s, err := Resolve(context.Background(), unit, Options{Default: features.Default()})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string][]string{}
	for _, p := range s.Profiles {
		got[p.Name] = paths(p)
	}
	if diff := cmp.Diff(map[string][]string{"t": {"/inc"}, "t//c": {"/inc"}, "u": nil}, got); diff != "" {
		t.Error(diff)
	}
	if q := s.Profiles[0].Rules[0].Quals(); !q.Audit {
		t.Error("the rule is not audited: the include in the audit block came first")
	}
	if len(s.Warnings) != 1 || s.Warnings[0].Code != diag.WarnSkippedInclude {
		t.Errorf("warnings: %+v", s.Warnings)
	}
	chain := s.Profiles[0].Rules[0].Origin.Chain()
	if len(chain) != 1 || chain[0].File != "main" {
		t.Errorf("chain of includes: %v", chain)
	}
}

func TestIncludeMissing(t *testing.T) {
	_, err := resolveFile(Options{}, &ast.Profile{Name: "t", Body: []ast.Stmt{&ast.Include{Path: "none"}}})
	wantCode(t, "missing", err, diag.CodeInclude)
	if _, err := resolveFile(Options{}, &ast.Include{Path: "none", IfExists: true}); err != nil {
		t.Errorf("if exists: %v", err)
	}
}

func TestMisplaced(t *testing.T) {
	profile := func(body ...ast.Stmt) *ast.Profile { return &ast.Profile{Name: "t", Body: body} }
	alias := &ast.Alias{From: "/a", To: "/b"}
	abi := &ast.ABI{Path: "default"}
	yes := &ast.BoolAssign{Name: "B", Value: &ast.BoolLit{}}
	for name, stmts := range map[string][]ast.Stmt{
		"rule at the top":          {read("/a")},
		"block at the top":         {&ast.Block{}},
		"if at the top":            {&ast.If{Cond: &ast.BoolLit{}}},
		"alias in a profile":       {profile(alias)},
		"variable in a profile":    {profile(set("V", "a"))},
		"boolean in a profile":     {profile(yes)},
		"alias after a profile":    {profile(), alias},
		"variable after a profile": {profile(), set("V", "a")},
		"boolean after a profile":  {profile(), yes},
		"abi after a profile":      {profile(), abi},
		"rule after a profile":     {profile(), read("/a")},
		"nothing":                  {nil},
	} {
		_, err := resolveFile(Options{}, stmts...)
		wantCode(t, name, err, diag.CodePlace)
	}
	if _, err := resolveFile(Options{}, abi, alias, profile(abi)); err != nil {
		t.Errorf("well placed: %v", err)
	}
	_, err := resolveFile(Options{}, profile(&ast.Bad{Err: errors.ErrUnsupported}))
	wantCode(t, "bad statement", err, diag.CodeSyntax)
	if !errors.Is(err, errors.ErrUnsupported) {
		t.Error("the cause of a bad statement is lost")
	}
}

// TestLimitsByDefault exceeds the limits that hold where none are set, with
// trees that no parser makes.
func TestLimitsByDefault(t *testing.T) {
	nest := func(n int) ast.Stmt {
		var s ast.Stmt = read("/a")
		for range n {
			s = &ast.Block{Body: []ast.Stmt{s}}
		}
		return &ast.Profile{Name: "t", Body: []ast.Stmt{s}}
	}
	var x ast.Expr = &ast.BoolLit{Value: true}
	for range 600 {
		x = &ast.NotExpr{X: x}
	}
	var bad []ast.Stmt
	for range 300 {
		bad = append(bad, read("/a"))
	}
	for name, tt := range map[string]struct {
		stmts []ast.Stmt
		what  string
	}{
		"nesting":    {[]ast.Stmt{nest(600)}, "nesting of policy"},
		"expression": {[]ast.Stmt{&ast.BoolAssign{Name: "B", Value: x}}, "nesting of policy"},
		"errors":     {bad, "errors"},
	} {
		_, err := resolveFile(Options{}, tt.stmts...)
		limit, ok := errors.AsType[*diag.LimitError](err)
		if !ok || limit.What != tt.what {
			t.Errorf("%s: %v, want limit of %s", name, err, tt.what)
		}
	}
	if _, err := resolveFile(Options{}, nest(400)); err != nil {
		t.Errorf("below the limits: %v", err)
	}
}

func TestContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	var many []ast.Stmt
	for range 3000 {
		many = append(many, read("/a"))
	}
	_, err := Resolve(ctx, &ast.Unit{Main: &ast.File{Stmts: []ast.Stmt{&ast.Profile{Name: "t", Body: many}}}}, Options{})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	for _, unit := range []*ast.Unit{nil, {}} {
		if s, err := Resolve(context.Background(), unit, Options{}); err != nil || len(s.Profiles) != 0 {
			t.Errorf("empty unit: %v, %v", s, err)
		}
	}
}

func TestABI(t *testing.T) {
	kernel, err := features.Parse([]byte("file {mask {read}}"))
	if err != nil {
		t.Fatal(err)
	}
	abi30, _ := features.ABI("3.0")
	abi := func(path string) ast.Stmt { return &ast.ABI{Path: path} }
	profile := func(body ...ast.Stmt) ast.Stmt { return &ast.Profile{Name: "t", Body: body} }
	roots := Options{}
	roots.Roots = append(roots.Roots, fstest.MapFS{}, fstest.MapFS{"abi/3.0": {Data: []byte("file {mask {read}}")}, "bad": {Data: []byte("{")}, "pipe": {Mode: fs.ModeNamedPipe}})
	abs := Options{Abs: fstest.MapFS{"a/f": {Data: []byte("file {mask {read}}")}}, Dir: "a"}
	hook := Options{ABI: func(*ast.ABI, *ast.File) (*features.Set, error) { return kernel, nil }}
	for _, tt := range []struct {
		name     string
		opts     Options
		stmts    []ast.Stmt
		want     *features.Set
		warnings int
	}{
		{"none", Options{}, []ast.Stmt{profile()}, features.Default(), 1},
		{"none, but a default", Options{Default: kernel}, []ast.Stmt{profile()}, kernel, 0},
		{"default", Options{Default: kernel}, []ast.Stmt{abi("default"), profile()}, features.Default(), 0},
		{"kernel", Options{Kernel: kernel}, []ast.Stmt{abi("kernel"), profile()}, kernel, 0},
		{"built in", Options{}, []ast.Stmt{abi("abi/3.0"), profile()}, abi30, 0},
		{"first wins", Options{}, []ast.Stmt{abi("abi/3.0"), abi("abi/4.0"), profile()}, abi30, 1},
		{"the same twice", Options{}, []ast.Stmt{abi("abi/3.0"), abi("abi/3.0"), profile()}, abi30, 0},
		{"in a body", Options{Default: kernel}, []ast.Stmt{profile(abi("abi/3.0"))}, kernel, 1},
		{"in a body, the same", Options{Default: abi30}, []ast.Stmt{profile(abi("abi/3.0"))}, abi30, 0},
		{"in a body, after the first", Options{}, []ast.Stmt{abi("abi/3.0"), profile(abi("abi/4.0"))}, abi30, 1},
		{"from a root", roots, []ast.Stmt{abi("abi/3.0"), profile()}, kernel, 0},
		{"escaped", roots, []ast.Stmt{abi(`abi\0573.0`), profile()}, kernel, 0},
		{"quoted, escaped", abs, []ast.Stmt{&ast.ABI{Path: `\x66`, Kind: ast.IncludeQuoted}, profile()}, kernel, 0},
		{"quoted", abs, []ast.Stmt{&ast.ABI{Path: "b/../f", Kind: ast.IncludeQuoted}, profile()}, kernel, 0},
		{"absolute", abs, []ast.Stmt{&ast.ABI{Path: "/a/f", Kind: ast.IncludeQuoted}, profile()}, kernel, 0},
		{"bare", abs, []ast.Stmt{&ast.ABI{Path: "f", Kind: ast.IncludeBare}, profile()}, kernel, 0},
		{"from the hook", hook, []ast.Stmt{abi("x"), profile()}, kernel, 0},
	} {
		s, err := resolveFile(tt.opts, tt.stmts...)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if !s.Profiles[0].ABI.Equal(tt.want) || len(s.Warnings) != tt.warnings {
			t.Errorf("%s: wrong abi or %d warnings: %+v", tt.name, len(s.Warnings), s.Warnings)
		}
	}
	for name, tt := range map[string]struct {
		opts Options
		stmt ast.Stmt
	}{
		"no kernel":            {Options{}, abi("kernel")},
		"missing":              {roots, abi("abi/9.0")},
		"malformed":            {roots, abi("bad")},
		"a pipe":               {roots, abi("pipe")},
		"outside of the roots": {roots, abi("../x")},
		"quoted, missing":      {abs, &ast.ABI{Path: "g", Kind: ast.IncludeQuoted}},
		"quoted":               {Options{}, &ast.ABI{Path: "abi/3.0", Kind: ast.IncludeQuoted}},
	} {
		_, err := resolveFile(tt.opts, tt.stmt)
		wantCode(t, name, err, diag.CodeABI)
	}
}

func mustFeatures(tb testing.TB, text string) *features.Set {
	tb.Helper()
	s, err := features.Parse([]byte(text))
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// TestProfileInErrors holds that an error in the name of a profile names it as it is
// written, below the name of its parent.
func TestProfileInErrors(t *testing.T) {
	bad := &ast.Profile{Name: "@{NONE}"}
	for want, p := range map[string]*ast.Profile{
		"@{NONE}":    bad,
		"t//@{NONE}": {Name: "t", Body: []ast.Stmt{bad}},
	} {
		_, err := resolveFile(Options{}, p)
		if d, ok := errors.AsType[*diag.Diagnostic](err); !ok || d.Code != diag.CodeUndefined || d.Profile != want {
			t.Errorf("%s: %#v", want, d)
		}
	}
}
