// SPDX-License-Identifier: Apache-2.0

package parser

import (
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/internal/treetest"
)

// noSpans compares trees by their meaning.
var noSpans = cmp.Options{
	cmpopts.IgnoreTypes(ast.Span{}),
	cmp.FilterPath(func(p cmp.Path) bool {
		name := p.Last().String()
		return name == ".Open" || name == ".Close"
	}, cmp.FilterValues(func(a, b ast.Pos) bool { return true }, cmp.Ignore())),
}

func TestParseRule(t *testing.T) {
	type q = ast.Qualifiers
	for _, c := range []struct {
		want ast.Rule
		src  []string // spellings of one rule
	}{
		// Files.
		{&ast.FileRule{Path: "/a", Perms: ast.FileRead | ast.FileWrite}, []string{
			"/a rw,", "rw /a,", "file /a wr,", "file rw /a ,", "\"/a\" rw,", "/a\n rrww #c\n,", "/a RW,", `/\x61 rw,`, `"/\141" rw,`, `/\d97 rw,`,
		}},
		{&ast.FileRule{Path: "/a,b", Perms: ast.FileRead}, []string{"/a,b r,"}},
		{&ast.FileRule{Path: "/a b", Perms: ast.FileRead}, []string{`"/a b" r,`, `/a\x20b r,`}},
		{&ast.FileRule{Path: `/a\ b`, Perms: ast.FileRead}, []string{`/a\ b r,`}},
		{&ast.FileRule{Path: `/\*\\`, Perms: ast.FileRead}, []string{`"/\x2a\\" r,`, `"/\*\\" r,`}},
		{&ast.FileRule{Path: "@{V}", Perms: ast.FileRead}, []string{"@{V} r,"}},
		{&ast.FileRule{Path: "@{V}/{a,b}/**", Perms: ast.FileRead}, []string{"@{V}/{a,b}/** r,"}},
		{&ast.FileRule{Path: "foo", Perms: ast.FileRead}, []string{"foo r,", "r foo,", "file foo r,"}},
		{&ast.FileRule{All: true}, []string{"file,", "file ,"}},
		{&ast.FileRule{Qualifiers: q{Priority: -5, Audit: true, Access: ast.Deny, Owner: ast.OnlyOwner}, Path: "/a", Perms: ast.FileLock, Exec: ast.ExecDeny}, []string{
			"priority=-5 audit deny owner /a kx,", "priority = -5 audit deny user xk /a,", "priority=-005 audit deny owner file /a kx,",
		}},
		{&ast.FileRule{Qualifiers: q{Priority: -1000}, Path: "/a", Perms: ast.FileRead}, []string{"priority=-1000 /a r,"}},
		{&ast.FileRule{Qualifiers: q{Priority: 1000}, Path: "/a", Perms: ast.FileRead}, []string{"priority=1000 /a r,", "priority=+1000 /a r,"}},
		{&ast.FileRule{Path: "/a", Exec: ast.ExecProfile, Target: "b"}, []string{"/a px -> b,", "px /a -> b,", "unsafe /a px -> b,", "unsafe /a Px -> \"b\","}},
		{&ast.FileRule{Path: "/a", Exec: ast.ExecProfileUnconfined, Scrub: true}, []string{"/a PUx,", "/a Pux,", "PUx /a,", "safe /a pux,", "file safe /a pUx,"}},
		{&ast.FileRule{Path: "/a", Perms: ast.FileMmap, Exec: ast.ExecInherit}, []string{"/a mix,", "/a ixm,", "/a mixix,", "/a mIX,", "safe /a mix,"}},
		{&ast.FileRule{Path: "/a", Perms: ast.FileRead | ast.FileLink, Link: "/b"}, []string{"rl /a -> /b,", "/a rl -> /b,"}},
		{&ast.FileRule{Path: "/a", Perms: ast.FileLink, Exec: ast.ExecProfile, Target: "b"}, []string{"/a lpx -> b,"}},
		{&ast.FileRule{Path: "/a", Perms: ast.FileLink}, []string{"/a l,", "l /a,"}},
		{&ast.LinkRule{From: "/a", To: "/b"}, []string{"link /a -> /b,", "l /a -> /b,", "/a l -> /b,", "file l /a -> \"/b\","}},
		{&ast.LinkRule{Subset: true, From: "/a", To: "/b"}, []string{"link subset /a -> /b,", "l subset /a -> /b,"}},
		// Capabilities and limits.
		{&ast.CapabilityRule{}, []string{"capability,"}},
		{&ast.CapabilityRule{Names: []string{"chown", "kill"}}, []string{"capability chown kill,", "capability # c\n chown\n kill ,"}},
		{&ast.RlimitRule{Name: "cpu", Value: "5", Unit: "min"}, []string{"set rlimit cpu <= 5min,", "set rlimit cpu<=5 min ,"}},
		{&ast.RlimitRule{Name: "nice", Value: "-20"}, []string{"set rlimit nice <= -20,"}},
		{&ast.RlimitRule{Name: "as", Value: "infinity"}, []string{"set rlimit as <= infinity,"}},
		// Network.
		{&ast.NetworkRule{}, []string{"network,"}},
		{&ast.NetworkRule{Qualifiers: q{Access: ast.AllowExplicit}, Family: "inet", Type: "stream"}, []string{"allow network inet stream,"}},
		{&ast.NetworkRule{Family: "packet"}, []string{"network packet,"}},
		{&ast.NetworkRule{Protocol: "tcp"}, []string{"network tcp,"}},
		{&ast.NetworkRule{Perms: ast.NetSend | ast.NetReceive, Family: "inet6", Local: ast.NetEnd{IP: "::1", Port: "1-2", Interface: "eth*"}, Peer: ast.NetEnd{IP: "none", Label: "x"}}, []string{
			"network (send, receive) inet6 ip=::1 port=1-2 interface=eth* peer=(ip=none label=x),",
			"network rw inet6 interface=(eth*) ip=(::1) port = 01-+2 peer=(label:=x,ip=(none)),",
		}},
		// IPC.
		{&ast.UnixRule{Perms: ast.NetSend | ast.NetReceive, Type: "dgram", Local: ast.UnixEnd{Addr: "@a*"}, Peer: ast.UnixEnd{Addr: "none", Label: "b{c,d}"}}, []string{
			`unix (send receive) type=dgram addr=@a* peer=(addr=none label="b{c,d}"),`, `unix rw addr=(@a*) type=(dgram) peer=(label="b{c,d}", addr=none),`,
		}},
		{&ast.DBusRule{Perms: ast.DBusSend, Bus: "session", Path: "/a", Interface: "i", Member: "{A,B}", PeerName: "a|b", PeerLabel: "l"}, []string{
			`dbus send bus=session path=/a interface=i member={A,B} peer=(name=(a|b), label=l),`,
			"dbus (w)\n bus=\"session\"\n path=/a\n interface=i\n member={A,B}\n peer=(name=\"a|b\" label=l) ,",
		}},
		{&ast.DBusRule{Name: nothing}, []string{`dbus name="",`}},
		{&ast.SignalRule{Perms: ast.SignalSend, Signals: []string{"hup", "rtmin+3", "rtmin+0"}, Peer: "a,b"}, []string{
			"signal send set=(hup, rtmin+3) set=rtmin+ peer=a,b,", "signal (w) peer=a,b set=(hup rtmin+03 rtmin+0),",
		}},
		{&ast.PtraceRule{Perms: ast.PtraceRead | ast.PtraceTrace, Peer: ":ns:a"}, []string{"ptrace (read, trace) peer=:ns:a,", "ptrace rw peer=:ns:a,"}},
		{&ast.MqueueRule{Perms: ast.MqueueRead | ast.MqueueWrite, Type: "posix", Label: "l", Name: "/a"}, []string{"mqueue rw type=posix label=l /a,", "mqueue (read write) label=l type=posix \"/a\","}},
		{&ast.IOUringRule{Perms: ast.IOUringSQPoll, Label: "l"}, []string{"io_uring sqpoll label=l,", "io_uring (sqpoll) label=l,", "io_uring (sqpoll foo) # c\n peer=(label=l),"}},
		{&ast.UsernsRule{Create: true}, []string{"userns create,"}},
		{&ast.AllRule{Qualifiers: q{Audit: true, Access: ast.Deny}}, []string{"audit deny all,"}},
		// Mounts.
		{&ast.MountRule{}, []string{"mount,"}},
		{&ast.MountRule{Source: "/a->/b"}, []string{"mount /a->/b,"}},
		{&ast.MountRule{Conds: []ast.MountCond{{Values: []ast.Pattern{"ext4", "fuse.*"}}, {Options: true, In: true, Values: []ast.Pattern{"ro", "bind"}}}, Source: "/a", Target: "/b{c,d}"}, []string{
			"mount fstype=(ext4, fuse.*) options in (ro bind) /a -> /b{c,d},", "mount vfstype=(ext4 fuse.*) option in (ro,bind)\n /a -> /b{c,d},",
		}},
		{&ast.MountRule{Detached: true, Target: "/b"}, []string{`mount "" -> /b,`, "mount detached -> /b,"}},
		{&ast.MountRule{Op: ast.OpRemount, Conds: []ast.MountCond{{Options: true, Values: []ast.Pattern{"ro"}}}, Target: "/a"}, []string{"remount options=ro /a,", "remount options=(ro) /a,"}},
		{&ast.MountRule{Op: ast.OpUmount, Target: "/a"}, []string{"umount /a,", "unmount /a,"}},
		{&ast.PivotRootRule{OldRoot: "/o", NewRoot: "/n", Target: "p"}, []string{"pivot_root oldroot=/o /n -> p,", "pivot_root oldroot=/x oldroot=(/o) #c\n /n -> p,"}},
		{&ast.ChangeProfileRule{}, []string{"change_profile,"}},
		{&ast.ChangeProfileRule{Safety: ast.Unsafe, Exec: "/a", Target: ":ns:b"}, []string{"change_profile unsafe /a -> :ns:b,"}},
		{&ast.ChangeProfileRule{Target: "safe"}, []string{"change_profile -> safe,"}},
		{&ast.ChangeProfileRule{Target: nothing}, []string{`change_profile -> "",`}},
	} {
		for _, src := range c.src {
			got, err := ParseRule(src)
			if err != nil {
				t.Errorf("%s: %v", src, err)
				continue
			}
			if diff := cmp.Diff(c.want, got, noSpans); diff != "" {
				t.Errorf("%s:\n%s", src, diff)
			}
			if from, to := got.Pos().Offset(), got.End().Offset(); from != 0 || to != len(src) {
				t.Errorf("%s: span %d-%d", src, from, to)
			}
			if err := ast.Check(got); err != nil {
				t.Errorf("%s: %v", src, err)
			}
		}
	}
}

