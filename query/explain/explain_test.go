// SPDX-License-Identifier: Apache-2.0

package explain_test

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/internal/querytest"
	"github.com/goarmor/apparmor/internal/testenv"
	"github.com/goarmor/apparmor/policy"
	. "github.com/goarmor/apparmor/query"
	"github.com/goarmor/apparmor/query/explain"
)

// TestExplain compares whole explanations, one policy for each kind of
// request.
func TestExplain(t *testing.T) {
	roots := fstest.MapFS{
		"abstractions/outer":   {Data: []byte("include <abstractions/private>\n")},
		"abstractions/private": {Data: []byte("# comment\n  deny /etc/shadow w,\n  /etc/p r,\n")},
	}
	for _, tt := range []struct {
		name, kernel string
		rules        string
		asks         map[Request]string // explanations without the first line
	}{
		{"deny beats allow, includes", k612, "include <abstractions/outer>\n/etc/** rw,", map[Request]string{
			File{Path: "/etc/shadow", Perms: Write}: `denied write, quiet
  abstractions/private:2:3: deny /etc/shadow w, decides
    included at abstractions/outer:1:1
    included at policy:2:1
  policy:3:1: /etc/** rw, overridden by abstractions/private:2:3: deny beats allow
`,
			File{Path: "/etc/shadow", Perms: Read | Write}: `denied write, quiet
  abstractions/private:2:3: deny /etc/shadow w, decides write
    included at abstractions/outer:1:1
    included at policy:2:1
  policy:3:1: /etc/** rw, decides read; yields write to abstractions/private:2:3: deny beats allow
`,
			File{Path: "/etc/shadow", Perms: Read}: `allowed
  policy:3:1: /etc/** rw, decides
`,
			File{Path: "/none", Perms: Read}: `denied read
  no rule covers it
`,
			File{Path: "/etc/x", Perms: Read | Lock}: `denied lock
  policy:3:1: /etc/** rw, decides read
  no rule covers lock
`,
			File{Path: "/none", Perms: Read | Getattr}: `denied read
  no rule covers it
  always allowed: getattr
`,
		}},
		{"always", k612, "/k k,", map[Request]string{
			File{Path: "/k", Perms: Read | Lock | Getattr}: `denied read
  policy:2:1: /k k, decides lock
  no rule covers read
  always allowed: getattr
`,
		}},
		{"priority", k73, "/etc/* rw,\npriority=5 /etc/q r,\ndeny /etc/q r,\npriority=-1 deny /etc/* w,", map[Request]string{
			File{Path: "/etc/q", Perms: Read}: `allowed
  policy:2:1: /etc/* rw, overridden by policy:3:1: higher priority
  policy:3:1: priority=5 /etc/q r, decides
  policy:4:1: deny /etc/q r, overridden by policy:3:1: higher priority
`,
			File{Path: "/etc/q", Perms: Write}: `allowed
  policy:2:1: /etc/* rw, decides
  policy:5:1: priority=-1 deny /etc/* w, overridden by policy:2:1: higher priority
`,
		}},
		{"audit and quiet", k73, "/a/** rw,\naudit /a/b w,\naudit deny /a/c w,\ndeny /a/c* w,\nprompt /a/** wk,", map[Request]string{
			File{Path: "/a/b", Perms: Write}: `allowed, audited
  policy:2:1: /a/** rw, decides
  policy:3:1: audit /a/b w, decides
  policy:6:1: prompt /a/** wk, overridden by policy:2:1: allow beats prompt
`,
			File{Path: "/a/c", Perms: Write}: `denied write, quiet
  policy:2:1: /a/** rw, overridden by policy:4:1: deny beats allow
  policy:4:1: audit deny /a/c w, decides
  policy:5:1: deny /a/c* w, decides
  policy:6:1: prompt /a/** wk, overridden by policy:4:1: deny beats allow
`,
			File{Path: "/a/d", Perms: Lock}: `denied lock, prompt lock
  policy:6:1: prompt /a/** wk, decides
`,
		}},
		{"execution", k612, "/bin/* ix,\n/bin/a Px -> other,\n/bin/b mr,\n/bin/c** m,\ndeny /bin/cd m,", map[Request]string{
			File{Path: "/bin/a", Perms: Exec}: `allowed, Px -> other
  policy:2:1: /bin/* ix, overridden by policy:3:1: exact path beats pattern
  policy:3:1: /bin/a Px -> other, decides
`,
			File{Path: "/bin/a", Perms: Mmap}: `denied mmap
  policy:3:1: /bin/a Px -> other, decides
`,
			File{Path: "/bin/b", Perms: Mmap}: `allowed
  policy:2:1: /bin/* ix, decides
  policy:4:1: /bin/b mr, decides
`,
			File{Path: "/bin/cd", Perms: Exec | Mmap}: `denied mmap, quiet
  policy:2:1: /bin/* ix, decides exec
  policy:5:1: /bin/c** m, overridden by policy:6:1: deny beats allow
  policy:6:1: deny /bin/cd m, decides mmap
`,
		}},
		{"owner", k612, "owner /home/** r,\nother /home/** w,", map[Request]string{
			File{Path: "/home/x", Perms: Read}: `denied read
  policy:2:1: owner /home/** r, for another owner
`,
			File{Path: "/home/x", Perms: Read, Owner: true}: `allowed
  policy:2:1: owner /home/** r, decides
`,
			File{Path: "/home/x", Perms: Write, Owner: true}: `denied write
  policy:3:1: other /home/** w, for another owner
`,
		}},
		{"links", k612, "link /pair -> /target,\nlink /pair -> /t*,\ndeny link /pair -> /tt,\n/l/* l,\n/l/a w,", map[Request]string{
			Link{Path: "/pair", Target: "/target"}: `allowed
  at "/pair":
  policy:2:1: link /pair -> /target, decides
  policy:3:1: link /pair -> /t*, decides
  at "/pair\x00/target":
  policy:2:1: link /pair -> /target, decides
  policy:3:1: link /pair -> /t*, decides
`,
			Link{Path: "/pair", Target: "/tt"}: `denied, quiet
  at "/pair":
  policy:2:1: link /pair -> /target, decides
  policy:3:1: link /pair -> /t*, decides
  at "/pair\x00/tt":
  policy:3:1: link /pair -> /t*, overridden by policy:4:1: deny beats allow
  policy:4:1: deny link /pair -> /tt, decides
`,
			Link{Path: "/l/a", Target: "/x", Owner: true}: `denied, link is not a subset of its target
  at "/l/a":
  policy:5:1: /l/* l, decides
  at "/l/a\x00/x":
  policy:5:1: /l/* l, decides
  at "/l/a":
  policy:5:1: /l/* l, decides
  policy:6:1: /l/a w, decides
  at "/x":
  no rule covers it
`,
		}},
		{"capabilities", k612, "capability,\ndeny capability kill,\naudit capability chown bpf,", map[Request]string{
			Capability("kill"): `denied, quiet
  policy:2:1: capability, overridden by policy:3:1: deny beats allow
  policy:3:1: deny capability kill, decides
`,
			Capability("chown"): `allowed, audited
  policy:2:1: capability, decides
  policy:4:1: audit capability chown bpf, decides
`,
		}},
		{"network", k612, "network inet stream,\ndeny network inet dgram,\nnetwork inet,", map[Request]string{
			Network{Family: "inet", Type: "dgram"}: `denied create, quiet
  policy:3:1: deny network inet dgram, decides
  policy:4:1: network inet, overridden by policy:3:1: deny beats allow
`,
			Network{Family: "inet6", Type: "dgram"}: `denied create
  policy:1:1: no rule covers it, and class network v8 is mediated
  the nearest is policy:2:1: network inet stream,
`,
			DBus{Op: DBusBind, Bus: "system", Name: "x"}: "not mediated\n",
		}},
		{"unix", k73, "unix (connect, send) type=stream peer=(addr=@x label=foo),\ndeny unix send peer=(label=bar),", map[Request]string{
			Unix{Type: "stream", Perms: Connect | Send, PeerAddr: "@x", Peer: "foo"}: `allowed
  policy:2:1: unix (connect, send) type=stream peer=(addr=@x label=foo), decides
`,
			Unix{Type: "stream", Perms: Connect | Send, PeerAddr: "@x", Peer: "bar"}: `denied write|open, quiet
  policy:3:1: deny unix send peer=(label=bar), decides write
  no rule covers open
  the nearest is policy:2:1: unix (connect, send) type=stream peer=(addr=@x label=foo),
`,
		}},
		{"signal", k612, "signal send set=(term) peer=foo,\nsignal receive,", map[Request]string{
			Signal{Signal: "term", Perms: Send | Receive, Peer: "foo"}: `allowed
  policy:2:1: signal send set=term peer=foo, decides send
  policy:3:1: signal receive, decides receive
`,
			Signal{Signal: "kill", Perms: Send, Peer: "foo"}: `denied send
  policy:3:1: signal receive, says nothing about send
  the nearest is policy:2:1: signal send set=term peer=foo,
`,
		}},
		{"other permissions", k612, "include <abstractions/outer>\n/boot/** r,\n/boot/vmlinux rk,\n/boot/vmlinux w,\ndeny /boot/initrd k,", map[Request]string{
			File{Path: "/boot/vmlinux", Perms: Exec}: `denied exec
  policy:3:1: /boot/** r, says nothing about exec
  policy:4:1: /boot/vmlinux rk, says nothing about exec
  policy:5:1: /boot/vmlinux w, says nothing about exec
`,
			File{Path: "/boot/vmlinux", Perms: Write | Exec}: `denied exec
  policy:5:1: /boot/vmlinux w, decides write
  no rule covers exec
`,
			File{Path: "/boot/initrd", Perms: Write}: `denied write
  policy:3:1: /boot/** r, says nothing about write
  policy:6:1: deny /boot/initrd k, says nothing about write
  the nearest is policy:5:1: /boot/vmlinux w,
`,
			File{Path: "/etc/shadow", Perms: Read}: `denied read
  abstractions/private:2:3: deny /etc/shadow w, says nothing about read
    included at abstractions/outer:1:1
    included at policy:2:1
  the nearest is abstractions/private:3:3: /etc/p r,
    included at abstractions/outer:1:1
    included at policy:2:1
`,
			File{Path: "/etc", Perms: Write}: "denied write\n  no rule covers it\n",
		}},
		{"ptrace", k612, "ptrace (read trace) peer=foo,", map[Request]string{
			Ptrace{Perms: Trace | TracedBy, Peer: "foo"}: `denied tracedby
  policy:2:1: ptrace (trace, read) peer=foo, decides trace
  no rule covers tracedby
`,
			Ptrace{Perms: Trace, Peer: "bar"}: `denied trace
  policy:1:1: no rule covers it, and class ptrace is mediated
  the nearest is policy:2:1: ptrace (trace, read) peer=foo,
`,
		}},
		{"mount", k612, "mount fstype=ext4 options=(rw,noatime) /dev/sda1 -> /mnt/,\numount /um/,\npivot_root oldroot=/new/old/ /new/,\ndeny umount,", map[Request]string{
			Mount{Source: "/dev/sda1", Target: "/mnt/", FSType: "ext4", Flags: 1 << 10}: `allowed
  policy:2:1: mount fstype=ext4 options=(rw, noatime) /dev/sda1 -> /mnt/, decides
`,
			Umount{Target: "/um/"}: `denied, quiet
  policy:3:1: umount /um/, overridden by policy:5:1: deny beats allow
  policy:5:1: deny umount, decides
`,
			PivotRoot{NewRoot: "/new/", PutOld: "/new/old/"}: `allowed
  policy:4:1: pivot_root oldroot=/new/old/ /new/, decides
`,
		}},
		{"change_profile", k612, "change_profile /bin/x -> other,\nchange_profile -> o*,", map[Request]string{
			ChangeProfile{Target: "other", OnExec: true, Path: "/bin/x"}: `allowed
  at "other":
  policy:2:1: change_profile /bin/x -> other, decides
  policy:3:1: change_profile -> o*, decides
  at "/bin/x":
  policy:2:1: change_profile /bin/x -> other, decides
  policy:3:1: change_profile -> o*, decides
  at "/bin/x\x00other":
  policy:2:1: change_profile /bin/x -> other, decides
  policy:3:1: change_profile -> o*, decides
`,
			File{Path: "/proc/1/attr/current", Perms: Write, Owner: true}: `allowed
  policy:2:1: change_profile /bin/x -> other, (implied by change_profile) decides
`,
		}},
		{"hats", k612, "^hat { }\n/proc/** r,", map[Request]string{
			File{Path: "/proc/1/attr/current", Perms: Write, Owner: true}: `allowed
  policy:1:1: implied by hats and children decides
`,
			File{Path: "/proc/1/attr/current", Perms: Write}: `denied write
  policy:1:1: implied by hats and children for another owner
`,
		}},
		{"other classes", k73, "userns,\nio_uring sqpoll,", map[Request]string{
			Userns{}:                                 "allowed\n  policy:2:1: userns, decides\n",
			IOUring{}:                                "allowed\n  policy:3:1: io_uring sqpoll, decides\n",
			IOUring{OverrideCreds: true, Label: "x"}: "denied\n  policy:1:1: no rule covers it, and class io_uring is mediated\n  the nearest is policy:3:1: io_uring sqpoll,\n",
		}},
		{"not mediated", k61, "/a r,\ndbus bus=system,\nuserns,\nunix,\nio_uring,", map[Request]string{
			DBus{Op: DBusBind, Bus: "system", Name: "x"}: "not mediated\n  policy:3:1: dbus bus=system, not enforced: no dbus in the kernel\n",
			Userns{}:  "not mediated\n  policy:4:1: userns, not enforced: no namespaces/mask/userns_create in the kernel\n",
			IOUring{}: "not mediated\n  policy:6:1: io_uring, not enforced: no io_uring in the kernel\n",
		}},
		{"nearest", k612, "include <abstractions/outer>\n/etc/ssl/** r,\n/etc/ssl/private/* rw,\nowner /var/log/x a,\n/usr/bin/* ix,\nlink /a/b -> /c,", map[Request]string{
			File{Path: "/etc/ssl/p", Perms: Write}: `denied write
  policy:3:1: /etc/ssl/** r, says nothing about write
  the nearest is policy:4:1: /etc/ssl/private/* rw,
`,
			File{Path: "/etc/pw", Perms: Read}: `denied read
  no rule covers it
  the nearest is abstractions/private:3:3: /etc/p r,
    included at abstractions/outer:1:1
    included at policy:2:1
`,
			File{Path: "/usr/sbin/x", Perms: Exec}: `denied exec
  no rule covers it
  the nearest is policy:6:1: /usr/bin/* ix,
`,
			Link{Path: "/a/c", Target: "/c"}: `denied
  no rule covers it
  the nearest is policy:7:1: link /a/b -> /c,
`,
			File{Path: "/srv/x", Perms: Read}: "denied read\n  no rule covers it\n",
		}},
		{"limits", k612, "set rlimit nofile <= 1024,\nset rlimit nice <= 5,", map[Request]string{
			Rlimit{Resource: "nofile", Value: 1024}: "allowed\n  policy:2:1: set rlimit nofile <= 1024, decides\n",
			Rlimit{Resource: "nofile", Value: 1025}: "denied, above the limit of 1024\n  policy:2:1: set rlimit nofile <= 1024, decides\n",
			Rlimit{Resource: "nice", Value: 26}:     "denied, above the limit of 25\n  policy:3:1: set rlimit nice <= 5, decides\n",
			Rlimit{Resource: "cpu", Value: 1}:       "not mediated\n",
		}},
		{"execution with labels", k612, "/bin/* Cx,\n/bin/b Px -> u,\n/bin/c Cx -> named,\n^hat { }\nprofile named { }\nprofile prog /bin/[d-f]* { }\nprofile other /bin/ee* { }", map[Request]string{
			Execute{Path: "/bin/d"}: `allowed, Cx, label t//prog
  policy:2:1: /bin/* Cx, decides
  continues under t//prog: policy:7:1
`,
			Execute{Path: "/bin/ee"}: `allowed, Cx, label t//other
  policy:2:1: /bin/* Cx, decides
  continues under t//other: policy:8:1
`,
			Execute{Path: "/bin/a"}: `denied, no profile of this policy attaches
  policy:2:1: /bin/* Cx, decides
`,
			Execute{Path: "/bin/b"}: `allowed, Px -> u, label u, u is not in this policy
  policy:2:1: /bin/* Cx, overridden by policy:3:1: exact path beats pattern
  policy:3:1: /bin/b Px -> u, decides
`,
			Execute{Path: "/bin/c"}: `allowed, Px -> t//named, label t//named
  policy:2:1: /bin/* Cx, overridden by policy:4:1: exact path beats pattern
  policy:4:1: /bin/c Cx -> named, decides
  continues under t//named: policy:6:1
`,
		}},
		{"addresses", "ubuntu-24.04", "network (bind) inet stream port=80,\ndeny network (connect) inet peer=(port=25),\nnetwork (connect) inet,", map[Request]string{
			Network{Family: "inet", Type: "stream", Protocol: 6, Perms: Bind, Local: netip.MustParseAddrPort("127.0.0.1:80")}: `allowed
  at "\x0e\x00\x02\x00\x01":
  policy:2:1: network bind inet stream port=80, decides continue
  policy:3:1: deny network connect inet peer=(port=25), decides continue
  policy:4:1: network connect inet, decides continue
  at "\x0e\x00\x02\x00\x01\x00\x06\x01\x00P\x01\x7f\x00\x00\x01\x00":
  policy:2:1: network bind inet stream port=80, decides
`,
		}},
		{"buses without networks", k73, "dbus bus=system,", map[Request]string{
			DBus{Op: DBusBind, Bus: "system", Name: "x"}: "allowed\n  policy:2:1: dbus bus=system, decides\n",
		}},
		{"no rules", k612, "", map[Request]string{
			File{Path: "/x", Perms: Read}: "denied read\n  policy:1:1: no rule covers it, and class file is mediated\n",
			Capability("kill"):            "denied\n  no rule covers it\n",
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k := featureSet(t, tt.kernel)
			p := open(t, k, resolve(t, k, "profile t {\n"+tt.rules+"\n}\n", roots))
			for ask, want := range tt.asks {
				e, err := p.Explain(context.Background(), "t", ask)
				if err != nil {
					t.Errorf("%v: %v", ask, err)
					continue
				}
				if diff := cmp.Diff(ask.String()+": "+want, e.String()); diff != "" {
					t.Error(diff)
				}
			}
		})
	}
}

