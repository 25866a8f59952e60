// SPDX-License-Identifier: Apache-2.0

package loader

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func (f *fake) tasks() *Tasks {
	f.t.Helper()
	tasks, err := openTasks(f.options(), f.system())
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() {
		if err := tasks.Close(); err != nil {
			f.t.Error(err)
		}
	})
	return tasks
}

func TestCommands(t *testing.T) {
	const current, onExec = "proc/thread-self/attr/apparmor/current: ", "proc/thread-self/attr/apparmor/exec: "
	for _, c := range []struct {
		name string
		do   func(*Tasks) error
		want string
		err  error
	}{
		{"change", func(t *Tasks) error { return t.ChangeProfile("a b") }, current + "changeprofile a b", nil},
		{"stack", func(t *Tasks) error { return t.Stack(":ns:a//b") }, current + "stack :ns:a//b", nil},
		{"on exec", func(t *Tasks) error { return t.ChangeOnExec("a//&b") }, onExec + "exec a//&b", nil},
		{"stack on exec", func(t *Tasks) error { return t.StackOnExec("a") }, onExec + "stack a", nil},
		{"hat", func(t *Tasks) error { return t.ChangeHat(0xbeef, "h") }, current + "changehat 000000000000beef^h", nil},
		{"hats", func(t *Tasks) error { return t.ChangeHat(1<<63, "g", "h") }, current + "changehat 8000000000000000^g\x00h", nil},
		{"leave", func(t *Tasks) error { return t.LeaveHat(7) }, current + "changehat 0000000000000007^", nil},
		{"no label", func(t *Tasks) error { return t.ChangeProfile("") }, "", ErrName},
		{"two lines", func(t *Tasks) error { return t.ChangeProfile("a\nb") }, "", ErrName},
		{"blank at the end", func(t *Tasks) error { return t.ChangeOnExec("a ") }, "", ErrName},
		{"no hat", func(t *Tasks) error { return t.ChangeHat(1) }, "", syscall.EINVAL},
		{"no token", func(t *Tasks) error { return t.ChangeHat(0, "h") }, "", syscall.EINVAL},
		{"no token to leave", func(t *Tasks) error { return t.LeaveHat(0) }, "", syscall.EINVAL},
		{"odd hat", func(t *Tasks) error { return t.ChangeHat(1, "g\x00h") }, "", ErrName},
		{"many hats", func(t *Tasks) error { return t.ChangeHat(1, strings.Split("abcdefghijklmnopq", "")...) }, "", syscall.E2BIG},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFake(t)
			tasks := f.tasks()
			err := c.do(tasks)
			var want []string
			if c.err == nil {
				want = []string{c.want}
			}
			if diff := cmp.Diff(want, f.writes); diff != "" {
				t.Errorf("written (-want +got):\n%s", diff)
			}
			if !errors.Is(err, c.err) {
				t.Errorf("error %v, want %v", err, c.err)
			}
			if c.err != nil {
				return
			}
			f.err = unix.ENOENT
			var own *Error
			if err := c.do(tasks); !errors.Is(err, ErrNotExist) || !errors.As(err, &own) {
				t.Errorf("error %v", err)
			}
			// A file that is not procfs's is not written to.
			f.err, f.writes = nil, nil
			tasks.sys.check = func(int, int64) error { return ErrFileSystem }
			if err := c.do(tasks); !errors.Is(err, ErrFileSystem) || len(f.writes) > 0 {
				t.Errorf("other file system: %v, %q", err, f.writes)
			}
		})
	}
}

func TestLabels(t *testing.T) {
	f := newFake(t)
	tasks := f.tasks()
	f.file("proc/17/attr/apparmor/current", "a (b) (complain)\n")
	f.file("proc/thread-self/attr/apparmor/current", "self (enforce)\n")
	f.file("proc/thread-self/attr/apparmor/exec", "next (enforce)\n")
	if l, err := tasks.Label(17); l != (Label{"a (b)", "complain"}) || err != nil {
		t.Errorf("label %+v, %v", l, err)
	}
	if l, err := tasks.Self(); l != (Label{"self", "enforce"}) || err != nil {
		t.Errorf("label %+v, %v", l, err)
	}
	if l, ok, err := tasks.OnExec(); l != (Label{"next", "enforce"}) || !ok || err != nil {
		t.Errorf("label %+v, %v, %v", l, ok, err)
	}
	if _, err := tasks.Label(18); !errors.Is(err, ErrNotExist) {
		t.Errorf("no such process: %v", err)
	}
	if _, err := tasks.Label(-1); err == nil {
		t.Error("a negative process number: no error")
	}
}

