//go:build linux

package checks

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/internal/vmtest/guest"
	"github.com/goarmor/apparmor/loader"
)

// TestLimits looks at the resource limits that a profile sets for what it
// begins to confine, and at who may raise them.
func TestLimits(t *testing.T) {
	k := kernel(t)
	loadText(t, k, `abi <kernel>,
profile limited {`+base+`
	capability sys_resource,
	set rlimit nofile <= 200,
	set rlimit fsize <= 1MB,
	set rlimit cpu <= 2h,
	set rlimit rttime <= 3s,
	set rlimit nice <= -5,
	set rlimit as <= infinity,
}
profile ordinary {`+base+`}
profile powerful {`+base+`
	capability sys_resource,
	ptrace,
}
`)
	limited, ordinary, powerful, free := confine(t, k, "limited"), confine(t, k, "ordinary"), confine(t, k, "powerful"), unconfined(t)
	const infinite = "18446744073709551615"
	for _, c := range []struct {
		name     string
		resource int
		hard     string
	}{
		{"nofile", unix.RLIMIT_NOFILE, "200"},
		{"fsize", unix.RLIMIT_FSIZE, "1048576"},
		{"cpu", unix.RLIMIT_CPU, "7200"},
		{"rttime", unix.RLIMIT_RTTIME, "3000000"},
		// What policy calls a nice value is not what the limit is counted in.
		{"nice", unix.RLIMIT_NICE, ""},
		{"as", unix.RLIMIT_AS, infinite},
	} {
		before, after := free.want(t, 0, "limits", number(c.resource)).Out, limited.want(t, 0, "limits", number(c.resource)).Out
		hard := after[strings.IndexByte(after, ' ')+1:]
		if c.hard != "" && hard != c.hard {
			t.Errorf("%s: hard limit %s, want %s (unconfined: %s)", c.name, hard, c.hard, before)
		}
	}
	set := func(p *probe, want syscall.Errno, pid string, resource int, soft, hard string) {
		t.Helper()
		p.want(t, want, "set limit", pid, number(resource), soft, hard)
	}
	// What the profile limits stays below, whatever the capability would
	// allow; the rest is as always.
	set(limited, 0, "0", unix.RLIMIT_NOFILE, "100", "200")
	set(limited, syscall.EACCES, "0", unix.RLIMIT_NOFILE, "100", "201")
	set(limited, 0, "0", unix.RLIMIT_CORE, "1", "1")
	set(limited, 0, "0", unix.RLIMIT_CORE, "2", "2") // by the capability
	set(ordinary, 0, "0", unix.RLIMIT_CORE, "1", "1")
	set(ordinary, syscall.EPERM, "0", unix.RLIMIT_CORE, "2", "2")
	set(free, 0, "0", unix.RLIMIT_NOFILE, "100", "201")
	// Limits of others take a capability.
	set(ordinary, syscall.EACCES, free.pid(), unix.RLIMIT_CORE, "1", "1")
	set(powerful, 0, ordinary.pid(), unix.RLIMIT_CORE, "0", "0")
	set(free, 0, ordinary.pid(), unix.RLIMIT_CORE, "0", "0")
}

