// SPDX-License-Identifier: Apache-2.0

package query_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/goarmor/apparmor/blob"
	. "github.com/goarmor/apparmor/query"
)

// TestCompiled asks what apparmor_parser 3.0.8 made of a policy that has a
// rule of every class.
func TestCompiled(t *testing.T) {
	const text = `
profile t {
  /etc/passwd r,
  owner /home/*/** rw,
  audit /var/log/x w,
  deny /secret r,
  audit deny /worse r,
  /bin/a ix,
  /bin/b Px -> other,
  /bin/c pux,
  /l/* l,
  link /pair -> /target,
  link subset /sub -> /target,
  /sub rw,
  /target r,
  /l/a r,
  capability net_admin, audit capability chown, deny capability kill, capability bpf,
  network inet stream,
  network netlink raw,
  signal send set=(term) peer=foo,
  signal receive peer=unconfined,
  signal send set=(hup rtmin+3 exists) peer=c,
  ptrace (read trace) peer=foo,
  mount fstype=ext4 options=(rw,noatime) /dev/sda1 -> /mnt/,
  mount options=(rw,bind) /src/ -> /dst/,
  mount options=(rw,make-private) -> /p/,
  mount options=(rw,move) /m1/ -> /m2/,
  remount options=(ro) /rm/,
  umount /um/,
  pivot_root oldroot=/new/old/ /new/,
  change_profile -> other,
  change_profile /exu -> onexu,
}
profile c flags=(complain) { /a r, deny /b r, }
profile empty { }
profile mine { /f mrwk, capability, }
`
	policy := reference(t, "6.12", text)
	q := profile(t, policy, "t")
	for _, tt := range []question{
		{File{Path: "/etc/passwd", Perms: Read}, "allowed"},
		{File{Path: "/etc/passwd", Perms: Read | Write}, "denied write"},
		{File{Path: "/etc/shadow", Perms: Read}, "denied read"},
		{File{Path: "/etc/shadow", Perms: Getattr}, "allowed"},
		{File{Path: "/home/u/f", Perms: Write | Create | Delete, Owner: true}, "allowed"},
		{File{Path: "/home/u/f", Perms: Write | Create}, "denied write|create"},
		{File{Path: "/var/log/x", Perms: Append}, "allowed, audited"},
		{File{Path: "/secret", Perms: Read}, "denied read, quiet"},
		{File{Path: "/worse", Perms: Read}, "denied read"},
		{File{Path: "/bin/a", Perms: Exec}, "allowed, ix"},
		{File{Path: "/bin/a", Perms: Mmap}, "allowed"},
		{File{Path: "/bin/b", Perms: Exec}, "allowed, Px -> other"},
		{File{Path: "/bin/c", Perms: Exec}, "allowed, pux"},
		{File{Path: "/bin/d", Perms: Exec}, "denied exec"},
		{File{Path: "/etc/passwd", Perms: Lock}, "denied lock"},

		{Link{Path: "/pair", Target: "/target"}, "allowed"},
		{Link{Path: "/pair", Target: "/other"}, "denied"},
		{Link{Path: "/none", Target: "/target"}, "denied"},
		{Link{Path: "/sub", Target: "/target", Owner: true}, "denied, link is not a subset of its target"},
		{Link{Path: "/l/a", Target: "/target", Owner: true}, "allowed"},
		{Link{Path: "/l/a", Target: "/etc/shadow", Owner: true}, "denied, link is not a subset of its target"},

		{Capability("net_admin"), "allowed"},
		{Capability("chown"), "allowed, audited"},
		{Capability("kill"), "denied, quiet"},
		{Capability("sys_admin"), "denied"},
		{Capability("bpf"), "allowed"},

		{Network{Family: "inet", Type: "stream"}, "allowed"},
		{Network{Family: "inet", Type: "stream", Protocol: 6, Perms: Bind | Listen}, "allowed"},
		{Network{Family: "inet", Type: "dgram"}, "denied create"},
		{Network{Family: "inet6", Type: "stream"}, "denied create"},
		{Network{Family: "netlink", Type: "raw"}, "allowed"},
		{Unix{Type: "stream", Perms: Connect}, "denied open"},

		{Signal{Signal: "term", Perms: Send, Peer: "foo"}, "allowed"},
		{Signal{Signal: "kill", Perms: Send, Peer: "foo"}, "denied send"},
		{Signal{Signal: "term", Perms: Receive, Peer: "foo"}, "denied receive"},
		{Signal{Signal: "kill", Perms: Receive, Peer: "unconfined"}, "allowed"},
		{Signal{Signal: "exists", Perms: Send, Peer: "c"}, "allowed"},
		{Signal{Signal: "hup", Perms: Send, Peer: "c"}, "allowed"},
		{Signal{Signal: "rtmin+3", Perms: Send, Peer: "c"}, "allowed"},
		{Signal{Signal: "rtmin+4", Perms: Send, Peer: "c"}, "denied send"},
		{Signal{Signal: "term", Perms: Send, Peer: "foo//&foo"}, "allowed"},
		{Signal{Signal: "term", Perms: Send, Peer: "foo//&bar"}, "denied send"},

		{Ptrace{Perms: Trace | ReadPeer, Peer: "foo"}, "allowed"},
		{Ptrace{Perms: Trace | TracedBy, Peer: "foo"}, "denied tracedby"},
		{Ptrace{Perms: Trace, Peer: "bar"}, "denied trace"},

		{Mount{Source: "/dev/sda1", Target: "/mnt/", FSType: "ext4", Flags: 1 << 10}, "allowed"},
		{Mount{Source: "/dev/sda1", Target: "/mnt/", FSType: "ext4", Flags: 1<<10 | 0xc0ed0000}, "allowed"},
		{Mount{Source: "/dev/sda1", Target: "/mnt/", FSType: "ext4", Flags: 1<<10 | MountReadOnly}, "denied"},
		{Mount{Source: "/dev/sda1", Target: "/mnt/", FSType: "xfs", Flags: 1 << 10}, "denied"},
		{Mount{Source: "/src/", Target: "/dst/", FSType: "ignored", Flags: MountBind}, "allowed"},
		{Mount{Source: "/src/", Target: "/dst/", Flags: MountBind | MountRec}, "denied"},
		{Mount{Source: "/none/", Target: "/dst/", Flags: MountBind}, "denied"},
		{Mount{Source: "ignored", Target: "/p/", FSType: "ignored", Flags: MountPrivate}, "allowed"},
		{Mount{Target: "/p/", Flags: MountShared}, "denied"},
		{Mount{Source: "/m1/", Target: "/m2/", Flags: MountMove}, "allowed"},
		{Mount{Source: "/m2/", Target: "/m1/", Flags: MountMove}, "denied"},
		{Mount{Source: "ignored", Target: "/rm/", FSType: "ignored", Flags: MountRemount | MountReadOnly}, "allowed"},
		{Mount{Target: "/rm/", Flags: MountRemount}, "denied"},
		{Umount{"/um/"}, "allowed"},
		{Umount{"/mnt/"}, "denied"},
		{PivotRoot{NewRoot: "/new/", PutOld: "/new/old/"}, "allowed"},
		{PivotRoot{NewRoot: "/new/", PutOld: "/new/"}, "denied"},

		{ChangeProfile{Target: "other"}, "allowed"},
		{ChangeProfile{Target: "another"}, "denied change_profile"},
		{ChangeProfile{Target: "other", Stack: true}, "denied change_profile"},
		{ChangeProfile{Target: "other//&other"}, "allowed"},
		{ChangeProfile{Target: "onexu"}, "allowed"},
		{ChangeProfile{Target: "other", OnExec: true}, "allowed"},
		{ChangeProfile{Target: "onexu", OnExec: true, Path: "/exu"}, "allowed"},
		{ChangeProfile{Target: "onexu", OnExec: true, Path: "/exv"}, "denied onexec"},

		{Userns{}, "not mediated"},
		{IOUring{}, "not mediated"},
		{DBus{Bus: "system"}, "not mediated"},
	} {
		tt.check(t, q)
	}

	empty := profile(t, policy, "empty")
	for _, tt := range []question{
		{File{Path: "/", Perms: Read}, "denied read"},
		{Link{Path: "/a", Target: "/b"}, "denied"},
		{Capability("chown"), "denied"},
		{Umount{"/"}, "denied"},
		{Signal{Signal: "term", Perms: Send | Receive, Peer: "x"}, "denied send|receive"},
		{ChangeProfile{Target: "x", OnExec: true, Path: "/p"}, "denied onexec"},
	} {
		tt.check(t, empty)
	}

	c := profile(t, policy, "c")
	for path, permitted := range map[string]bool{"/a": true, "/b": false, "/c": true} {
		d, err := c.Ask(File{Path: path, Perms: Read})
		if err != nil || d.Mode != blob.Complain || d.Permitted() != permitted || d.Allowed() != (path == "/a") {
			t.Errorf("complain, %s: %+v, %v", path, d, err)
		}
	}

	if n := len(policy.Profiles()); n != 4 {
		t.Errorf("%d profiles, want 4", n)
	}
	if _, ok := policy.Profile("none"); ok {
		t.Error("a profile that does not exist is found")
	}
}

