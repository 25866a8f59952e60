// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/diag"
)

func TestFlags(t *testing.T) {
	flag := func(list ...string) []ast.Flag {
		var out []ast.Flag
		for i := 0; i < len(list); i += 2 {
			out = append(out, ast.Flag{Name: list[i], Value: list[i+1]})
		}
		return out
	}
	for _, tt := range []struct {
		name  string
		flags []ast.Flag
		want  Flags
		code  diag.Code
	}{
		{"none", nil, Flags{}, ""},
		{"enforce", flag("enforce", ""), Flags{}, ""},
		{"complain twice", flag("complain", "", "complain", ""), Flags{Mode: Complain}, ""},
		{"kill", flag("kill", ""), Flags{Mode: Kill}, ""},
		{"unconfined", flag("unconfined", ""), Flags{Mode: Unconfined}, ""},
		{"prompt", flag("prompt", ""), Flags{Mode: PromptMode}, ""},
		{"default_allow", flag("default_allow", ""), Flags{Mode: DefaultAllow}, ""},
		{"audit and debug", flag("audit", "", "debug", "", "interruptible", ""), Flags{Audit: true, Debug: true, Interruptible: true}, ""},
		{"on", flag("mediate_deleted", "", "attach_disconnected", "", "chroot_relative", "", "chroot_attach", ""),
			Flags{PathWords: true, MediateDeleted: true, AttachDisconnected: true, ChrootRelative: true, ChrootAttach: true}, ""},
		{"off", flag("delegate_deleted", "", "no_attach_disconnected", "", "namespace_relative", "", "chroot_no_attach", ""), Flags{PathWords: true}, ""},
		{"disconnected path", flag("attach_disconnected.path", "/@{V}"), Flags{PathWords: true, AttachDisconnected: true, DisconnectedPath: "/v"}, ""},
		{"slash after the path", flag("attach_disconnected.path", "//att//t/"), Flags{PathWords: true, AttachDisconnected: true, DisconnectedPath: "//att/t"}, ""},
		{"disconnected root", flag("attach_disconnected.path", "/"), Flags{PathWords: true, AttachDisconnected: true, DisconnectedPath: "/"}, ""},
		{"disconnected ipc", flag("attach_disconnected.ipc", ""), Flags{PathWords: true, AttachDisconnectedIPC: true}, ""},
		{"disconnected ipc path", flag("attach_disconnected.ipc", "/p"), Flags{PathWords: true, AttachDisconnectedIPC: true, DisconnectedIPCPath: "/p"}, ""},
		{"kill signal", flag("kill.signal", "rtmin+3"), Flags{KillSignal: "rtmin+3"}, ""},
		{"error", flag("error", "eAcces", "error", "EACCES"), Flags{Error: "EACCES"}, ""},
		{"same value twice", flag("attach_disconnected.path", "/a", "attach_disconnected.path", "/a"), Flags{PathWords: true, AttachDisconnected: true, DisconnectedPath: "/a"}, ""},

		{"two modes", flag("complain", "", "enforce", ""), Flags{}, diag.CodeFlagConflict},
		{"deleted", flag("mediate_deleted", "", "delegate_deleted", ""), Flags{}, diag.CodeFlagConflict},
		{"disconnected", flag("no_attach_disconnected", "", "attach_disconnected", ""), Flags{}, diag.CodeFlagConflict},
		{"disconnected ipc off", flag("attach_disconnected.ipc", "", "no_attach_disconnected", ""), Flags{}, diag.CodeFlagConflict},
		{"relative", flag("chroot_relative", "", "namespace_relative", ""), Flags{}, diag.CodeFlagConflict},
		{"chroot", flag("chroot_no_attach", "", "chroot_attach", ""), Flags{}, diag.CodeFlagConflict},
		{"two paths", flag("attach_disconnected.path", "/a", "attach_disconnected.path", "/b"), Flags{}, diag.CodeFlagConflict},
		{"two signals", flag("kill.signal", "hup", "kill.signal", "int"), Flags{}, diag.CodeFlagConflict},
		{"two errors", flag("error", "EPERM", "error", "EACCES"), Flags{}, diag.CodeFlagConflict},
		{"relative path", flag("attach_disconnected.path", "a"), Flags{}, diag.CodeFlag},
		{"no path", flag("attach_disconnected.path", ""), Flags{}, diag.CodeFlag},
		{"relative ipc path", flag("attach_disconnected.ipc", "a"), Flags{}, diag.CodeFlag},
		{"unset variable", flag("attach_disconnected.path", "/@{NONE}"), Flags{}, diag.CodeUndefined},
		{"unknown signal", flag("kill.signal", "9"), Flags{}, diag.CodeFlag},
		{"no signal", flag("kill.signal", ""), Flags{}, diag.CodeFlag},
		{"unknown error", flag("error", "13"), Flags{}, diag.CodeFlag},
		{"value of a word", flag("audit", "yes"), Flags{}, diag.CodeFlag},
		{"value of a mode", flag("complain", "yes"), Flags{}, diag.CodeFlag},
		{"upper case", flag("Complain", ""), Flags{}, diag.CodeFlag},
	} {
		s, err := resolveFile(Options{}, set("V", "v"), &ast.Profile{Name: "t", Flags: tt.flags})
		if tt.code != "" {
			wantCode(t, tt.name, err, tt.code)
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if diff := cmp.Diff(tt.want, s.Profiles[0].Flags); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
	}
}

func TestHeads(t *testing.T) {
	type head struct {
		Namespace, Name string
		Hat             bool
		Attachment      ast.Pattern
		Alternates      []ast.Pattern
	}
	child := func(kind ast.ProfileKind, name ast.Pattern, body ...ast.Stmt) *ast.Profile {
		return &ast.Profile{Kind: kind, Name: name, Body: body}
	}
	for _, tt := range []struct {
		name  string
		stmts []ast.Stmt
		want  []head
	}{
		{"name", []ast.Stmt{&ast.Profile{Name: "t"}}, []head{{Name: "t"}}},
		{"path", []ast.Stmt{&ast.Profile{Kind: ast.KindPath, Name: "//usr//bin/t"}}, []head{{Name: "//usr//bin/t", Attachment: "bin/t"}}},
		{"attachment", []ast.Stmt{&ast.Profile{Name: "/t", Attachment: "/a//{b,c}"}}, []head{{Name: "/t", Attachment: "/a/{b,c}"}}},
		{"namespace", []ast.Stmt{&ast.Profile{Name: "/t", Namespace: "n"}}, []head{{Namespace: "n", Name: "/t", Attachment: "/t"}}},
		{"variables", []ast.Stmt{set("V", "a", "b"), set("W", "/w"), &ast.Profile{Name: "t@{V}", Attachment: "@{W}/@{V}"}},
			[]head{{Name: "t{a,b}", Attachment: "/w/{a,b}"}}},
		{"path in a variable", []ast.Stmt{set("W", "/w"), &ast.Profile{Name: "@{W}"}}, []head{{Name: "/w", Attachment: "/w"}}},
		{"user's exec_path", []ast.Stmt{set("exec_path", "/b"), &ast.Profile{Name: "a", Attachment: "@{exec_path}"}}, []head{{Name: "a", Attachment: "/b"}}},
		{"alias", []ast.Stmt{&ast.Alias{From: "/usr", To: "/opt"}, &ast.Alias{From: "/usr/bin", To: "/bin"}, &ast.Alias{From: "/x", To: "/y"},
			&ast.Profile{Name: "/usr/bin/t"}}, []head{{Name: "/usr/bin/t", Attachment: "/usr/bin/t", Alternates: []ast.Pattern{"/opt/bin/t", "/bin/t"}}}},
		{"below", []ast.Stmt{
			&ast.Profile{Name: "z"},
			&ast.Profile{Name: "a", Namespace: "n", Body: []ast.Stmt{child(ast.KindProfile, "k")}},
			&ast.Profile{Name: "b", Attachment: "/b", Body: []ast.Stmt{
				child(ast.KindHat, "h", child(ast.KindHat, "i")), child(ast.KindProfile, "/c"), child(ast.KindProfile, "g"),
			}},
			&ast.Profile{Kind: ast.KindHat, Name: "h"},
		}, []head{
			{Name: "b", Attachment: "/b"}, {Name: "b///c", Attachment: "/c"}, {Name: "b//g"}, {Name: "b//h", Hat: true}, {Name: "b//h//i", Hat: true},
			{Name: "h", Hat: true}, {Name: "z"}, {Namespace: "n", Name: "a"}, {Namespace: "n", Name: "a//k"},
		}},
	} {
		s, err := resolveFile(Options{}, tt.stmts...)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		var got []head
		for _, p := range s.Profiles {
			got = append(got, head{p.Namespace, p.Name, p.Hat, p.Attachment, p.Alternates})
			if p.Parent != nil && p.Parent.Name != p.Name[:len(p.Parent.Name)] {
				t.Errorf("%s: parent of %s is %s", tt.name, p.Name, p.Parent.Name)
			}
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
	}

	s, err := resolveFile(Options{Namespace: "o"}, &ast.Profile{Name: "t", Namespace: "n"}, &ast.Profile{Name: "u"})
	if err != nil || s.Profiles[0].FullName() != ":o://t" || s.Profiles[1].FullName() != ":o://u" {
		t.Errorf("namespace of the options: %v", err)
	} else if w := s.Warnings[len(s.Warnings)-1]; w.Code != diag.WarnNamespace {
		t.Errorf("no warning of the namespace: %v", s.Warnings)
	}
}

func TestHeadErrors(t *testing.T) {
	p := func(name ast.Pattern, body ...ast.Stmt) *ast.Profile { return &ast.Profile{Name: name, Body: body} }
	hat := func(name ast.Pattern) *ast.Profile { return &ast.Profile{Kind: ast.KindHat, Name: name} }
	for name, tt := range map[string]struct {
		stmts []ast.Stmt
		code  diag.Code
	}{
		"no name":              {[]ast.Stmt{p("")}, diag.CodeName},
		"stack":                {[]ast.Stmt{p("&t")}, diag.CodeName},
		"namespace in name":    {[]ast.Stmt{set("V", ":n:t"), p("@{V}")}, diag.CodeName},
		"NUL":                  {[]ast.Stmt{p("a\x00")}, diag.CodeName},
		"colon in namespace":   {[]ast.Stmt{&ast.Profile{Name: "t", Namespace: "a:b"}}, diag.CodeName},
		"child's namespace":    {[]ast.Stmt{p("t", &ast.Profile{Name: "c", Namespace: "n"})}, diag.CodeName},
		"unset":                {[]ast.Stmt{p("t@{V}")}, diag.CodeUndefined},
		"twice":                {[]ast.Stmt{p("t"), p("t")}, diag.CodeDuplicateProfile},
		"hat and child":        {[]ast.Stmt{p("t", hat("c"), p("c"))}, diag.CodeDuplicateProfile},
		"name and child":       {[]ast.Stmt{p("t//c"), p("t", p("c"))}, diag.CodeDuplicateProfile},
		"twice by variable":    {[]ast.Stmt{set("V", "a"), p("a"), p("@{V}")}, diag.CodeDuplicateProfile},
		"attachment":           {[]ast.Stmt{&ast.Profile{Name: "t", Attachment: "a"}}, diag.CodeAttachment},
		"unset attachment":     {[]ast.Stmt{&ast.Profile{Name: "t", Attachment: "@{exec_path}"}}, diag.CodeUndefined},
		"hat with xattrs":      {[]ast.Stmt{p("t", &ast.Profile{Kind: ast.KindHat, Name: "h", Xattrs: []ast.Xattr{{Name: "user.a"}}})}, diag.CodeXattr},
		"xattr":                {[]ast.Stmt{&ast.Profile{Name: "t", Xattrs: []ast.Xattr{{}}}}, diag.CodeXattr},
		"child, no attachment": {[]ast.Stmt{&ast.Profile{Name: "t", Attachment: "/t", Body: []ast.Stmt{p("c", read("@{exec_path}"))}}}, diag.CodeUndefined},
	} {
		_, err := resolveFile(Options{}, tt.stmts...)
		wantCode(t, name, err, tt.code)
	}
	for name, stmts := range map[string][]ast.Stmt{
		"path and name":    {p("t"), p("/t")},
		"hat at the top":   {&ast.Profile{Kind: ast.KindHat, Name: "h", Xattrs: []ast.Xattr{{Name: "user.a"}}}},
		"other namespace":  {p("t"), &ast.Profile{Name: "t", Namespace: "n"}},
		"child's own path": {&ast.Profile{Name: "t", Attachment: "/t", Body: []ast.Stmt{&ast.Profile{Name: "c", Attachment: "/c", Body: []ast.Stmt{read("@{exec_path}")}}}}},
	} {
		if _, err := resolveFile(Options{}, stmts...); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
