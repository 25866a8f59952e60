// SPDX-License-Identifier: Apache-2.0

package compile

import (
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestErrnoNames compares the numbers with those of the machine.
func TestErrnoNames(t *testing.T) {
	seen := 0
	for n := range 200 {
		name := unix.ErrnoName(syscall.Errno(n))
		if name == "" {
			continue
		}
		seen++
		if got, ok := errno(name); !ok || got != uint32(n) {
			t.Errorf("%s: got %d (%t), want %d", name, got, ok, n)
		}
	}
	if want := len(errnoNames) - 3; seen != want { // 0, 41 and 58 are none
		t.Errorf("%d errors, want %d", seen, want)
	}
}