// TestBuilt asks classes that the installed parser cannot write.
func TestBuilt(t *testing.T) {
	allow := func(bits uint32) blob.Perm { return blob.Perm{Allow: bits} }
	const create = "\x0f\x00\x01\x00\x01\x00\x00"
	p := open(t, &blob.Profile{Name: "p", Policydb: trie(map[string]blob.Perm{
		"\x0e\x00\x02\x00\x02":                    allow(0x10), // not looked at: there is a newer class
		"\x0f\x00\x02\x00\x01":                    allow(0x10),
		"\x0f\x00\x10\x00\x03":                    allow(blob.PermContinue),
		"\x0f\x00\x10\x00\x03\x00\x09":            allow(0x10),
		"\x0f\x00\x01\x00\x01":                    allow(blob.AllNetPerms), // unix takes seven bytes
		create:                                    {Allow: 0x10, Audit: 0x10},
		create + "\x00name\x00\x00":               allow(0x200200),
		create + "\x00\x00":                       allow(blob.PermBind),
		create + "\x01\x00\x00\x02\x00\x05":       allow(blob.PermListen),
		create + "\x01\x00\x00\x04\x00\x07":       allow(blob.PermSetopt),
		create + "\x01\x00\x00\x01\x00peer\x00lp": allow(0x42),
		create + "\x01\x00\x00\x01\x00peer\x00lq": allow(0x40),
		"\x15":      allow(0xc),
		"\x16":      allow(0x10),
		"\x16label": allow(0x8),
		"\x20system\x00org.x\x00lx\x00/org/x\x00org.x.I\x00M": {Allow: 2, Quiet: 4},
		"\x20session\x00org.y":                                allow(0x40),
		"\x20system":                                          allow(0x20),
		"\x09":                                                allow(0),
		"\x10\x09peer":                                        {Allow: 2, Prompt: 4},
		"\x07/m/\x00src\x00fs\x00\x01":                        allow(0x40),
		"\x07/m/\x00src\x00fs\x00\x01\x00data=on":             allow(2),
	})})
	q := profile(t, p, "p")
	for _, tt := range []question{
		{Network{Family: "inet", Type: "stream", Protocol: 7}, "allowed"},
		{Network{Family: "inet", Type: "dgram"}, "denied create"},
		{Network{Family: "netlink", Type: "raw", Protocol: 9}, "allowed"},
		{Network{Family: "netlink", Type: "raw"}, "denied create"},
		{Network{Family: "unix", Type: "stream", Perms: Bind}, "denied bind"},
		{Network{Family: "unix", Type: "stream"}, "allowed, audited"},
		{Unix{Type: "stream"}, "allowed, audited"},
		{Unix{Type: "dgram"}, "denied create"},
		{Unix{Type: "stream", Perms: Bind | Getattr, Addr: "@name"}, "allowed"},
		{Unix{Type: "stream", Perms: Bind, Addr: "@none"}, "denied bind"},
		{Unix{Type: "stream", Perms: Bind, Addr: UnixAutobind}, "allowed"},
		{Unix{Type: "stream", Perms: Create | Bind, Addr: UnixUnnamed}, "denied bind, audited"},
		{Unix{Type: "stream", Perms: Listen, Backlog: 5}, "allowed"},
		{Unix{Type: "stream", Perms: Listen, Backlog: 6}, "denied listen"},
		{Unix{Type: "stream", Perms: Setopt, Option: 7}, "allowed"},
		{Unix{Type: "stream", Perms: Getopt, Option: 7}, "denied getopt"},
		{Unix{Type: "stream", Perms: Connect | Send, PeerAddr: "@peer", Peer: "lp"}, "allowed"},
		{Unix{Type: "stream", Perms: Connect, PeerAddr: "@peer", Peer: "lp//&lq"}, "allowed"},
		{Unix{Type: "stream", Perms: Send, PeerAddr: "@peer", Peer: "lp//&lq"}, "denied write"},
		{Userns{}, "allowed"},
		{IOUring{}, "allowed"},
		{IOUring{OverrideCreds: true, Label: "label"}, "allowed"},
		{IOUring{OverrideCreds: true, Label: "other"}, "denied"},
		{DBus{Op: DBusSend, Bus: "system", Name: "org.x", Peer: "lx", ObjectPath: "/org/x", Interface: "org.x.I", Member: "M"}, "allowed"},
		{DBus{Op: DBusReceive, Bus: "system", Name: "org.x", Peer: "lx", ObjectPath: "/org/x", Interface: "org.x.I", Member: "M"}, "denied receive, quiet"},
		{DBus{Op: DBusBind, Bus: "session", Name: "org.y"}, "allowed"},
		{DBus{Op: DBusBind, Bus: "system", Name: "org.y"}, "denied"},
		{DBus{Op: DBusEavesdrop, Bus: "system"}, "allowed"},
		{DBus{Op: DBusEavesdrop, Bus: "session"}, "denied"},
		{Ptrace{Perms: Trace, Peer: "peer"}, "allowed"},
		{Ptrace{Perms: ReadPeer, Peer: "peer"}, "denied read, prompt read"},
		{Mount{Source: "src", Target: "/m/", FSType: "fs", Flags: MountReadOnly, Data: "data=on"}, "allowed"},
		{Mount{Source: "src", Target: "/m/", FSType: "fs", Flags: MountReadOnly, Data: "data=off"}, "denied"},
		{Mount{Source: "src", Target: "/m/", FSType: "fs", Flags: MountReadOnly}, "denied"},
	} {
		tt.check(t, q)
	}
}

