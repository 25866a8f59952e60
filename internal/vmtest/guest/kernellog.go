// SPDX-License-Identifier: Apache-2.0

//go:build linux

package guest

import (
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// LogEverything has the kernel leave nothing out for there being too much.
func LogEverything(tb testing.TB) {
	tb.Helper()
	if err := os.WriteFile("/proc/sys/kernel/printk_ratelimit", []byte("0"), 0); err != nil {
		tb.Fatal(err)
	}
}

// KernelLog reads what the kernel logs from its opening on.
type KernelLog struct{ f *os.File }

// OpenKernelLog opens the log at its end, and closes it with the test.
func OpenKernelLog(tb testing.TB) KernelLog {
	tb.Helper()
	LogEverything(tb)
	f, err := os.OpenFile("/dev/kmsg", os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := f.Close(); err != nil {
			tb.Error(err)
		}
	})
	if _, err := f.Seek(0, unix.SEEK_END); err != nil {
		tb.Fatal(err)
	}
	return KernelLog{f}
}

// Until returns AppArmor's records up to the first that holds all the texts.
func (l KernelLog) Until(tb testing.TB, texts ...string) []string {
	tb.Helper()
	if err := l.f.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		tb.Fatal(err)
	}
	var records []string
	for buf := make([]byte, 8<<10); ; {
		n, err := l.f.Read(buf)
		if errors.Is(err, syscall.EPIPE) {
			tb.Fatal("the kernel's log has overrun")
		}
		if err != nil {
			tb.Fatalf("waiting for %q in the kernel's log: %v", texts, err)
		}
		record := string(buf[:n])
		if !strings.Contains(record, "apparmor=") {
			continue
		}
		records = append(records, record)
		last := true
		for _, text := range texts {
			last = last && strings.Contains(record, text)
		}
		if last {
			return records
		}
	}
}
