// SPDX-License-Identifier: Apache-2.0

package audit_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/goarmor/apparmor/audit"
	"github.com/goarmor/apparmor/query"
)

// TestRequest turns records of each class into requests, in the words of
// kernels 6.1 to 7.3.
func TestRequest(t *testing.T) {
	addr := netip.MustParseAddrPort
	for _, tt := range []struct {
		record string // after the action and before the common fields
		want   query.Request
	}{
		{`operation="open" class="file" name="/a" requested_mask="wr" denied_mask="w" fsuid=5 ouid=0`,
			query.File{Path: "/a", Perms: query.Read | query.Write}},
		{`operation="open" class="file" name="/a" requested_mask="a" denied_mask="a" fsuid=5 ouid=5`,
			query.File{Path: "/a", Perms: query.Append, Owner: true}},
		{`operation="getattr" class="file" name="/a" requested_mask="r" denied_mask="r" fsuid=0 ouid=5`,
			query.File{Path: "/a", Perms: query.Getattr}},
		{`operation="chmod" class="file" name="/a" requested_mask="w" denied_mask="w" fsuid=0 ouid=5`,
			query.File{Path: "/a", Perms: query.Chmod}},
		{`operation="chown" class="file" name="/a" requested_mask="w" denied_mask="w" fsuid=0 ouid=5`,
			query.File{Path: "/a", Perms: query.Chown}},
		{`operation="rename_src" class="file" name="/a" requested_mask="wrd" denied_mask="wrd" fsuid=0 ouid=5`,
			query.File{Path: "/a", Perms: query.Read | query.Write | query.Delete}},
		{`operation="mknod" class="file" name="/a" requested_mask="c" denied_mask="c" fsuid=0 ouid=0`,
			query.File{Path: "/a", Perms: query.Create, Owner: true}},
		{`operation="file_lock" class="file" name="/a" requested_mask="wk" denied_mask="k" fsuid=0 ouid=1`,
			query.File{Path: "/a", Perms: query.Write | query.Lock}},
		{`operation="file_mmap" class="file" name="/a" requested_mask="mr" denied_mask="m" fsuid=0 ouid=1`,
			query.File{Path: "/a", Perms: query.Read | query.Mmap}},
		{`operation="exec" class="file" name="/a" requested_mask="x" denied_mask="x" fsuid=0 ouid=0 target="b"`,
			query.Execute{Path: "/a", Owner: true}},
		{`operation="link" class="file" name="/a" requested_mask="l" denied_mask="l" fsuid=0 ouid=1 target="/b"`,
			query.Link{Path: "/a", Target: "/b"}},
		{`operation="link" class="file" name="/a" requested_mask="xwracdk" denied_mask="xwracdk" fsuid=0 ouid=0 target="/b"`,
			query.Link{Path: "/a", Target: "/b", Owner: true}},
		{`operation="change_profile" class="file" name="b" target="b"`, query.ChangeProfile{Target: "b"}},
		{`operation="change_onexec" class="file" name="b" target="b"`, query.ChangeProfile{Target: "b", OnExec: true}},
		{`operation="stack" class="file" name="b"`, query.ChangeProfile{Target: "b", Stack: true}},
		{`operation="stack_onexec" class="file" target="b"`, query.ChangeProfile{Target: "b", Stack: true, OnExec: true}},
		{`operation="change_hat" class="file" name="h" target="vm//null-h"`, query.ChangeHat{Hats: []string{"h"}}},
		{`operation="change_hat" class="file" target="vm//h"`, query.ChangeHat{Hats: []string{"h"}}},
		{`operation="capable" class="cap" capability=21  capname="sys_admin"`, query.Capability("sys_admin")},
		{`operation="create" class="net" family="inet" sock_type="stream" protocol=6 requested_mask="create" denied_mask="create"`,
			query.Network{Family: "inet", Type: "stream", Protocol: 6, Perms: query.Create}},
		{`operation="bind" class="net" saddr=::1 src=36 family="inet6" sock_type="dgram" protocol=17 requested="bind" denied="bind"`,
			query.Network{Family: "inet6", Type: "dgram", Protocol: 17, Perms: query.Bind, Local: addr("[::1]:36")}},
		{`operation="bind" class="net" src=4321 family="inet" sock_type="dgram" protocol=17 requested="bind" denied="bind"`,
			query.Network{Family: "inet", Type: "dgram", Protocol: 17, Perms: query.Bind, Local: addr("0.0.0.0:4321")}},
		{`operation="connect" class="net" daddr=127.0.0.1 dest=4322 family="inet" sock_type="stream" protocol=6 requested="connect" denied="connect"`,
			query.Network{Family: "inet", Type: "stream", Protocol: 6, Perms: query.Connect, Remote: addr("127.0.0.1:4322")}},
		{`operation="sendmsg" class="net" laddr=127.0.0.1 lport=1 faddr=127.0.0.2 fport=2 family="inet" sock_type="stream" protocol=6 requested_mask="send" denied_mask="send"`,
			query.Network{Family: "inet", Type: "stream", Protocol: 6, Perms: query.Send, Local: addr("127.0.0.1:1"), Remote: addr("127.0.0.2:2")}},
		{`operation="sendmsg" family="inet" sock_type="stream" protocol=6`, // before there were permissions
			query.Network{Family: "inet", Type: "stream", Protocol: 6, Perms: query.Send}},
		{`operation="connect" class="net" family="unix" sock_type="stream" protocol=0 addr=none peer_addr="@x" peer="b" requested="send receive connect" denied="send receive connect"`,
			query.Unix{Type: "stream", Perms: query.Send | query.Receive | query.Connect, Addr: "none", PeerAddr: "@x", Peer: "b"}},
		{`operation="socket_shutdown" class="net" family="unix" sock_type="dgram" protocol=0 requested_mask="shutdown" denied_mask="shutdown"`,
			query.Unix{Type: "dgram", Perms: query.Shutdown}},
		{`operation="signal" class="signal" requested_mask="receive" denied_mask="receive" signal=rtmin+3 peer="b"`,
			query.Signal{Signal: "rtmin+3", Perms: query.Receive, Peer: "b"}},
		{`operation="ptrace" class="ptrace" requested_mask="tracedby" denied_mask="tracedby" peer="b"`,
			query.Ptrace{Perms: query.TracedBy, Peer: "b"}},
		{`operation="mount" class="mount" info="failed mntpnt match" error=-13 name="/m/" fstype="tmpfs" srcname="none" flags="ro, nosuid, nodev, noexec, sync, mand, dirsync, noatime, nodiratime"`,
			query.Mount{Source: "none", Target: "/m/", FSType: "tmpfs", Flags: 1 | 2 | 4 | 8 | 16 | 64 | 128 | 1024 | 2048}},
		{`operation="mount" class="mount" name="/m/" srcname="/s/" flags="rw, rbind" options="x=1"`,
			query.Mount{Source: "/s/", Target: "/m/", Flags: query.MountBind | query.MountRec, Data: "x=1"}},
		{`operation="mount" class="mount" name="/m/" flags="rw, rslave"`, query.Mount{Target: "/m/", Flags: query.MountSlave | query.MountRec}},
		{`operation="umount" class="mount" name="/m/"`, query.Umount{Target: "/m/"}},
		{`operation="pivotroot" class="mount" name="/m/" srcname="/m/old/"`, query.PivotRoot{NewRoot: "/m/", PutOld: "/m/old/"}},
		{`operation="setrlimit" class="rlimits" rlimit=nofile value=18446744073709551615`, query.Rlimit{Resource: "nofile", Value: 1<<64 - 1}},
		{`operation="userns_create" class="namespace" requested="userns_create" denied="userns_create"`, query.Userns{}},
		{`operation="uring_sqpoll" class="io_uring" requested="sqpoll" denied="sqpoll"`, query.IOUring{}},
		{`operation="uring_override" class="io_uring" requested="override_creds" denied="override_creds" tcontext="b"`,
			query.IOUring{OverrideCreds: true, Label: "b"}},
		{`operation="open" class="posix_mqueue" name="/q" requested="read create" denied="read"`,
			query.Mqueue{Name: "/q", Perms: query.Read | query.Create}},
		{`operation="sysv_mqueue" class="sysv_mqueue" name="123" requested="open" denied="open"`,
			query.Mqueue{Key: 123, Perms: query.MayOpen}},
		{`operation="dbus_method_call"  bus="system" path="/o" interface="i.i" member="M" mask="send" name="n.n" label="vm" peer_label="b"`,
			query.DBus{Op: query.DBusSend, Bus: "system", Name: "n.n", Peer: "b", ObjectPath: "/o", Interface: "i.i", Member: "M"}},
		{`operation="dbus_bind"  bus="session" name="n.n" mask="bind" label="vm"`, query.DBus{Op: query.DBusBind, Bus: "session", Name: "n.n"}},
	} {
		e, err := audit.Parse(`apparmor="DENIED" ` + tt.record)
		if err != nil {
			t.Errorf("%s: %v", tt.record, err)
			continue
		}
		got, err := e.Request()
		if err != nil {
			t.Errorf("%s: %v", tt.record, err)
		} else if diff := cmp.Diff(tt.want, got, cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })); diff != "" {
			t.Errorf("%s (-want +got)\n%s", tt.record, diff)
		}
	}
}