// TestModes tells what the mode of a profile makes of denials.
func TestModes(t *testing.T) {
	k := featureSet(t, k612)
	for flags, want := range map[string][2]string{
		"enforce":    {"", ""},
		"complain":   {"  passes anyway: the mode is complain\n", "  is refused although the mode is complain: the denial is not logged\n"},
		"unconfined": {"  passes anyway: the mode is unconfined\n", "  passes anyway: the mode is unconfined\n"},
		"kill":       {"  kills the task: the mode is kill\n", ""},
	} {
		p := open(t, k, resolve(t, k, "profile t flags=("+flags+") {\n deny /a r,\n}\n"))
		for i, path := range []string{"/b", "/a"} {
			e, err := p.Explain(context.Background(), "t", File{Path: path, Perms: Read})
			if err != nil {
				t.Fatal(err)
			}
			lines := strings.SplitAfter(e.String(), "\n")
			if got := strings.Join(lines[2:], ""); got != want[i] {
				t.Errorf("%s, %s: %q, want %q", flags, path, got, want[i])
			}
		}
	}
}

// TestAttachments explains which executables a profile attaches to.
func TestAttachments(t *testing.T) {
	k := featureSet(t, k612)
	p := open(t, k, resolve(t, k, "alias /bin/ -> /sbin/,\nprofile t /bin/p* { }\nprofile other { ^hat { } }\nprofile /opt/x { }\n"))
	for _, tt := range []struct {
		profile string
		ask     Request
		want    string
	}{
		{"t", Attach{Path: "/bin/ps"}, "allowed\n  policy:2:1: attachment /bin/p* decides\n  policy:2:1: attachment /sbin/p* decides\n"},
		{"t", Attach{Path: "/bin/x"}, "denied\n  policy:2:1: attachment /bin/p* decides\n  policy:2:1: attachment /sbin/p* decides\n"},
		{"/opt/x", Attach{Path: "/opt/x"}, "allowed\n  policy:4:1: attachment /opt/x decides\n"},
		{"other", Attach{Path: "/other"}, "denied\n  policy:3:1: profile name other decides\n"},
	} {
		e, err := p.Explain(context.Background(), tt.profile, tt.ask)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tt.ask.String()+": "+tt.want, e.String()); diff != "" {
			t.Error(diff)
		}
	}
	e, err := p.Explain(context.Background(), "other", ChangeHat{Hats: []string{"none", "hat"}})
	if want := "change_hat none hat: allowed, label other//hat\n  continues under other//hat: policy:3:17\n"; err != nil || e.String() != want {
		t.Errorf("%v, %v, want %s", e, err, want)
	}
}

