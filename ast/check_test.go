// SPDX-License-Identifier: Apache-2.0

package ast_test

import (
	"errors"
	"testing"

	"github.com/goarmor/apparmor/ast"
)

func TestCheckAccepts(t *testing.T) {
	for _, n := range []ast.Node{
		tree(),
		&ast.Include{Path: "abstractions/base"},
		&ast.Include{Path: "a>\nfile,"},
		&ast.Include{Path: `\"a`},
		&ast.ABI{Path: " a"},
		&ast.Include{Path: "/etc/a b", Kind: ast.IncludeQuoted},
		&ast.FileRule{All: true},
		&ast.FileRule{Path: "foo", Perms: ast.FileRead},
		&ast.FileRule{Path: "/a", Perms: ast.FileRead | ast.FileLink, Link: "/b"},
		&ast.FileRule{Path: "/a", Exec: ast.ExecProfile, Scrub: true, Target: "a\nb"},
		&ast.ChangeProfileRule{},
		&ast.MountRule{Detached: true, Target: "/a"},
		&ast.MqueueRule{Name: "17"},
		&ast.RlimitRule{Name: "nice", Value: "-5"},
		&ast.NetworkRule{Family: "inet", Local: ast.NetEnd{IP: "fe80::1", Port: "1-2"}},
		&ast.Comment{},
		&ast.Bad{},
		&ast.MountCond{Values: []ast.Pattern{"ro"}},
	} {
		if n, ok := n.(*ast.File); ok {
			for m := range ast.All(n) {
				if c, ok := m.(*ast.MountCond); ok {
					c.Values = []ast.Pattern{"ro"}
				}
			}
		}
		if err := ast.Check(n); err != nil {
			t.Errorf("%T: %v", n, err)
		}
	}
}

