// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package guest

import (
	"fmt"
	"os/exec"
	"testing"
)

// Commands are programs inside the test binary by name; guests run Linux.
type Commands map[string]func(args []string) int

// Main says that there are no guest tests to run and returns 0.
func Main(*testing.M, Commands) int {
	fmt.Println("these tests run in virtual machines; see package vmtest")
	return 0
}

// Inside returns false.
func Inside() bool { return false }

// Release returns the empty string.
func Release() string { return "" }

// Since returns false.
func Since(major, minor int) bool { return false }

// Ubuntu returns false.
func Ubuntu() bool { return false }

// Scenario skips the test.
func Scenario(tb testing.TB) { tb.Skip("not in a guest") }

// File fails the test.
func File(tb testing.TB, name string) []byte {
	tb.Helper()
	tb.Fatal("not in a guest")
	return nil
}

// Command returns a command that cannot run.
func Command(tb testing.TB, name string, args ...string) *exec.Cmd {
	return exec.CommandContext(tb.Context(), "/init", args...)
}
