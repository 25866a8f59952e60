// SPDX-License-Identifier: Apache-2.0

//go:build linux

package checks

import (
	"strings"
	"syscall"
	"testing"

	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/loader"
)

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
			t.Fatal("this kernel mediates message queues, for which a test is missing")
		}
		_ = denied(features.SysvMqueue) // no kernel mediates them
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
