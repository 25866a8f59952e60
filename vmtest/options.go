// SPDX-License-Identifier: Apache-2.0

package vmtest

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/goarmor/apparmor/internal/vmtest/guest"
)

// Options say what to boot, and what guests get. The zero value runs all tests
// of the calling package on each of Debian's kernels.
type Options struct {
	// Roles are the suites of Debian whose kernels are booted: bookworm, trixie,
	// trixie-backports and sid; nil: all of them. A kernel that has several
	// boots once. An unknown one fails the test.
	Roles []string
	// Tests is the pattern, as that of go test -run, of the tests that run in
	// guests; empty: all of the package, of which those that call Run are
	// skipped.
	Tests string
	// Files are put into the root file system of guests, by their paths.
	Files map[string]File
	// Packages are packages of Debian's trixie, for amd64. They are unpacked on
	// the host and not installed.
	Packages []string
	// Programs are paths of programs, libraries that are loaded when they are
	// needed, and directories with all below them, in Packages. Each is put at
	// its path, with the libraries that it needs.
	Programs []string
	// Memory of a guest in MiB; 0: 512. The root file system is in memory, too.
	Memory int
	// Timeout ends a guest that takes longer, boot included; 0: three minutes.
	Timeout time.Duration
}

// File is a file of a guest's root file system: a regular one, or, with
// fs.ModeSymlink in its mode, a symbolic link whose target is Data. A zero mode
// is 0644.
type File struct {
	Mode fs.FileMode // permissions, and whether it is a link
	Data []byte      // what is in it
}

// Commands are programs inside the test binary, by name, for tests that need
// one to confine. Each gets its arguments, without its name, and returns its
// exit status.
type Commands map[string]func(args []string) int

// Main is the body of TestMain. It returns the exit status, except as the
// guest's init, when it does not return: then it mounts what guests have, runs
// the tests in a process of their own and switches the guest off. Started by the
// name of one of the commands, it runs that and no tests.
func Main(m *testing.M, commands Commands) int {
	if guest.Inside() {
		return guest.Main(m, guest.Commands(commands))
	}
	if run, ok := commands[filepath.Base(os.Args[0])]; ok {
		return run(os.Args[1:])
	}
	return m.Run()
}

// Run boots each kernel, several at a time, and shows the tests of the guests as
// subtests of t, below the role that the kernel has first, with their logs and
// verdicts. In a guest it skips the test.
func Run(t *testing.T, o Options) {
	t.Helper()
	if guest.Inside() {
		t.Skip("on the host only: it boots guests")
	}
	run(t, o)
}

// Guest skips a test that does not run in a guest.
func Guest(tb testing.TB) {
	tb.Helper()
	if !guest.Inside() {
		tb.Skip("in a guest only: see the test that calls vmtest.Run")
	}
}

// Release returns the release of the guest's kernel, such as
// "6.12.118+deb13-cloud-amd64", and the empty string outside of a guest.
func Release() string { return guest.Release() }

// Since reports whether the guest's kernel is of version major.minor or later.
// It is false outside of a guest.
func Since(major, minor int) bool { return guest.Release() != "" && guest.Since(major, minor) }

// Command returns a command that runs one of the Commands that were given to
// Main, ended with the test. The executable is the test binary, /init in a
// guest; copy it, and set Path, where the path of the executable matters.
func Command(tb testing.TB, name string, args ...string) *exec.Cmd {
	tb.Helper()
	self, err := os.Executable()
	if err != nil {
		tb.Fatal(err)
	}
	cmd := exec.CommandContext(tb.Context(), self)
	cmd.Args = append([]string{name}, args...)
	return cmd
}