// TestCapabilities does what takes capabilities, with all of them and with all
// but that one.
func TestCapabilities(t *testing.T) {
	k := kernel(t)
	trials := []struct {
		capability string
		attempt
		errno syscall.Errno // without it
	}{
		{"chown", attempt{"chown", []string{"/srv/caps/own"}}, syscall.EPERM},
		{"fowner", attempt{"chmod", []string{"/srv/caps/foreign"}}, syscall.EPERM},
		{"dac_override", attempt{"write", []string{"/srv/caps/foreign"}}, syscall.EACCES},
		{"sys_admin", attempt{"hostname", []string{"capable"}}, syscall.EPERM},
		{"sys_admin", attempt{"set xattr", []string{"/srv/caps/own"}}, syscall.EPERM},
		{"sys_chroot", attempt{"chroot", nil}, syscall.EPERM},
		{"sys_nice", attempt{"nice", nil}, syscall.EACCES},
		{"mknod", attempt{"device", []string{"/srv/caps/device"}}, syscall.EPERM},
		{"setuid", attempt{"user", nil}, syscall.EPERM},
		{"setgid", attempt{"group", nil}, syscall.EPERM},
		{"setpcap", attempt{"drop bounding", nil}, syscall.EPERM},
		{"net_admin", attempt{"interface", nil}, syscall.EPERM},
		{"net_raw", attempt{"socket", []string{number(unix.AF_PACKET), number(unix.SOCK_RAW), "0"}}, syscall.EPERM},
		{"sys_rawio", attempt{"ports", nil}, syscall.EPERM},
		{"sys_time", attempt{"clock", nil}, syscall.EPERM},
		{"syslog", attempt{"kernel log", nil}, syscall.EPERM},
		{"mac_admin", attempt{"load policy", nil}, syscall.EACCES},
	}
	dir := fresh(t, "/srv/caps")
	var text strings.Builder
	rules := base + "\n" + dir + "/* rw,\nnetwork,\nunix,\n/sys/kernel/security/apparmor/.remove w,\nmount,\n"
	fmt.Fprintf(&text, "abi <kernel>,\nprofile with-all {%s capability, }\nprofile with-none {%s}\nprofile denied {%s capability,\n", rules, rules, rules)
	known := map[string]bool{}
	for _, c := range trials {
		if !known[c.capability] {
			known[c.capability] = true
			fmt.Fprintf(&text, "deny capability %s,\n", c.capability)
		}
	}
	text.WriteString("}\n")
	for name := range known {
		fmt.Fprintf(&text, "profile with-%s {%s capability %s, }\n", name, rules, name)
	}
	loadText(t, k, text.String())
	free, all, none, denied := unconfined(t), confine(t, k, "with-all"), confine(t, k, "with-none"), confine(t, k, "denied")
	for _, c := range trials {
		t.Run(c.capability+" "+c.Op, func(t *testing.T) {
			for _, s := range []struct {
				probe *probe
				want  syscall.Errno
			}{{free, 0}, {all, 0}, {confine(t, k, "with-"+c.capability), 0}, {none, c.errno}, {denied, c.errno}} {
				for name, owner := range map[string]int{"own": 0, "foreign": 1} {
					path := filepath.Join(dir, name)
					writeFile(t, path)
					if err := errors.Join(os.Chmod(path, 0o600), os.Chown(path, owner, owner)); err != nil {
						t.Fatal(err)
					}
				}
				os.Remove(filepath.Join(dir, "device"))
				s.probe.want(t, s.want, c.Op, c.Args...)
			}
		})
	}
}

// unmediatedText is rules of classes that kernels may not know.
const unmediatedText = `abi <kernel>,
profile bare {` + base + `}
profile granting {` + base + `
	userns,
	io_uring,
	io_uring override_creds label=granting,
	mqueue type=posix,
	mqueue type=sysv 4660,
	dbus,
}
profile half {` + base + `
	io_uring sqpoll,
}
profile refusing {` + base + `
	userns,
	deny userns,
	io_uring,
	deny io_uring,
}
profile queues flags=(attach_disconnected) {` + base + `}
profile queues-rw flags=(attach_disconnected) {` + base + `
	/probe rw,
}
`

