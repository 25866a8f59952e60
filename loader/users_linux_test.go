// SPDX-License-Identifier: Apache-2.0

package loader

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const kernelThread = "S 2 0 0 0 -1 2129984"

func TestUsers(t *testing.T) {
	user := func(pid, tid int, name string, mode Mode) User { return User{pid, tid, Label{name, mode}} }
	for _, c := range []struct {
		name   string
		change func(*fake)
		want   []User
		err    error
	}{
		{name: "none", change: func(f *fake) {}},
		{name: "others", change: func(f *fake) {
			f.process(10, task{label: "pp (enforce)"}, task{id: 11, label: "q//p (enforce)"})
			f.process(12, task{label: ":ns:p (enforce)"})
		}},
		{name: "itself", change: func(f *fake) { f.process(10, task{label: "p (enforce)"}) }, want: []User{user(10, 10, "p", "enforce")}},
		{name: "child", change: func(f *fake) { f.process(10, task{label: "p//c (complain)"}) }, want: []User{user(10, 10, "p//c", "complain")}},
		{name: "stack", change: func(f *fake) { f.process(10, task{label: "a//&p//c (mixed)"}) }, want: []User{user(10, 10, "a//&p//c", "mixed")}},
		{name: "thread", change: func(f *fake) {
			f.process(10, task{}, task{id: 11}, task{id: 12, label: "p (enforce)"})
		}, want: []User{user(10, 12, "p", "enforce")}},
		{name: "thread of a process that is over", change: func(f *fake) {
			f.process(10, task{label: "p (enforce)", stat: "Z 1 1 1 0 -1 4194304"}, task{id: 12, label: "p (enforce)"})
		}, want: []User{user(10, 12, "p", "enforce")}},
		{name: "born meanwhile", change: func(f *fake) {
			f.answer = func(name string) (string, bool) {
				if name == "proc/2/task/2/attr/apparmor/current" {
					f.process(10, task{label: "p (enforce)"})
				}
				return "", false
			}
		}, want: []User{user(10, 10, "p", "enforce")}},
		{name: "over", change: func(f *fake) {
			f.process(10, task{label: "p (enforce)", stat: "Z 1 1 1 0 -1 4194304"})
			f.process(11, task{label: "p (enforce)", stat: "X 1 1 1 0 -1 4194304"})
		}},
		{name: "ended meanwhile", change: func(f *fake) {
			f.process(10, task{})
			f.process(11, task{})
			f.unreadable = map[string]error{
				"proc/10/task/10/attr/apparmor/current": syscall.ESRCH,
				"proc/11/task/11/attr/apparmor/current": syscall.ENOENT,
			}
		}},
		{name: "kernel's own", change: func(f *fake) {
			f.process(10, task{stat: kernelThread})
			f.unreadable = map[string]error{"proc/10/task/10/attr/apparmor/current": syscall.EINVAL}
		}},
		{name: "not the kernel's own", change: func(f *fake) {
			f.process(10, task{})
			f.unreadable = map[string]error{"proc/10/task/10/attr/apparmor/current": syscall.EINVAL}
		}, err: syscall.EINVAL},
		{name: "denied", change: func(f *fake) {
			f.process(10, task{label: "p (enforce)"})
			f.unreadable = map[string]error{"proc/10/task/10/attr/apparmor/current": syscall.EACCES}
		}, err: ErrPermission},
		{name: "thread denied", change: func(f *fake) {
			f.process(10, task{}, task{id: 11})
			f.unreadable = map[string]error{"proc/10/task/11/attr/apparmor/current": syscall.EPERM}
		}, err: ErrPermission},
		{name: "no memory", change: func(f *fake) {
			f.process(10, task{})
			f.unreadable = map[string]error{"proc/10/task/10/attr/apparmor/current": syscall.ENOMEM}
		}, err: syscall.ENOMEM},
		{name: "state unknown", change: func(f *fake) {
			f.process(10, task{label: "p (enforce)"})
			f.unreadable = map[string]error{"proc/10/task/10/stat": syscall.EACCES}
		}, err: ErrPermission},
		{name: "no directory of threads", change: func(f *fake) {
			f.process(10, task{})
			path := filepath.Join(f.dir, "proc/10/task")
			if err := errors.Join(os.RemoveAll(path), os.WriteFile(path, nil, 0o644)); err != nil {
				f.t.Fatal(err)
			}
		}, err: syscall.ENOTDIR},
		{name: "other PID namespace", change: func(f *fake) { f.process(2, task{}) }, err: ErrProcesses},
		{name: "no process 2", change: func(f *fake) { f.end(2) }, err: ErrProcesses},
		{name: "process 2 denied", change: func(f *fake) {
			f.unreadable = map[string]error{"proc/2/stat": syscall.EACCES}
		}, err: ErrPermission},
		{name: "no number of the last task", change: func(f *fake) { f.file("proc/loadavg", "\n") }, err: errAnswer},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFake(t)
			f.process(1, task{})
			k := f.open(nil)
			c.change(f)
			got, err := k.Users(t.Context(), "p")
			if diff := cmp.Diff(c.want, got); diff != "" || !errors.Is(err, c.err) {
				t.Errorf("error %v, want %v (-want +got):\n%s", err, c.err, diff)
			}
			var own *Error
			if err != nil && (!errors.As(err, &own) || own.Op != OpUsers || got != nil) {
				t.Errorf("%v, %v", got, err)
			}
		})
	}
	t.Run("container", func(t *testing.T) {
		f := newFake(t)
		f.end(2)
		f.process(10, task{label: "p (enforce)"})
		k := f.open(func(o *Options) { o.OwnProcesses = true })
		if got, err := k.Users(t.Context(), "p"); len(got) != 1 || err != nil {
			t.Errorf("%v, %v", got, err)
		}
	})
	t.Run("namespace", func(t *testing.T) {
		f := newFake(t)
		f.namespace("namespaces/ns/")
		f.process(10, task{label: ":ns://p (enforce)"})
		f.process(11, task{label: "p (enforce)"})
		k := f.open(nil)
		ns, err := k.Namespace(t.Context(), "ns", false)
		if err != nil {
			t.Fatal(err)
		}
		defer ns.Close()
		for _, c := range []struct {
			k    *Kernel
			name string
			pid  int
		}{{ns, "p", 10}, {k, ":ns:p", 10}, {k, "p", 11}} {
			if got, err := c.k.Users(t.Context(), c.name); len(got) != 1 || got[0].PID != c.pid || err != nil {
				t.Errorf("%s: %v, %v", c.name, got, err)
			}
		}
	})
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := newFake(t).open(nil).Users(cancelled, "p"); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// TestScanClear has scans that find nothing and may have missed something.
func TestScanClear(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*fake)
		want   bool
	}{
		{"nothing", func(*fake) {}, true},
		{"process ended meanwhile", func(f *fake) {
			f.process(10, task{})
			path := filepath.Join(f.dir, "proc/10/task")
			if err := os.RemoveAll(path); err != nil {
				f.t.Fatal(err)
			}
		}, true},
		// What it left may be anywhere.
		{"thread ended meanwhile", func(f *fake) {
			f.process(10, task{}, task{id: 11})
			f.unreadable = map[string]error{"proc/10/task/11/attr/apparmor/current": syscall.ESRCH}
		}, false},
		{"label ended meanwhile", func(f *fake) {
			f.process(10, task{}, task{id: 11, label: "\n"})
			f.file("proc/10/task/11/attr/apparmor/current", "")
		}, false},
		{"process numbers go on", func(f *fake) { f.counts("proc/loadavg", "0 0 0 1/1 1000\n", "0 0 0 1/1 1005\n") }, true},
		{"process numbers start again", func(f *fake) { f.counts("proc/loadavg", "0 0 0 1/1 1000\n", "0 0 0 1/1 301\n") }, false},
		{"outer namespace", func(f *fake) { f.file("proc/self/status", "NSpid:\t900\t7\n") }, true},
		{"outer namespace, forks", func(f *fake) {
			f.file("proc/self/status", "NSpid:\t900\t7\n")
			f.file("proc/10/attr", "")
			f.counts("proc/stat", "processes 5000\n", "processes 5001\n")
		}, false},
		{"not in this procfs, forks", func(f *fake) {
			if err := os.RemoveAll(filepath.Join(f.dir, "proc/self")); err != nil {
				f.t.Fatal(err)
			}
			f.counts("proc/stat", "processes 5000\n", "processes 5001\n")
		}, false},
		{"found", func(f *fake) { f.process(10, task{label: "p (enforce)"}) }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFake(t)
			k := f.open(nil)
			c.change(f)
			s := scan{tasks: k.Tasks, profile: "p"}
			if err := s.run(t.Context()); err != nil || s.clear != c.want {
				t.Errorf("clear %v, %v", s.clear, err)
			}
		})
	}
}