// TestBuilt explains a policy that was not read from text.
func TestBuilt(t *testing.T) {
	rule := &ast.FileRule{Path: "/a", Perms: ast.FileRead, Exec: ast.ExecChild, Scrub: true, Qualifiers: ast.Qualifiers{Audit: true, Priority: 7}}
	set := &policy.Set{Profiles: []*policy.Profile{{Name: "t", Rules: []policy.Rule{{Rule: rule}}}}}
	o := compile.Options{Kernel: featureSet(t, k612)}
	e, err := explain.Explain(context.Background(), set, o, "t", File{Path: "/a", Perms: Exec})
	if err != nil {
		t.Fatal(err)
	}
	want := []explain.Rule{{
		Rule: rule, Text: "priority=7 audit /a rCx,", Priority: 7, Exact: true, Exec: blob.Exec{ByName: true, Child: true},
		Says: Exec | Read | Getattr | 1<<6, Logs: Exec | Read | Getattr | 1<<6, Decides: Exec,
	}}
	if diff := cmp.Diff(want, e.Steps[0].Rules); diff != "" {
		t.Error(diff)
	}
	if got := e.Deciding(); len(got) != 1 || got[0] != ast.Rule(rule) {
		t.Errorf("deciding rules are %v", got)
	}
	if got, want := e.String(), "file exec /a: allowed, audited, Cx\n  <policy>: priority=7 audit /a rCx, decides\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestErrors(t *testing.T) {
	ctx := context.Background()
	k := featureSet(t, k612)
	set := resolve(t, k, "profile t { /a r, }")
	if _, err := explain.Explain(ctx, set, compile.Options{}, "t", Userns{}); !errors.Is(err, compile.ErrNoKernel) {
		t.Errorf("no kernel: %v", err)
	}
	o := compile.Options{Kernel: k}
	var none *explain.NoProfileError
	if _, err := explain.Explain(ctx, set, o, "x", Userns{}); !errors.As(err, &none) || none.Name != "x" {
		t.Errorf("no profile: %v", err)
	}
	var bad *RequestError
	if _, err := explain.Explain(ctx, set, o, "t", Capability("x")); !errors.As(err, &bad) {
		t.Errorf("bad request: %v", err)
	}
	p := open(t, k, set)
	done, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := p.Explain(done, "t", File{Path: "/a", Perms: Read}); !errors.Is(err, context.Canceled) {
		t.Errorf("done context: %v", err)
	}
	if _, err := p.Explain(ctx, "t", File{Path: "/a", Perms: Read}); err != nil {
		t.Errorf("after a call that was cancelled: %v", err)
	}
}

