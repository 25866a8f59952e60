// SPDX-License-Identifier: Apache-2.0

package loader

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/goarmor/apparmor/blob"
)

var ofProcess = regexp.MustCompile(`^proc/(\d+)/(stat|status|cmdline|attr/apparmor/current)$`)

// started makes procfs show the processes that tests start as they are, but
// under a label.
func (f *fake) started(label string) {
	f.answer = func(name string) (string, bool) {
		m := ofProcess.FindStringSubmatch(name)
		if m == nil {
			return "", false
		}
		if m[2] == "attr/apparmor/current" {
			return label + "\n", true
		}
		text, err := os.ReadFile("/" + name)
		return string(text), err == nil
	}
}

// start starts something that lasts, and kills it if it was started.
func start(t *testing.T, do func(*exec.Cmd) error) (cmd *exec.Cmd, err error) {
	t.Helper()
	cmd = exec.CommandContext(t.Context(), "/bin/sh", "-c", "sleep 60 & wait")
	err = do(cmd)
	if err == nil {
		if cmd.ProcessState != nil {
			t.Error("the process is over")
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Error(err)
		}
		_ = cmd.Wait() // it says that the process was killed
	} else if cmd.Process != nil && (cmd.ProcessState == nil || cmd.ProcessState.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL) {
		t.Errorf("the process is not killed: %v", cmd.ProcessState)
	}
	return cmd, err
}

// TestStartReadsBack has processes end up under labels of all kinds.
func TestStartReadsBack(t *testing.T) {
	for _, c := range []struct {
		asked, got string
		accept     Accept
		want       error
	}{
		{"p", "p (enforce)", Accept{}, nil},
		{"p", "p (kill)", Accept{}, nil},
		{"p", "unconfined", Accept{true, true, true, true}, ErrLabel},
		{"p", "q (enforce)", Accept{}, ErrLabel},
		{"p", "p//c (enforce)", Accept{}, ErrLabel},
		{"p", "p//&q (enforce)", Accept{}, ErrLabel},
		{"p", "p (complain)", Accept{}, ErrMode},
		{"p", "p (complain)", Accept{Unconfined: true, Prompt: true, Unverified: true}, ErrMode},
		{"p", "p (complain)", Accept{Complain: true}, nil},
		{"p", "p (unconfined)", Accept{Complain: true, Prompt: true, Unverified: true}, ErrMode},
		{"p", "p (unconfined)", Accept{Unconfined: true}, nil},
		{"p", "p (user)", Accept{}, ErrMode},
		{"p", "p (user)", Accept{Prompt: true}, nil},
		{"p//&q", "p//&q (mixed)", Accept{Complain: true}, ErrMode},
		{"p//&q", "p//&q (mixed)", Accept{Complain: true, Unconfined: true, Prompt: true}, nil},
		{"p", "p", Accept{}, ErrMode}, // no mode
		{"unconfined", "unconfined", Accept{}, nil},
		{"unconfined", "p (enforce)", Accept{}, ErrLabel},
	} {
		f := newFake(t)
		f.started(c.got)
		k := f.open(nil)
		for who, do := range map[string]func(*exec.Cmd) error{
			"tasks": func(cmd *exec.Cmd) error {
				return k.Tasks.StartWith(t.Context(), cmd, c.asked, StartOptions{Accept: c.accept})
			},
			"kernel": func(cmd *exec.Cmd) error {
				return k.StartWith(t.Context(), cmd, c.asked, StartOptions{Accept: c.accept})
			},
		} {
			cmd, err := start(t, do)
			if !errors.Is(err, c.want) {
				t.Errorf("%s: %q for %q: error %v, want %v", who, c.got, c.asked, err, c.want)
			}
			if cmd.Process == nil {
				t.Errorf("%s: %q for %q: nothing was started", who, c.got, c.asked)
			}
		}
	}
}

