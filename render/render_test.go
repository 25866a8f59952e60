// SPDX-License-Identifier: Apache-2.0

package render_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/internal/treetest"
	"github.com/goarmor/apparmor/parser"
	"github.com/goarmor/apparmor/render"
)

func TestAppend(t *testing.T) {
	for _, tt := range []struct {
		name  string
		style render.Style
		n     ast.Node
		want  string
	}{
		{"a rule ends without a newline", render.Style{}, read("/a"), "/a r,"},
		{"a file ends with one", render.Style{}, &ast.File{Stmts: []ast.Stmt{read("/a"), read("/b")}}, "/a r,\n/b r,\n"},
		{"an empty file", render.Style{}, &ast.File{}, ""},
		{"prefix", render.Style{Prefix: "  "}, read("/a"), "  /a r,"},
		{
			"prefix and indent", render.Style{Prefix: "# ", Indent: "\t"},
			&ast.File{Stmts: []ast.Stmt{&ast.Profile{Name: "a", Body: []ast.Stmt{read("/a")}}, read("/b")}},
			"# profile a {\n# \t/a r,\n# }\n\n# /b r,\n",
		},
		{"comment", render.Style{}, &ast.Comment{Text: "include <x>"}, "# include <x>"},
		{"comment with a blank", render.Style{}, &ast.Comment{Text: " a"}, "# a"},
		{"empty comment", render.Style{}, &ast.Comment{}, "#"},
		{"rule of hashes", render.Style{}, &ast.Comment{Text: "###"}, "####"},
		{"comments stay with their profile", render.Style{},
			&ast.File{Stmts: []ast.Stmt{&ast.Comment{Text: "a"}, &ast.Profile{Name: "a"}}}, "# a\nprofile a {\n}\n"},
		{"expression", render.Style{}, &ast.BinaryExpr{
			X: &ast.BinaryExpr{Or: true, X: &ast.BoolVar{Name: "A"}, Y: &ast.BoolLit{Value: true}},
			Y: &ast.NotExpr{X: &ast.BinaryExpr{X: &ast.BoolVar{Name: "B"}, Y: &ast.BoolLit{}}},
		}, "($A or true) and not ($B and false)"},
		{"left-nested expression", render.Style{}, &ast.BinaryExpr{Or: true,
			X: &ast.BinaryExpr{Or: true, X: &ast.BoolVar{Name: "A"}, Y: &ast.BoolVar{Name: "B"}}, Y: &ast.BinaryExpr{
				X: &ast.BinaryExpr{X: &ast.BoolVar{Name: "C"}, Y: &ast.BoolVar{Name: "D"}}, Y: &ast.NotExpr{X: &ast.NotExpr{X: &ast.BoolVar{Name: "E"}}},
			},
		}, "$A or $B or $C and $D and not not $E"},
		{"right-nested expression", render.Style{}, &ast.BinaryExpr{Or: true,
			X: &ast.BoolVar{Name: "A"},
			Y: &ast.BinaryExpr{Or: true, X: &ast.BoolVar{Name: "B"}, Y: &ast.BoolVar{Name: "C"}},
		}, "$A or ($B or $C)"},
		{"flag", render.Style{}, &ast.Flag{Name: "error", Value: "EPERM"}, "error=EPERM"},
		{"xattr", render.Style{}, &ast.Xattr{Name: "user.a", Value: "{,}"}, `user.a="{,}"`},
		{"condition", render.Style{}, &ast.MountCond{Options: true, In: true, Values: []ast.Pattern{"ro", "nodev"}}, "options in (ro, nodev)"},
		{"a mode without an upper-case form", render.Style{}, &ast.FileRule{Path: "/a", Exec: ast.ExecInherit, Scrub: true}, "/a ix,"},
	} {
		got, err := tt.style.Append([]byte("0"), tt.n)
		if err != nil || string(got) != "0"+tt.want {
			t.Errorf("%s: %v\n got %q\nwant %q", tt.name, err, got, "0"+tt.want)
		}
	}
}

