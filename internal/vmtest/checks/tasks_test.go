// SPDX-License-Identifier: Apache-2.0

//go:build linux

package checks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/goarmor/apparmor/internal/vmtest/guest"
	"github.com/goarmor/apparmor/loader"
)

func self(t *testing.T, tasks *loader.Tasks) string {
	t.Helper()
	l, err := tasks.Self()
	if err != nil {
		t.Error(err)
	}
	return l.String()
}

func wantSelf(t *testing.T, tasks *loader.Tasks, want string) {
	t.Helper()
	if got := self(t, tasks); got != want {
		t.Errorf("label %q, want %q", got, want)
	}
}

func wantSecret(t *testing.T, readable bool) {
	t.Helper()
	_, err := os.ReadFile("/files/secret")
	if readable && err != nil || !readable && !errors.Is(err, syscall.EACCES) {
		t.Errorf("reading the secret: %v", err)
	}
}

func TestChangeProfile(t *testing.T) {
	k := kernel(t)
	load(t, k, reference(t, "helper"))
	wantError(t, k.ChangeProfile("unknown"), loader.ErrNotExist)
	wantError(t, k.ChangeProfile("helper\nunconfined"), loader.ErrName)
	onThread(func() {
		if err := k.ChangeProfile("helper"); err != nil {
			t.Error(err)
			return
		}
		wantSelf(t, k.Tasks, "helper (enforce)")
		wantSecret(t, false)
		wantError(t, k.ChangeProfile("unconfined"), loader.ErrPermission)
		// Other threads are none of the kernel's business.
		done := make(chan struct{})
		go onThread(func() {
			defer close(done)
			wantSelf(t, k.Tasks, "unconfined")
			wantSecret(t, true)
		})
		<-done
	})
	onThread(func() { wantSelf(t, k.Tasks, "unconfined") })
}

func TestStack(t *testing.T) {
	k := kernel(t)
	load(t, k, reference(t, "helper"))
	load(t, k, reference(t, "starter"))
	onThread(func() {
		if err := k.ChangeProfile("starter"); err != nil {
			t.Error(err)
			return
		}
		wantSecret(t, true)
		if err := k.Stack("helper"); err != nil {
			t.Error(err)
			return
		}
		l, err := k.Self()
		if err != nil || !l.Is("starter//&helper") || l.Mode != "enforce" || len(l.Profiles()) != 2 {
			t.Errorf("label %q, %v", l, err)
		}
		wantSecret(t, false)
	})
}

func TestChangeHat(t *testing.T) {
	k := kernel(t)
	load(t, k, reference(t, "hatter"))
	wantError(t, k.ChangeHat(1, "inner"), syscall.EPERM) // unconfined
	onThread(func() {
		if err := k.ChangeProfile("hatter"); err != nil {
			t.Error(err)
			return
		}
		const token = 0xfeedfacecafebeef
		wantError(t, k.ChangeHat(token, "none"), loader.ErrNotExist)
		wantError(t, k.ChangeHat(token, "child"), syscall.EPERM)
		wantError(t, k.ChangeHat(0, "inner"), syscall.EINVAL)
		wantSelf(t, k.Tasks, "hatter (enforce)")
		if err := k.ChangeHat(token, "none", "inner"); err != nil {
			t.Error(err)
			return
		}
		wantSelf(t, k.Tasks, "hatter//inner (enforce)")
		wantSecret(t, false)
		if err := k.ChangeHat(token, "other"); err != nil {
			t.Error(err)
		}
		wantSelf(t, k.Tasks, "hatter//other (enforce)")
		if err := k.LeaveHat(token); err != nil {
			t.Error(err)
		}
		wantSelf(t, k.Tasks, "hatter (enforce)")
		wantSecret(t, true)
	})
}

func TestChangeOnExec(t *testing.T) {
	k := kernel(t)
	load(t, k, reference(t, "helper"))
	onThread(func() {
		if l, ok, err := k.OnExec(); ok || err != nil {
			t.Errorf("before it is set: %q, %v, %v", l, ok, err)
		}
		wantError(t, k.ChangeOnExec("unknown"), loader.ErrNotExist)
		if err := k.ChangeOnExec("helper"); err != nil {
			t.Error(err)
			return
		}
		l, ok, err := k.OnExec()
		if !ok || err != nil || !l.Is("helper") {
			t.Errorf("after it is set: %q, %v, %v", l, ok, err)
		}
		wantSelf(t, k.Tasks, "unconfined")
		wantReport(t, guest.Command(t, "report"), nil, Report{Label: "helper (enforce)", Secret: "permission denied"})
	})
}

