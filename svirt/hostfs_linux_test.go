// SPDX-License-Identifier: Apache-2.0

package svirt_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/goarmor/apparmor/internal/testenv"
	"github.com/goarmor/apparmor/svirt"
)

var host = svirt.Options{FS: svirt.HostFS()}

func write(t testing.TB, path string, data []byte) string {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// pipe makes a named pipe that somebody has open for writing, so that a read
// of it waits for ever.
func pipe(t testing.TB, path string) string {
	t.Helper()
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	w, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	return path
}

// qcow2Disk returns a machine with one image that is probed.
func qcow2Disk(path string) *svirt.Domain {
	d := disk(path)
	d.Devices.Disks[0].Image.Format = "qcow2"
	return d
}

// TestHostFS looks at the files of this machine.
func TestHostFS(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	write(t, at("raw.img"), nil)
	write(t, at("top.qcow2"), qcow2(3, "base.qcow2", "qcow2", ""))
	write(t, at("base.qcow2"), qcow2(3, "", "", ""))
	write(t, at("pipe.qcow2"), qcow2(3, "pipe", "qcow2", ""))
	pipe(t, at("pipe"))
	l, err := net.Listen("unix", at("socket"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for name, target := range map[string]string{"images": ".", "link.img": "images/images/raw.img", "absolute.qcow2": at("images/top.qcow2"), "loop": "loop", "nowhere": "x"} {
		if err := os.Symlink(target, at(name)); err != nil {
			t.Fatal(err)
		}
	}
	for name, test := range map[string]struct {
		d    *svirt.Domain
		want svirt.Reason
	}{
		"file":              {disk(at("raw.img")), ""},
		"new file":          {disk(at("new.img")), ""},
		"link":              {disk(at("link.img")), ""},
		"chain by links":    {qcow2Disk(at("absolute.qcow2")), ""},
		"pipe":              {disk(at("pipe")), svirt.ReasonFileType},
		"probed pipe":       {qcow2Disk(at("pipe")), svirt.ReasonFileType},
		"pipe in a chain":   {qcow2Disk(at("pipe.qcow2")), svirt.ReasonFileType},
		"socket":            {disk(at("socket")), svirt.ReasonFileType},
		"directory":         {disk(dir), svirt.ReasonFileType},
		"character device":  {disk("/dev/null"), svirt.ReasonClosed},
		"loop":              {disk(at("loop")), svirt.ReasonLoop},
		"link to nothing":   {disk(at("nowhere")), svirt.ReasonDangling},
		"file as directory": {disk(at("raw.img") + "/x"), svirt.ReasonFileType},
		"open file":         {disk("/proc/self/fd/0"), svirt.ReasonRestricted},
		"socket channel":    {domain(svirt.Devices{Channels: []svirt.Chardev{{ID: "c", Type: svirt.ChardevUnix, Path: at("socket")}}}), ""},
	} {
		o := host
		o.Backing = []string{dir}
		if name == "file as directory" {
			// It is not there, and cannot be.
			if rules, err := svirt.Derive(context.Background(), test.d, o); err == nil && !strings.Contains(string(rules.AppendText(nil)), "raw.img/x") {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		wantReason(t, name, test.d, o, test.want)
	}
	rules, err := svirt.Derive(context.Background(), qcow2Disk(at("absolute.qcow2")), svirt.Options{FS: svirt.HostFS(), Backing: []string{at("images")}})
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("  %q rk, # disk vda\n  %q rwk, # disk vda\n", at("base.qcow2"), at("top.qcow2"))
	if got := string(rules.AppendText(nil)); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}

	// Whoever may write where images are can give their names to other files.
	if err := os.Link(at("raw.img"), at("second.img")); err != nil {
		t.Fatal(err)
	}
	wantReason(t, "hard link", disk(at("second.img")), host, svirt.ReasonLinks)
	o := host
	o.HardLinks = true
	wantReason(t, "hard link, allowed", disk(at("second.img")), o, "")
}

// TestHostFSOpens opens files by way of the file system itself: a pipe or a
// device in the place of a file does no harm.
func TestHostFSOpens(t *testing.T) {
	dir := t.TempDir()
	file := write(t, filepath.Join(dir, "file"), []byte("text"))
	fsys := svirt.HostFS()
	f, err := fsys.Open(file[1:])
	if err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(f); err != nil || string(text) != "text" {
		t.Errorf("got %q, %v", text, err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	for _, path := range []string{pipe(t, filepath.Join(dir, "pipe")), "/dev/null"} {
		if f, err := fsys.Open(path[1:]); err == nil {
			t.Errorf("%s was opened (%v)", path, f.Close())
		}
	}
	for _, bad := range []string{"", "/etc"} {
		_, open := fsys.Open(bad)
		_, lstat := fsys.Lstat(bad)
		_, link := fsys.ReadLink(bad)
		for _, err := range []error{open, lstat, link} {
			if !errors.Is(err, fs.ErrInvalid) {
				t.Errorf("%q: %v", bad, err)
			}
		}
	}
	if entries, err := fs.ReadDir(fsys, dir[1:]); err != nil || len(entries) != 2 {
		t.Errorf("got %v, %v", entries, err)
	}
}

// TestExchangedImage derives a machine while the owner of the directory of its
// image exchanges the image and a pipe, and the directory and a link, as fast
// as that goes. Nothing waits, nothing of what was put there is granted, and no
// descriptor stays open.
func TestExchangedImage(t *testing.T) {
	dir := t.TempDir()
	images := filepath.Join(dir, "images")
	if err := os.Mkdir(images, 0o700); err != nil {
		t.Fatal(err)
	}
	image := write(t, filepath.Join(images, "vm.qcow2"), qcow2(2, "", "", ""))
	fifo := pipe(t, filepath.Join(images, "pipe"))
	if err := os.Symlink("/etc", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	before := testenv.OpenFiles(t)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
			}
			// This fails every other time, while the directory is the link.
			_ = unix.Renameat2(unix.AT_FDCWD, image, unix.AT_FDCWD, fifo, unix.RENAME_EXCHANGE)
			if err := unix.Renameat2(unix.AT_FDCWD, images, unix.AT_FDCWD, filepath.Join(dir, "link"), unix.RENAME_EXCHANGE); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	results := map[string]int{}
	for range 3000 {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		rules, err := svirt.Derive(ctx, qcow2Disk(image), host)
		cancel()
		if errors.Is(err, svirt.ErrNoAnswer) {
			t.Error("the derivation waited for a pipe")
			break
		}
		if err != nil {
			for _, r := range reasons(err) {
				results[string(r)]++
			}
			continue
		}
		results["granted"]++
		if got, want := string(rules.AppendText(nil)), fmt.Sprintf("  %q rwk, # disk vda\n", image); got != want {
			t.Errorf("granted\n%s", got)
		}
	}
	close(stop)
	<-stopped
	t.Log(results)
	if after := testenv.OpenFiles(t); after > before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}

// TestManyDirectories derives a machine with images in more directories than
// are held open at a time.
func TestManyDirectories(t *testing.T) {
	dir := t.TempDir()
	d := domain(svirt.Devices{})
	for i := range 300 {
		in := filepath.Join(dir, fmt.Sprint(i%7), strings.Repeat("d/", 5), fmt.Sprint(i))
		if err := os.MkdirAll(in, 0o700); err != nil {
			t.Fatal(err)
		}
		d.Devices.Disks = append(d.Devices.Disks, svirt.Disk{ID: fmt.Sprint(i), Image: svirt.Image{Path: write(t, filepath.Join(in, "a.img"), nil)}})
	}
	rules, err := svirt.Derive(context.Background(), d, host)
	if err != nil || len(rules.List()) != 300 {
		t.Errorf("got %v", err)
	}
}

// stuck is a file system that does not answer for one of its directories.
type stuck struct {
	fs.ReadLinkFS
	until chan struct{}
}

func (s stuck) Lstat(n string) (fs.FileInfo, error) {
	if strings.HasPrefix(n, "srv/hung") {
		<-s.until
	}
	return s.ReadLinkFS.Lstat(n)
}

// TestNoAnswer ends a derivation with its context.
func TestNoAnswer(t *testing.T) {
	o := svirt.Options{FS: stuck{svirt.HostFS(), make(chan struct{})}}
	defer close(o.FS.(stuck).until)
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	for _, m := range []svirt.Method{svirt.Strict, svirt.Compat90} {
		o.Method = m
		rules, err := svirt.Derive(ctx, disk("/srv/hung/a.img"), o)
		if rules != nil || !errors.Is(err, context.DeadlineExceeded) || m == svirt.Strict && !errors.Is(err, svirt.ErrNoAnswer) {
			t.Errorf("%s: got %v", m, err)
		}
	}
}

func BenchmarkDeriveHost(b *testing.B) {
	dir := b.TempDir()
	d := manyDisks(500)
	for i := range d.Devices.Disks {
		d.Devices.Disks[i].Image.Path = write(b, filepath.Join(dir, filepath.Base(filepath.Dir(d.Devices.Disks[i].Image.Path))), nil)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := svirt.Derive(context.Background(), d, host); err != nil {
			b.Fatal(err)
		}
	}
}