func TestParseRuleRefuses(t *testing.T) {
	for _, src := range []string{"", "  ", "/a r", "/a r, /b r,", "include <a>", "profile x { }", "{ }", "# c\n", "abi <x>,", "/t { }"} {
		if r, err := ParseRule(src); err == nil || r != nil {
			t.Errorf("%q: %v, %v", src, r, err)
		}
	}
}

// TestExecModes tries every spelling of exec modes that has a meaning.
func TestExecModes(t *testing.T) {
	for exec := ast.ExecInherit; exec <= ast.ExecChildUnconfined; exec++ {
		for _, scrub := range []bool{false, true} {
			mode := exec.Spelling(scrub)
			got, err := ParseRule("/a " + mode + ",")
			if err != nil {
				t.Errorf("%s: %v", mode, err)
				continue
			}
			want := &ast.FileRule{Path: "/a", Exec: exec, Scrub: scrub && exec != ast.ExecInherit}
			if diff := cmp.Diff(want, got, noSpans); diff != "" {
				t.Errorf("%s:\n%s", mode, diff)
			}
		}
	}
}

func TestStructure(t *testing.T) {
	src := `abi <abi/4.0>,
include if exists <tunables/global>
#include "x y"
alias /a -> /b,
@{V} = a "b c" \
  d,e # comment
@{V}+=""
$B ?= not ${C} and (defined @{V} or @{V} in "x")
profile :ns://p /{,usr/}bin/p xattrs=(a=b c="d e", f g=(h)) + identities=(x, y) flags=(complain,error=EPERM) {
  audit deny { /a w, { /b w, } }
  if @{V} == a { /c r, } else if $B { } else { ^"h x" { } }
  hat g flags=(kill) { }
}
/t{a,b} { }
`
	got, err := Parse("f", src)
	if err != nil {
		t.Fatal(err)
	}
	if err := treetest.Spans(got); err != nil {
		t.Error(err)
	}
	want := []ast.Stmt{
		&ast.ABI{Path: "abi/4.0"},
		&ast.Include{Path: "tunables/global", IfExists: true},
		&ast.Include{Path: "x y", Kind: ast.IncludeQuoted, Hash: true},
		&ast.Alias{From: "/a", To: "/b"},
		&ast.VarAssign{Name: "V", Values: []ast.Pattern{"a", "b c", "d,e"}},
		&ast.VarAssign{Name: "V", Op: ast.AssignAdd, Values: []ast.Pattern{""}},
		&ast.BoolAssign{Name: "B", Op: ast.AssignDefault, Value: &ast.BinaryExpr{
			X: &ast.NotExpr{X: &ast.BoolVar{Name: "C"}},
			Y: &ast.ParenExpr{X: &ast.BinaryExpr{Or: true, X: &ast.DefinedExpr{Name: "V"}, Y: &ast.CompareExpr{Op: ast.CompareIn, X: "@{V}", Y: "x"}}},
		}},
		&ast.Profile{
			Namespace: "ns", Name: "p", Attachment: "/{,usr/}bin/p",
			Xattrs:     []ast.Xattr{{Name: "a", Value: "b", HasValue: true}, {Name: "c", Value: "d e", HasValue: true}, {Name: "f"}, {Name: "g", Value: "h", HasValue: true}},
			Identities: []ast.Pattern{"x", "y"},
			Flags:      []ast.Flag{{Name: "complain"}, {Name: "error", Value: "EPERM"}},
			Body: []ast.Stmt{
				&ast.Block{Qualifiers: ast.Qualifiers{Audit: true, Access: ast.Deny}, Body: []ast.Stmt{
					&ast.FileRule{Path: "/a", Perms: ast.FileWrite},
					&ast.Block{Body: []ast.Stmt{&ast.FileRule{Path: "/b", Perms: ast.FileWrite}}},
				}},
				&ast.If{
					Cond: &ast.CompareExpr{X: "@{V}", Y: "a"}, Then: []ast.Stmt{&ast.FileRule{Path: "/c", Perms: ast.FileRead}},
					HasElse: true, ElseIf: true, Else: []ast.Stmt{&ast.If{
						Cond: &ast.BoolVar{Name: "B"}, HasElse: true, Else: []ast.Stmt{&ast.Profile{Kind: ast.KindHat, Name: "h x"}},
					}},
				},
				&ast.Profile{Kind: ast.KindHat, Name: "g", Flags: []ast.Flag{{Name: "kill"}}},
			},
		},
		&ast.Profile{Kind: ast.KindPath, Name: "/t{a,b}"},
	}
	if diff := cmp.Diff(want, got.Stmts, noSpans); diff != "" {
		t.Error(diff)
	}
	// Every node knows its text.
	texts := map[string]string{}
	for n := range ast.All(got) {
		if _, ok := n.(*ast.File); !ok {
			texts[reflect.TypeOf(n).Elem().Name()] = got.Text(n)
		}
	}
	for name, want := range map[string]string{
		"ABI": "abi <abi/4.0>,", "Include": `#include "x y"`, "Alias": "alias /a -> /b,", "VarAssign": `@{V}+=""`,
		"CompareExpr": "@{V} == a", "DefinedExpr": "defined @{V}", "BoolVar": "$B", "NotExpr": "not ${C}",
		"ParenExpr": `(defined @{V} or @{V} in "x")`, "Xattr": "g=(h)", "Flag": "kill", "FileRule": "/c r,", "Profile": "/t{a,b} { }",
		"Block": "{ /b w, }", "If": `if $B { } else { ^"h x" { } }`,
	} {
		if texts[name] != want {
			t.Errorf("%s: text %q, want %q", name, texts[name], want)
		}
	}
}
