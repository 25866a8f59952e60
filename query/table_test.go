// SPDX-License-Identifier: Apache-2.0

package query_test

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/goarmor/apparmor/blob"
	. "github.com/goarmor/apparmor/query"
)

// The kernels of tables: the old form without and with what 6.12 added, and
// permission tables, of upstream's network classes and of Ubuntu's.
var (
	files  = []string{"6.1", "6.12", "7.3", "ubuntu-26.04"}
	tables = []string{"7.3", "ubuntu-26.04"}
)

// TestTables has a rule or two, requests and what is said to them, for each
// class: allowed and denied, for owners and others, in each form.
func TestTables(t *testing.T) {
	const link = Perms(blob.PermLink)
	for _, tt := range []struct {
		name    string
		kernels []string
		rules   string
		asks    []question
	}{
		{"file", files, "/r r, /w w, /a a, /k k, /m m, /l l, owner /o rw, other /o r, deny /n rw, /** r, audit /au rw, audit deny /ad w,", []question{
			{File{Path: "/r", Perms: Read | MayOpen | Getattr}, "allowed"},
			{File{Path: "/w", Perms: Write | Create | Delete | Setattr | Chmod | Chown | Append}, "allowed"},
			{File{Path: "/w", Perms: Rename}, "denied rename"},
			{File{Path: "/a", Perms: Append}, "allowed"},
			{File{Path: "/a", Perms: Write | Create}, "denied write|create"},
			{File{Path: "/k", Perms: Lock}, "allowed"},
			{File{Path: "/r", Perms: Lock | Mmap | link}, "denied lock|mmap|link"},
			{File{Path: "/m", Perms: Mmap}, "allowed"},
			{File{Path: "/l", Perms: link}, "allowed"},
			{File{Path: "/o", Perms: Write, Owner: true}, "allowed"},
			{File{Path: "/o", Perms: Write}, "denied write"},
			{File{Path: "/o", Perms: Read}, "allowed"},
			{File{Path: "/n", Perms: Read | Write}, "denied write|read, quiet"},
			{File{Path: "/n", Perms: Read, Owner: true}, "denied read, quiet"},
			{File{Path: "/au", Perms: Read | Write}, "allowed, audited"},
			{File{Path: "/ad", Perms: Write}, "denied write"},
			{File{Path: "/x", Perms: Getattr}, "allowed"},
			{File{Path: "/x", Perms: Exec}, "denied exec"},
		}},
		{"exec", files, `/ix ix, /px px, /Px Px, /ux ux, /Ux Ux, /cx cx -> sub, /pix pix, /PUx PUx, /to px -> other, /st px -> &other, owner /own ix, deny /no x,
 profile sub { }`, []question{
			{File{Path: "/ix", Perms: Exec | Mmap}, "allowed, ix"},
			{File{Path: "/px", Perms: Exec}, "allowed, px"},
			{File{Path: "/px", Perms: Mmap}, "denied mmap"},
			{File{Path: "/Px", Perms: Exec}, "allowed, Px"},
			{File{Path: "/ux", Perms: Exec}, "allowed, ux"},
			{File{Path: "/Ux", Perms: Exec}, "allowed, Ux"},
			{File{Path: "/cx", Perms: Exec}, "allowed, px -> t//sub"},
			{File{Path: "/pix", Perms: Exec | Mmap}, "allowed, pix"},
			{File{Path: "/PUx", Perms: Exec}, "allowed, PUx"},
			{File{Path: "/to", Perms: Exec}, "allowed, px -> other"},
			{File{Path: "/st", Perms: Exec}, "allowed, px -> &other"},
			{File{Path: "/own", Perms: Exec, Owner: true}, "allowed, ix"},
			{File{Path: "/own", Perms: Exec}, "denied exec"},
			{File{Path: "/no", Perms: Exec}, "denied exec, quiet"},
			{Execute{Path: "/ix"}, "allowed, ix, label t"},
			{Execute{Path: "/own"}, "denied"},
			{Execute{Path: "/own", Owner: true}, "allowed, ix, label t"},
			{Execute{Path: "/cx"}, "allowed, px -> t//sub, label t//sub"},
			{Execute{Path: "/px"}, "denied, no profile of this policy attaches"},
			{Execute{Path: "/pix"}, "allowed, pix, label t"},
			{Execute{Path: "/PUx"}, "allowed, PUx, label unconfined"},
			{Execute{Path: "/to"}, "allowed, px -> other, label other, other is not in this policy"},
			{Execute{Path: "/st"}, "allowed, px -> &other, label other//&t, other is not in this policy"},
			{Execute{Path: "/ux"}, "allowed, ux, label unconfined"},
			{Execute{Path: "/no"}, "denied, quiet"},
		}},
		{"link", files, "/a rwl, /b r, /t rw, /px rlpx, /Px rlPx, /tp rpx, /tP rPx, link /s -> /u, link subset /v -> /t, owner link /o -> /t, audit link /au -> /t, deny link /d -> /t,", []question{
			{Link{Path: "/a", Target: "/t", Owner: true}, "allowed"},
			{Link{Path: "/a", Target: "/b", Owner: true}, "denied, link is not a subset of its target"},
			{Link{Path: "/a", Target: "/b"}, "allowed"}, // permission l asks owners only
			{Link{Path: "/b", Target: "/t", Owner: true}, "denied"},
			{Link{Path: "/px", Target: "/tP", Owner: true}, "denied, link is not a subset of its target"},
			{Link{Path: "/Px", Target: "/tp", Owner: true}, "allowed"},
			{Link{Path: "/px", Target: "/tp", Owner: true}, "allowed"},
			{Link{Path: "/Px", Target: "/tP", Owner: true}, "allowed"},
			{Link{Path: "/px", Target: "/t", Owner: true}, "denied, link is not a subset of its target"},
			{Link{Path: "/v", Target: "/b"}, "denied"},
			{Link{Path: "/s", Target: "/u"}, "allowed"},
			{Link{Path: "/s", Target: "/t"}, "denied"},
			{Link{Path: "/v", Target: "/t"}, "allowed"},
			{Link{Path: "/o", Target: "/t", Owner: true}, "allowed"},
			{Link{Path: "/o", Target: "/t"}, "denied"},
			{Link{Path: "/au", Target: "/t"}, "allowed, audited"},
			{Link{Path: "/d", Target: "/t"}, "denied"},
			{Link{Path: "/au", Target: "/x"}, "denied"},
		}},
		{"capability", files, "capability kill chown, audit capability mknod, deny capability net_raw, audit deny capability net_admin,", []question{
			{Capability("kill"), "allowed"}, {Capability("chown"), "allowed"}, {Capability("mknod"), "allowed, audited"},
			{Capability("sys_admin"), "denied"}, {Capability("net_raw"), "denied, quiet"}, {Capability("net_admin"), "denied"},
			{Capability("checkpoint_restore"), "denied"},
		}},
		{"network", files, "network inet stream, deny network inet6 dgram, audit network netlink raw, network packet,", []question{
			{Network{Family: "inet", Type: "stream"}, "allowed"},
			{Network{Family: "inet", Type: "stream", Protocol: 6, Perms: Bind | Connect | Send}, "allowed"},
			{Network{Family: "inet", Type: "dgram"}, "denied create"},
			{Network{Family: "inet6", Type: "dgram"}, "denied create, quiet"},
			{Network{Family: "inet6", Type: "stream"}, "denied create"},
			{Network{Family: "netlink", Type: "raw"}, "allowed, audited"},
			{Network{Family: "packet", Type: "packet"}, "allowed"},
			{Network{Family: "vsock", Type: "stream", Perms: Connect}, "denied open"},
		}},
		{"unix", []string{"7.3", "ubuntu-26.04"}, `unix type=stream, unix (create bind) type=dgram addr="@d*", unix (send receive) type=dgram peer=(label=foo addr="@p"), audit unix send type=dgram peer=(label=au), deny unix type=seqpacket,
 unix (listen getopt setopt accept getattr setattr shutdown) type=raw addr=none,`, []question{
			{Unix{Type: "stream", Perms: Create | Bind | Connect | Send | Receive, Addr: "@x", PeerAddr: "@y", Peer: "z"}, "allowed"},
			{Unix{Type: "dgram", Perms: Create | Bind, Addr: "@dx"}, "allowed"},
			{Unix{Type: "dgram", Perms: Bind, Addr: "@x"}, "denied bind"},
			{Unix{Type: "dgram", Perms: Bind, Addr: UnixAutobind}, "denied bind"},
			{Unix{Type: "dgram", Perms: Send | Receive, PeerAddr: "@p", Peer: "foo"}, "allowed"},
			{Unix{Type: "dgram", Perms: Send, PeerAddr: "@q", Peer: "foo"}, "denied write"},
			{Unix{Type: "dgram", Perms: Send, PeerAddr: "@p", Peer: "bar"}, "denied write"},
			{Unix{Type: "dgram", Perms: Send, PeerAddr: "@p", Peer: "foo//&bar"}, "denied write"},
			{Unix{Type: "dgram", Perms: Send, PeerAddr: "@p", Peer: "au"}, "allowed, audited"},
			{Unix{Type: "dgram", Perms: Send, PeerAddr: "@p", Peer: "au//&bar"}, "denied write"},
			{Unix{Type: "seqpacket"}, "denied create, quiet"},
			{Unix{Type: "raw", Perms: Listen | Getopt | Setopt | Accept | Getattr | Setattr | Shutdown, Backlog: 5, Option: 3}, "allowed"},
			{Unix{Type: "raw", Perms: Getopt, Addr: "@x"}, "denied getopt"},
		}},
		{"unix as a family", []string{"6.1", "6.12"}, "network unix stream,", []question{
			{Unix{Type: "stream", Perms: Create | Bind | Connect, Addr: "@x"}, "allowed"},
			{Unix{Type: "dgram", Perms: Bind}, "denied bind"},
		}},
		{"dbus", tables, `dbus send bus=system path=/o interface=i member=m peer=(name=n label=l), dbus bind bus=session name=b, dbus eavesdrop bus=system, dbus receive bus=session,
 deny dbus send bus=quiet,`, []question{
			{DBus{Op: DBusSend, Bus: "system", Name: "n", Peer: "l", ObjectPath: "/o", Interface: "i", Member: "m"}, "allowed"},
			{DBus{Op: DBusSend, Bus: "session", Name: "n", Peer: "l", ObjectPath: "/o", Interface: "i", Member: "m"}, "denied send"},
			{DBus{Op: DBusSend, Bus: "system", Name: "x", Peer: "l", ObjectPath: "/o", Interface: "i", Member: "m"}, "denied send"},
			{DBus{Op: DBusSend, Bus: "system", Name: "n", Peer: "x", ObjectPath: "/o", Interface: "i", Member: "m"}, "denied send"},
			{DBus{Op: DBusSend, Bus: "system", Name: "n", Peer: "l", ObjectPath: "/x", Interface: "i", Member: "m"}, "denied send"},
			{DBus{Op: DBusSend, Bus: "system", Name: "n", Peer: "l", ObjectPath: "/o", Interface: "x", Member: "m"}, "denied send"},
			{DBus{Op: DBusSend, Bus: "system", Name: "n", Peer: "l", ObjectPath: "/o", Interface: "i", Member: "x"}, "denied send"},
			{DBus{Op: DBusReceive, Bus: "session"}, "allowed"},
			{DBus{Op: DBusReceive, Bus: "system"}, "denied receive"},
			{DBus{Op: DBusBind, Bus: "session", Name: "b"}, "allowed"},
			{DBus{Op: DBusBind, Bus: "session", Name: "c"}, "denied"},
			{DBus{Op: DBusEavesdrop, Bus: "system"}, "allowed"},
			{DBus{Op: DBusEavesdrop, Bus: "session"}, "denied"},
			{DBus{Op: DBusSend, Bus: "quiet"}, "denied send, quiet"},
		}},
		{"signal", files, "signal send set=(term rtmin+3 exists) peer=p, signal receive peer=q, deny signal send set=(kill) peer=p,", []question{
			{Signal{Signal: "term", Perms: Send, Peer: "p"}, "allowed"},
			{Signal{Signal: "rtmin+3", Perms: Send, Peer: "p"}, "allowed"},
			{Signal{Signal: "rtmin+4", Perms: Send, Peer: "p"}, "denied send"},
			{Signal{Signal: "exists", Perms: Send, Peer: "p"}, "allowed"},
			{Signal{Signal: "term", Perms: Send | Receive, Peer: "p"}, "denied receive"},
			{Signal{Signal: "hup", Perms: Receive, Peer: "q"}, "allowed"},
			{Signal{Signal: "term", Perms: Send, Peer: "q"}, "denied send"},
			{Signal{Signal: "kill", Perms: Send, Peer: "p"}, "denied send, quiet"},
			{Signal{Signal: "term", Perms: Send, Peer: "p//&q"}, "denied send"},
			{Signal{Signal: "term", Perms: Send, Peer: "p//&p"}, "allowed"},
		}},
		{"ptrace", files, "ptrace trace peer=p, ptrace readby peer=q, ptrace (read tracedby) peer=r, deny ptrace trace peer=d,", []question{
			{Ptrace{Perms: Trace, Peer: "p"}, "allowed"},
			{Ptrace{Perms: Trace | ReadPeer, Peer: "p"}, "denied read"},
			{Ptrace{Perms: ReadBy, Peer: "q"}, "allowed"},
			{Ptrace{Perms: TracedBy, Peer: "q"}, "denied tracedby"},
			{Ptrace{Perms: ReadPeer | TracedBy, Peer: "r"}, "allowed"},
			{Ptrace{Perms: Trace, Peer: "d"}, "denied trace, quiet"},
			{Ptrace{Perms: Trace, Peer: "p//&q"}, "denied trace"},
		}},
		{"mount", files, `mount fstype=ext4 options=(ro) /dev/x -> /mnt/, mount options=(bind) /s/ -> /d/, mount options=(rbind) /rs/ -> /rd/, mount options=(make-rprivate) -> /p/, mount options=(make-slave) -> /ps/, mount options=(make-shared) -> /ph/, mount options=(make-unbindable) -> /pu/,
 mount options=(move) /m/ -> /n/, remount options=(ro nosuid) /r/, umount /u/, deny umount /q/, audit mount fstype=tmpfs -> /t/,`, []question{
			{Mount{Source: "/dev/x", Target: "/mnt/", FSType: "ext4", Flags: MountReadOnly}, "allowed"},
			{Mount{Source: "/dev/x", Target: "/mnt/", FSType: "ext4"}, "denied"},
			{Mount{Source: "/dev/x", Target: "/mnt/", FSType: "ext3", Flags: MountReadOnly}, "denied"},
			{Mount{Source: "/dev/y", Target: "/mnt/", FSType: "ext4", Flags: MountReadOnly}, "denied"},
			{Mount{Source: "/dev/x", Target: "/m/", FSType: "ext4", Flags: MountReadOnly}, "denied"},
			{Mount{Source: "/dev/x", Target: "/mnt/", FSType: "ext4", Flags: MountReadOnly | 1<<22 | 1<<28 | 1<<29 | 1<<30}, "allowed"},
			{Mount{Source: "/dev/x", Target: "/mnt/", FSType: "ext4", Flags: MountReadOnly | 0xc0ed0000}, "allowed"},
			// Kernels look at no other flags of a bind.
			{Mount{Source: "/s/", Target: "/d/", Flags: MountBind | MountReadOnly}, "allowed"},
			{Mount{Source: "/s/", Target: "/d/", FSType: "x", Flags: MountBind}, "allowed"},
			{Mount{Source: "/s/", Target: "/d/", Flags: MountBind | MountRec}, "denied"},
			{Mount{Source: "/rs/", Target: "/rd/", Flags: MountBind | MountRec}, "allowed"},
			{Mount{Source: "/x/", Target: "/d/", Flags: MountBind}, "denied"},
			{Mount{Source: "/any", Target: "/p/", Flags: MountPrivate | MountRec | MountNoDev}, "allowed"},
			{Mount{Target: "/p/", Flags: MountPrivate}, "denied"},
			{Mount{Target: "/p/", Flags: MountShared | MountRec}, "denied"},
			{Mount{Source: "/any", Target: "/ps/", FSType: "any", Flags: MountSlave | MountNoDev}, "allowed"},
			{Mount{Source: "/any", Target: "/ph/", FSType: "any", Flags: MountShared | MountNoDev}, "allowed"},
			{Mount{Source: "/any", Target: "/pu/", FSType: "any", Flags: MountUnbindable | MountNoDev}, "allowed"},
			{Mount{Source: "/m/", Target: "/n/", Flags: MountMove | MountReadOnly}, "allowed"},
			{Mount{Source: "/x/", Target: "/n/", Flags: MountMove}, "denied"},
			{Mount{Source: "/any", Target: "/r/", FSType: "any", Flags: MountRemount | MountReadOnly | MountNoSuid}, "allowed"},
			{Mount{Target: "/r/", Flags: MountRemount | MountReadOnly}, "denied"},
			{Umount{Target: "/u/"}, "allowed"},
			{Umount{Target: "/x/"}, "denied"},
			{Umount{Target: "/q/"}, "denied, quiet"},
			{Mount{Target: "/t/", FSType: "tmpfs", Source: "tmpfs"}, "allowed, audited"},
		}},
		{"mount data", files, "mount fstype=ext4 options=(rw) /dev/x -> /mnt/, mount fstype=nfs options=(rw) a:/b -> /n/,", []question{
			{Mount{Source: "/dev/x", Target: "/mnt/", FSType: "ext4", Data: "acl"}, "allowed"},
			{Mount{Source: "/dev/y", Target: "/mnt/", FSType: "ext4", Data: "acl"}, "denied"},
		}},
		{"pivotroot", files, "pivot_root oldroot=/n/o/ /n/, deny pivot_root /q/,", []question{
			{PivotRoot{NewRoot: "/n/", PutOld: "/n/o/"}, "allowed"},
			{PivotRoot{NewRoot: "/n/", PutOld: "/n/x/"}, "denied"},
			{PivotRoot{NewRoot: "/x/", PutOld: "/n/o/"}, "denied"},
			{PivotRoot{NewRoot: "/q/", PutOld: "/q/o/"}, "denied, quiet"},
		}},
		{"changeprofile", files, "change_profile -> a, change_profile /x -> b, change_profile unsafe /y -> c, change_profile -> &st,", []question{
			{ChangeProfile{Target: "a"}, "allowed"},
			{ChangeProfile{Target: "b"}, "allowed"},
			{ChangeProfile{Target: "d"}, "denied change_profile"},
			{ChangeProfile{Target: "a//&a"}, "allowed"},
			{ChangeProfile{Target: "a//&d"}, "denied change_profile"},
			{ChangeProfile{Target: "b", OnExec: true, Path: "/x"}, "allowed"},
			{ChangeProfile{Target: "b", OnExec: true, Path: "/z"}, "denied onexec"},
			{ChangeProfile{Target: "c", OnExec: true, Path: "/y"}, "allowed"},
			{ChangeProfile{Target: "d", OnExec: true, Path: "/y"}, "denied onexec"},
			{ChangeProfile{Target: "b", OnExec: true}, "allowed"},
			{ChangeProfile{Target: "a", OnExec: true, Path: "/x"}, "allowed"},
			{ChangeProfile{Target: "st", Stack: true}, "allowed"},
			{ChangeProfile{Target: "st"}, "denied change_profile"},
			{ChangeProfile{Target: "a", Stack: true}, "denied change_profile"},
		}},
		{"changeprofile denied", files, "change_profile, deny change_profile -> d,", []question{
			{ChangeProfile{Target: "a"}, "allowed"},
			{ChangeProfile{Target: "d"}, "denied change_profile"},
			{ChangeProfile{Target: "a//&d"}, "allowed"}, // as a whole it is not d
		}},
		{"rlimit", files, "set rlimit nofile <= 10, set rlimit cpu <= infinity, set rlimit nice <= 5,", []question{
			{Rlimit{Resource: "nofile", Value: 10}, "allowed"},
			{Rlimit{Resource: "nofile", Value: 11}, "denied, above the limit of 10"},
			{Rlimit{Resource: "nofile", Value: ^uint64(0)}, "denied, above the limit of 10"},
			{Rlimit{Resource: "cpu", Value: ^uint64(0)}, "allowed"},
			{Rlimit{Resource: "nice", Value: 25}, "allowed"},
			{Rlimit{Resource: "as", Value: 1}, "not mediated"},
		}},
		{"mqueue", []string{"ubuntu-24.04", "ubuntu-26.04"}, "mqueue (read create) /a, mqueue write label=l /b, deny mqueue read /d, mqueue getattr type=posix /c,", []question{
			{Mqueue{Name: "/a", Perms: Read | Create}, "allowed"},
			{Mqueue{Name: "/a", Perms: Read | Write}, "denied write"},
			{Mqueue{Name: "/a", Perms: Read, Label: "x"}, "allowed"},
			{Mqueue{Name: "/b", Perms: Write, Label: "l"}, "allowed"},
			{Mqueue{Name: "/b", Perms: Write, Label: "m"}, "denied write"},
			{Mqueue{Name: "/b", Perms: Write, Label: "l//&m"}, "denied write"},
			{Mqueue{Name: "/c", Perms: Getattr}, "allowed"},
			{Mqueue{Name: "/c"}, "denied open"},
			{Mqueue{Name: "/d", Perms: Read}, "denied read"}, // the label is asked for last
			{Mqueue{Name: "/d", Perms: Read, Label: "x"}, "denied read, quiet"},
			{Mqueue{Key: 1, Perms: Read}, "not mediated"},
		}},
		{"iouring", []string{"6.12", "7.3", "ubuntu-26.04"}, "io_uring sqpoll, io_uring override_creds label=l,", []question{
			{IOUring{}, "allowed"},
			{IOUring{OverrideCreds: true, Label: "l"}, "allowed"},
			{IOUring{OverrideCreds: true, Label: "m"}, "denied"},
			{IOUring{OverrideCreds: true, Label: "l//&m"}, "denied"},
		}},
		{"no iouring", []string{"6.12", "7.3"}, "io_uring override_creds,", []question{{IOUring{}, "denied"}, {IOUring{OverrideCreds: true, Label: "m"}, "allowed"}}},
		{"userns", []string{"6.12", "7.3", "ubuntu-26.04"}, "userns,", []question{{Userns{}, "allowed"}}},
		{"no userns", []string{"6.12", "7.3", "ubuntu-26.04"}, "deny userns,", []question{{Userns{}, "denied, quiet"}}},
		{"nothing", []string{"6.12", "7.3", "ubuntu-26.04"}, "", []question{
			{Userns{}, "denied"}, {IOUring{}, "denied"}, {File{Path: "/x", Perms: Read}, "denied read"},
			{Signal{Signal: "term", Perms: Send, Peer: "p"}, "denied send"}, {Umount{Target: "/u/"}, "denied"},
		}},
		{"all", []string{"7.3", "ubuntu-26.04"}, "all,", []question{
			{Userns{}, "allowed"}, {IOUring{}, "allowed"}, {File{Path: "/x", Perms: Read | Write | Lock | Mmap}, "allowed"},
			{File{Path: "/x", Perms: Exec}, "allowed, ix"}, {Capability("sys_admin"), "allowed"}, {Umount{Target: "/u/"}, "allowed"},
			{Unix{Type: "stream"}, "allowed"}, {Signal{Signal: "term", Perms: Send, Peer: "p"}, "allowed"}, {Ptrace{Perms: Trace, Peer: "p"}, "allowed"},
			{DBus{Op: DBusBind, Bus: "b", Name: "n"}, "allowed"}, {PivotRoot{NewRoot: "/n/", PutOld: "/n/o/"}, "allowed"},
			{ChangeProfile{Target: "a"}, "denied change_profile"},
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, kernel := range tt.kernels {
				p := profile(t, ours(t, kernel, "profile t {\n"+tt.rules+"\n}"), "t")
				for _, q := range tt.asks {
					if d, err := p.Ask(q.ask); err != nil || d.String() != q.want {
						t.Errorf("%s: %v: %v, %v, want %s", kernel, q.ask, d, err, q.want)
					}
				}
			}
		})
	}
}

