// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/goarmor/apparmor/internal/testenv"
)

// TestCalmScheduler: the watcher may sleep longer, the first thread not.
func TestCalmScheduler(t *testing.T) {
	if l, err := label(); !unconfined(l, err) {
		t.Skipf("missing: a process that no security module confines; this one is %q (%v)", l, err)
	}
	file := "/proc/" + watcher() + "/timerslack_ns"
	reset := func() error { return os.WriteFile(file, []byte("0"), 0) }
	err := reset()
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) || errors.Is(err, unix.EROFS) {
		t.Skipf("missing: CAP_SYS_NICE and a /proc that can be written to (%v); run it as root, outside of a container", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := reset(); err != nil {
			t.Error(err)
		}
	})
	slack := func(file string) string {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(data))
	}
	first, open := slack("/proc/self/timerslack_ns"), testenv.OpenFiles(t)
	calmScheduler()
	if got := slack(file); got != strconv.Itoa(maxNap) {
		t.Errorf("the watcher has a slack of %s ns, want %d", got, maxNap)
	}
	if got := slack("/proc/self/timerslack_ns"); got != first {
		t.Errorf("the first thread has a slack of %s ns, want %s", got, first)
	}
	if got := testenv.OpenFiles(t); got != open {
		t.Errorf("%d files are open, want %d", got, open)
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

// TestWatcher finds the thread in its sleep at 200 looks, one after another. Other
// threads of Go take such a sleep as well, but mostly wait otherwise. A thread that runs
// says nothing.
func TestWatcher(t *testing.T) {
	file := "/proc/self/task/" + watcher() + "/syscall"
	sleeps := strconv.Itoa(unix.SYS_NANOSLEEP) + " "
	var other []byte
	end := time.Now().Add(time.Minute)
	// It sleeps for as long as this runs.
	for found := 0; found < 200; {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case strings.HasPrefix(string(data), sleeps):
			found++
		case string(data) != "running\n":
			found, other = 0, data
		}
		if time.Now().After(end) {
			t.Fatalf("%s: %s, want %s for long", file, other, sleeps)
		}
	}
}