func TestCheckRefuses(t *testing.T) {
	prio, owner := ast.Qualifiers{Priority: 1}, ast.Qualifiers{Owner: ast.OnlyOwner}
	deep := ast.Stmt(&ast.AllRule{})
	for range 1000 {
		deep = &ast.Block{Body: []ast.Stmt{deep}}
	}
	for _, tt := range []struct {
		field string // of the error
		n     ast.Node
	}{
		{"", nil},
		{"", &ast.File{Stmts: []ast.Stmt{deep}}},
		{"Stmts", &ast.File{Stmts: []ast.Stmt{nil}}},
		{"Path", &ast.Include{}},
		{"Path", &ast.Include{Path: `a"`}},
		{"Path", &ast.ABI{Path: "a\x00"}},
		{"Path", &ast.ABI{Kind: ast.IncludeQuoted}},
		{"Path", &ast.Include{}},
		{"Path", &ast.Include{Kind: ast.IncludeQuoted, Path: `a\`}},
		{"Path", &ast.Include{Kind: ast.IncludeBare, Path: `a\b c`}},
		{"Path", &ast.ABI{Kind: ast.IncludeBare, Path: `a\`}},
		{"Path", &ast.ABI{Kind: ast.IncludeBare, Path: `a\\`}},
		{"Path", &ast.ABI{Kind: ast.IncludeBare, Path: `a\b c`}},
		{"Path", &ast.ABI{Kind: ast.IncludeBare, Path: `/->\#`}},
		{"Path", &ast.ABI{Kind: ast.IncludeBare, Path: `/a<\#`}},
		{"Path", &ast.Include{Kind: ast.IncludeBare, Path: `/a>\#`}},
		{"Path", &ast.ABI{Kind: ast.IncludeBare, Path: `a\b,,c`}},
		{"Path", &ast.ABI{Path: `a"`, Kind: ast.IncludeQuoted}},
		{"Kind", &ast.Include{Path: "a", Kind: ast.IncludeBare + 1}},
		{"To", &ast.Alias{From: "/a"}},
		{"From", &ast.Alias{From: "a", To: "/b"}},
		{"Name", &ast.VarAssign{Name: "a b", Values: []ast.Pattern{"x"}}},
		{"Name", &ast.VarAssign{Name: "1", Values: []ast.Pattern{"x"}}},
		{"Values", &ast.VarAssign{Name: "a"}},
		{"Values", &ast.VarAssign{Name: "a", Values: []ast.Pattern{"\\"}}},
		{"Op", &ast.VarAssign{Name: "a", Values: []ast.Pattern{"x"}, Op: ast.AssignReplace + 1}},
		{"Op", &ast.BoolAssign{Name: "a", Op: ast.AssignAdd, Value: &ast.BoolLit{}}},
		{"Value", &ast.BoolAssign{Name: "a"}},
		{"Name", &ast.BoolAssign{Name: "a", Value: &ast.BoolVar{Name: "{"}}},
		{"X", &ast.BinaryExpr{}},
		{"Y", &ast.BinaryExpr{X: &ast.BoolLit{}}},
		{"X", &ast.NotExpr{}},
		{"X", &ast.ParenExpr{}},
		{"Name", &ast.DefinedExpr{}},
		{"X", &ast.CompareExpr{X: "\x00"}},
		{"Op", &ast.CompareExpr{Op: ast.CompareLessEqual + 1}},
		{"Name", &ast.Profile{}},
		{"Name", &ast.Profile{Name: ":ns:a"}},
		{"Name", &ast.Profile{Name: "&a"}},
		{"Name", &ast.Profile{Name: "a", Kind: ast.KindPath}},
		{"Name", &ast.Profile{Name: "//a", Namespace: "ns"}},
		{"Namespace", &ast.Profile{Name: "a", Namespace: "n:s"}},
		{"Attachment", &ast.Profile{Name: "a", Attachment: "flags=(complain)"}},
		{"Kind", &ast.Profile{Name: "a", Kind: ast.KindHat + 1}},
		{"Name", &ast.Profile{Name: "a", Xattrs: []ast.Xattr{{Name: "a)"}}}},
		{"Value", &ast.Xattr{Name: "a", Value: "\\"}},
		{"Value", &ast.Xattr{Name: "a", HasValue: true}},
		{"Name", &ast.Xattr{Name: "a:", Value: "b"}},
		{"Name", &ast.Profile{Name: "a", Flags: []ast.Flag{{Name: "a,b"}}}},
		{"Name", &ast.Flag{Name: "quiet"}},
		{"Value", &ast.Flag{Name: "error", Value: "\\n"}},
		{"Value", &ast.Flag{Name: "error", Value: "EFOO"}},
		{"Value", &ast.Flag{Name: "error"}},
		{"Value", &ast.Flag{Name: "kill.signal", Value: "SIGKILL"}},
		{"Value", &ast.Flag{Name: "attach_disconnected.path", Value: "a"}},
		{"Value", &ast.Flag{Name: "audit", Value: "a"}},
		{"Flags", &ast.Profile{Name: "a", Flags: []ast.Flag{{Name: "audit"}, {Name: "audit"}}}},
		{"Flags", &ast.Profile{Name: "a", Flags: []ast.Flag{{Name: "kill"}, {Name: "audit"}, {Name: "complain"}}}},
		{"Xattrs", &ast.Profile{Kind: ast.KindHat, Name: "a", Xattrs: []ast.Xattr{{Name: "b"}}}},
		{"", &ast.Profile{Name: "a", Body: []ast.Stmt{&ast.Alias{From: "/a", To: "/b"}}}},
		{"", &ast.Block{Body: []ast.Stmt{&ast.VarAssign{Name: "a", Values: []ast.Pattern{"b"}}}}},
		{"Kind", &ast.Profile{Name: "a", Body: []ast.Stmt{&ast.Profile{Kind: ast.KindPath, Name: "/b"}}}},
		{"", &ast.File{Stmts: []ast.Stmt{&ast.Profile{Name: "a"}, &ast.Alias{From: "/a", To: "/b"}}}},
		{"", &ast.File{Stmts: []ast.Stmt{&ast.AllRule{}, &ast.Alias{From: "/a", To: "/b"}}}},
		{"Access", &ast.Block{Qualifiers: ast.Qualifiers{Access: ast.Deny}, Body: []ast.Stmt{&ast.AllRule{Qualifiers: ast.Qualifiers{Access: ast.Prompt}}}}},
		{"All", &ast.Block{Qualifiers: ast.Qualifiers{Access: ast.Deny}, Body: []ast.Stmt{&ast.If{Cond: &ast.BoolLit{}, Then: []ast.Stmt{&ast.FileRule{All: true}}}}}},
		{"Identities", &ast.Profile{Name: "a", Identities: []ast.Pattern{""}}},
		{"Identities", &ast.Profile{Name: "a", Identities: []ast.Pattern{"a b"}}},
		{"Body", &ast.Profile{Name: "a", Body: []ast.Stmt{nil}}},
		{"Priority", &ast.Block{Qualifiers: prio}},
		{"Cond", &ast.If{}},
		{"Else", &ast.If{Cond: &ast.BoolLit{}, ElseIf: true}},
		{"Else", &ast.If{Cond: &ast.BoolLit{}, ElseIf: true, Else: []ast.Stmt{&ast.AllRule{}}}},
		{"Text", &ast.Comment{Text: "a\nfile,"}},
		{"Path", &ast.FileRule{Perms: ast.FileRead}},
		{"Path", &ast.FileRule{Path: "network", Perms: ast.FileRead}},
		{"Path", &ast.FileRule{Path: "rw", Perms: ast.FileRead}},
		{"Path", &ast.FileRule{Path: "*", Perms: ast.FileRead}},
		{"Path", &ast.FileRule{Path: "/a\\", Perms: ast.FileRead}},
		{"Perms", &ast.FileRule{Path: "/a"}},
		{"Perms", &ast.FileRule{Path: "/a", Perms: ast.FileWrite | ast.FileAppend}},
		{"Perms", &ast.FileRule{Path: "/a", Perms: 1 << 6}},
		{"Exec", &ast.FileRule{Path: "/a", Exec: ast.ExecChildUnconfined + 1}},
		{"Exec", &ast.FileRule{Path: "/a", Exec: ast.ExecDeny}},
		{"Exec", &ast.FileRule{Path: "/a", Exec: ast.ExecProfile, Qualifiers: ast.Qualifiers{Access: ast.Deny}}},
		{"Target", &ast.FileRule{Path: "/a", Perms: ast.FileLink | ast.FileRead, Target: "b"}},
		{"Scrub", &ast.FileRule{Path: "/a", Perms: ast.FileRead, Scrub: true}},
		{"Target", &ast.FileRule{Path: "/a", Exec: ast.ExecProfile, Target: "\\"}},
		{"Link", &ast.FileRule{Path: "/a", Perms: ast.FileRead, Link: "/b"}},
		{"Link", &ast.FileRule{Path: "/a", Perms: ast.FileLink, Link: "/b"}},
		{"Link", &ast.FileRule{Path: "/a", Perms: ast.FileLink | ast.FileRead, Exec: ast.ExecInherit, Link: "/b"}},
		{"All", &ast.FileRule{All: true, Path: "/a"}},
		{"All", &ast.FileRule{All: true, Perms: ast.FileRead}},
		{"Access", &ast.FileRule{All: true, Qualifiers: ast.Qualifiers{Access: ast.Prompt + 1}}},
		{"Owner", &ast.FileRule{All: true, Qualifiers: ast.Qualifiers{Owner: ast.OnlyOther + 1}}},
		{"Priority", &ast.FileRule{All: true, Qualifiers: ast.Qualifiers{Priority: 1001}}},
		{"From", &ast.LinkRule{To: "/a"}},
		{"To", &ast.LinkRule{From: "/a", To: "\\"}},
		{"To", &ast.LinkRule{From: "/a"}},
		{"Names", &ast.CapabilityRule{Names: []string{"chown,"}}},
		{"Names", &ast.CapabilityRule{Names: []string{""}}},
		{"Owner", &ast.CapabilityRule{Qualifiers: owner}},
		{"Priority", &ast.NetworkRule{Qualifiers: prio}},
		{"Family", &ast.NetworkRule{Family: "inet stream"}},
		{"Perms", &ast.NetworkRule{Perms: 1 << 12}},
		{"Type", &ast.NetworkRule{Type: "packet"}},
		{"Type", &ast.NetworkRule{Type: "dccp"}},
		{"Protocol", &ast.NetworkRule{Type: "stream", Protocol: "tcp"}},
		{"Protocol", &ast.NetworkRule{Family: "inet6", Protocol: "icmp"}},
		{"Local", &ast.NetworkRule{Family: "unix", Local: ast.NetEnd{Port: "1"}}},
		{"Peer", &ast.NetworkRule{Family: "unix", Peer: ast.NetEnd{Label: "a"}}},
		{"Perms", &ast.NetworkRule{Perms: ast.NetBind, Peer: ast.NetEnd{Port: "1"}}},
		{"Local.IP", &ast.NetworkRule{Local: ast.NetEnd{IP: "1.2.3.4,"}}},
		{"Local.IP", &ast.NetworkRule{Local: ast.NetEnd{IP: "fe80::1%eth0"}}},
		{"Local.Port", &ast.NetworkRule{Local: ast.NetEnd{Port: "2-1"}}},
		{"Local.Port", &ast.NetworkRule{Local: ast.NetEnd{Port: "080"}}},
		{"Peer.Port", &ast.NetworkRule{Peer: ast.NetEnd{Port: "65536"}}},
		{"Local.Addr", &ast.UnixRule{Local: ast.UnixEnd{Addr: "/run/x"}}},
		{"Perms", &ast.UnixRule{Perms: ast.NetBind, Peer: ast.UnixEnd{Label: "a"}}},
		{"Peer.Label", &ast.NetworkRule{Peer: ast.NetEnd{Label: "\\"}}},
		{"Peer.Interface", &ast.NetworkRule{Peer: ast.NetEnd{Interface: "eth0"}}},
		{"Local.Label", &ast.UnixRule{Local: ast.UnixEnd{Label: "a"}}},
		{"Type", &ast.UnixRule{Type: "a)"}},
		{"Perms", &ast.DBusRule{Perms: 1 << 4}},
		{"Name", &ast.DBusRule{Name: "a", PeerName: "b"}},
		{"Perms", &ast.DBusRule{Name: "a", Perms: ast.DBusSend}},
		{"Perms", &ast.DBusRule{Path: "a", Perms: ast.DBusBind}},
		{"Perms", &ast.DBusRule{Path: "a", Perms: ast.DBusEavesdrop}},
		{"PeerLabel", &ast.DBusRule{PeerLabel: "\\t"}},
		{"Signals", &ast.SignalRule{Signals: []string{"hup)"}}},
		{"Perms", &ast.PtraceRule{Perms: 1 << 4}},
		{"Source", &ast.MountRule{Source: "/a", Detached: true}},
		{"Source", &ast.MountRule{Source: "detached"}},
		{"Source", &ast.MountRule{Op: ast.OpUmount, Source: "/a"}},
		{"Detached", &ast.MountRule{Op: ast.OpRemount, Detached: true}},
		{"Op", &ast.MountRule{Op: ast.OpUmount + 1}},
		{"Values", &ast.MountRule{Conds: []ast.MountCond{{}}}},
		{"Conds", &ast.MountRule{Conds: []ast.MountCond{{Options: true, Values: []ast.Pattern{"ro,nosuid"}}}}},
		{"Conds", &ast.MountRule{Conds: []ast.MountCond{{Options: true, Values: []ast.Pattern{"async", "dev", "sync"}}}}},
		{"Conds", &ast.MountRule{Conds: []ast.MountCond{{Options: true, Values: []ast.Pattern{"w", "read-only"}}}}},
		{"Target", &ast.PivotRootRule{Target: "\\"}},
		{"Exec", &ast.ChangeProfileRule{Exec: "a"}},
		{"Safety", &ast.ChangeProfileRule{Safety: ast.Safe}},
		{"Owner", &ast.ChangeProfileRule{Qualifiers: owner}},
		{"Qualifiers", &ast.RlimitRule{Name: "cpu", Value: "1", Qualifiers: ast.Qualifiers{Audit: true}}},
		{"Value", &ast.RlimitRule{Name: "cpu"}},
		{"Unit", &ast.RlimitRule{Name: "cpu", Value: "1", Unit: "s,"}},
		{"Name", &ast.RlimitRule{Name: "cpus", Value: "1"}},
		{"Value", &ast.RlimitRule{Name: "cpu", Value: "1", Unit: "ms"}},
		{"Value", &ast.RlimitRule{Name: "nofile", Value: "-1"}},
		{"Value", &ast.RlimitRule{Name: "nice", Value: "20"}},
		{"Unit", &ast.RlimitRule{Name: "nofile", Value: "1", Unit: "K"}},
		{"Unit", &ast.RlimitRule{Name: "nice", Value: "1", Unit: "s"}},
		{"Unit", &ast.RlimitRule{Name: "as", Value: "1", Unit: "B"}},
		{"Unit", &ast.RlimitRule{Name: "as", Value: "infinity", Unit: "1"}},
		{"Name", &ast.MqueueRule{Name: "a"}},
		{"Name", &ast.MqueueRule{Name: "/a", Type: "sysv"}},
		{"Name", &ast.MqueueRule{Name: "1", Type: "posix"}},
		{"Type", &ast.MqueueRule{Type: "mach"}},
		{"Perms", &ast.MqueueRule{Perms: 1 << 7}},
		{"Perms", &ast.IOUringRule{Perms: 1 << 2}},
		{"Owner", &ast.UsernsRule{Qualifiers: owner}},
		{"Priority", &ast.AllRule{Qualifiers: prio}},
	} {
		err := ast.Check(tt.n)
		var ce *ast.CheckError
		if !errors.As(err, &ce) {
			t.Errorf("%T with a bad %s: %v", tt.n, tt.field, err)
		} else if ce.Field != tt.field {
			t.Errorf("%T: field %q, want %q: %v", tt.n, ce.Field, tt.field, err)
		} else if ce.Error() == "" || ce.Problem == "" {
			t.Errorf("%T: empty message", tt.n)
		}
	}
}

func TestCheckAllocatesNothing(t *testing.T) {
	n := &ast.FileRule{Path: `/a\*b`, Perms: ast.FileRead, Exec: ast.ExecProfile, Target: "t"}
	var err error
	if got := testing.AllocsPerRun(100, func() { err = errors.Join(err, ast.Check(n)) }); got != 0 || err != nil {
		t.Errorf("%v allocations, %v", got, err)
	}
}
