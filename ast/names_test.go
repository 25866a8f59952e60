// SPDX-License-Identifier: Apache-2.0

package ast

import (
	"slices"
	"testing"

	"github.com/goarmor/apparmor/internal/lang"
)

func TestCapabilityNumbers(t *testing.T) {
	// Spot checks against <linux/capability.h>.
	for name, number := range map[string]int{"chown": 0, "net_admin": 12, "sys_admin": 21, "setfcap": 31, "audit_read": 37, "perfmon": 38, "bpf": 39, "checkpoint_restore": 40} {
		if got := slices.Collect(Capabilities().All())[number]; got != name {
			t.Errorf("capability %d is %q, want %q", number, got, name)
		}
	}
}

func TestFamilyNumbers(t *testing.T) {
	// Spot checks against <linux/socket.h>; two numbers are not in use, so
	// the order is checked rather than the index.
	all := slices.Collect(Families().All())
	want := []string{"unspec", "unix", "inet", "inet6", "netlink", "packet", "bluetooth", "vsock", "xdp", "mctp"}
	last := -1
	for _, name := range want {
		i := slices.Index(all, name)
		if i <= last {
			t.Errorf("%s is at %d, after %d", name, i, last)
		}
		last = i
	}
}

// The bits of this package and the names of package lang are in one order.
func TestPermNames(t *testing.T) {
	for _, c := range []struct {
		got  interface{ String() string }
		want string
	}{
		{NetCreate, "create"}, {NetShutdown, "shutdown"}, {NetSend | NetReceive, "send receive"},
		{DBusSend, "send"}, {DBusReceive, "receive"}, {DBusBind | DBusEavesdrop, "bind eavesdrop"},
		{SignalSend, "send"}, {SignalReceive, "receive"},
		{PtraceTrace, "trace"}, {PtraceRead, "read"}, {PtraceTracedBy | PtraceReadBy, "tracedby readby"},
		{MqueueCreate, "create"}, {MqueueRead, "read"}, {MqueueWrite, "write"}, {MqueueSetattr, "setattr"},
		{IOUringSQPoll, "sqpoll"}, {IOUringOverrideCreds, "override_creds"},
		{FileRead | FileLock | FileMmap, "mrk"},
	} {
		if got := c.got.String(); got != c.want {
			t.Errorf("%T %d is %q, want %q", c.got, c.got, got, c.want)
		}
	}
	for _, c := range []struct {
		perms       *lang.Perms
		word        string
		read, write uint
	}{
		{&lang.NetPerms, "network", uint(NetReceive), uint(NetSend)},
		{&lang.DBusPerms, "dbus", uint(DBusReceive), uint(DBusSend)},
		{&lang.SignalPerms, "signal", uint(SignalReceive), uint(SignalSend)},
		{&lang.PtracePerms, "ptrace", uint(PtraceRead), uint(PtraceTrace)},
		{&lang.MqueuePerms, "mqueue", uint(MqueueRead), uint(MqueueWrite)},
	} {
		for word, want := range map[string]uint{"r": c.read, "w": c.write, "rw": c.read | c.write, "wr": c.read | c.write} {
			if got, ok := c.perms.Parse(word); !ok || got != want {
				t.Errorf("%s: %s = %#x, %v; want %#x", c.word, word, got, ok, want)
			}
		}
	}
}

func TestIsSignal(t *testing.T) {
	for name, want := range map[string]bool{"hup": true, "exists": true, "rtmin+0": true, "rtmin+32": true, "rtmin+33": false,
		"rtmin+": false, "rtmin+01": false, "rtmin+99999999999999999999": false, "rtmin": false, "HUP": false, "": false} {
		if got := IsSignal(name); got != want {
			t.Errorf("IsSignal(%q) = %v", name, got)
		}
	}
}

func TestNearest(t *testing.T) {
	for _, c := range []struct {
		v    Vocabulary
		word string
		want string
	}{
		{Signals(), "queit", "quit"},
		{Signals(), "HUP", ""},
		{Signals(), "zzzzz", ""},
		{Capabilities(), "sys_admn", "sys_admin"},
		{Capabilities(), "net_amdin", "net_admin"},
		{Capabilities(), "", ""},
		{Families(), "intet6", "inet6"},
	} {
		if got, _ := c.v.Nearest(c.word); got != c.want {
			t.Errorf("Nearest(%q) = %q, want %q", c.word, got, c.want)
		}
	}
}

func TestExecSpelling(t *testing.T) {
	for e := ExecNone; e <= ExecChildUnconfined; e++ {
		if e > ExecInherit && e.Spelling(true) == e.Spelling(false) {
			t.Errorf("exec mode %d has one spelling: %q", e, e)
		}
	}
}
