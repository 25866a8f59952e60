// SPDX-License-Identifier: Apache-2.0

//go:build linux

package checks

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/internal/vmtest/guest"
	"github.com/goarmor/apparmor/query"
)

// classes is policy with rules of every class that a kernel mediates. What it
// grants to subject it does not grant to plain; peer is the other end.
const classes = `
abi <kernel>,

profile subject {
  /usr/bin/subject mrix,
  /usr/bin/target px -> peer,
  /usr/bin/child cx -> child,
  /dev/null rw,
  /srv/classes/ r,
  /srv/classes/file rw,
  deny /srv/classes/denied rw,
  /srv/classes/{file,denied,other} k,
  owner /srv/classes/owned r,
  /srv/classes/any rwl,
  link subset /srv/classes/sub -> /srv/**,
  /srv/classes/sub rw,
  link /srv/classes/pair -> /srv/classes/file,

  capability sys_admin,
  capability net_raw,
  capability fowner,
  network packet raw,
  deny network inet raw,
  unix (create, bind, getattr, setattr, getopt, setopt) type=stream addr="@classes-ok",
  unix (connect, send, receive) type=stream peer=(addr="@classes-peer", label=unconfined),

  signal send set=winch peer=peer,
  signal send set=(winch, cont) peer=plain,
  signal peer=subject,
  ptrace trace peer=peer,
  ptrace trace peer=plain,

  mount fstype=tmpfs options=(nosuid) probe -> /srv/classes/m1/,
  mount options=(bind) /srv/classes/dir/ -> /srv/classes/m2/,
  umount /srv/classes/m[12]/,

  userns,
  io_uring sqpoll,
  change_profile -> peer,
  owner /proc/*/task/*/attr/apparmor/current w,
  dbus send bus=system path=/org/x interface=org.x.I member={Get,Set} peer=(label=peer),
  dbus bind bus=session name=org.x.*,
  audit dbus receive bus=system,
  dbus eavesdrop bus=session,

  profile child {
    /usr/bin/child mr,
    /dev/null rw,
    signal peer=subject,
    ptrace tracedby peer=subject,
  }
}

profile plain {
  /usr/bin/plain mrix,
  /dev/null rw,
  /srv/classes/owned r,
  capability chown,
  audit deny capability sys_admin,
  signal receive set=winch peer=subject,
  signal peer=plain,
  ptrace readby peer=subject,
}

profile peer {
  /usr/bin/* mr,
  /dev/null rw,
  signal,
  ptrace,
}
`