// TestStartVerifies checks mode and content before the process is started, and
// again once it is.
func TestStartVerifies(t *testing.T) {
	set := named(t, "p", "p//c")
	other := encode(t, &blob.Profile{Name: "p", Audit: true}, &blob.Profile{Name: "p//c"})
	content := StartOptions{Content: FingerprintOf(set)}
	complains := func(f *fake) { f.file("sys/module/apparmor/parameters/mode", "complain\n") }
	for _, c := range []struct {
		name   string
		before func(*fake)
		after  func(*fake) // when the label is read back
		label  string
		o      StartOptions
		want   error
		starts bool // a process, which may be killed
	}{
		{name: "fine", o: content, starts: true},
		{name: "not asked for", o: StartOptions{}, before: func(f *fake) { f.load(other, SHA256) }, starts: true},
		{name: "replaced", o: content, before: func(f *fake) { f.load(other, SHA256) }, want: ErrContent},
		{name: "replaced meanwhile", o: content, after: func(f *fake) { f.load(other, SHA256) }, want: ErrContent, starts: true},
		{name: "removed", o: content, before: func(f *fake) { f.unload("", "p") }, want: ErrNotExist},
		{name: "kernel complains", o: StartOptions{}, before: complains, want: ErrMode},
		{name: "kernel complains, with content", o: content, before: complains, want: ErrMode},
		{name: "kernel complains meanwhile", o: StartOptions{}, after: complains, want: ErrMode, starts: true},
		{name: "kernel complains, accepted", o: StartOptions{Accept: Accept{Complain: true}}, before: complains, starts: true},
		{name: "content of another", label: "q", o: content, want: ErrName},
		{name: "content of a child", label: "p//c", o: content, starts: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFake(t)
			f.load(set, SHA256)
			if c.before != nil {
				c.before(f)
			}
			label := c.label
			if label == "" {
				label = "p"
			}
			f.started(label + " (enforce)")
			if answer := f.answer; c.after != nil {
				f.answer = func(name string) (string, bool) {
					if strings.HasSuffix(name, "/attr/apparmor/current") {
						c.after(f)
					}
					return answer(name)
				}
			}
			k := f.open(nil)
			cmd, err := start(t, func(cmd *exec.Cmd) error { return k.StartWith(t.Context(), cmd, label, c.o) })
			if !errors.Is(err, c.want) {
				t.Errorf("error %v, want %v", err, c.want)
			}
			if (cmd.Process != nil) != c.starts {
				t.Errorf("process: %v", cmd.Process)
			}
		})
	}
	t.Run("tasks", func(t *testing.T) {
		f := newFake(t)
		if err := f.tasks().StartWith(t.Context(), exec.Command("/bin/true"), "p", content); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("error %v", err)
		}
	})
	t.Run("cancelled", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := newFake(t).open(nil).Start(ctx, exec.Command("/bin/true"), "p"); !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
	})
}

// TestStartNoNewPrivs checks that the label is stacked where nothing else is
// allowed, and that the process is reported.
func TestStartNoNewPrivs(t *testing.T) {
	for _, c := range []struct {
		self, got, write string
		stacked          bool
		want             error
	}{
		{"unconfined", "p (enforce)", "exec p", false, nil},
		{"starter (enforce)", "p//&starter (enforce)", "stack p", true, nil},
		{"starter (enforce)", "p (enforce)", "stack p", true, ErrLabel},
	} {
		f := newFake(t)
		f.file("proc/thread-self/attr/apparmor/current", c.self+"\n")
		f.started(c.got)
		tasks := f.tasks()
		var s Started
		_, err := start(t, func(cmd *exec.Cmd) error {
			return tasks.StartWith(t.Context(), cmd, "p", StartOptions{NoNewPrivs: true, Started: &s})
		})
		if !errors.Is(err, c.want) {
			t.Errorf("from %s: %v", c.self, err)
		}
		if want := []string{"proc/thread-self/attr/apparmor/exec: " + c.write}; !slices.Equal(f.writes, want) {
			t.Errorf("written %q, want %q", f.writes, want)
		}
		if err == nil && (!s.NoNewPrivs || s.Stacked != c.stacked || s.Label != ParseLabel(c.got)) {
			t.Errorf("started %+v", s)
		}
	}
}

// TestWaitExecOrder has a process that takes its time: the label counts when
// the arguments are there, not before.
func TestWaitExecOrder(t *testing.T) {
	f := newFake(t)
	stats := []string{"R 1 1 1 0 -1 4194368", "R 1 1 1 0 -1 4194368", "R 1 1 1 0 -1 4194304", "R 1 1 1 0 -1 4194304", "R 1 1 1 0 -1 4194304"}
	args := []string{"", "", "/bin/sh\x00"}
	var asked []string
	f.answer = func(name string) (string, bool) {
		m := ofProcess.FindStringSubmatch(name)
		if m == nil {
			return "", false
		}
		asked = append(asked, m[2])
		switch m[2] {
		case "stat":
			s := stats[0]
			stats = stats[1:]
			return m[1] + " (a) " + s, true
		case "cmdline":
			s := args[0]
			args = args[1:]
			return s, true
		}
		if len(args) > 0 {
			return "unconfined\n", true // as before the exec
		}
		return "p (enforce)\n", true
	}
	tasks := f.tasks()
	if _, err := start(t, func(cmd *exec.Cmd) error { return tasks.Start(t.Context(), cmd, "p") }); err != nil {
		t.Error(err)
	}
	want := []string{"stat", "stat", "stat", "cmdline", "stat", "cmdline", "stat", "cmdline", "attr/apparmor/current"}
	if diff := cmp.Diff(want, asked); diff != "" {
		t.Errorf("asked for (-want +got):\n%s", diff)
	}
}