func TestChangeProfileOnExec(t *testing.T) {
	p := open(t, &blob.Profile{Name: "p", File: trie(map[string]blob.Perm{
		"T": {Allow: blob.PermOnexec}, "/x": {Allow: blob.PermOnexec}, "/x\x00T": {Allow: blob.PermOnexec | blob.PermExec},
		"/y": {Allow: blob.PermOnexec}, "&S": {Allow: blob.PermChangeProf}, "/w\x00T": {Allow: blob.PermOnexec},
	})})
	q := profile(t, p, "p")
	for _, tt := range []question{
		{ChangeProfile{Target: "T", OnExec: true}, "allowed"},
		{ChangeProfile{Target: "T", OnExec: true, Path: "/w"}, "denied onexec"},
		{ChangeProfile{Target: "T", OnExec: true, Path: "/x"}, "allowed"},
		{ChangeProfile{Target: "T", OnExec: true, Path: "/y"}, "denied onexec"},
		{ChangeProfile{Target: "T", OnExec: true, Path: "/z"}, "denied onexec"},
		{ChangeProfile{Target: "T"}, "denied change_profile"},
		{ChangeProfile{Target: "S", Stack: true}, "allowed"},
		{ChangeProfile{Target: "S"}, "denied change_profile"},
	} {
		tt.check(t, q)
	}
}