// wantReport starts the program "report", by the way given, and compares.
func wantReport(t *testing.T, cmd *exec.Cmd, start func(*exec.Cmd) error, want Report) {
	t.Helper()
	if start == nil {
		start = (*exec.Cmd).Start
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := start(cmd); err != nil {
		t.Error(err)
		return
	}
	var got Report
	if err := json.NewDecoder(out).Decode(&got); err != nil {
		t.Error(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// eachTrace runs f with a Tasks that holds processes for verification, and
// with one that does not.
func eachTrace(t *testing.T, f func(*testing.T, *loader.Tasks)) {
	for _, trace := range []bool{false, true} {
		t.Run(fmt.Sprintf("trace=%v", trace), func(t *testing.T) {
			tasks, err := loader.OpenTasks(loader.Options{Trace: trace})
			if err != nil {
				t.Fatal(err)
			}
			defer tasks.Close()
			f(t, tasks)
		})
	}
}

func TestStart(t *testing.T) {
	k := kernel(t)
	load(t, k, reference(t, "helper"))
	ns := namespace(t, k, "started")
	load(t, ns, reference(t, "helper"))
	confined := Report{Label: "helper (enforce)", Secret: "permission denied"}
	eachTrace(t, func(t *testing.T, tasks *loader.Tasks) {
		start := func(label string) func(*exec.Cmd) error {
			return func(cmd *exec.Cmd) error { return tasks.Start(t.Context(), cmd, label) }
		}
		t.Run("plain", func(t *testing.T) {
			for range 10 {
				wantReport(t, guest.Command(t, "report"), start("helper"), confined)
			}
			onThread(func() { wantSelf(t, tasks, "unconfined") })
			wantReport(t, guest.Command(t, "report"), nil, Report{Label: "unconfined", Secret: "read"})
		})
		t.Run("unconfined", func(t *testing.T) {
			wantReport(t, guest.Command(t, "report"), start("unconfined"), Report{Label: "unconfined", Secret: "read"})
		})
		t.Run("namespace", func(t *testing.T) {
			want := confined
			want.Label = "helper (enforce)"
			cmd := guest.Command(t, "mark", filepath.Join(t.TempDir(), "mark"))
			in, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := tasks.Start(t.Context(), cmd, ns.Qualify("helper")); err != nil {
				t.Fatal(err)
			}
			l, err := tasks.Label(cmd.Process.Pid)
			if err != nil || !l.Is(":started://helper") || l.Mode != "enforce" {
				t.Errorf("label %q, %v", l, err)
			}
			closeNow(t, in)
			if err := cmd.Wait(); err != nil {
				t.Error(err)
			}
		})
		t.Run("quick", func(t *testing.T) {
			// A program that is over before its label can be read.
			for range 20 {
				cmd := exec.CommandContext(t.Context(), "/init")
				cmd.Args = []string{"none", "-test.list=^$"}
				if err := tasks.Start(t.Context(), cmd, "helper"); err != nil {
					t.Fatal(err)
				}
				if err := cmd.Wait(); err != nil {
					t.Fatal(err)
				}
			}
		})
		t.Run("death signal", func(t *testing.T) {
			// The thread that starts the process must outlive it.
			cmd := guest.Command(t, "mark", filepath.Join(t.TempDir(), "mark"))
			cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
			in, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := tasks.Start(t.Context(), cmd, "helper"); err != nil {
				t.Fatal(err)
			}
			time.Sleep(300 * time.Millisecond)
			closeNow(t, in)
			if err := cmd.Wait(); err != nil {
				t.Errorf("the process ended with %v", err)
			}
		})
		t.Run("no program", func(t *testing.T) {
			err := tasks.Start(t.Context(), exec.Command("/nothing"), "helper")
			wantError(t, err, os.ErrNotExist)
		})
	})
}

// TestStartFails checks that nothing runs when the label cannot be had.
func TestStartFails(t *testing.T) {
	k := kernel(t)
	eachTrace(t, func(t *testing.T, tasks *loader.Tasks) {
		mark := filepath.Join(t.TempDir(), "mark")
		for _, label := range []string{"unknown", "", " helper", "helper\x00", ":unknown:helper"} {
			cmd := guest.Command(t, "mark", mark)
			err := tasks.Start(t.Context(), cmd, label)
			if err == nil {
				t.Errorf("%q: no error", label)
				if err := cmd.Process.Kill(); err != nil {
					t.Error(err)
				}
				_ = cmd.Wait() // it says that the process was killed
			}
			if cmd.Process != nil {
				t.Errorf("%q: a process was started", label)
			}
			if label == "unknown" {
				wantError(t, err, loader.ErrNotExist)
			}
		}
		if _, err := os.Stat(mark); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the program ran: %v", err)
		}

		// The profile is removed after the label is set for the exec and
		// before the exec, which leaves the process unconfined.
		load(t, k, reference(t, "helper"))
		in, out, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer in.Close()
		cmd := exec.CommandContext(&doneHook{Context: t.Context(), do: func() {
			if err := k.Remove(t.Context(), "helper"); err != nil {
				t.Error(err)
			}
		}}, "/init")
		cmd.Args = []string{"mark", mark}
		cmd.Stdin = in
		cmd.Stdout = out
		cmd.Stderr = out
		err = tasks.Start(t.Context(), cmd, "helper")
		closeNow(t, out)
		wantError(t, err, loader.ErrLabel)
		if cmd.ProcessState == nil || !cmd.ProcessState.Sys().(syscall.WaitStatus).Signaled() {
			t.Errorf("the process was not killed: %v", cmd.ProcessState)
		}
		if text, err := io.ReadAll(in); err != nil || len(text) > 0 {
			t.Errorf("the process said %q, %v", text, err)
		}
		tracing := filepath.Base(t.Name()) == "trace=true"
		if _, err := os.Stat(mark); tracing && !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the program ran: %v", err)
		}
	})
}

// TestStartCannotKill checks what happens to a process that is under a wrong
// label and cannot be sent a signal.
func TestStartCannotKill(t *testing.T) {
	k := kernel(t)
	load(t, k, reference(t, "helper"))
	load(t, k, reference(t, "stubborn"))
	eachTrace(t, func(t *testing.T, tasks *loader.Tasks) {
		mark := filepath.Join(t.TempDir(), "mark")
		in, out, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(&doneHook{Context: t.Context(), do: func() {
			if err := tasks.ChangeOnExec("stubborn"); err != nil {
				t.Error(err)
			}
		}}, "/init")
		cmd.Args = []string{"mark", mark}
		cmd.Stdin = in
		err = tasks.Start(t.Context(), cmd, "helper")
		wantError(t, err, loader.ErrLabel)
		if filepath.Base(t.Name()) == "trace=true" {
			if cmd.ProcessState == nil {
				t.Error("the process still runs")
			}
			if _, err := os.Stat(mark); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the program ran: %v", err)
			}
		} else {
			wantError(t, err, syscall.EACCES)
		}
		// It ends by itself when its input does.
		closeNow(t, in)
		closeNow(t, out)
		if cmd.ProcessState == nil {
			if err := cmd.Wait(); err != nil {
				t.Error(err)
			}
		}
	})
}

// doneHook is a context that does something when it is first asked whether it
// is done, which exec.Cmd.Start does.
type doneHook struct {
	context.Context
	do func()
}

func (d *doneHook) Done() <-chan struct{} {
	if d.do != nil {
		d.do()
		d.do = nil
	}
	return d.Context.Done()
}

// TestNoNewPrivs starts a program from one that has given up new privileges.
func TestNoNewPrivs(t *testing.T) {
	k := kernel(t)
	load(t, k, reference(t, "helper"))
	load(t, k, reference(t, "starter"))
	denied := "permission denied"
	for _, c := range []struct {
		label string
		want  Report
	}{
		{"unconfined", Report{Label: "helper (enforce)", Secret: denied, NoNewPrivs: true}},
		{"starter", Report{Label: "helper//&starter (enforce)", Secret: denied, NoNewPrivs: true}},
	} {
		for _, trace := range []string{"", "trace"} {
			t.Run(c.label+" "+trace, func(t *testing.T) {
				wantReport(t, guest.Command(t, "nnp", trace), func(cmd *exec.Cmd) error {
					return k.Start(t.Context(), cmd, c.label)
				}, c.want)
			})
		}
	}
}

// startUnderNoNewPrivs is a program that gives up new privileges and starts
// the program "report".
func startUnderNoNewPrivs(args []string) int {
	if _, _, errno := syscall.AllThreadsSyscall6(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0); errno != 0 {
		fmt.Fprintln(os.Stderr, errno)
		return 1
	}
	tasks, err := loader.OpenTasks(loader.Options{Trace: args[0] != ""})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer tasks.Close()
	cmd := exec.Command("/init")
	cmd.Args = []string{"report"}
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := tasks.Start(context.Background(), cmd, "helper"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if err := cmd.Wait(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}
