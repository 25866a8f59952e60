// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/diag"
)

// body resolves statements as the body of a profile /t.
func body(opts Options, stmts ...ast.Stmt) (*Profile, diag.List, error) {
	s, err := resolveFile(opts, &ast.Profile{Name: "/t", Body: stmts})
	if err != nil {
		return nil, nil, err
	}
	// The name is a path, which is not what these tests are about.
	warnings := slices.DeleteFunc(s.Warnings, func(d *diag.Diagnostic) bool { return d.Code == diag.WarnPathName })
	return s.Profiles[0], warnings, nil
}

func TestBlocks(t *testing.T) {
	file := func(q ast.Qualifiers) ast.Stmt {
		return &ast.FileRule{Qualifiers: q, Path: "/a", Perms: ast.FileRead}
	}
	block := func(q ast.Qualifiers, stmts ...ast.Stmt) ast.Stmt { return &ast.Block{Qualifiers: q, Body: stmts} }
	type q = ast.Qualifiers
	for _, tt := range []struct {
		name string
		stmt ast.Stmt
		want q
		code diag.Code
	}{
		{"plain", block(q{}, file(q{Audit: true})), q{Audit: true}, ""},
		{"audit", block(q{Audit: true}, file(q{})), q{Audit: true}, ""},
		{"audit twice", block(q{Audit: true}, file(q{Audit: true})), q{Audit: true}, ""},
		{"deny", block(q{Access: ast.Deny}, file(q{})), q{Access: ast.Deny}, ""},
		{"deny twice", block(q{Access: ast.Deny}, file(q{Access: ast.Deny})), q{Access: ast.Deny}, ""},
		{"allow", block(q{Access: ast.AllowExplicit}, file(q{})), q{Access: ast.AllowExplicit}, ""},
		{"prompt", block(q{Access: ast.Prompt}, file(q{Audit: true})), q{Access: ast.Prompt, Audit: true}, ""},
		{"owner", block(q{Owner: ast.OnlyOwner}, file(q{})), q{Owner: ast.OnlyOwner}, ""},
		{"owner twice", block(q{Owner: ast.OnlyOther}, file(q{Owner: ast.OnlyOther})), q{Owner: ast.OnlyOther}, ""},
		{"owner of a link", block(q{Owner: ast.OnlyOwner}, &ast.LinkRule{From: "/a", To: "/b"}), q{Owner: ast.OnlyOwner}, ""},
		{"priority stays", block(q{Audit: true}, file(q{Priority: 7})), q{Audit: true, Priority: 7}, ""},
		{"nested", block(q{Audit: true}, block(q{Access: ast.Deny}, block(q{Owner: ast.OnlyOwner}, file(q{})))),
			q{Audit: true, Access: ast.Deny, Owner: ast.OnlyOwner}, ""},
		{"conditional", block(q{Audit: true}, &ast.If{Cond: &ast.BoolLit{Value: true}, Then: []ast.Stmt{file(q{})}}), q{Audit: true}, ""},
		{"network is kept", block(q{Audit: true, Access: ast.Deny}, &ast.NetworkRule{}), q{Audit: true, Access: ast.Deny}, ""},
		{"deny all", block(q{Access: ast.Deny}, &ast.AllRule{}), q{Access: ast.Deny}, ""},
		{"owner of network", block(q{Audit: true, Owner: ast.OnlyOwner}, &ast.NetworkRule{}), q{Audit: true}, ""},
		{"deny x", block(q{Access: ast.Deny}, &ast.FileRule{Qualifiers: q{Access: ast.Deny}, Path: "/a", Exec: ast.ExecDeny}), q{Access: ast.Deny}, ""},

		{"allow in deny", block(q{Access: ast.Deny}, file(q{Access: ast.AllowExplicit})), q{}, diag.CodeQualifiers},
		{"deny in allow", block(q{Access: ast.AllowExplicit}, file(q{Access: ast.Deny})), q{}, diag.CodeQualifiers},
		{"deny in prompt", block(q{Access: ast.Prompt}, block(q{Access: ast.Deny}, file(q{}))), q{}, diag.CodeQualifiers},
		{"priority", block(q{Priority: 1}, file(q{})), q{}, diag.CodeQualifier},
		{"x in deny", block(q{Access: ast.Deny}, &ast.FileRule{Path: "/a", Exec: ast.ExecDeny}), q{}, diag.CodePermissions},
		{"ix in deny", block(q{Access: ast.Deny}, &ast.FileRule{Path: "/a", Exec: ast.ExecInherit}), q{}, diag.CodePermissions},
		{"file in deny", block(q{Access: ast.Deny}, &ast.FileRule{All: true}), q{}, diag.CodePermissions},
	} {
		p, _, err := body(Options{}, tt.stmt)
		if tt.code != "" {
			wantCode(t, tt.name, err, tt.code)
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if len(p.Rules) != 1 {
			t.Errorf("%s: %d rules", tt.name, len(p.Rules))
			continue
		}
		if diff := cmp.Diff(tt.want, *p.Rules[0].Quals()); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
	}

	p, warnings, err := body(Options{Default: mustFeatures(t, "a {b}")}, block(q{Owner: ast.OnlyOwner}, file(q{Owner: ast.OnlyOther}), block(q{Owner: ast.OnlyOther}, file(q{}))))
	if err != nil || len(p.Rules) != 0 || len(warnings) != 2 || warnings[0].Code != diag.WarnNothing || warnings[1].Code != diag.WarnNothing {
		t.Errorf("owner and other: %+v, %v", warnings, err)
	}
	s, err := resolveFile(Options{}, &ast.Profile{Name: "t", Body: []ast.Stmt{
		block(q{Access: ast.Deny, Audit: true}, &ast.Profile{Name: "c", Body: []ast.Stmt{file(q{})}}),
	}})
	if err != nil || len(s.Profiles) != 2 || *s.Profiles[1].Rules[0].Quals() != (q{}) {
		t.Errorf("profile in a block: %+v, %v", s, err)
	}
}

func TestAliases(t *testing.T) {
	alias := func(from, to ast.Pattern) ast.Stmt { return &ast.Alias{From: from, To: to} }
	link := func(from, to ast.Pattern) ast.Rule { return &ast.LinkRule{From: from, To: to} }
	for _, tt := range []struct {
		name    string
		aliases []ast.Stmt
		rule    ast.Rule
		want    []string
	}{
		{"prefix", []ast.Stmt{alias("/a", "/b")}, read("/ax"), []string{"/ax", "/bx"}},
		{"not in an alternation", []ast.Stmt{alias("/a", "/b")}, read("/{a,x}"), []string{"/{a,x}"}},
		{"no chain", []ast.Stmt{alias("/a", "/b"), alias("/b", "/c")}, read("/a"), []string{"/a", "/b"}},
		{"several", []ast.Stmt{alias("/a", "/b"), alias("/a", "/c"), alias("/a/b", "/z")}, read("/a/b/c"), []string{"/a/b/c", "/b/b/c", "/c/b/c", "/z/c"}},
		{"before slashes are squeezed", []ast.Stmt{alias("/a/b", "/z//q")}, read("/a//b/c"), []string{"/a/b/c"}},
		{"slashes are squeezed after", []ast.Stmt{alias("/a/b", "/z//q/")}, read("/a/b/c"), []string{"/a/b/c", "/z/q/c"}},
		{"after variables", []ast.Stmt{set("V", "/a"), alias("/a", "/b")}, read("@{V}/x"), []string{"/a/x", "/b/x"}},
		{"variables in it are text", []ast.Stmt{set("V", "/a"), alias("/@{V}", "/b")}, read("/@{V}"), []string{"//a"}},
		{"link", []ast.Stmt{alias("/a", "/b")}, link("/a/1", "/a/2"), []string{"/a/1 -> /a/2", "/b/1 -> /b/2"}},
		{"link from", []ast.Stmt{alias("/a", "/b")}, link("/a/1", "/q"), []string{"/a/1 -> /q", "/b/1 -> /q"}},
		{"link to", []ast.Stmt{alias("/a", "/b")}, link("/q", "/a/2"), []string{"/q -> /a/2", "/q -> /b/2"}},
		{"file and link", []ast.Stmt{alias("/a", "/b")}, &ast.FileRule{Path: "/a/1", Perms: ast.FileRead | ast.FileLink, Link: "/a/2"},
			[]string{"/a/1 -> /a/2", "/b/1 -> /b/2"}},
		{"not in mount", []ast.Stmt{alias("/a", "/b")}, &ast.MountRule{Source: "/a", Target: "/a"}, []string{"mount"}},
		{"not in change_profile", []ast.Stmt{alias("/a", "/b")}, &ast.ChangeProfileRule{Exec: "/a", Target: "/a"}, []string{"change"}},
		{"twice the same", []ast.Stmt{alias("/a", "/b"), alias("/a", "/b")}, read("/a"), []string{"/a", "/b"}},
	} {
		s, err := resolveFile(Options{}, append(tt.aliases, &ast.Profile{Name: "/t", Body: []ast.Stmt{tt.rule}})...)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		var got []string
		for _, r := range s.Profiles[0].Rules {
			switch r := r.Rule.(type) {
			case *ast.FileRule:
				text := string(r.Path)
				if r.Link != "" {
					text += " -> " + string(r.Link)
				}
				got = append(got, text)
			case *ast.LinkRule:
				got = append(got, string(r.From+" -> "+r.To))
			case *ast.MountRule:
				got = append(got, "mount")
			case *ast.ChangeProfileRule:
				got = append(got, "change")
			}
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
	}
	for name, a := range map[string]ast.Stmt{"from": alias("a", "/b"), "to": alias("/a", "@{V}")} {
		_, err := resolveFile(Options{}, a)
		wantCode(t, name, err, diag.CodeRule)
	}
}

// TestExpandedFields checks where variables are expanded and where they are not.
func TestExpandedFields(t *testing.T) {
	all := []ast.Rule{
		&ast.FileRule{Path: "/@{V}//x", Perms: ast.FileRead | ast.FileLink, Link: "/@{V}//y"},
		&ast.FileRule{Path: "/@{V}", Exec: ast.ExecProfile, Target: "@{V}"},
		&ast.LinkRule{From: "/@{V}//x", To: "/@{V}//y"},
		&ast.NetworkRule{Local: ast.NetEnd{Interface: "@{V}", Label: "@{V}"}, Peer: ast.NetEnd{Label: "@{V}"}},
		&ast.UnixRule{Local: ast.UnixEnd{Addr: "@@{V}//x"}, Peer: ast.UnixEnd{Addr: "@@{V}", Label: "//@{V}//x"}},
		&ast.DBusRule{Bus: "@{V}", Path: "/@{V}//x", Interface: "@{V}", Member: "@{V}", PeerName: "@{V}", PeerLabel: "//x//@{V}"},
		&ast.DBusRule{Name: "@{V}"},
		&ast.SignalRule{Peer: "@{V}//x"},
		&ast.PtraceRule{Peer: "@{V}"},
		&ast.MountRule{Conds: []ast.MountCond{{Values: []ast.Pattern{"@{V}"}}}, Source: "/@{V}//x", Target: "/@{V}///"},
		&ast.PivotRootRule{OldRoot: "/@{V}//", NewRoot: "/@{V}//x", Target: "@{V}"},
		&ast.ChangeProfileRule{Exec: "/@{V}//x", Target: "@{V}//x"},
		&ast.MqueueRule{Name: "/@{V}", Label: "@{V}"},
		&ast.IOUringRule{Label: "@{V}"},
		&ast.CapabilityRule{Names: []string{"kill"}},
		&ast.UsernsRule{},
		&ast.AllRule{},
	}
	want := []ast.Rule{
		&ast.FileRule{Path: "/v/x", Perms: ast.FileRead | ast.FileLink, Link: "/v/y"},
		&ast.FileRule{Path: "/v", Exec: ast.ExecProfile, Target: "@{V}"},
		&ast.LinkRule{From: "/v/x", To: "/v/y"},
		&ast.NetworkRule{Local: ast.NetEnd{Interface: "@{V}", Label: "@{V}"}, Peer: ast.NetEnd{Label: "@{V}"}},
		&ast.UnixRule{Local: ast.UnixEnd{Addr: "@v/x"}, Peer: ast.UnixEnd{Addr: "@v", Label: "//v//x"}},
		&ast.DBusRule{Bus: "v", Path: "/v/x", Interface: "v", Member: "v", PeerName: "v", PeerLabel: "//x//v"},
		&ast.DBusRule{Name: "v"},
		&ast.SignalRule{Peer: "v//x"},
		&ast.PtraceRule{Peer: "v"},
		&ast.MountRule{Conds: []ast.MountCond{{Values: []ast.Pattern{"v"}}}, Source: "/v/x", Target: "/v/"},
		&ast.PivotRootRule{OldRoot: "/v/", NewRoot: "/v/x", Target: "@{V}"},
		&ast.ChangeProfileRule{Exec: "/v//x", Target: "v//x"},
		&ast.MqueueRule{Name: "/v", Label: "v"},
		&ast.IOUringRule{Label: "@{V}"},
		&ast.CapabilityRule{Names: []string{"kill"}},
		&ast.UsernsRule{},
		&ast.AllRule{},
	}
	p := &ast.Profile{Name: "/t"}
	for _, r := range all {
		p.Body = append(p.Body, r)
	}
	s, err := resolveFile(Options{}, set("V", "v"), p)
	if err != nil {
		t.Fatal(err)
	}
	var got []ast.Rule
	for _, r := range s.Profiles[0].Rules {
		got = append(got, r.Rule)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for i := range all {
		if all[i] == got[i] {
			t.Errorf("rule %d of the tree is shared", i)
		}
	}
	if path := all[0].(*ast.FileRule).Path; path != "/@{V}//x" {
		t.Errorf("the tree was changed: %q", path)
	}
}

func TestExecConflicts(t *testing.T) {
	file := func(path ast.Pattern, exec ast.Exec, edit ...func(*ast.FileRule)) ast.Stmt {
		r := &ast.FileRule{Path: path, Exec: exec}
		for _, f := range edit {
			f(r)
		}
		return r
	}
	scrub := func(r *ast.FileRule) { r.Scrub = true }
	to := func(target string) func(*ast.FileRule) { return func(r *ast.FileRule) { r.Target = target } }
	own := func(r *ast.FileRule) { r.Owner = ast.OnlyOwner }
	other := func(r *ast.FileRule) { r.Owner = ast.OnlyOther }
	prio := func(r *ast.FileRule) { r.Priority = 1 }
	audit := func(r *ast.FileRule) { r.Audit = true }
	deny := func(r *ast.FileRule) { r.Access, r.Exec = ast.Deny, ast.ExecDeny }
	change := func(exec, target ast.Pattern, s ast.Safety) ast.Stmt {
		return &ast.ChangeProfileRule{Exec: exec, Target: target, Safety: s}
	}
	for _, tt := range []struct {
		name  string
		stmts []ast.Stmt
		ok    bool
	}{
		{"px and ux", []ast.Stmt{file("/a", ast.ExecProfile), file("/a", ast.ExecUnconfined)}, false},
		{"px and Px", []ast.Stmt{file("/a", ast.ExecProfile), file("/a", ast.ExecProfile, scrub)}, false},
		{"px with and without a target", []ast.Stmt{file("/a", ast.ExecProfile), file("/a", ast.ExecProfile, to("b"))}, false},
		{"pix and px", []ast.Stmt{file("/a", ast.ExecProfileInherit), file("/a", ast.ExecProfile)}, false},
		{"the same", []ast.Stmt{file("/a", ast.ExecProfile), file("/a", ast.ExecProfile, audit)}, true},
		{"slashes", []ast.Stmt{file("/x//a", ast.ExecProfile), file("/x/a", ast.ExecInherit)}, false},
		{"patterns are for the compiler", []ast.Stmt{file("/*", ast.ExecProfile), file("/**", ast.ExecUnconfined)}, true},
		{"deny wins", []ast.Stmt{file("/a", ast.ExecProfile), file("/a", 0, deny)}, true},
		{"owner and other", []ast.Stmt{file("/a", ast.ExecProfile, own), file("/a", ast.ExecUnconfined, other)}, true},
		{"owner and both", []ast.Stmt{file("/a", ast.ExecProfile, own), file("/a", ast.ExecUnconfined)}, false},
		{"both and other", []ast.Stmt{file("/a", ast.ExecProfile), file("/a", ast.ExecUnconfined, other)}, false},
		{"priority", []ast.Stmt{file("/a", ast.ExecProfile), file("/a", ast.ExecUnconfined, prio)}, true},
		{"audit", []ast.Stmt{file("/a", ast.ExecProfile), file("/a", ast.ExecUnconfined, audit)}, false},
		{"child by its full name", []ast.Stmt{file("/a", ast.ExecChild, to("b")), file("/a", ast.ExecProfile, to("/t//b"))}, true},
		{"another child", []ast.Stmt{file("/a", ast.ExecChild, to("b")), file("/a", ast.ExecProfile, to("/t//c"))}, false},
		{"every file", []ast.Stmt{&ast.FileRule{All: true}, file("/{**,}", ast.ExecProfile)}, false},
		{"every file and a name", []ast.Stmt{&ast.FileRule{All: true}, file("/a", ast.ExecProfile)}, true},
		{"all", []ast.Stmt{&ast.AllRule{}, file("/{**,}", ast.ExecProfile)}, true},
		{"unsafe", []ast.Stmt{change("/a", "b", ast.Safe), change("/a", "b", ast.Unsafe)}, false},
		{"default is safe", []ast.Stmt{change("/a", "b", ast.SafetyDefault), change("/a", "b", ast.Safe)}, true},
		{"unsafe of another program", []ast.Stmt{change("/a", "b", ast.Safe), change("/*", "b", ast.Unsafe)}, true},
		{"change_profile and exec", []ast.Stmt{change("/a", "b", ast.Safe), file("/a", ast.ExecProfile)}, true},
	} {
		_, _, err := body(Options{}, tt.stmts...)
		if tt.ok && err != nil {
			t.Errorf("%s: %v", tt.name, err)
		} else if !tt.ok {
			wantCode(t, tt.name, err, diag.CodeExecConflict)
		}
	}
	_, err := resolveFile(Options{}, &ast.Alias{From: "/a", To: "/b"},
		&ast.Profile{Name: "t", Body: []ast.Stmt{file("/a", ast.ExecProfile), file("/b", ast.ExecUnconfined)}})
	wantCode(t, "by an alias", err, diag.CodeExecConflict)
	_, err = resolveFile(Options{}, set("V", "a"),
		&ast.Profile{Name: "t", Body: []ast.Stmt{file("/@{V}", ast.ExecProfile), file("/a", ast.ExecUnconfined)}})
	wantCode(t, "by a variable", err, diag.CodeExecConflict)
}

func TestCheckRule(t *testing.T) {
	type q = ast.Qualifiers
	net := func(f, ty, proto string) *ast.NetworkRule {
		return &ast.NetworkRule{Family: f, Type: ty, Protocol: proto}
	}
	local := func(e ast.NetEnd) *ast.NetworkRule { return &ast.NetworkRule{Local: e} }
	peer := func(p ast.NetPerm, e ast.NetEnd) *ast.NetworkRule { return &ast.NetworkRule{Perms: p, Peer: e} }
	options := func(in bool, v ...ast.Pattern) *ast.MountRule {
		return &ast.MountRule{Conds: []ast.MountCond{{Options: true, In: in, Values: v}}}
	}
	good := map[string]ast.Rule{
		"deny x":           &ast.FileRule{Qualifiers: q{Access: ast.Deny}, Path: "/a", Exec: ast.ExecDeny},
		"tcp":              net("", "", "tcp"),
		"inet icmp":        net("inet", "", "icmp"),
		"inet6 udp":        net("inet6", "", "udp"),
		"stream":           net("", "stream", ""),
		"unix packet":      net("unix", "packet", ""),
		"ip":               local(ast.NetEnd{IP: "1.2.3.4", Port: "0"}),
		"ip6":              local(ast.NetEnd{IP: "::ffff:1.2.3.4", Port: "80-90", Interface: "eth*"}),
		"no ip":            local(ast.NetEnd{IP: "none"}),
		"peer":             peer(ast.NetConnect|ast.NetSend, ast.NetEnd{IP: "::1"}),
		"unix":             &ast.UnixRule{Perms: ast.NetSend, Type: "dgram", Local: ast.UnixEnd{Addr: "@a"}, Peer: ast.UnixEnd{Addr: "none", Label: "l"}},
		"unix auto":        &ast.UnixRule{Perms: ast.NetBind, Local: ast.UnixEnd{Addr: "auto"}},
		"dbus service":     &ast.DBusRule{Perms: ast.DBusBind, Bus: "session", Name: "a"},
		"dbus message":     &ast.DBusRule{Perms: ast.DBusSend, Path: "/a", PeerName: "b"},
		"dbus eavesdrop":   &ast.DBusRule{Perms: ast.DBusEavesdrop, Bus: "session"},
		"signals":          &ast.SignalRule{Signals: []string{"hup", "rtmin+32", "exists"}},
		"mount":            options(true, "ro", "nosuid"),
		"change_profile":   &ast.ChangeProfileRule{Exec: "@{profile_name}", Safety: ast.Unsafe},
		"mqueue":           &ast.MqueueRule{Name: "/a*"},
		"mqueue sysv":      &ast.MqueueRule{Type: "sysv", Name: "0"},
		"mqueue of a type": &ast.MqueueRule{Type: "posix"},
		"priority":         &ast.UnixRule{Qualifiers: q{Priority: -1000}},
		"new capability":   &ast.CapabilityRule{Names: []string{"chown", "teleport"}},
	}
	bad := map[string]struct {
		code diag.Code
		rule ast.Rule
	}{
		"x":                   {diag.CodePermissions, &ast.FileRule{Path: "/a", Exec: ast.ExecDeny}},
		"deny ix":             {diag.CodePermissions, &ast.FileRule{Qualifiers: q{Access: ast.Deny}, Path: "/a", Exec: ast.ExecInherit}},
		"deny file":           {diag.CodePermissions, &ast.FileRule{Qualifiers: q{Access: ast.Deny}, All: true}},
		"no path":             {diag.CodePath, &ast.FileRule{Perms: ast.FileRead}},
		"no perms":            {diag.CodePermissions, &ast.FileRule{Path: "/a"}},
		"w and a":             {diag.CodePermissions, &ast.FileRule{Path: "/a", Perms: ast.FileWrite | ast.FileAppend}},
		"safe without exec":   {diag.CodePermissions, &ast.FileRule{Path: "/a", Perms: ast.FileRead, Scrub: true}},
		"link without l":      {diag.CodePermissions, &ast.FileRule{Path: "/a", Perms: ast.FileRead, Link: "/b"}},
		"link to nowhere":     {diag.CodePath, &ast.LinkRule{From: "/a"}},
		"capability":          {diag.CodeCapability, &ast.CapabilityRule{Names: []string{"CHOWN"}}},
		"family":              {diag.CodeNetwork, net("local", "", "")},
		"type":                {diag.CodeNetwork, net("inet", "dccp", "")},
		"protocol":            {diag.CodeNetwork, net("inet", "", "dccp")},
		"type and protocol":   {diag.CodeNetwork, net("inet", "stream", "tcp")},
		"inet6 icmp":          {diag.CodeNetwork, net("inet6", "", "icmp")},
		"unix tcp":            {diag.CodeNetwork, net("unix", "", "tcp")},
		"cidr":                {diag.CodeAddress, local(ast.NetEnd{IP: "1.2.3.4/24"})},
		"short ip":            {diag.CodeAddress, local(ast.NetEnd{IP: "1.2.3"})},
		"zone":                {diag.CodeAddress, local(ast.NetEnd{IP: "fe80::1%eth0"})},
		"range":               {diag.CodeAddress, local(ast.NetEnd{Port: "90-80"})},
		"big port":            {diag.CodeAddress, local(ast.NetEnd{Port: "65536"})},
		"port's name":         {diag.CodeAddress, local(ast.NetEnd{Port: "http"})},
		"sign":                {diag.CodeAddress, local(ast.NetEnd{Port: "+1"})},
		"half range":          {diag.CodeAddress, local(ast.NetEnd{Port: "1-"})},
		"peer's interface":    {diag.CodeCondition, peer(0, ast.NetEnd{Interface: "eth0"})},
		"bind to a peer":      {diag.CodeRule, peer(ast.NetBind, ast.NetEnd{Port: "80"})},
		"port of unix":        {diag.CodeCondition, &ast.NetworkRule{Family: "unix", Local: ast.NetEnd{Port: "1"}}},
		"priority of network": {diag.CodeQualifier, &ast.NetworkRule{Qualifiers: q{Priority: 5}}},
		"priority of all":     {diag.CodeQualifier, &ast.AllRule{Qualifiers: q{Priority: 5}}},
		"priority":            {diag.CodeQualifier, &ast.UnixRule{Qualifiers: q{Priority: 1001}}},
		"owner of unix":       {diag.CodeQualifier, &ast.UnixRule{Qualifiers: q{Owner: ast.OnlyOwner}}},
		"owner of change":     {diag.CodeQualifier, &ast.ChangeProfileRule{Qualifiers: q{Owner: ast.OnlyOther}}},
		"audit of rlimit":     {diag.CodeQualifier, &ast.RlimitRule{Qualifiers: q{Audit: true}, Name: "as", Value: "1"}},
		"unix type":           {diag.CodeNetwork, &ast.UnixRule{Type: "foo"}},
		"unix addr":           {diag.CodeAddress, &ast.UnixRule{Local: ast.UnixEnd{Addr: "/foo"}}},
		"unix label":          {diag.CodeCondition, &ast.UnixRule{Local: ast.UnixEnd{Label: "foo"}}},
		"unix bind to a peer": {diag.CodeRule, &ast.UnixRule{Perms: ast.NetBind, Peer: ast.UnixEnd{Label: "foo"}}},
		"dbus mixture":        {diag.CodeRule, &ast.DBusRule{Name: "a", Path: "/b"}},
		"dbus send to name":   {diag.CodeRule, &ast.DBusRule{Perms: ast.DBusSend, Name: "a"}},
		"dbus bind path":      {diag.CodeRule, &ast.DBusRule{Perms: ast.DBusBind, Path: "/a"}},
		"dbus eavesdrop path": {diag.CodeRule, &ast.DBusRule{Perms: ast.DBusEavesdrop, Path: "/a"}},
		"signal":              {diag.CodeSignal, &ast.SignalRule{Signals: []string{"HUP"}}},
		"signal rtmin":        {diag.CodeSignal, &ast.SignalRule{Signals: []string{"rtmin+33"}}},
		"mount option":        {diag.CodeMountFlag, options(false, "ro,nosuid")},
		"mount variable":      {diag.CodeMountFlag, options(false, "@{V}")},
		"umount option":       {diag.CodeMountFlag, &ast.MountRule{Op: ast.OpUmount, Conds: []ast.MountCond{{Options: true, Values: []ast.Pattern{"foo"}}}}},
		"umount source":       {diag.CodeRule, &ast.MountRule{Op: ast.OpUmount, Source: "/a"}},
		"unsafe, no program":  {diag.CodeRule, &ast.ChangeProfileRule{Safety: ast.Unsafe}},
		"program's name":      {diag.CodePath, &ast.ChangeProfileRule{Exec: "b"}},
		"mqueue type":         {diag.CodeCondition, &ast.MqueueRule{Type: "foo"}},
		"mqueue name":         {diag.CodeCondition, &ast.MqueueRule{Name: "a"}},
		"mqueue variable":     {diag.CodeCondition, &ast.MqueueRule{Name: "@{V}"}},
		"mqueue sign":         {diag.CodeCondition, &ast.MqueueRule{Name: "-1"}},
		"mqueue sysv path":    {diag.CodeCondition, &ast.MqueueRule{Type: "sysv", Name: "/a"}},
		"mqueue posix number": {diag.CodeCondition, &ast.MqueueRule{Type: "posix", Name: "1"}},
		"rlimit":              {diag.CodeRlimit, &ast.RlimitRule{Name: "as", Value: "x"}},
	}
	opts := Options{Kernel: mustFeatures(t, "caps {mask {teleport}}")}
	for name, rule := range good {
		if _, _, err := body(opts, rule); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, c := range bad {
		_, _, err := body(opts, c.rule)
		if list := (diag.List)(nil); !errors.As(err, &list) || list[0].Code != c.code {
			t.Errorf("%s: %v, want %s", name, err, c.code)
		}
	}
	_, _, err := body(opts, &ast.CapabilityRule{Names: []string{"net_admn"}})
	if list := (diag.List)(nil); !errors.As(err, &list) || list[0].Hint == "" || list[0].Text != "net_admn" || list[0].Profile != "/t" {
		t.Errorf("misspelled capability: %+v", err)
	}
}

func TestWarnings(t *testing.T) {
	for name, tt := range map[string]struct {
		stmt  ast.Stmt
		code  diag.Code
		class diag.Class
	}{
		"ux":            {&ast.FileRule{Path: "/a", Exec: ast.ExecUnconfined}, diag.WarnUnconfinedExec, diag.ClassDangerous},
		"cpu":           {&ast.RlimitRule{Name: "cpu", Value: "1"}, diag.WarnRlimitUnit, diag.ClassMissing},
		"rttime":        {&ast.RlimitRule{Name: "rttime", Value: "1"}, diag.WarnRlimitUnit, diag.ClassMissing},
		"audit":         {&ast.ChangeProfileRule{Qualifiers: ast.Qualifiers{Audit: true}}, diag.WarnDowngraded, diag.ClassRuleDowngraded},
		"deny":          {&ast.ChangeProfileRule{Qualifiers: ast.Qualifiers{Access: ast.Deny}}, diag.WarnDowngraded, diag.ClassRuleDowngraded},
		"audit deny":    {&ast.ChangeProfileRule{Qualifiers: ast.Qualifiers{Access: ast.Deny, Audit: true}}, "", ""},
		"comma":         {read("/@{a,b}"), diag.WarnVariableComma, diag.ClassDeprecated},
		"Ux":            {&ast.FileRule{Path: "/a", Exec: ast.ExecUnconfined, Scrub: true}, "", ""},
		"cpu with unit": {&ast.RlimitRule{Name: "cpu", Value: "1", Unit: "s"}, "", ""},
		"escaped comma": {read(`/\@{a,b}`), "", ""},
	} {
		_, warnings, err := body(Options{Default: mustFeatures(t, "a {b}")}, tt.stmt)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if tt.code == "" {
			if len(warnings) != 0 {
				t.Errorf("%s: %+v", name, warnings)
			}
		} else if len(warnings) != 1 || warnings[0].Code != tt.code || warnings[0].Class != tt.class || warnings[0].Severity != diag.Warning {
			t.Errorf("%s: %+v", name, warnings)
		}
	}
}