func TestUnconfined(t *testing.T) {
	p := open(t, &blob.Profile{Name: "p", Mode: blob.Unconfined, Policydb: trie(map[string]blob.Perm{"\x15": {Allow: 4}})})
	q := profile(t, p, "p")
	for r, want := range map[Request]bool{
		File{Path: "/x", Perms: Read}: true, Capability("kill"): true, Userns{}: false,
	} {
		if d, err := q.Ask(r); err != nil || d.Allowed() || d.Permitted() != want {
			t.Errorf("%v: %+v (permitted %v), %v", r, d, d.Permitted(), err)
		}
	}
}

func TestRequestErrors(t *testing.T) {
	q := profile(t, open(t, &blob.Profile{Name: "p", Policydb: trie(map[string]blob.Perm{"\x0f": {}})}), "p")
	for _, tt := range []struct {
		ask  Request
		want string
	}{
		{Capability("none"), `capability none: unknown capability "none"`},
		{Capability(""), `capability : unknown capability ""`},
		{Network{Family: "x", Type: "raw"}, `network x raw: unknown address family "x"`},
		{Network{Family: "inet", Type: "x"}, `network inet x: unknown socket type "x"`},
		{Unix{Type: "x"}, `unix create x: unknown socket type "x"`},
		{Unix{Type: "stream", Addr: "/path"}, `unix create stream addr=/path: unknown kind of address "/path"`},
		{Signal{Signal: "usr3", Perms: Send, Peer: "p"}, `signal send usr3 peer=p: unknown signal "usr3"`},
		{Signal{Signal: "rtmin+33", Perms: Send, Peer: "p"}, `signal send rtmin+33 peer=p: unknown signal "rtmin+33"`},
		{DBus{Op: 9, Bus: "b"}, `dbus receive bus=b: unknown operation "9"`},
	} {
		_, err := q.Ask(tt.ask)
		var e *RequestError
		if !errors.As(err, &e) || e.Error() != tt.want {
			t.Errorf("%v, want %s", err, tt.want)
		}
		if q.Allows(tt.ask) {
			t.Errorf("%v is allowed", tt.ask)
		}
	}
}