// TestClasses enforces rules of each class, what they grant and what they do
// not.
func TestClasses(t *testing.T) {
	k := kernel(t)
	_, p := newCompiler(t).compile(t, "classes", classes)
	load(t, k, p)
	set, err := k.Features(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// where is what a probe gets that is denied on kernels with a feature.
	where := func(ok bool) syscall.Errno {
		if ok {
			return syscall.EACCES
		}
		return 0
	}

	const dir = "/srv/classes"
	at := func(name string) string { return filepath.Join(dir, name) }
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	for _, name := range []string{"dir", "m1", "m2", "m3"} {
		if err := os.MkdirAll(at(name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"file", "denied", "other", "owned", "foreign"} {
		if err := os.WriteFile(at(name), []byte(name), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"subject", "plain", "target", "child", "none"} {
		other(t, "/usr/bin/"+name)
	}
	start := func(label string) *probe {
		t.Helper()
		return newProbe(t, "/usr/bin/"+label, func(cmd *exec.Cmd) error { return k.Start(t.Context(), cmd, label) })
	}
	subject, plain := start("subject"), start("plain")
	free := newProbe(t, "/usr/bin/none", (*exec.Cmd).Start)
	peer := newProbe(t, "/usr/bin/target", func(cmd *exec.Cmd) error { return k.Start(t.Context(), cmd, "peer") })

	t.Run("files", func(t *testing.T) {
		subject.want(t, 0, "list", dir+"/")
		subject.want(t, 0, "write", at("file"))
		subject.want(t, 0, "lock", at("file"))
		subject.want(t, syscall.EACCES, "read", at("denied"))
		subject.want(t, syscall.EACCES, "read", at("other"))
		subject.want(t, 0, "read", at("owned"))
		plain.want(t, 0, "read", at("owned"))
		free.want(t, 0, "chown", at("owned"))
		subject.want(t, syscall.EACCES, "read", at("owned"))
		plain.want(t, 0, "read", at("owned"))
		free.want(t, 0, "read", at("denied"))
	})
	t.Run("links", func(t *testing.T) {
		link := func(want syscall.Errno, from, to string) {
			t.Helper()
			subject.want(t, want, "link", at(from), at(to))
			if want == 0 {
				free.want(t, 0, "remove", at(to))
			}
		}
		free.want(t, 0, "chown", at("foreign"))
		link(0, "file", "pair")
		link(syscall.EACCES, "other", "pair")
		link(0, "file", "any")
		link(syscall.EACCES, "other", "any") // any grants more than other does
		link(0, "file", "sub")
		link(syscall.EACCES, "other", "sub")
		link(syscall.EACCES, "file", "none")
		// Policy asks for the subset only where the file is the task's own, as
		// the reference compiles it. Only a target that is named keeps a task
		// from making links of what it may not open.
		link(0, "foreign", "any")
		link(0, "foreign", "sub")
		link(syscall.EACCES, "foreign", "pair")
	})
	t.Run("exec", func(t *testing.T) {
		for _, c := range [][2]string{{"subject", "subject"}, {"target", "peer"}, {"child", "subject//child"}} {
			name, want := c[0], c[1]
			o := subject.want(t, 0, "start", "/usr/bin/"+name)
			pid, err := strconv.Atoi(o.Out)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if l, err := k.Label(pid); err != nil || !l.Is(want) {
				t.Errorf("%s runs under %q, %v; want %q", name, l, err, want)
			}
			subject.want(t, 0, "stop", o.Out)
		}
		subject.want(t, syscall.EACCES, "start", "/usr/bin/none")
		plain.want(t, syscall.EACCES, "start", "/usr/bin/subject")
	})
	t.Run("change_profile", func(t *testing.T) {
		subject.want(t, 0, "label", "peer")
		subject.want(t, syscall.EACCES, "label", "plain")
		subject.want(t, syscall.EACCES, "label", "unconfined")
		plain.want(t, syscall.EACCES, "label", "peer")
		if guest.Since(6, 8) { // the first with such a system call
			subject.want(t, 0, "label by call", "peer")
			subject.want(t, syscall.EACCES, "label by call", "plain")
			subject.want(t, syscall.EACCES, "label by call", "unconfined")
			plain.want(t, syscall.EACCES, "label by call", "peer")
		}
		free.want(t, 0, "label", "plain")
	})
	t.Run("capabilities", func(t *testing.T) {
		subject.want(t, 0, "hostname", "subject")
		subject.want(t, syscall.EPERM, "chown", at("file"))
		plain.want(t, syscall.EPERM, "hostname", "plain")
	})
	t.Run("network", func(t *testing.T) {
		socket := func(p *probe, want syscall.Errno, family, typ int) {
			t.Helper()
			p.want(t, want, "socket", strconv.Itoa(family), strconv.Itoa(typ), "0")
		}
		socket(subject, 0, unix.AF_PACKET, unix.SOCK_RAW)
		socket(subject, syscall.EACCES, unix.AF_PACKET, unix.SOCK_DGRAM)
		socket(subject, syscall.EACCES, unix.AF_INET, unix.SOCK_RAW)
		socket(subject, syscall.EACCES, unix.AF_INET, unix.SOCK_STREAM)
		socket(plain, syscall.EACCES, unix.AF_PACKET, unix.SOCK_RAW)
		socket(free, 0, unix.AF_PACKET, unix.SOCK_DGRAM)
		socket(free, 0, unix.AF_INET, unix.SOCK_STREAM)

		socket(subject, 0, unix.AF_UNIX, unix.SOCK_STREAM)
		socket(subject, syscall.EACCES, unix.AF_UNIX, unix.SOCK_DGRAM)
		socket(plain, syscall.EACCES, unix.AF_UNIX, unix.SOCK_STREAM)
		subject.want(t, 0, "abstract bind", "classes-ok")
		subject.want(t, where(set.Unix()), "abstract bind", "classes-no")
		for _, name := range []string{"classes-peer", "classes-none"} {
			listenAbstract(t, name)
		}
		subject.want(t, 0, "abstract connect", "classes-peer")
		subject.want(t, where(set.Unix()), "abstract connect", "classes-none")
		free.want(t, 0, "abstract connect", "classes-none")
	})
	t.Run("signals", func(t *testing.T) {
		winch, cont := strconv.Itoa(int(unix.SIGWINCH)), strconv.Itoa(int(unix.SIGCONT))
		subject.want(t, 0, "kill", peer.pid(), winch)
		subject.want(t, syscall.EACCES, "kill", peer.pid(), cont)
		subject.want(t, 0, "kill", plain.pid(), winch)
		subject.want(t, syscall.EACCES, "kill", plain.pid(), cont) // it may not receive it
		subject.want(t, syscall.EACCES, "kill", free.pid(), winch)
		plain.want(t, syscall.EACCES, "kill", subject.pid(), winch)
		peer.want(t, syscall.EACCES, "kill", subject.pid(), winch)
		free.want(t, 0, "kill", peer.pid(), winch)
		free.want(t, syscall.EACCES, "kill", plain.pid(), winch)
	})
	t.Run("ptrace", func(t *testing.T) {
		subject.want(t, 0, "trace", peer.pid())
		subject.want(t, syscall.EACCES, "trace", plain.pid()) // it may not be traced
		subject.want(t, syscall.EACCES, "trace", free.pid())
		peer.want(t, syscall.EACCES, "trace", subject.pid())
		// Kernels do not ask the traced side about who is not confined.
		free.want(t, 0, "trace", plain.pid())
		free.want(t, 0, "trace", peer.pid())
	})
	t.Run("mount", func(t *testing.T) {
		subject.want(t, 0, "mount", at("m1"))
		subject.want(t, 0, "umount", at("m1"))
		subject.want(t, syscall.EACCES, "mount", at("m3"))
		subject.want(t, 0, "bind", at("dir"), at("m2"))
		subject.want(t, 0, "umount", at("m2"))
		subject.want(t, syscall.EACCES, "bind", at("dir"), at("m1"))
		subject.want(t, syscall.EACCES, "bind", at("m1"), at("m2"))
		plain.want(t, syscall.EACCES, "mount", at("m1"))
		free.want(t, 0, "mount", at("m3"))
		subject.want(t, syscall.EACCES, "umount", at("m3"))
		free.want(t, 0, "umount", at("m3"))
	})
	t.Run("namespaces", func(t *testing.T) {
		subject.want(t, 0, "userns", "/usr/bin/subject")
		plain.want(t, where(set.Supports(features.Userns)), "userns", "/usr/bin/plain")
	})
	t.Run("io_uring", func(t *testing.T) {
		subject.want(t, 0, "sqpoll")
		plain.want(t, where(set.Supports(features.IOUring)), "sqpoll")
		free.want(t, 0, "sqpoll")
	})
	t.Run("query", func(t *testing.T) { askClasses(t, set) })
	t.Run("access", func(t *testing.T) {
		checkAccess(t, k, kernelPolicy(t, "subject").Profiles(), nil, 150)
	})
}

// askClasses asks package query what the kernel has decided, from the bytes
// that it holds.
func askClasses(t *testing.T, set *features.Set) {
	const dir = "/srv/classes/"
	const yes = true
	unixNo := !set.Unix() // where sockets have no addresses
	policy := query.Open(kernelPolicy(t, "subject"))
	for _, c := range []struct {
		profile string
		want    bool
		request query.Request
	}{
		{"subject", yes, query.File{Path: dir, Perms: query.Read}},
		{"subject", yes, query.File{Path: dir + "file", Perms: query.Read | query.Write | query.Lock}},
		{"subject", false, query.File{Path: dir + "denied", Perms: query.Read}},
		{"subject", false, query.File{Path: dir + "other", Perms: query.Read}},
		{"subject", yes, query.File{Path: dir + "owned", Perms: query.Read, Owner: true}},
		{"subject", false, query.File{Path: dir + "owned", Perms: query.Read}},
		{"plain", yes, query.File{Path: dir + "owned", Perms: query.Read}},

		{"subject", yes, query.Link{Path: dir + "pair", Target: dir + "file", Owner: true}},
		{"subject", false, query.Link{Path: dir + "pair", Target: dir + "other", Owner: true}},
		{"subject", yes, query.Link{Path: dir + "any", Target: dir + "file", Owner: true}},
		{"subject", false, query.Link{Path: dir + "any", Target: dir + "other", Owner: true}},
		{"subject", yes, query.Link{Path: dir + "sub", Target: dir + "file", Owner: true}},
		{"subject", false, query.Link{Path: dir + "sub", Target: dir + "other", Owner: true}},
		{"subject", false, query.Link{Path: dir + "none", Target: dir + "file", Owner: true}},
		{"subject", yes, query.Link{Path: dir + "any", Target: dir + "foreign"}},
		{"subject", yes, query.Link{Path: dir + "sub", Target: dir + "foreign"}},
		{"subject", false, query.Link{Path: dir + "pair", Target: dir + "foreign"}},

		{"subject", yes, query.File{Path: "/usr/bin/subject", Perms: query.Exec}},
		{"subject", yes, query.File{Path: "/usr/bin/target", Perms: query.Exec}},
		{"subject", yes, query.File{Path: "/usr/bin/child", Perms: query.Exec}},
		{"subject", false, query.File{Path: "/usr/bin/none", Perms: query.Exec}},
		{"plain", false, query.File{Path: "/usr/bin/subject", Perms: query.Exec}},
		{"subject", yes, query.ChangeProfile{Target: "peer"}},
		{"subject", false, query.ChangeProfile{Target: "plain"}},
		{"subject", false, query.ChangeProfile{Target: "unconfined"}},
		{"plain", false, query.ChangeProfile{Target: "peer"}},

		{"subject", yes, query.Capability("sys_admin")},
		{"subject", false, query.Capability("chown")},
		{"plain", false, query.Capability("sys_admin")},

		{"subject", yes, query.Network{Family: "packet", Type: "raw"}},
		{"subject", false, query.Network{Family: "packet", Type: "dgram"}},
		{"subject", false, query.Network{Family: "inet", Type: "raw"}},
		{"subject", false, query.Network{Family: "inet", Type: "stream"}},
		{"plain", false, query.Network{Family: "packet", Type: "raw"}},
		{"subject", yes, query.Unix{Type: "stream"}},
		{"subject", false, query.Unix{Type: "dgram"}},
		{"plain", false, query.Unix{Type: "stream"}},
		{"subject", yes, query.Unix{Type: "stream", Perms: query.Bind, Addr: "@classes-ok"}},
		{"subject", unixNo, query.Unix{Type: "stream", Perms: query.Bind, Addr: "@classes-no"}},
		{"subject", yes, query.Unix{Type: "stream", Perms: query.Connect, PeerAddr: "@classes-peer", Peer: "unconfined"}},
		{"subject", unixNo, query.Unix{Type: "stream", Perms: query.Connect, PeerAddr: "@classes-none", Peer: "unconfined"}},

		{"subject", yes, query.Signal{Signal: "winch", Perms: query.Send, Peer: "peer"}},
		{"subject", false, query.Signal{Signal: "cont", Perms: query.Send, Peer: "peer"}},
		{"subject", yes, query.Signal{Signal: "cont", Perms: query.Send, Peer: "plain"}},
		{"plain", yes, query.Signal{Signal: "winch", Perms: query.Receive, Peer: "subject"}},
		{"plain", false, query.Signal{Signal: "cont", Perms: query.Receive, Peer: "subject"}},
		{"subject", false, query.Signal{Signal: "winch", Perms: query.Send, Peer: "unconfined"}},
		{"plain", false, query.Signal{Signal: "winch", Perms: query.Receive, Peer: "unconfined"}},
		{"peer", yes, query.Signal{Signal: "winch", Perms: query.Receive, Peer: "unconfined"}},
		{"subject", yes, query.Ptrace{Perms: query.Trace, Peer: "peer"}},
		{"peer", yes, query.Ptrace{Perms: query.TracedBy, Peer: "subject"}},
		{"plain", false, query.Ptrace{Perms: query.TracedBy, Peer: "subject"}},
		{"subject", false, query.Ptrace{Perms: query.Trace, Peer: "unconfined"}},

		{"subject", yes, query.Mount{Source: "probe", Target: dir + "m1/", FSType: "tmpfs", Flags: query.MountNoSuid}},
		{"subject", false, query.Mount{Source: "probe", Target: dir + "m3/", FSType: "tmpfs", Flags: query.MountNoSuid}},
		{"subject", yes, query.Mount{Source: dir + "dir/", Target: dir + "m2/", Flags: query.MountBind}},
		{"subject", false, query.Mount{Source: dir + "dir/", Target: dir + "m1/", Flags: query.MountBind}},
		{"subject", false, query.Mount{Source: dir + "m1/", Target: dir + "m2/", Flags: query.MountBind}},
		{"plain", false, query.Mount{Source: "probe", Target: dir + "m1/", FSType: "tmpfs", Flags: query.MountNoSuid}},
		{"subject", yes, query.Umount{Target: dir + "m1/"}},
		{"subject", false, query.Umount{Target: dir + "m3/"}},

		{"subject", yes, query.Userns{}},
		{"plain", !set.Supports(features.Userns), query.Userns{}},
		{"subject", yes, query.IOUring{}},
		{"plain", !set.Supports(features.IOUring), query.IOUring{}},
	} {
		p, ok := policy.Profile(c.profile)
		if !ok {
			t.Fatalf("no profile %s", c.profile)
		}
		if got := p.Allows(c.request); got != c.want {
			t.Errorf("%s: %v: allowed %v, want %v", c.profile, c.request, got, c.want)
		}
	}
}
