// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestCalmScheduler: the watcher may sleep longer, the first thread not.
func TestCalmScheduler(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("missing: root, who may set the slack of another thread's timers; run it as root")
	}
	if l, err := label(); !unconfined(l, err) {
		t.Skipf("missing: a process that no security module confines; this one is %q (%v)", l, err)
	}
	calmScheduler()
	for tid, want := range map[string]bool{watcher(): true, strconv.Itoa(os.Getpid()): false} {
		data, err := os.ReadFile("/proc/" + tid + "/timerslack_ns")
		if err != nil {
			t.Fatal(err)
		}
		if slack := strings.TrimSpace(string(data)); (slack == strconv.Itoa(maxNap)) != want {
			t.Errorf("thread %s has a slack of %s ns; may it sleep longer: %v", tid, slack, want)
		}
	}
}

func TestUnconfined(t *testing.T) {
	for _, row := range []struct {
		label string
		err   error
		want  bool
	}{
		{"unconfined\n", nil, true},
		{"", unix.EINVAL, true},
		{"/usr/sbin/apparmor_parser (enforce)\n", nil, false},
		{"unconfined (enforce)\n", nil, false},
		{"system_u:system_r:unconfined_t:s0\x00", nil, false},
		{"", unix.EACCES, false},
		{"", nil, false},
	} {
		if got := unconfined(row.label, row.err); got != row.want {
			t.Errorf("%q, %v: %v, want %v", row.label, row.err, got, row.want)
		}
	}
}

// TestWatcher finds the thread in its sleep, which no other thread of Go takes.
func TestWatcher(t *testing.T) {
	file := "/proc/self/task/" + watcher() + "/syscall"
	sleeps := strconv.Itoa(unix.SYS_NANOSLEEP) + " "
	var last []byte
	// It sleeps for as long as this runs.
	for end := time.Now().Add(time.Minute); time.Now().Before(end); {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(string(data), sleeps) {
			return
		}
		last = data
	}
	t.Errorf("%s: %s, never %s", file, last, sleeps)
}