// TestUnknownPerms asks every request that has permissions for each single bit,
// alone and with one that the class has, of profiles that grant everything or
// mediate nothing: a bit that the class does not have is an error.
func TestUnknownPerms(t *testing.T) {
	const (
		net  = Create | Delete | Read | Write | MayOpen | Setattr | Getattr | Accept | Bind | Listen | Setopt | Getopt
		link = Perms(blob.PermLink)
	)
	profiles := []*Profile{
		profile(t, open(t, &blob.Profile{Name: "all", File: everyString(), Policydb: everyString()}), "all"),
		profile(t, open(t, &blob.Profile{Name: "none"}), "none"),
		profile(t, open(t, &blob.Profile{Name: "families", Families: make([]blob.FamilyMask, 45)}), "families"),
	}
	for _, tt := range []struct {
		name  string
		class Perms // has these
		zero  bool  // no permission at all means one
		with  func(Perms) Request
	}{
		{"file", 1<<18 - 1 | link, false, func(a Perms) Request { return File{Path: "/x", Perms: a} }},
		{"signal", Send | Receive, false, func(a Perms) Request { return Signal{Signal: "term", Perms: a, Peer: "p"} }},
		{"ptrace", Trace | ReadPeer | TracedBy | ReadBy, false, func(a Perms) Request { return Ptrace{Perms: a, Peer: "p"} }},
		{"inet", net, true, func(a Perms) Request { return Network{Family: "inet", Type: "stream", Perms: a} }},
		{"unix as a network", net, true, func(a Perms) Request { return Network{Family: "unix", Type: "stream", Perms: a} }},
		{"unix", net, true, func(a Perms) Request { return Unix{Type: "stream", Perms: a} }},
		{"mqueue", Create | MayOpen | Delete | Read | Write | Getattr | Setattr, true, func(a Perms) Request { return Mqueue{Name: "/q", Perms: a} }},
		{"System V mqueue", Create | MayOpen | Delete | Read | Write | Getattr | Setattr, true, func(a Perms) Request { return Mqueue{Key: 1, Perms: a} }},
	} {
		for _, p := range profiles {
			check := func(a, unknown Perms, fine bool) {
				t.Helper()
				r := tt.with(a)
				d, err := p.Ask(r)
				if fine {
					if err != nil || d.Request != a && a != 0 {
						t.Errorf("%s, %s: %v: %+v, %v", p.Name, tt.name, r, d, err)
					}
					return
				}
				var bad *RequestError
				if !errors.As(err, &bad) || bad.What != "permission" || unknown != 0 && bad.Name != unknown.String() || unknown == 0 && bad.Name != "" {
					t.Errorf("%s, %s: %v: %v, want a RequestError on %v", p.Name, tt.name, r, err, unknown)
				}
				if d.Allowed() || p.Allows(r) {
					t.Errorf("%s, %s: %v is allowed", p.Name, tt.name, r)
				}
			}
			check(0, 0, tt.zero)
			for i := range 32 {
				bit := Perms(1) << i
				check(bit, bit, tt.class&bit != 0)
				some := tt.class & -tt.class
				check(bit|some, bit, tt.class&bit != 0)
			}
		}
	}
	for _, tt := range []struct {
		ask  Request
		want string
	}{
		{Unix{Type: "stream", Perms: Rename}, `unix rename stream: unknown permission "rename"`},
		{Network{Family: "inet", Type: "raw", Perms: Rename | Create}, `network inet raw create|rename: unknown permission "rename"`},
		{File{Path: "/x"}, `file none /x: no permission is asked for`},
	} {
		if _, err := profiles[0].Ask(tt.ask); err == nil || err.Error() != tt.want {
			t.Errorf("%v, want %s", err, tt.want)
		}
	}
}