// TestNoRequest has records that tell of no request, and why.
func TestNoRequest(t *testing.T) {
	for _, tt := range []struct{ record, want string }{
		{`apparmor="STATUS" operation="profile_load" name="vm"`, "about policy itself"},
		{`apparmor="DENIED" operation="setprocattr" info="current" error=-22 profile="vm"`, `unknown class ""`},
		{`apparmor="DENIED" operation="x" class="new" profile="vm"`, `unknown class "new"`},
		{`apparmor="DENIED" operation="open" class="file" name="/a" requested_mask="r`, "cut at requested_mask="},
		{`apparmor="DENIED" operation="open" class="file" requested_mask="r" denied_mask="r"`, "no name="},
		{`apparmor="DENIED" operation="open" class="file" name="a/b" requested_mask="r"`, `name="a/b" is not a path from a root`},
		{`apparmor="DENIED" operation="open" class="file" name="/a" requested_mask="rZ"`, `unknown permission "Z"`},
		{`apparmor="DENIED" operation="open" class="file" name="/a"`, "no permissions"},
		{`apparmor="DENIED" operation="link" class="file" name="/a" requested_mask="l"`, "no target="},
		{`apparmor="DENIED" operation="change_hat" class="file"`, "no name="},
		{`apparmor="DENIED" operation="stack" class="file"`, "no name="},
		{`apparmor="DENIED" operation="capable" class="cap" capability=21`, "no capname="},
		{`apparmor="DENIED" operation="bind" class="net" requested="bind"`, "no family="},
		{`apparmor="DENIED" operation="bind" class="net" family="inet" requested="bind"`, "no sock_type="},
		{`apparmor="DENIED" operation="bind" class="net" family="inet" sock_type="raw" protocol=x requested="bind"`, `unknown protocol "x"`},
		{`apparmor="DENIED" operation="bind" class="net" family="inet" sock_type="raw" saddr=x requested="bind"`, `unknown address "x"`},
		{`apparmor="DENIED" operation="bind" class="net" family="inet" sock_type="raw" src=70000 requested="bind"`, `unknown port "70000"`},
		{`apparmor="DENIED" operation="bind" class="net" family="inet" sock_type="raw" requested="fly"`, `unknown permission "fly"`},
		{`apparmor="DENIED" operation="signal" class="signal" requested_mask="send" peer="b"`, "no signal="},
		{`apparmor="DENIED" operation="signal" class="signal" requested_mask="send" signal=term`, "no peer="},
		{`apparmor="DENIED" operation="ptrace" class="ptrace" requested_mask="trace"`, "no peer="},
		{`apparmor="DENIED" operation="mount" class="mount" name="/a" flags="new"`, `unknown flag "new"`},
		{`apparmor="DENIED" operation="tree" class="mount" name="/a"`, `unknown operation "tree"`},
		{`apparmor="DENIED" operation="pivotroot" class="mount" name="/a"`, "no srcname="},
		{`apparmor="DENIED" operation="setrlimit" class="rlimits" rlimit=cpu`, "no value="},
		{`apparmor="DENIED" operation="setrlimit" class="rlimits" value=1`, "no rlimit="},
		{`apparmor="DENIED" operation="new" class="namespace"`, `unknown class "namespace"`},
		{`apparmor="DENIED" operation="uring_x" class="io_uring" requested="x"`, `unknown permission "x"`},
		{`apparmor="DENIED" operation="uring_override" class="io_uring" requested="override_creds"`, "no tcontext="},
		{`apparmor="DENIED" operation="open" class="sysv_mqueue" name="x" requested="open"`, `unknown key of a queue "x"`},
		{`apparmor="DENIED" operation="dbus_x"  mask="send"`, "no bus="},
		{`apparmor="DENIED" operation="dbus_x"  bus="system" mask="own"`, `unknown permission "own"`},
	} {
		e, err := audit.Parse(tt.record)
		if err != nil {
			t.Errorf("%s: %v", tt.record, err)
			continue
		}
		r, err := e.Request()
		var none *audit.NoRequestError
		if !errors.As(err, &none) || none.Event != e || r != nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, %v, want %q", tt.record, r, err, tt.want)
		}
	}
}