// TestStartEnvironment starts a program that prints its environment.
func TestStartEnvironment(t *testing.T) {
	const odd = "ODD=LD_PRELOAD=/x"
	env := []string{
		"PATH=/bin", "LD_PRELOAD=/nothing", "LD_LIBRARY_PATH=", "LD_ANYTHING=1", "GLIBC_TUNABLES=a", "GCONV_PATH=/g",
		"TMPDIR=/tmp", odd, "LDX=1", "=strange",
	}
	for _, c := range []struct {
		env     []string
		keep    bool
		want    []string // nil: the caller's
		removed []string
	}{
		{env, false, []string{"PATH=/bin", "TMPDIR=/tmp", odd, "LDX=1", "=strange"}, []string{"LD_PRELOAD", "LD_LIBRARY_PATH", "LD_ANYTHING", "GLIBC_TUNABLES", "GCONV_PATH"}},
		{env, true, env, nil},
		{[]string{"LD_DEBUG=help"}, false, []string{}, []string{"LD_DEBUG"}},
		{nil, false, nil, nil},
	} {
		f := newFake(t)
		f.started("p (enforce)")
		tasks := f.tasks()
		cmd := exec.Command("/bin/true")
		cmd.Env = c.env
		var s Started
		if err := tasks.StartWith(t.Context(), cmd, "p", StartOptions{KeepEnv: c.keep, Started: &s}); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(c.want, cmd.Env); diff != "" {
			t.Errorf("environment (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(c.removed, s.Environment); diff != "" {
			t.Errorf("removed (-want +got):\n%s", diff)
		}
	}
	t.Run("inherited", func(t *testing.T) {
		t.Setenv("LD_BIND_NOW", "1")
		f := newFake(t)
		f.started("p (enforce)")
		cmd := exec.Command("/usr/bin/env")
		var out bytes.Buffer
		cmd.Stdout = &out
		if err := f.tasks().Start(t.Context(), cmd, "p"); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(out.String(), "LD_BIND_NOW") || !strings.Contains(out.String(), "PATH=") {
			t.Errorf("the program has\n%s", out.String())
		}
	})
}

// TestStartFiles runs in a process of its own, whose descriptors it changes.
func TestStartFiles(t *testing.T) {
	const mark = "GOARMOR_LOADER_FILES"
	if os.Getenv(mark) == "" {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestStartFiles$", "-test.v")
		cmd.Env = append(os.Environ(), mark+"=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	name := filepath.Join(t.TempDir(), "leaked")
	if err := os.WriteFile(name, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	// Not close-on-exec, and not 3: where Go's runtime holds no file of a cgroup,
	// that is the next one, which the program gets for its extra file.
	leaked, err := unix.FcntlInt(file.Fd(), unix.F_DUPFD, 100)
	if err != nil {
		t.Fatal(err)
	}
	extra, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer extra.Close()
	for _, keep := range []bool{true, false} {
		f := newFake(t)
		f.started("p (enforce)")
		sys := f.system()
		sys.closeOnExec = linux().closeOnExec
		tasks, err := openTasks(f.options(), sys)
		if err != nil {
			t.Fatal(err)
		}
		defer tasks.Close()
		cmd := exec.Command("/bin/sh", "-c", `for f in /proc/$$/fd/*; do readlink "$f" || :; done`)
		var out bytes.Buffer
		cmd.Stdout = &out
		cmd.ExtraFiles = []*os.File{extra}
		if err := tasks.StartWith(t.Context(), cmd, "p", StartOptions{KeepFiles: keep}); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(out.String(), name); got != keep {
			t.Errorf("keep %v: the program has\n%s", keep, out.String())
		}
		if !strings.Contains(out.String(), os.DevNull) {
			t.Errorf("keep %v: the program lacks what it was given:\n%s", keep, out.String())
		}
	}
	// What the caller has stays open.
	if _, err := syscall.Seek(leaked, 0, 0); err != nil {
		t.Error(err)
	}
}

// TestStartFilesRefused does not start what would inherit all descriptors.
func TestStartFilesRefused(t *testing.T) {
	f := newFake(t)
	f.started("p (enforce)")
	sys := f.system()
	sys.closeOnExec = func() error { return syscall.ENOSYS }
	tasks, err := openTasks(f.options(), sys)
	if err != nil {
		t.Fatal(err)
	}
	defer tasks.Close()
	cmd, err := start(t, func(cmd *exec.Cmd) error { return tasks.Start(t.Context(), cmd, "p") })
	if !errors.Is(err, syscall.ENOSYS) || cmd.Process != nil {
		t.Errorf("error %v, process %v", err, cmd.Process)
	}
	if _, err := start(t, func(cmd *exec.Cmd) error {
		return tasks.StartWith(t.Context(), cmd, "p", StartOptions{KeepFiles: true})
	}); err != nil {
		t.Error(err)
	}
}