// TestTexts: what requests are called.
func TestRequestTexts(t *testing.T) {
	at := netip.MustParseAddrPort
	for want, r := range map[string]Request{
		"file read|mmap /x (owner)":          File{Path: "/x", Perms: Read | Mmap, Owner: true},
		"link /a -> /b (owner)":              Link{Path: "/a", Target: "/b", Owner: true},
		"execute /x (owner)":                 Execute{Path: "/x", Owner: true},
		"execute /x":                         Execute{Path: "/x"},
		"attach /x a=\"1\" b=\"2\"":          Attach{Path: "/x", Xattrs: map[string]string{"b": "2", "a": "1"}},
		"change_profile -> t":                ChangeProfile{Target: "t"},
		"change_profile on exec of /x -> &t": ChangeProfile{Target: "t", OnExec: true, Path: "/x", Stack: true},
		"change_profile on exec -> t":        ChangeProfile{Target: "t", OnExec: true},
		"change_hat a b":                     ChangeHat{Hats: []string{"a", "b"}},
		"capability kill":                    Capability("kill"),
		"rlimit cpu infinity":                Rlimit{Resource: "cpu", Value: ^uint64(0)},
		"rlimit cpu 7":                       Rlimit{Resource: "cpu", Value: 7},
		"network inet raw":                   Network{Family: "inet", Type: "raw"},
		"network inet raw protocol 1 bind 1.2.3.4:5 peer [::1]:6":          Network{Family: "inet", Type: "raw", Protocol: 1, Perms: Bind, Local: at("1.2.3.4:5"), Remote: at("[::1]:6")},
		"network inet raw getopt option 1/2":                               Network{Family: "inet", Type: "raw", Perms: Getopt, Option: SockOpt{1, 2}},
		"network inet raw listen backlog 9":                                Network{Family: "inet", Type: "raw", Perms: Listen, Backlog: 9},
		"unix create stream":                                               Unix{Type: "stream"},
		"unix write stream addr=@a peer addr=@b peer label=c":              Unix{Type: "stream", Perms: Send, Addr: "@a", PeerAddr: "@b", Peer: "c"},
		"signal send|receive term peer=p":                                  Signal{Signal: "term", Perms: Send | Receive, Peer: "p"},
		"signal none term peer=p":                                          Signal{Signal: "term", Peer: "p"},
		"ptrace trace|readby peer=p":                                       Ptrace{Perms: Trace | ReadBy, Peer: "p"},
		"umount /u/":                                                       Umount{Target: "/u/"},
		"pivot_root /o/ -> /n/":                                            PivotRoot{NewRoot: "/n/", PutOld: "/o/"},
		"mount fstype=x flags=0x1 s -> /t/":                                Mount{FSType: "x", Flags: 1, Source: "s", Target: "/t/"},
		"dbus eavesdrop bus=b name=n label=l path=/o interface=i member=m": DBus{Op: DBusEavesdrop, Bus: "b", Name: "n", Peer: "l", ObjectPath: "/o", Interface: "i", Member: "m"},
		"mqueue open /q":                                                   Mqueue{Name: "/q"},
		"mqueue read 17 label=l":                                           Mqueue{Key: 17, Perms: Read, Label: "l"},
		"userns create":                                                    Userns{},
		"io_uring sqpoll":                                                  IOUring{},
		"io_uring override_creds label=l":                                  IOUring{OverrideCreds: true, Label: "l"},
	} {
		if got := r.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// TestFamilies asks where sockets are mediated by masks of types.
func TestFamilies(t *testing.T) {
	masks := make([]blob.FamilyMask, 3)
	masks[2] = blob.FamilyMask{Allow: 1<<1 | 1<<2, Audit: 1 << 2, Quiet: 1 << 3}
	masked := &blob.Profile{Name: "t", Families: masks}
	p := profile(t, open(t, masked), "t")
	for _, q := range []question{
		{Network{Family: "inet", Type: "stream", Perms: Bind | Send}, "allowed"},
		{Network{Family: "inet", Type: "dgram"}, "allowed, audited"},
		{Network{Family: "inet", Type: "raw"}, "denied create, quiet"},
		{Network{Family: "inet", Type: "seqpacket"}, "denied create"},
		{Network{Family: "inet6", Type: "stream"}, "denied create"},
		{Unix{Type: "stream", Perms: Connect}, "denied open"},
	} {
		q.check(t, p)
	}
	_, found, err := p.Trace(Network{Family: "inet", Type: "raw", Perms: Bind})
	if err != nil || len(found) != 1 || found[0].Input != "inet raw" || found[0].Class != blob.ClassNetOld || found[0].Perms != Bind {
		t.Errorf("looked up %+v, %v", found, err)
	}
	free := profile(t, open(t, &blob.Profile{Name: "t"}), "t")
	gaps, err := p.Covers(context.Background(), free)
	if err != nil || len(gaps) != 10 || gaps[0].Request != (Network{Family: "unspec", Type: "none"}) {
		t.Errorf("%d gaps, %v, first %v", len(gaps), err, gaps[0])
	}
	if gaps, err := free.Covers(context.Background(), p); err != nil || len(gaps) > 0 {
		t.Errorf("gaps %v, %v", gaps, err)
	}
}

// TestDifferences finds for one change of a rule the request that shows it.
func TestDifferences(t *testing.T) {
	for _, tt := range []struct {
		name, kernel, a, b string
		want               []string // differences, and gaps that b leaves, after a +
	}{
		{"owner", "6.1", "owner /a r,", "/a r,", []string{"t: file read|open /a: denied read|open | allowed", "+t: file read|open /a: denied read|open | allowed"}},
		{"other", "7.3", "other /a r,", "/a r,", []string{"t: file read|open /a (owner): denied read|open | allowed", "+t: file read|open /a (owner): denied read|open | allowed"}},
		{"both", "7.3", "owner /a r, other /a w,", "other /a r, owner /a w,", nil},
		{"exec", "6.1", "/a px,", "/a Px,", []string{"t: file exec /a: allowed, px | allowed, Px", "+t: file exec /a: allowed, px | allowed, Px"}},
		{"audit", "6.1", "/a r,", "audit /a r,", []string{"t: file read|open|getattr /a: allowed | allowed, audited"}},
		{"quiet", "6.1", "/b r,", "/b r, deny /a r,", []string{"t: file read|open /a: denied read|open | denied read|open, quiet"}},
		{"link", "6.1", "link /a -> /b,", "link /a -> /c,", []string{"t: link /a -> /b: allowed | denied", "t: link /a -> /c: denied | allowed", "+t: link /a -> /c: denied | allowed"}},
		{"change", "6.1", "change_profile -> a,", "change_profile -> b,", nil},
		{"onexec", "7.3", "change_profile /x -> a,", "change_profile /x -> b,", nil},
		{"capability", "6.1", "capability kill,", "capability kill, capability chown,", []string{"t: capability chown: denied | allowed", "+t: capability chown: denied | allowed"}},
		{"rlimit", "6.1", "set rlimit nofile <= 10,", "set rlimit nofile <= 20,", []string{"t: rlimit nofile 11: denied, above the limit of 10 | allowed", "+t: rlimit nofile 11: denied, above the limit of 10 | allowed"}},
		{"network", "6.12", "network inet,", "network inet, network inet6 stream,", nil},
		{"port", "ubuntu-24.04", "network inet stream port=80,", "network inet stream port=81,", nil},
		{"peer", "ubuntu-24.04", "network inet stream peer=(ip=1.2.3.4),", "network inet stream peer=(ip=1.2.3.5),", nil},
		{"peer6", "ubuntu-26.04", "network inet6 stream peer=(ip=::1 port=5),", "network inet6 stream peer=(ip=::2 port=5),", nil},
		{"unix", "7.3", `unix bind type=stream addr="@a",`, `unix bind type=stream addr="@b",`, nil},
		{"unix peer", "7.3", `unix send type=stream peer=(label=a addr="@x"),`, `unix send type=stream peer=(label=b addr="@x"),`, nil},
		{"unix options", "7.3", `unix (listen getopt) type=stream addr="@a",`, `unix (listen setopt) type=stream addr="@a",`, nil},
		{"port of none", "ubuntu-24.04", "network bind inet stream ip=1.2.3.4,", "network bind inet stream ip=1.2.3.5,", []string{
			"t: network inet stream bind 1.2.3.4:0: allowed | denied bind", "t: network inet stream bind 1.2.3.5:0: denied bind | allowed",
			"+t: network inet stream bind 1.2.3.5:0: denied bind | allowed",
		}},
		{"part of a label", "6.1", "audit ptrace trace peer={a,b},", "audit ptrace trace peer={a,b}, ptrace trace peer=a//&b,", []string{
			"t: ptrace trace peer=a//&b: allowed, audited | allowed",
		}},
		{"whole of a label", "6.1", "ptrace trace peer={a,b},", "ptrace trace peer={a,b}, audit ptrace trace peer=a//&b,", []string{
			"t: ptrace trace peer=a//&b: allowed | allowed, audited",
		}},
		{"signal", "6.1", "signal send set=term peer=p,", "signal send set=kill peer=p,", nil},
		{"rt signal", "6.1", "signal send set=rtmin+1 peer=p,", "signal send set=rtmin+2 peer=p,", nil},
		{"ptrace", "6.1", "ptrace trace peer=p,", "ptrace trace peer=q,", nil},
		{"mount", "6.1", "mount fstype=ext4 /a -> /b/,", "mount fstype=ext3 /a -> /b/,", nil},
		{"umount", "6.1", "umount /a/,", "umount /b/,", nil},
		{"pivot", "6.1", "pivot_root /a/,", "pivot_root /b/,", nil},
		{"dbus", "7.3", "dbus bind bus=a name=b,", "dbus bind bus=a name=c,", nil},
		{"dbus send", "7.3", "dbus send bus=a member=b,", "dbus send bus=a member=c,", nil},
		{"dbus receive", "7.3", "dbus receive bus=a,", "dbus receive bus=b,", nil},
		{"mqueue", "ubuntu-26.04", "mqueue read /a,", "mqueue read /b,", nil},
		{"mqueue label", "ubuntu-26.04", "mqueue read label=a /a,", "mqueue read label=b /a,", nil},
		{"iouring", "6.12", "io_uring override_creds label=a,", "io_uring override_creds label=b,", nil},
		{"sqpoll", "6.12", "io_uring override_creds label=a,", "io_uring,", nil},
		{"userns", "6.12", "userns,", "/x r,", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := profile(t, ours(t, tt.kernel, "profile t {\n/never r,\n"+tt.a+"\n}"), "t")
			b := profile(t, ours(t, tt.kernel, "profile t {\n/never r,\n"+tt.b+"\n}"), "t")
			ctx := t.Context()
			found, err := a.Diff(ctx, b)
			if err != nil || len(found) == 0 {
				t.Fatalf("found %v, %v", found, err)
			}
			gaps, err := a.Covers(ctx, b)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for i, d := range append(slices.Clone(found), gaps...) {
				x, errA := a.Ask(d.Request)
				y, errB := b.Ask(d.Request)
				if errA != nil || errB != nil || x.String() == y.String() || x.String() != d.AnswerA.String() || y.String() != d.AnswerB.String() {
					t.Errorf("%v: asked: %v, %v, %v, %v", d, x, y, errA, errB)
				}
				// What is named is what the answer of one of them was looked up with.
				_, looked, err := a.Trace(d.Request)
				_, more, errB := b.Trace(d.Request)
				looked = append(looked, more...)
				if err != nil || errB != nil || d.Input != nil && !slices.ContainsFunc(looked, func(l Lookup) bool { return slices.Equal(blob.BytesInput(l.Input), d.Input) }) {
					t.Errorf("%v: %q, looked up %+v, %v", d, d.Input, looked, err)
				}
				if i < len(found) {
					got = append(got, d.String())
				} else {
					got = append(got, "+"+d.String())
					if x.Allowed() && y.Allowed() && x.Exec == y.Exec || !y.Allowed() {
						t.Errorf("%v is not a gap", d)
					}
				}
			}
			if diff := cmp.Diff(tt.want, got); tt.want != nil && diff != "" {
				t.Error(diff)
			}
			if same, err := a.Equal(ctx, b); same || err != nil {
				t.Errorf("equal: %v, %v", same, err)
			}
			for _, p := range []*Profile{a, b} {
				if found, err := p.Diff(ctx, p); len(found) > 0 || err != nil {
					t.Errorf("differs from itself: %v, %v", found, err)
				}
				if gaps, err := p.Covers(ctx, p); len(gaps) > 0 || err != nil {
					t.Errorf("does not cover itself: %v, %v", gaps, err)
				}
			}
			if s := strings.Join(got, "\n"); tt.want == nil {
				t.Log(s)
			}
		})
	}
}