// TestOld reads records of kernels before 2.6.36, which name what was decided
// by their type.
func TestOld(t *testing.T) {
	const rest = ` operation="inode_permission" requested_mask="::r" denied_mask="::r" fsuid=7 name="/a" pid=9 profile="vm"`
	for _, head := range []string{
		"Nov 11 07:33:07 host kernel: [50812.879558] type=1503 audit(1236774787.169:369):",
		"host kernel: audit(1236774787.169:369): type=1503",
		"type=APPARMOR_DENIED msg=audit(1236774787.169:369): type=1503",
		"type=UNKNOWN[1503] msg=audit(1236774787.169:369):",
	} {
		e, err := audit.Parse(head + rest)
		if err != nil {
			t.Errorf("%s: %v", head, err)
			continue
		}
		r, err := e.Request()
		want := query.File{Path: "/a", Perms: query.Read}
		if e.Action != audit.Denied || e.Class != "file" || e.Serial != 369 || err != nil || r != query.Request(want) {
			t.Errorf("%s: %+v, %v, %v", head, e, r, err)
		}
	}
	for _, line := range []string{"type=1503" + rest, "type=1507 audit(1.000:1):" + rest, "type=1503 audit(1.000:1): x=1"} {
		if _, err := audit.Parse(line); !errors.Is(err, audit.ErrOther) {
			t.Errorf("%s: %v, want ErrOther", line, err)
		}
	}
}