func TestAttachment(t *testing.T) {
	policy := reference(t, "6.12", `
profile plain /usr/bin/foo { }
profile glob /usr/bin/* { }
profile long /usr/bin/fo* { }
/usr/sbin/named { profile child /bin/x { } ^hat { } }
profile one /same/* { }
profile two /same/* { }
profile none { }
`)
	for path, want := range map[string]string{
		"/usr/bin/foo": "plain", "/usr/bin/fox": "long", "/usr/bin/x": "glob", "/usr/sbin/named": "/usr/sbin/named",
		"/bin/x": "", "/nothing": "", "/none": "",
	} {
		q, err := policy.Attachment(path)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		got := ""
		if q != nil {
			got = q.Name
		}
		if got != want {
			t.Errorf("%s: attaches %q, want %q", path, got, want)
		}
	}
	var conflict *ConflictError
	if _, err := policy.Attachment("/same/x"); !errors.As(err, &conflict) {
		t.Errorf("error is %v, want a conflict", err)
	} else if diff := cmp.Diff([]string{"one", "two"}, conflict.Profiles); diff != "" {
		t.Error(diff)
	}
	children, err := profile(t, policy, "/usr/sbin/named").ChildAttachments(Attach{Path: "/bin/x"})
	if err != nil || len(children) != 1 || children[0].Profile.Name != "/usr/sbin/named//child" {
		t.Errorf("children are %v, %v", children, err)
	}
}

func BenchmarkFile(b *testing.B) {
	q := profile(b, reference(b, "6.12", "@{HOME}=/home/*/\nprofile t { /usr/lib/** mr, owner @{HOME}/** rw, }"), "t")
	r := File{Path: "/usr/lib/x86_64-linux-gnu/libc.so.6", Perms: Read | Mmap}
	b.ReportAllocs()
	for b.Loop() {
		if !q.Allows(r) {
			b.Fatal("the request is denied")
		}
	}
}

