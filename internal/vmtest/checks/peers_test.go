// SPDX-License-Identifier: Apache-2.0

//go:build linux

package checks

import (
	"fmt"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/goarmor/apparmor/internal/vmtest/guest"
)

// peerPolicy is rules about processes under several profiles.
const peerPolicy = `abi <kernel>,
profile one {` + base + `
	/proc/*/environ r,
	signal receive peer=sender-{one,both,text},
	ptrace readby peer=reader,
	ptrace tracedby peer=tracer,
}
profile two {` + base + `
	/proc/*/environ r,
	signal receive peer=sender-{both,text},
	signal receive set=(rtmin+3 exists),
	ptrace (readby tracedby) peer=tracer,
}
profile sender-one {` + base + `
	signal send peer=one,
}
profile sender-both {` + base + `
	signal send set=(winch, urg) peer={one,two},
}
profile sender-text {` + base + `
	signal send peer="one//&two",
}
profile sender-any {` + base + `
	signal send,
}
profile reader {` + base + `
	/proc/*/environ r,
	ptrace read peer=one,
	ptrace read peer=two,
}
profile tracer {` + base + `
	/proc/*/environ r,
	ptrace trace peer={one,two},
	ptrace read peer=two,
}
`

// TestPeers sends signals to processes and traces them, some of which are
// under two profiles.
func TestPeers(t *testing.T) {
	k := kernel(t)
	loadText(t, k, peerPolicy)
	probes := map[string]*probe{"unconfined": unconfined(t)}
	for _, label := range []string{
		"one", "two", "one//&two", "sender-one", "sender-both", "sender-text", "sender-any", "reader", "tracer",
	} {
		probes[label] = confine(t, k, label)
	}
	probes["stacked"] = probes["one//&two"]
	winch, cont, rt, exists := number(int(unix.SIGWINCH)), number(int(unix.SIGCONT)), number(32+3), "0"
	const no = syscall.EACCES
	// parts is what a sender or tracer gets that may do it to either profile of
	// a stack, but has no rule with the two names as one text.
	parts := syscall.Errno(0)
	if !guest.Since(6, 12) {
		parts = no // older ones ask for the text only
	}
	t.Run("signals", func(t *testing.T) {
		for _, c := range []struct {
			from, to, signal string
			want             syscall.Errno
		}{
			{"sender-one", "one", winch, 0},
			{"sender-one", "one", cont, 0},
			{"sender-one", "two", winch, no},
			{"sender-one", "stacked", winch, no}, // nobody speaks of two
			{"sender-both", "one", winch, 0},
			{"sender-both", "two", winch, 0},
			{"sender-both", "two", cont, no}, // not in the set
			{"sender-both", "stacked", winch, parts},
			{"sender-both", "stacked", cont, no},
			{"sender-text", "one", winch, no},
			{"sender-text", "stacked", winch, 0},
			{"sender-text", "stacked", cont, 0},
			{"sender-any", "one", winch, no}, // which does not want it
			{"sender-any", "two", winch, no},
			{"sender-any", "two", rt, 0},
			{"sender-any", "two", exists, 0},
			{"sender-any", "stacked", exists, no},
			{"stacked", "one", winch, no},
			{"unconfined", "two", winch, no},
			{"unconfined", "reader", winch, no},
		} {
			t.Run(fmt.Sprint(c.from, " to ", c.to, " ", c.signal), func(t *testing.T) {
				probes[c.from].want(t, c.want, "kill", probes[c.to].pid(), c.signal)
			})
		}
	})
	t.Run("ptrace", func(t *testing.T) {
		for _, c := range []struct {
			from, to, op string
			want         syscall.Errno
		}{
			{"reader", "one", "environment", 0},
			{"reader", "two", "environment", no}, // which does not want it
			{"reader", "stacked", "environment", no},
			{"reader", "one", "trace", no},
			{"tracer", "one", "trace", 0},
			{"tracer", "two", "trace", 0},
			{"tracer", "stacked", "trace", parts},
			{"tracer", "two", "environment", 0},
			{"tracer", "one", "environment", no},
			{"tracer", "unconfined", "trace", no},
			{"one", "two", "trace", no},
			{"one", "two", "environment", no},
			{"unconfined", "stacked", "trace", 0},
			{"unconfined", "two", "environment", 0},
		} {
			t.Run(fmt.Sprint(c.from, " ", c.op, " ", c.to), func(t *testing.T) {
				probes[c.from].want(t, c.want, c.op, probes[c.to].pid())
			})
		}
	})
}