// TestLaterClasses enforces what some kernels know, and shows that others
// allow it.
func TestLaterClasses(t *testing.T) {
	k := kernel(t)
	_, out := newCompiler(t).output(t, "later", unmediatedText)
	load(t, k, out.Policy)
	set, err := k.Features(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	told := func(feature string) bool {
		for _, d := range out.Degraded {
			if d.Feature == feature && d.Dropped && d.Rule != nil {
				return true
			}
		}
		return false
	}
	// denied is what comes of it where no rule grants something; the compiler
	// says when that is nothing.
	denied := func(feature string) syscall.Errno {
		t.Helper()
		if set.Supports(feature) == told(feature) {
			t.Errorf("%s: the kernel has it: %v, the compiler said so: %v", feature, set.Supports(feature), !told(feature))
		}
		if set.Supports(feature) {
			return syscall.EACCES
		}
		return 0
	}
	bare, granting, half, refusing, free := confine(t, k, "bare"), confine(t, k, "granting"), confine(t, k, "half"), confine(t, k, "refusing"), unconfined(t)

	t.Run("user namespaces", func(t *testing.T) {
		no := denied(features.Userns)
		for _, c := range []struct {
			probe *probe
			want  syscall.Errno
		}{{bare, no}, {granting, 0}, {refusing, no}, {free, 0}} {
			c.probe.want(t, c.want, "new user namespace")
		}
	})
	t.Run("io_uring", func(t *testing.T) {
		no := denied(features.IOUring)
		for _, c := range []struct {
			probe          *probe
			poll, override syscall.Errno
		}{{bare, no, no}, {granting, 0, 0}, {half, 0, no}, {refusing, no, no}, {free, 0, 0}} {
			c.probe.want(t, c.poll, "sqpoll")
			c.probe.want(t, c.override, "override credentials")
		}
	})
	t.Run("message queues", func(t *testing.T) {
		if no := denied(features.PosixMqueue); no != 0 {
			t.Fatal("a kernel that mediates message queues: this test is to be written")
		}
		denied(features.SysvMqueue)
		// Posix queues are files of a file system that is not mounted.
		for _, c := range []struct {
			probe *probe
			want  syscall.Errno
		}{{bare, syscall.EACCES}, {granting, syscall.EACCES}, {confine(t, k, "queues"), syscall.EACCES}, {confine(t, k, "queues-rw"), 0}, {free, 0}} {
			c.probe.want(t, c.want, "queue", "probe")
		}
		for _, p := range []*probe{bare, granting, free} {
			p.want(t, 0, "sysv queue")
		}
	})
}

// TestDBus asks the kernel what a message bus would ask it, which is the only
// one to enforce such rules.
func TestDBus(t *testing.T) {
	k := kernel(t)
	_, out := newCompiler(t).output(t, "bus", `abi <kernel>,
profile bus {
	dbus send bus=system path=/org/x interface=org.x.I member={Get,Set} peer=(name=org.x label=peer),
	dbus receive bus=session peer=(label=peer),
	deny dbus receive bus=session interface=org.secret peer=(label=peer),
	audit dbus bind bus=session name=org.x.*,
	dbus eavesdrop bus=session,
}
profile busless { }
`)
	load(t, k, out.Policy)
	set, err := k.Features(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	enforced := set.Supports(features.DBus)
	if told := len(out.Degraded) > 0; told == enforced {
		t.Errorf("the kernel has it: %v, the compiler said that it has not: %v", enforced, out.Degraded)
	}
	const send, receive, eavesdrop, bind = blob.PermWrite, blob.PermRead, 0x20, 0x40
	message := func(bus, name, label, path, iface, member string) string {
		return strings.Join([]string{bus, name, label, path, iface, member}, "\x00")
	}
	for _, c := range []struct {
		what  string
		match string
		perm  uint32
		want  bool
	}{
		{"granted method", message("system", "org.x", "peer", "/org/x", "org.x.I", "Get"), send, true},
		{"other granted method", message("system", "org.x", "peer", "/org/x", "org.x.I", "Set"), send, true},
		{"method", message("system", "org.x", "peer", "/org/x", "org.x.I", "Delete"), send, false},
		{"interface", message("system", "org.x", "peer", "/org/x", "org.x.J", "Get"), send, false},
		{"path", message("system", "org.x", "peer", "/org/y", "org.x.I", "Get"), send, false},
		{"label", message("system", "org.x", "stranger", "/org/x", "org.x.I", "Get"), send, false},
		{"name", message("system", "org.y", "peer", "/org/x", "org.x.I", "Get"), send, false},
		{"bus", message("session", "org.x", "peer", "/org/x", "org.x.I", "Get"), send, false},
		{"direction", message("system", "org.x", "peer", "/org/x", "org.x.I", "Get"), receive, false},
		{"anything received", message("session", "n", "peer", "/p", "i", "m"), receive, true},
		{"denied interface", message("session", "n", "peer", "/p", "org.secret", "m"), receive, false},
		{"received of others", message("session", "n", "stranger", "/p", "i", "m"), receive, false},
		{"own name", "session\x00org.x.Own", bind, true},
		{"other name", "session\x00org.y.Own", bind, false},
		{"own name on the other bus", "system\x00org.x.Own", bind, false},
		{"eavesdropping", "session", eavesdrop, true},
		{"eavesdropping on the other bus", "system", eavesdrop, false},
	} {
		for label, want := range map[string]bool{
			"bus": c.want || !enforced, "busless": !enforced, loader.Unconfined: true,
		} {
			got, err := k.Allowed(t.Context(), label, blob.ClassDBus, []byte(c.match), c.perm)
			if err != nil {
				t.Fatal(err)
			}
			if got != want {
				t.Errorf("%s, %s: %v, want %v", label, c.what, got, want)
			}
		}
	}
}

// TestModes tries what no rule grants, and what rules deny, under profiles of
// every mode.
func TestModes(t *testing.T) {
	k := kernel(t)
	dir := fresh(t, "/srv/modes")
	for _, name := range []string{"granted", "denied", "audited", "other"} {
		writeFile(t, dir+"/"+name)
	}
	const rules = base + "/srv/modes/granted r,\ndeny /srv/modes/denied r,\naudit deny /srv/modes/audited r,\n"
	for _, c := range []struct {
		flags                           string
		shown                           string
		granted, denied, audited, other syscall.Errno
	}{
		{"enforce", "enforce", 0, syscall.EACCES, syscall.EACCES, syscall.EACCES},
		// A denial that is not logged stands.
		{"complain", "complain", 0, syscall.EACCES, 0, 0},
		{"unconfined", "unconfined", 0, 0, 0, 0},
		{"default_allow", "unconfined", 0, 0, 0, 0},
		{"prompt", "user", 0, syscall.EACCES, syscall.EACCES, syscall.EACCES},
	} {
		t.Run(c.flags, func(t *testing.T) {
			if c.flags == "prompt" && guest.Series() == "6.1" {
				return // which does not have the mode; TestRefusals shows that
			}
			loadText(t, k, "abi <kernel>,\nprofile moded flags=("+c.flags+") {"+rules+"}")
			wantLoaded(t, k, "moded ("+c.shown+")")
			p := confine(t, k, "moded")
			p.want(t, c.granted, "read", dir+"/granted")
			p.want(t, c.denied, "read", dir+"/denied")
			p.want(t, c.audited, "read", dir+"/audited")
			p.want(t, c.other, "read", dir+"/other")
		})
	}
	t.Run("kill", func(t *testing.T) {
		loadText(t, k, "abi <kernel>,\nprofile moded flags=(kill) {"+rules+"/{proc,sys}/** r,\n}")
		for _, name := range []string{"audited", "other"} {
			t.Run(name, func(t *testing.T) {
				p := confine(t, k, "moded")
				p.want(t, 0, "read", dir+"/granted")
				p.want(t, syscall.EACCES, "read", dir+"/denied") // which is not even logged
				p.wantKilled(t, syscall.SIGKILL, "read", dir+"/"+name)
			})
		}
	})
	t.Run("kill by another signal", func(t *testing.T) {
		missing := loadText(t, k, "abi <kernel>,\nprofile moded flags=(kill kill.signal=term) {"+rules+"/{proc,sys}/** r,\n}")
		want := syscall.SIGTERM
		if len(missing) > 0 {
			want = syscall.SIGKILL
		}
		confine(t, k, "moded").wantKilled(t, want, "read", dir+"/other")
	})
}

// writeFile writes a file that root alone may use.
func writeFile(t *testing.T, path string) {
	t.Helper()
	if err := os.WriteFile(path, []byte("content"), 0o600); err != nil {
		t.Fatal(err)
	}
}
