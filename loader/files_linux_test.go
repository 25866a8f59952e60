// SPDX-License-Identifier: Apache-2.0

package loader

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/goarmor/apparmor/diag"
)

// opened puts descriptors of a thread into procfs.
func (f *fake) opened(pid, tid int, paths ...string) {
	f.t.Helper()
	dir := filepath.Join(f.dir, fmt.Sprintf("proc/%d/task/%d/fd", pid, tid))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		f.t.Fatal(err)
	}
	for i, p := range paths {
		if err := os.Symlink(p, filepath.Join(dir, fmt.Sprint(i))); err != nil {
			f.t.Fatal(err)
		}
	}
}

func TestFiles(t *testing.T) {
	long := filepath.Join("/srv", fmt.Sprintf("%0200d", 1), fmt.Sprintf("%0200d", 2))
	file := func(pid int, path string) File { return File{PID: pid, Path: path, Read: true, Write: true} }
	for _, c := range []struct {
		name   string
		change func(*fake)
		want   []File
		err    error
	}{
		{name: "none", change: func(*fake) {}},
		{name: "others", change: func(f *fake) {
			f.process(10, task{label: "pp (enforce)"}, task{id: 11, label: "q (enforce)"})
			f.opened(10, 10, "/srv/a")
			f.opened(10, 11, "/srv/a")
		}},
		{name: "wanted", change: func(f *fake) {
			f.process(10, task{label: "p (enforce)"})
			f.opened(10, 10, "/srv/b", "/srv/a", "socket:[1]", "/srv/a", "/etc/passwd", "/srv/gone (deleted)", long)
		}, want: []File{file(10, long), file(10, "/srv/a"), file(10, "/srv/b"), file(10, "/srv/gone (deleted)")}},
		{name: "thread of its own table", change: func(f *fake) {
			f.process(10, task{label: "p (enforce)"}, task{id: 11, label: "p//child (enforce)"})
			f.opened(10, 10)
			f.opened(10, 11, "/srv/a")
		}, want: []File{file(10, "/srv/a")}},
		{name: "several", change: func(f *fake) {
			f.process(12, task{label: "x//&p (enforce)"})
			f.process(11, task{label: "p (complain)"})
			f.opened(12, 12, "/srv/a")
			f.opened(11, 11, "/srv/a")
		}, want: []File{file(11, "/srv/a"), file(12, "/srv/a")}},
		{name: "ended meanwhile", change: func(f *fake) { f.process(10, task{label: "p (enforce)"}) }},
		{name: "no table", change: func(f *fake) {
			f.process(10, task{label: "p (enforce)"})
			f.file("proc/10/task/10/fd", "")
		}, err: syscall.ENOTDIR},
		{name: "no link", change: func(f *fake) {
			f.process(10, task{label: "p (enforce)"})
			f.file("proc/10/task/10/fd/0", "")
		}, err: syscall.EINVAL},
		{name: "label denied", change: func(f *fake) {
			f.process(10, task{label: "p (enforce)"})
			f.unreadable = map[string]error{"proc/10/task/10/attr/apparmor/current": syscall.EACCES}
		}, err: ErrPermission},
		{name: "other PID namespace", change: func(f *fake) { f.process(2, task{}) }, err: ErrProcesses},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFake(t)
			c.change(f)
			got, err := f.open(nil).Files(t.Context(), "p", func(f File) bool {
				return f.PID > 9 && len(f.Path) > 4 && f.Path[:5] == "/srv/"
			})
			if diff := cmp.Diff(c.want, got); diff != "" || !errors.Is(err, c.err) {
				t.Errorf("error %v, want %v (-want +got):\n%s", err, c.err, diff)
			}
			if own := new(Error); err != nil && (!errors.As(err, &own) || own.Op != OpFiles) {
				t.Errorf("%v", err)
			}
		})
	}
	t.Run("limit", func(t *testing.T) {
		f := newFake(t)
		f.process(10, task{label: "p (enforce)"})
		var paths []string
		for i := range maxFiles + 1 {
			paths = append(paths, fmt.Sprint("/srv/", i))
		}
		f.opened(10, 10, paths...)
		got, err := f.open(nil).Files(t.Context(), "p", func(File) bool { return true })
		if limit := new(diag.LimitError); !errors.As(err, &limit) || limit.Limit != maxFiles || got != nil {
			t.Errorf("%d files, %v", len(got), err)
		}
	})
}

// TestFilesAccess looks at descriptors of this process in the real procfs.
func TestFilesAccess(t *testing.T) {
	proc, err := openDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	defer proc.close()
	path := filepath.Join(t.TempDir(), "file")
	want := map[File]bool{}
	for _, c := range []struct {
		flags       int
		read, write bool
	}{{unix.O_RDONLY | unix.O_CREAT, true, false}, {unix.O_WRONLY, false, true}, {unix.O_RDWR, true, true}, {unix.O_PATH, false, false}} {
		fd, err := unix.Open(path, c.flags|unix.O_CLOEXEC, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		if c.read || c.write {
			want[File{Path: path, Read: c.read, Write: c.write}] = true
		}
	}
	got := map[File]bool{}
	tasks := Tasks{proc: proc}
	err = tasks.files(t.Context(), fmt.Sprintf("%d/task/%d/fd", os.Getpid(), os.Getpid()), func(f File) error {
		if f.Path == path {
			got[f] = true
		}
		return nil
	})
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}