// TestConcurrent asks one policy from many goroutines, which all find its
// automata not prepared.
func TestConcurrent(t *testing.T) {
	k := featureSet(t, k612)
	p := open(t, k, resolve(t, k, "profile t { /a r, signal send peer=x, deny capability kill, }"))
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for _, ask := range []Request{File{Path: "/a", Perms: Read}, Signal{Signal: "term", Perms: Send, Peer: "x"}, Capability("kill")} {
				if e, err := p.Explain(context.Background(), "t", ask); err != nil || len(e.Deciding()) != 1 {
					t.Errorf("%v: %v, %v", ask, e, err)
				}
			}
		})
	}
	group.Wait()
}

// vmProfile is libvirt's profile of a virtual machine, from Debian's template.
func vmProfile(tb testing.TB, kernelName string) (*policy.Set, compile.Options, string) {
	tb.Helper()
	dir := testenv.DebianTree(tb)
	data, err := os.ReadFile(filepath.Join(dir, "libvirt", "TEMPLATE.qemu"))
	if err != nil {
		testenv.Missing(tb, "libvirt's template", "install libvirt-daemon-system")
	}
	const name = "libvirt-a22e3930-d87a-584e-22b2-1d8950212bac"
	k := featureSet(tb, kernelName)
	text := strings.ReplaceAll(string(data), "LIBVIRT_TEMPLATE", name)
	return resolve(tb, k, text, os.DirFS(dir)), compile.Options{Kernel: k, Degrade: compile.Report}, name
}