// TestStartFailsClosed has a procfs that does not show the process, so that
// its label cannot be verified.
func TestStartFailsClosed(t *testing.T) {
	sleep := func() *exec.Cmd { return exec.Command("/bin/sh", "-c", "sleep 60 & wait") }
	f := newFake(t)
	tasks := f.tasks()
	cmd := sleep()
	err := tasks.Start(t.Context(), cmd, "label")
	if !errors.Is(err, ErrNotExist) {
		t.Errorf("error %v", err)
	}
	if cmd.ProcessState == nil || cmd.ProcessState.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Errorf("the process is not killed: %v", cmd.ProcessState)
	}
	if want := []string{"proc/thread-self/attr/apparmor/exec: exec label"}; !cmp.Equal(want, f.writes) {
		t.Errorf("written %q, want %q", f.writes, want)
	}

	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, c := range []struct {
		name  string
		start func(*exec.Cmd) error
		want  error
	}{
		{"cancelled", func(cmd *exec.Cmd) error { return tasks.Start(cancelled, cmd, "label") }, context.Canceled},
		{"no label", func(cmd *exec.Cmd) error { return tasks.Start(t.Context(), cmd, "") }, ErrName},
		{"refused label", func(cmd *exec.Cmd) error {
			f.err = unix.EACCES
			defer func() { f.err = nil }()
			return tasks.Start(t.Context(), cmd, "label")
		}, ErrPermission},
		{"traced", func(cmd *exec.Cmd) error {
			cmd.SysProcAttr = &syscall.SysProcAttr{Ptrace: true}
			err := tasks.Start(t.Context(), cmd, "label")
			if err == nil || !strings.Contains(err.Error(), "Ptrace") {
				t.Error(err)
			}
			return ErrName
		}, ErrName},
		{"no program", func(cmd *exec.Cmd) error {
			cmd.Path = "/nothing"
			return tasks.Start(t.Context(), cmd, "label")
		}, ErrNotExist},
	} {
		t.Run(c.name, func(t *testing.T) {
			cmd := sleep()
			if err := c.start(cmd); !errors.Is(err, c.want) {
				t.Errorf("error %v, want %v", err, c.want)
			}
			if cmd.Process != nil {
				t.Error("a process was started")
			}
		})
	}
}

// TestWaitExec waits for real processes to be what they execute.
func TestWaitExec(t *testing.T) {
	tasks, err := OpenTasks(Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer tasks.Close()
	want := "/bin/sh\x00-c\x00exit\x00"
	for range 50 {
		cmd := exec.Command("/bin/sh", "-c", "exit")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if err := tasks.waitExec(cmd.Process.Pid); err != nil {
			t.Error(err)
		}
		got, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(cmd.Process.Pid), "cmdline"))
		if err != nil || len(got) > 0 && string(got) != want {
			t.Errorf("%q, %v", got, err)
		}
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	}
}

// TestWaitExit waits for a process that ends: what it waited with is closed then,
// or each process that is started costs a file.
func TestWaitExit(t *testing.T) {
	cmd := exec.Command("/bin/sh", "-c", "exit")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pidfd, err := unix.PidfdOpen(cmd.Process.Pid, 0)
	if err != nil {
		t.Fatal(err)
	}
	// No other test gets a number as high as this.
	high, err := unix.FcntlInt(uintptr(pidfd), unix.F_DUPFD_CLOEXEC, 900)
	if err := errors.Join(err, unix.Close(pidfd)); err != nil {
		t.Fatal(err)
	}
	waitExit(high)
	if _, err := unix.FcntlInt(uintptr(high), unix.F_GETFD, 0); !errors.Is(err, unix.EBADF) {
		t.Errorf("after the end: %v", err)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

func TestParseStat(t *testing.T) {
	for _, c := range []struct {
		in    string
		state string
		flags uint64
		ok    bool
	}{
		{"137 (init) R 131 0 0 0 -1 4194368 2 0", "R", 0x400040, true},
		{"137 (a) S 1 (b) Z 131 0 0 0 -1 64 2 0", "Z", 0x40, true},
		{"137 (a) R 131 0 0 0 -1", "", 0, false},
		{"137 (a) R 131 0 0 0 -1 x 2", "R", 0, false},
		{"", "", 0, false},
	} {
		state, flags, err := parseStat(c.in)
		if state != c.state || flags != c.flags || (err == nil) != c.ok {
			t.Errorf("%q: %q, %#x, %v", c.in, state, flags, err)
		}
	}
}

// TestProcCannotBeCovered checks that what is mounted or linked over a file is
// not taken for it.
func TestProcCannotBeCovered(t *testing.T) {
	f := newFake(t)
	tasks := f.tasks()
	path := filepath.Join(f.dir, "proc/thread-self/attr/apparmor/exec")
	if err := errors.Join(os.Remove(path), os.Symlink("/dev/null", path)); err != nil {
		t.Fatal(err)
	}
	if err := tasks.ChangeOnExec("a"); err == nil || len(f.writes) > 0 {
		t.Errorf("written through a link: %v, %q", err, f.writes)
	}
	if _, err := openTasks(f.options(), linux()); !errors.Is(err, ErrFileSystem) {
		t.Errorf("a directory for procfs: %v", err)
	}
}