// TestDBusNeedsNetwork asks a profile that has the class of buses, but not the
// newer one of networks, without which kernels pass it over.
func TestDBusNeedsNetwork(t *testing.T) {
	const bus, network = "\x20system", "\x0f\x00\x02"
	for _, tt := range []struct {
		grants []string
		want   string
	}{
		{[]string{bus}, "not mediated"},
		{[]string{bus, network}, "denied"},
	} {
		grants := map[string]blob.Perm{}
		for _, s := range tt.grants {
			grants[s] = blob.Perm{Allow: blob.PermRead}
		}
		p := profile(t, open(t, &blob.Profile{Name: "p", Policydb: trie(grants)}), "p")
		d, err := p.Ask(DBus{Op: DBusEavesdrop, Bus: "system"})
		if err != nil || d.String() != tt.want {
			t.Errorf("%q: %v, %v; want %s", tt.grants, d, err, tt.want)
		}
	}
}

// TestTrace compares what was looked up.
func TestTrace(t *testing.T) {
	p := profile(t, open(t, &blob.Profile{
		Name: "p",
		File: trie(map[string]blob.Perm{
			"/a": {Allow: blob.PermLink | blob.PermRead}, "/a\x00/b": {Allow: blob.PermLink | blob.PermLinkSubset}, "/b": {Allow: blob.PermRead},
		}),
		Policydb: trie(map[string]blob.Perm{"\x09": {}, "\x10\x09x": {Allow: 2}, "\x0f\x00\x02\x00\x01": {Allow: blob.PermContinue}}),
	}), "p")
	found := func(allow uint32) blob.Effective { return blob.Effective{Allow: allow} }
	const next = Perms(blob.PermContinue)
	for _, tt := range []struct {
		ask  Request
		want []Lookup
	}{
		{File{Path: "/a", Perms: Write, Owner: true}, []Lookup{{blob.PartFile, blob.ClassFile, "/a", true, Write, found(blob.PermLink | blob.PermRead)}}},
		{Link{Path: "/a", Target: "/b"}, []Lookup{
			{blob.PartFile, blob.ClassFile, "/a", false, Perms(blob.PermLink), found(blob.PermLink | blob.PermRead)},
			{blob.PartFile, blob.ClassFile, "/a\x00/b", false, Perms(blob.PermLink | blob.PermLinkSubset), found(blob.PermLink | blob.PermLinkSubset)},
			{blob.PartFile, blob.ClassFile, "/a", false, ^Perms(0), found(blob.PermLink | blob.PermRead)},
			{blob.PartFile, blob.ClassFile, "/b", false, Read, found(blob.PermRead)},
		}},
		{Capability("kill"), []Lookup{{blob.PartProfile, blob.ClassCap, "kill", true, Exec, found(0)}}},
		{Ptrace{Perms: Trace, Peer: "x"}, []Lookup{{blob.PartPolicydb, blob.ClassPtrace, "\x10\x09x", true, Trace, found(2)}}},
		{Network{Family: "inet", Type: "stream", Protocol: 6}, []Lookup{
			{blob.PartPolicydb, blob.ClassNetV9, "\x0f\x00\x02\x00\x01", true, Create | next, found(blob.PermContinue)},
			{blob.PartPolicydb, blob.ClassNetV9, "\x0f\x00\x02\x00\x01\x00\x06", true, Create, found(0)},
		}},
		{Signal{Signal: "term", Perms: Send, Peer: "x"}, nil},
		{Unix{Type: "nothing"}, nil},
	} {
		d, got, err := p.Trace(tt.ask)
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%v: %s", tt.ask, diff)
		}
		asked, askErr := p.Ask(tt.ask)
		if diff := cmp.Diff(asked, d, cmp.AllowUnexported(Decision{})); diff != "" || (err == nil) != (askErr == nil) {
			t.Errorf("%v: Trace and Ask differ: %s %v %v", tt.ask, diff, err, askErr)
		}
	}
}