// TestDebian looks up the rules of libvirt's abstraction where they are said
// to be.
func TestDebian(t *testing.T) {
	for _, kernelName := range []string{k61, k73} {
		set, o, name := vmProfile(t, kernelName)
		p, err := explain.Open(context.Background(), set, o)
		if err != nil {
			t.Fatal(err)
		}
		for _, tt := range []struct {
			ask    Request
			answer string
			lines  []string // of the abstraction, with what decides
		}{
			{File{Path: "/dev/kvm", Perms: Read | Write}, "allowed", []string{"/dev/kvm rw,"}},
			{File{Path: "/dev/net/tun", Perms: Write}, "allowed", []string{"/dev/net/tun rw,"}},
			{File{Path: "/usr/share/qemu/bios.bin", Perms: Read}, "allowed", []string{"/usr/share/qemu/** r,"}},
			{File{Path: "/usr/bin/qemu-system-x86_64", Perms: Exec}, "allowed, ix", []string{"/usr/bin/qemu-system-x86_64 rmix,"}},
			{File{Path: "/etc/shadow", Perms: Read}, "denied read", nil},
			{Capability("dac_override"), "allowed", []string{"capability dac_override,"}},
			{Capability("sys_admin"), "denied", nil},
			{Signal{Signal: "term", Perms: Receive, Peer: "libvirtd"}, "allowed", []string{"signal (receive) peer=libvirtd,"}},
		} {
			e, err := p.Explain(context.Background(), name, tt.ask)
			if err != nil {
				t.Fatal(err)
			}
			if got := e.Decision.String(); got != tt.answer {
				t.Errorf("%v: %s, want %s", tt.ask, got, tt.answer)
			}
			var lines []string
			for _, r := range e.Steps[0].Rules {
				if r.Status == explain.Decides && strings.HasSuffix(r.Pos.File, "abstractions/libvirt-qemu") {
					lines = append(lines, sourceLine(t, r.Pos))
					if len(r.Via) == 0 {
						t.Errorf("%v: rule at %v was not included", tt.ask, r.Pos)
					}
				}
			}
			for _, want := range tt.lines {
				if !slices.Contains(lines, want) {
					t.Errorf("%v: decided by %q, want %q\n%v", tt.ask, lines, want, e)
				}
			}
			if tt.lines == nil && len(e.Deciding()) != 0 {
				t.Errorf("%v: decided by a rule\n%v", tt.ask, e)
			}
		}
	}
}

