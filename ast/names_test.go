// SPDX-License-Identifier: Apache-2.0

package ast

import (
	"slices"
	"testing"
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
			t.Errorf("%s is at %d, behind %d", name, i, last)
		}
		last = i
	}
}

func TestPermWords(t *testing.T) {
	for _, word := range slices.Collect(NetPerms().All()) {
		p, ok := ParseNetPerm(word)
		if !ok || p.String() != word {
			t.Errorf("ParseNetPerm(%q) = %v, %v", word, p, ok)
		}
	}
	for word, want := range map[string]NetPerm{"r": NetReceive, "w": NetSend, "rw": NetSend | NetReceive, "wr": NetSend | NetReceive, "read": NetReceive, "write": NetSend} {
		if p, ok := ParseNetPerm(word); !ok || p != want {
			t.Errorf("ParseNetPerm(%q) = %v, %v", word, p, ok)
		}
	}
	for _, word := range []string{"", "x", "rx", "Send", "foo"} {
		if p, ok := ParseNetPerm(word); ok {
			t.Errorf("ParseNetPerm(%q) = %v", word, p)
		}
	}
	if p, ok := ParsePtracePerm("w"); !ok || p != PtraceTrace {
		t.Errorf("ParsePtracePerm(w) = %v, %v", p, ok)
	}
	if p, ok := ParseMqueuePerm("rw"); !ok || p != MqueueRead|MqueueWrite {
		t.Errorf("ParseMqueuePerm(rw) = %v, %v", p, ok)
	}
	if got, want := (FileRead | FileLock | FileMmap).String(), "mrk"; got != want {
		t.Errorf("FilePerm = %q, want %q", got, want)
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