func TestAppendRefuses(t *testing.T) {
	dst := []byte("kept")
	bad := &ast.File{Stmts: []ast.Stmt{read("/a"), &ast.FileRule{Path: "/b r,\n/c", Perms: 0}}}
	got, err := render.Append(dst, bad)
	var d *diag.Diagnostic
	var ce *ast.CheckError
	if !errors.As(err, &d) || d.Code != diag.CodeUnwritable || !errors.As(err, &ce) || ce.Field != "Perms" {
		t.Errorf("error %v", err)
	}
	if string(got) != "kept" {
		t.Errorf("dst is %q", got)
	}

	if got, err := render.Append(dst, &ast.Bad{}); err == nil || string(got) != "kept" {
		t.Errorf("a Bad without text: %q, %v", got, err)
	}

	f, err := parser.Parse("file", "/t {\n  /a r,\n}\n")
	if err != nil {
		t.Fatal(err)
	}
	f.Stmts[0].(*ast.Profile).Body[0].(*ast.FileRule).Path = ""
	if _, err := render.Append(nil, f); !errors.As(err, &d) || d.Pos.String() != "file:2:3" {
		t.Errorf("place of the error: %v", err)
	}
}

// Names that try to break out of their place.
func TestInjection(t *testing.T) {
	const evil = "x\",\n/etc/shadow rw,\n#"
	p, err := ast.Exact(evil)
	if err != nil {
		t.Fatal(err)
	}
	path, err := ast.Literal("/" + evil)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range treetest.RulesWith(p, path) {
		text, err := render.Append(nil, r)
		if err != nil {
			t.Error(err)
			continue
		}
		if bytes.IndexByte(text, '\n') >= 0 {
			t.Errorf("more than a line: %q", text)
		}
		back, err := parser.ParseRule(string(text))
		if err != nil {
			t.Errorf("%s: %v", text, err)
		} else if d := treetest.Diff(r, back); d != "" {
			t.Errorf("%s: %s", text, d)
		}
	}
	for _, n := range []ast.Node{
		&ast.Comment{Text: evil},
		&ast.Include{Path: evil},
		&ast.CapabilityRule{Names: []string{evil}},
		&ast.SignalRule{Signals: []string{evil}},
		&ast.NetworkRule{Family: evil},
		&ast.NetworkRule{Local: ast.NetEnd{Port: evil}},
		&ast.RlimitRule{Name: "cpu", Value: evil},
		&ast.UnixRule{Type: evil},
		&ast.VarAssign{Name: evil},
		&ast.Flag{Name: evil},
		&ast.Xattr{Name: evil},
	} {
		if text, err := render.Append(nil, n); err == nil {
			t.Errorf("%T is written as %q", n, text)
		}
	}
}

func TestString(t *testing.T) {
	if got := render.String(read("/a")); got != "/a r," {
		t.Errorf("%q", got)
	}
	if got := render.String(read("")); got == "" || got[0] != '<' {
		t.Errorf("%q", got)
	}
}

func TestAppendAllocatesNothing(t *testing.T) {
	dst := make([]byte, 0, 4096)
	for _, r := range treetest.RulesWith("a b", "/a\nb") {
		if got := testing.AllocsPerRun(20, func() {
			if _, err := render.Append(dst, r); err != nil {
				t.Fatal(err)
			}
		}); got != 0 {
			t.Errorf("%T: %v allocations", r, got)
		}
	}
}

func BenchmarkAppend(b *testing.B) {
	for name, n := range map[string]ast.Node{
		"plain":  &ast.FileRule{Path: "/var/lib/libvirt/images/vm.qcow2", Perms: ast.FileRead | ast.FileWrite | ast.FileLock},
		"quoted": &ast.FileRule{Path: "/var/lib/my images/vm.qcow2", Perms: ast.FileRead | ast.FileWrite | ast.FileLock},
		"dbus":   &ast.DBusRule{Perms: ast.DBusSend, Bus: "session", Path: "/org/a", Interface: "org.a", Member: "B", PeerName: "org.a"},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			dst := make([]byte, 0, 4096)
			for b.Loop() {
				if _, err := render.Append(dst, n); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