// TestDebianTree explains requests to all of Debian's profiles and holds what
// rules are said to decide against what was found.
func TestDebianTree(t *testing.T) {
	dir := testenv.DebianTree(t)
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	k := featureSet(t, k73)
	profiles, decided := 0, 0
	for _, f := range files {
		data, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			continue // a directory
		}
		set := resolve(t, k, string(data), os.DirFS(dir))
		if len(set.Profiles) == 0 {
			continue
		}
		p := open(t, k, set)
		for _, q := range set.Profiles {
			profiles++
			for _, ask := range []Request{
				File{Path: "/etc/passwd", Perms: Read | Write},
				File{Path: "/usr/lib/x86_64-linux-gnu/libc.so.6", Perms: Read | Mmap},
				File{Path: "/home/u/.ssh/id", Perms: Read | Append, Owner: true},
				File{Path: "/usr/bin/dash", Perms: Exec | Mmap},
				File{Path: "/proc/1/attr/current", Perms: 1<<19 - 1, Owner: true},
				Link{Path: "/home/u/a", Target: "/home/u/b", Owner: true},
				Capability("setuid"),
				Network{Family: "inet", Type: "stream", Protocol: 6},
				Unix{Type: "stream", Perms: Connect | Send | Receive, PeerAddr: "@/tmp/.X11-unix/X0", Peer: "unconfined"},
				Signal{Signal: "term", Perms: Send | Receive, Peer: "unconfined"},
				Ptrace{Perms: ReadPeer, Peer: q.Name},
				Mount{Source: "/a", Target: "/b/", FSType: "ext4"},
				ChangeProfile{Target: "unconfined"},
			} {
				e, err := p.Explain(context.Background(), q.Name, ask)
				if err != nil {
					t.Fatal(err)
				}
				if s := querytest.Consistent(e); s != "" {
					t.Errorf("%s: %s\n%v", q.Name, s, e)
				}
				if len(e.Deciding()) > 0 {
					decided++
				}
			}
		}
	}
	t.Logf("%d profiles, %d requests decided by rules", profiles, decided)
	if profiles < 20 || decided < 4*profiles {
		t.Error("too few profiles or decisions were explained")
	}
}

// sourceLine returns the line of the installed tree, without blanks around it.
func sourceLine(t *testing.T, at ast.Position) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(testenv.DebianTree(t), at.File))
	if err != nil {
		t.Fatal(err)
	}
	line := strings.Split(string(data), "\n")[at.Line-1]
	return strings.TrimSpace(line[at.Column-1:])
}

// TestBusesWithoutNetworks explains why buses are not mediated: the policy is
// written for an ABI without the class that kernels look for first.
func TestBusesWithoutNetworks(t *testing.T) {
	k := featureSet(t, k73)
	abi, ok := features.ABI("3.0")
	if !ok {
		t.Fatal("the features of ABI 3.0 are unknown")
	}
	set := resolve(t, k, "profile t {\n dbus bus=system,\n}\n")
	set.Profiles[0].ABI = abi
	e, err := open(t, k, set).Explain(context.Background(), "t", DBus{Op: DBusBind, Bus: "system", Name: "x"})
	const want = "dbus bind bus=system name=x: not mediated\n  policy:2:2: dbus bus=system, not enforced: no network_v9/af_mask in the abi\n"
	if err != nil || e.String() != want {
		t.Errorf("%v, %v, want %s", e, err, want)
	}
}
