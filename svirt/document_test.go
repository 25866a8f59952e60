// SPDX-License-Identifier: Apache-2.0

package svirt_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/internal/testenv"
	"github.com/goarmor/apparmor/parser"
	"github.com/goarmor/apparmor/render"
	"github.com/goarmor/apparmor/svirt"
)

// rule parses one rule.
func rule(tb testing.TB, text string) ast.Rule {
	tb.Helper()
	r, err := parser.ParseRule(text)
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

// spelled returns the canonical text of nodes.
func spelled[N ast.Node](list []N) []string {
	var out []string
	for _, n := range list {
		out = append(out, render.String(n))
	}
	return out
}

// TestTemplateEdits changes templates and abstractions, which keep all else.
func TestTemplateEdits(t *testing.T) {
	ctx := context.Background()
	const before = "# by hand\nabi <abi/3.0>,\n\n#include <tunables/global>\n"
	const body = "\t#include <abstractions/base> # odd  spacing\n\n\t/a   r,\t# one\n\t\"/b\" wr, /c r,\n\taudit deny /d w,\n\n\tprofile child { /a r, }\n"
	text := before + "profile LIBVIRT_TEMPLATE {\n" + body + "}\n# end\n"
	tmpl, err := svirt.ParseTemplate(ctx, "libvirt/TEMPLATE.x", text)
	if err != nil {
		t.Fatal(err)
	}
	abs, err := svirt.ParseAbstraction(ctx, "abstractions/x", body)
	if err != nil {
		t.Fatal(err)
	}
	for name, got := range map[string][][]string{
		"template":    {spelled(tmpl.Includes()), spelled(tmpl.Rules())},
		"abstraction": {spelled(abs.Includes()), spelled(abs.Rules())},
	} {
		want := [][]string{{"include <abstractions/base>"}, {"/a r,", "/b rw,", "/c r,", "audit deny /d w,"}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	tests := []struct {
		name string
		with []ast.Stmt
		wout []ast.Stmt
		old  string // in body
		new  string
		err  error
	}{
		{name: "nothing"},
		{name: "add", with: []ast.Stmt{rule(t, "capability net_admin,"), &ast.Include{Path: "abstractions/site", IfExists: true}}},
		{name: "remove by another spelling", wout: []ast.Stmt{rule(t, "/a r,")}, old: "\t/a   r,\t# one\n", new: "\t# one\n"},
		{name: "remove from a line", wout: []ast.Stmt{rule(t, "/c r,")}, old: " /c r,", new: ""},
		{name: "remove an include", wout: []ast.Stmt{&ast.Include{Path: "abstractions/base"}}, old: "\t#include <abstractions/base> # odd  spacing\n", new: "\t# odd  spacing\n"},
		{name: "remove one twice", wout: []ast.Stmt{rule(t, "/c r,"), rule(t, "/c r,")}, old: " /c r,", new: ""},
		{name: "other permissions", wout: []ast.Stmt{rule(t, "/a rw,")}, err: svirt.ErrNotFound},
		{name: "other qualifiers", wout: []ast.Stmt{rule(t, "/d w,")}, err: svirt.ErrNotFound},
		{name: "not there", wout: []ast.Stmt{rule(t, "/a r,"), rule(t, "/x r,")}, err: svirt.ErrNotFound},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			changed, err := tmpl.With(test.with...)
			if err == nil {
				changed, err = changed.Without(test.wout...)
			}
			changedAbs, errAbs := abs.With(test.with...)
			if errAbs == nil {
				changedAbs, errAbs = changedAbs.Without(test.wout...)
			}
			if test.err != nil {
				for _, err := range []error{err, errAbs} {
					var fe *svirt.FileError
					if !errors.As(err, &fe) || !errors.Is(err, test.err) {
						t.Errorf("got %v", err)
					}
				}
				return
			}
			if err != nil || errAbs != nil {
				t.Fatal(err, errAbs)
			}
			want, wantAbs := strings.Replace(body, test.old, test.new, 1), ""
			if len(test.with) > 0 {
				want = body + "\tcapability net_admin,\n\tinclude if exists <abstractions/site>\n"
				wantAbs = body + "capability net_admin,\ninclude if exists <abstractions/site>\n"
			} else {
				wantAbs = want
			}
			if diff := cmp.Diff(strings.Replace(text, body, want, 1), changed.Text()); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(wantAbs, changedAbs.Text()); diff != "" {
				t.Error(diff)
			}
			if tmpl.Text() != text || abs.Text() != body {
				t.Error("the original was changed")
			}
		})
	}
}

// TestEditsOfDebian adds a rule to every abstraction and template of Debian
// and takes it out again, which leaves the bytes as they were.
func TestEditsOfDebian(t *testing.T) {
	ctx := context.Background()
	tree := os.DirFS(testenv.DebianTree(t))
	added := []ast.Stmt{rule(t, `deny "/a b" rw,`), &ast.Include{Path: "abstractions/none", IfExists: true}}
	tested := 0
	check := func(name string) error {
		text, err := fs.ReadFile(tree, name)
		if err != nil {
			return err
		}
		var back interface {
			svirt.Part
			File() *ast.File
		}
		if strings.HasPrefix(name, "libvirt/") {
			v, err := svirt.ReadTemplate(ctx, []fs.FS{tree}, name)
			if err == nil {
				v, err = v.With(added...)
			}
			if err == nil {
				v, err = v.Without(added...)
			}
			if err != nil {
				return err
			}
			back = v
		} else {
			v, err := svirt.ReadAbstraction(ctx, []fs.FS{tree}, name)
			if err == nil {
				v, err = v.With(added...)
			}
			if err == nil {
				v, err = v.Without(added...)
			}
			if err != nil {
				return err
			}
			back = v
		}
		tested++
		// A last line without an end gets one.
		if want := strings.TrimSuffix(string(text), "\n") + "\n"; back.Text() != string(text) && back.Text() != want {
			t.Errorf("%s: %s", name, cmp.Diff(string(text), back.Text()))
		}
		if verbatim, err := render.Verbatim(back.File()); err != nil || string(verbatim) != back.Text() || back.Name() != name {
			t.Errorf("%s: the tree is not that of the text: %v", name, err)
		}
		return nil
	}
	err := fs.WalkDir(tree, "abstractions", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		return check(name)
	})
	templates, globErr := fs.Glob(tree, "libvirt/TEMPLATE.*")
	for _, name := range templates {
		err = errors.Join(err, check(name))
	}
	if err := errors.Join(err, globErr); err != nil {
		t.Fatal(err)
	}
	if tested < 100 {
		t.Errorf("only %d files were tested", tested)
	}
}

