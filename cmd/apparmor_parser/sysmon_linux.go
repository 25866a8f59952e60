// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"strconv"

	"golang.org/x/sys/unix"
)

// maxNap is how long the watcher of Go's scheduler may sleep, in nanoseconds: as long
// as it sleeps by itself when it finds nothing to do (sysmon in Go 1.26's
// runtime/proc.go).
const maxNap = 10_000_000

// calmScheduler lets the kernel wake the watcher of Go's scheduler late. It is a
// thread that looks for others that run or wait too long, and sleeps 20 us between
// two looks for as long as it finds work being done: 80 times while the profile of a
// virtual machine is compiled, for 9 to 14 % of the processor time. Nothing here
// waits for it, nor for the timers of threads that it starts, which are as late.
//
// The kernel takes the slack of another thread's timers from who has CAP_SYS_NICE
// over it (timerslack_ns_write in Linux 6.12's fs/proc/base.c), as root has, but
// seldom in a container. A confined process does not ask, because the answer would be
// logged as denied. If it is refused, all is as it was. The command starts no other
// programs, which would inherit the slack.
func calmScheduler() {
	if !unconfined(label()) {
		return
	}
	tid := watcher()
	if tid == "" {
		return
	}
	// The thread is one of this process, and never ends.
	if fd, err := unix.Open("/proc/"+tid+"/timerslack_ns", unix.O_WRONLY|unix.O_CLOEXEC, 0); err == nil {
		_, _ = unix.Write(fd, strconv.AppendInt(nil, maxNap, 10))
		_ = unix.Close(fd)
	}
}

// label reads the label of the process.
func label() (string, error) {
	fd, err := unix.Open("/proc/self/attr/current", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", err
	}
	var buf [64]byte
	n, err := unix.Read(fd, buf[:])
	_ = unix.Close(fd)
	return string(buf[:max(n, 0)]), err
}

// unconfined reports whether no security module has a say in what the process does,
// from what it reads of its own label. EINVAL is what the kernel answers if no
// module gives labels.
func unconfined(label string, err error) bool {
	return label == "unconfined\n" || errors.Is(err, unix.EINVAL)
}

// watcher returns the number of the watcher's thread, or "" if it does not find it.
// It is the first thread that Go starts, and the kernel lists them in the order of
// their start (first_tid and next_tid in fs/proc/base.c).
func watcher() string {
	fd, err := unix.Open("/proc/self/task", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return ""
	}
	var buf [1 << 10]byte
	n, _ := unix.ReadDirent(fd, buf[:])
	_ = unix.Close(fd)
	if _, _, names := unix.ParseDirent(buf[:max(n, 0)], -1, nil); len(names) > 1 {
		return names[1]
	}
	return ""
}
