// SPDX-License-Identifier: Apache-2.0

package selftest

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/goarmor/apparmor/internal/vmtest/guest"
)

func TestMain(m *testing.M) {
	os.Exit(guest.Main(m, guest.Commands{
		"echo": func(args []string) int { fmt.Println(args, os.Getpid() > 1); return len(args) },
	}))
}

func TestPass(t *testing.T) {
	t.Log("a line of log")
	t.Run("sub/with slash", func(t *testing.T) {})
}

func TestFiles(t *testing.T) {
	if got := guest.File(t, "a/b"); string(got) != "content\n" {
		t.Errorf("read %q", got)
	}
}

func TestCommand(t *testing.T) {
	cmd := guest.Command(t, "echo", "1", "2")
	out, _ := cmd.Output()
	if string(out) != "[1 2] true\n" || cmd.ProcessState.ExitCode() != 2 {
		t.Errorf("%q, %v", out, cmd.ProcessState)
	}
}

func TestFail(t *testing.T) {
	t.Run("yes", func(t *testing.T) { t.Error("as it should") })
	t.Run("no", func(t *testing.T) {})
}

func TestSkip(t *testing.T) { t.Skip("for a reason") }

func TestExit(*testing.T) { os.Exit(0) }

func TestPanic(*testing.T) { panic("of the tests") }

func TestKernelPanic(t *testing.T) {
	if err := os.WriteFile("/proc/sysrq-trigger", []byte("c"), 0); err != nil {
		t.Fatal(err)
	}
	select {}
}

func TestHang(*testing.T) {
	for {
		time.Sleep(time.Hour) // not a deadlock, which the runtime would see
	}
}