// TestRulesMove makes a template of what was read from an abstraction.
func TestRulesMove(t *testing.T) {
	ctx := context.Background()
	from, err := svirt.ReadAbstraction(ctx, []fs.FS{svirt.PolicyFS()}, "abstractions/libvirt-qemu")
	if err != nil {
		t.Fatal(err)
	}
	var body []ast.Stmt
	for _, i := range from.Includes() {
		body = append(body, i)
	}
	for _, r := range from.Rules() {
		body = append(body, r)
	}
	made, err := svirt.NewTemplate("libvirt/TEMPLATE.x", nil, body...)
	if err != nil {
		t.Fatal(err)
	}
	empty, err := svirt.NewTemplate("libvirt/TEMPLATE.x", nil)
	if err != nil {
		t.Fatal(err)
	}
	grown, err := empty.With(body...)
	if err != nil {
		t.Fatal(err)
	}
	for name, tmpl := range map[string]*svirt.Template{"made": made, "grown": grown} {
		if diff := cmp.Diff(spelled(from.Rules()), spelled(tmpl.Rules())); diff != "" || len(tmpl.Rules()) == 0 {
			t.Errorf("%s: %s", name, diff)
		}
		if diff := cmp.Diff(spelled(from.Includes()), spelled(tmpl.Includes())); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	back, err := grown.Without(body...)
	if err != nil || len(back.Profile().Body) != 0 {
		t.Errorf("something is left: %v", err)
	}
}

// BenchmarkInstantiate is the way from a template's text to a machine's
// profile.
func BenchmarkInstantiate(b *testing.B) {
	ctx := context.Background()
	roots := []fs.FS{svirt.PolicyFS()}
	b.ReportAllocs()
	for b.Loop() {
		tmpl, err := svirt.ReadTemplate(ctx, roots, "libvirt/TEMPLATE.qemu")
		if err != nil {
			b.Fatal(err)
		}
		if _, err := tmpl.Instantiate(ctx, uuid, true); err != nil {
			b.Fatal(err)
		}
	}
}

// TestDocumentErrors lists what is not a template, abstraction or profile.
func TestDocumentErrors(t *testing.T) {
	ctx := context.Background()
	large := "#" + strings.Repeat("x", 10<<20)
	deep := "profile LIBVIRT_TEMPLATE {" + strings.Repeat("{", 100_000)
	for name, err := range map[string]error{
		"name":           second(svirt.ParseTemplate(ctx, "../x", "profile LIBVIRT_TEMPLATE { }")),
		"large":          second(svirt.ParseTemplate(ctx, "t", large)),
		"deep":           second(svirt.ParseTemplate(ctx, "t", deep)),
		"large profile":  second(svirt.ParseMachineProfile(ctx, uuid, large)),
		"other machine":  second(svirt.ParseMachineProfile(ctx, uuid, "profile libvirt-"+strings.Repeat("0", 8)+uuid[8:]+" { }")),
		"no profile":     second(svirt.ParseAbstraction(ctx, "a", "profile")),
		"a bad rule":     second(svirt.NewTemplate("t", nil, &ast.FileRule{Path: "/x", Perms: ast.FileWrite | ast.FileAppend, Link: "/y"})),
		"a bad flag":     second(svirt.NewTemplate("t", []ast.Flag{{Name: "no such flag"}})),
		"a bad include":  second(svirt.NewAbstraction("a", &ast.Include{Path: "a\">\n/** rw,"})),
		"zero template":  second(new(svirt.Template).Instantiate(ctx, uuid, true)),
		"zero with":      second(new(svirt.Template).With()),
		"zero without":   second(new(svirt.Abstraction).Without()),
		"missing":        second(svirt.ReadAbstraction(ctx, nil, "abstractions/x")),
		"a directory":    second(svirt.ReadTemplate(ctx, []fs.FS{fstest.MapFS{"libvirt/TEMPLATE.x/y": {}}}, "libvirt/TEMPLATE.x")),
		"a NUL":          second(svirt.ParseAbstraction(ctx, "a", "/a\x00 r,\n")),
		"an open string": second(svirt.ParseAbstraction(ctx, "a", "\"/a r,\n")),
	} {
		var fe *svirt.FileError
		if !errors.As(err, &fe) {
			t.Errorf("%s: got %v", name, err)
		}
		if limit := strings.HasPrefix(name, "large") || name == "deep"; errors.Is(err, diag.ErrLimit) != limit {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if len(new(svirt.Abstraction).Rules()) != 0 || len(new(svirt.Template).Includes()) != 0 || new(svirt.MachineProfile).HasFiles() {
		t.Error("a zero value has rules, includes or files")
	}
}

func second[T any](_ T, err error) error { return err }

// FuzzTemplate makes profiles from any text that is a template.
func FuzzTemplate(f *testing.F) {
	f.Add("abi <abi/3.0>,\nprofile LIBVIRT_TEMPLATE flags=(complain) {\n  #include <a> # b\n  /a r, /b rw,\n}\n# LIBVIRT_TEMPLATE")
	f.Add("profile \"LIBVIRT_TEMPLATE\" /x xattrs=(a=b) { profile LIBVIRT_TEMPLATE { } if true { /c r, } else { } }\r\n")
	f.Add("@{LIBVIRT_TEMPLATE} = x\nprofile LIBVIRT\\137TEMPLATE {}\nprofile LIBVIRT_TEMPLATE{}")
	f.Add("profile#LIBVIRT_TEMPLATE\nLIBVIRT_TEMPLATE { # }\n}")
	added := rule(f, "/fuzz rw,")
	f.Fuzz(func(t *testing.T, text string) {
		ctx := context.Background()
		var fe *svirt.FileError
		tmpl, err := svirt.ParseTemplate(ctx, "t", text)
		if err != nil {
			if !errors.As(err, &fe) {
				t.Fatalf("untyped: %v", err)
			}
			return
		}
		for _, files := range []bool{true, false} {
			p, err := tmpl.Instantiate(ctx, uuid, files)
			if err != nil {
				if !errors.As(err, &fe) {
					t.Fatalf("untyped: %v", err)
				}
				continue
			}
			if !tmpl.Made(p, files) || files && !p.HasFiles() || len(p.Rules()) != len(tmpl.Rules()) || len(p.File().Stmts) != len(tmpl.File().Stmts) {
				t.Fatalf("of %q came %q", text, p.Text())
			}
		}
		more, err := tmpl.With(added)
		if err != nil {
			if !errors.As(err, &fe) {
				t.Fatalf("untyped: %v", err)
			}
			return
		}
		if len(more.Rules()) != len(tmpl.Rules())+1 {
			t.Fatalf("of %q came %q", text, more.Text())
		}
		less, err := more.Without(added)
		if err != nil || len(less.Rules()) > len(tmpl.Rules()) {
			t.Fatalf("of %q came %q: %v", text, more.Text(), err)
		}
	})
}

// TestLayout looks parts up and installs them.
func TestLayout(t *testing.T) {
	a, err := svirt.NewAbstraction("abstractions/site", rule(t, "/site r,"))
	if err != nil {
		t.Fatal(err)
	}
	b, err := svirt.NewAbstraction("abstractions/base", rule(t, "/other r,"))
	if err != nil {
		t.Fatal(err)
	}
	tree := svirt.Layout(a, b)
	if text, err := fs.ReadFile(tree, "abstractions/site"); err != nil || string(text) != a.Text() {
		t.Errorf("got %q, %v", text, err)
	}
	if _, err := tree.Open("abstractions/none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	if names, err := fs.Glob(tree, "abstractions/*"); err != nil || !slices.Equal(names, []string{"abstractions/base", "abstractions/site"}) {
		t.Errorf("got %v, %v", names, err)
	}
	dir := t.TempDir()
	for range 2 {
		if err := svirt.Install(dir, a, b); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]string{"abstractions/site": a.Text(), "abstractions/base": b.Text()} {
		if text, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(text) != want {
			t.Errorf("%s: got %q, %v", name, text, err)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "libvirt/TEMPLATE.vmm")); err != nil {
		t.Error(err)
	}
	if err := svirt.Install(t.TempDir(), badPart{}); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("a part outside of the tree: %v", err)
	}
}

type badPart struct{}

func (badPart) Name() string { return "../x" }
func (badPart) Text() string { return "" }
