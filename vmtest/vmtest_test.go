// SPDX-License-Identifier: Apache-2.0

//go:build linux

package vmtest_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/loader"
	"github.com/goarmor/apparmor/vmtest"
)

func TestMain(m *testing.M) {
	os.Exit(vmtest.Main(m, vmtest.Commands{
		// read FILE: says whether it may.
		"read": func(args []string) int {
			if _, err := os.ReadFile(args[0]); err != nil {
				return 1
			}
			return 0
		},
	}))
}

// TestKernel boots a kernel and runs the tests below in it.
func TestKernel(t *testing.T) {
	vmtest.Run(t, vmtest.Options{
		Roles:   []string{"trixie"},
		Tests:   "^TestGuest",
		Timeout: 25 * time.Minute, // it needs seconds, on an idle host
		Files: map[string]vmtest.File{
			"/srv/secret": {Data: []byte("secret")},
			"srv/link":    {Data: []byte("/srv/secret"), Mode: os.ModeSymlink | 0o777},
		},
		Packages: []string{"strace"},
		Programs: []string{"usr/bin/strace"},
	})
}

// TestGuest looks at what a guest is.
func TestGuest(t *testing.T) {
	vmtest.Guest(t)
	if os.Getuid() != 0 || vmtest.Release() == "" || !vmtest.Since(6, 12) || vmtest.Since(6, 13) {
		t.Errorf("user %d, kernel %q", os.Getuid(), vmtest.Release())
	}
	if data, err := os.ReadFile("/srv/link"); err != nil || string(data) != "secret" {
		t.Errorf("a file by its link: %q, %v", data, err)
	}
	out, err := exec.CommandContext(t.Context(), "/usr/bin/strace", "-V").CombinedOutput()
	if err != nil || !strings.HasPrefix(string(out), "strace -- version ") {
		t.Errorf("a program of a package: %q, %v", out, err)
	}
}

// TestGuestConfines loads a profile and runs a command under it.
func TestGuestConfines(t *testing.T) {
	vmtest.Guest(t)
	ctx := t.Context()
	kernel, err := loader.Open(loader.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer kernel.Close()
	set, err := kernel.Features(ctx)
	if err != nil {
		t.Fatal(err)
	}
	out, err := compile.Text(ctx, "reader", "profile reader { signal, file, deny /srv/secret r, }", compile.Source{Kernel: set})
	if err != nil {
		t.Fatal(err)
	}
	if err := kernel.Load(ctx, out.Policy); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]int{"/srv/secret": 1, "/proc/self/status": 0} {
		cmd := vmtest.Command(t, "read", file)
		if err := kernel.Start(ctx, cmd, kernel.Qualify("reader")); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // its status is looked at
		if got := cmd.ProcessState.ExitCode(); got != want {
			t.Errorf("read %s: %v, want status %d", file, cmd.ProcessState, want)
		}
	}
}

// TestCommand runs a command where there is no guest.
func TestCommand(t *testing.T) {
	if out, err := vmtest.Command(t, "read", "go.mod").CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	if err := vmtest.Command(t, "read", "none").Run(); err == nil {
		t.Error("a command that fails has no status")
	}
}

// TestOptions: what would take the place of the guest's init is refused.
func TestOptions(t *testing.T) {
	if vmtest.Release() != "" || vmtest.Since(1, 0) {
		t.Error("this is not a guest")
	}
	for _, c := range strings.Fields("init /init ./init x/../init") {
		if _, err := vmtest.Root(t, vmtest.Options{Files: map[string]vmtest.File{c: {}}}); err == nil {
			t.Errorf("a file %q is taken", c)
		}
	}
}
