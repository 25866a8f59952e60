// SPDX-License-Identifier: Apache-2.0

package svirt

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// helper returns a Manager as a process has one that lives for one change.
func helper(t *testing.T, dir string, d *fakeDriver) *Manager {
	t.Helper()
	m, err := New(t.Context(), ManagerOptions{Dir: dir, Driver: d, Shared: true, Derive: Options{FS: emptyFS{}}})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestLocked opens a directory that another Manager has.
func TestLocked(t *testing.T) {
	ctx := t.Context()
	f := newFixture(t, ManagerOptions{})
	for _, shared := range []bool{false, true} {
		if m, err := New(ctx, ManagerOptions{Dir: f.dir, Driver: f.driver, Shared: shared}); !errors.Is(err, ErrLocked) {
			t.Errorf("shared %v: got %v, %v", shared, m, err)
		}
	}
	closed(t, f)
	a, b := helper(t, f.dir, f.driver), helper(t, f.dir, f.driver)
	if _, err := New(ctx, ManagerOptions{Dir: f.dir, Driver: f.driver}); !errors.Is(err, ErrLocked) {
		t.Errorf("one that does not share: %v", err)
	}
	// Who waits for a machine gives up with the context.
	_, unlock, err := a.lock(ctx, testUUID)
	if err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	if err := b.Create(short, testDomain("/srv/a")); !errors.Is(err, ErrLocked) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if err := b.Create(ctx, numbered(1)); err != nil {
		t.Errorf("another machine: %v", err)
	}
	unlock()
	if err := errors.Join(b.Create(ctx, testDomain("/srv/a")), a.Close(), b.Close(), a.Close()); err != nil {
		t.Error(err)
	}
	m, err := New(ctx, ManagerOptions{Dir: f.dir, Driver: f.driver})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
}

// TestHelpers changes machines by twenty helpers at a time: each its own, and
// all of them one.
func TestHelpers(t *testing.T) {
	ctx := t.Context()
	dir, driver := t.TempDir(), newFakeDriver(t)
	first := helper(t, dir, driver)
	if err := errors.Join(first.Create(ctx, testDomain()), first.Close()); err != nil {
		t.Fatal(err)
	}
	const n = 20
	var wg sync.WaitGroup
	refused := make(chan error, n)
	for i := range n {
		wg.Go(func() {
			m := helper(t, dir, driver)
			defer m.Close()
			d := numbered(i+1, raw("a", fmt.Sprint("/srv/own", i)))
			err := errors.Join(m.Create(ctx, d), m.update(ctx, testUUID, Change{Add: Devices{Disks: []Disk{raw(fmt.Sprint("d", i), fmt.Sprint("/srv/d", i))}}}))
			if err != nil {
				t.Error(err)
			}
			// Of what all of them want, one gets it.
			refused <- m.update(ctx, d.UUID, Change{Add: Devices{Disks: []Disk{raw("b", "/srv/wanted")}}})
		})
	}
	wg.Wait()
	granted := 0
	for range n {
		if err := <-refused; err == nil {
			granted++
		} else {
			wantReasons(t, "wanted", err, ReasonShared)
		}
	}
	if granted != 1 {
		t.Errorf("%d machines have one image", granted)
	}
	last := helper(t, dir, driver)
	defer last.Close()
	list, err := last.List(ctx)
	if err != nil || len(list) != n+1 {
		t.Errorf("%d machines are there, %v", len(list), err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "libvirt", testFiles))
	if err != nil || strings.Count(string(text), "# disk d") != n {
		t.Errorf("%v, the rules are\n%s", err, text)
	}
}

// TestUnsafeDirectory opens directories that others could change.
func TestUnsafeDirectory(t *testing.T) {
	open := func(dir string) error {
		m, err := New(t.Context(), ManagerOptions{Dir: dir, Driver: newFakeDriver(t)})
		if err == nil {
			err = m.Close()
		}
		return err
	}
	for name, change := range map[string]func(dir string) error{
		"everybody may write":               func(dir string) error { return os.Chmod(dir, 0o777) },
		"everybody may write, sticky":       func(dir string) error { return os.Chmod(dir, 0o777|os.ModeSticky) },
		"everybody may write to the files":  func(dir string) error { return os.Chmod(filepath.Join(dir, "libvirt"), 0o777) },
		"everybody may write to the parent": func(dir string) error { return os.Chmod(filepath.Dir(dir), 0o777) },
		"owned by another": func(dir string) error {
			if os.Geteuid() != 0 {
				return os.Chmod(dir, 0o777)
			}
			return os.Chown(dir, 65534, 65534)
		},
		"owned by another group": func(dir string) error {
			if os.Geteuid() != 0 {
				return os.Chmod(dir, 0o777)
			}
			return errors.Join(os.Chown(dir, 0, 65534), os.Chmod(dir, 0o775))
		},
		"a link instead of the files": func(dir string) error {
			return errors.Join(os.Rename(filepath.Join(dir, "libvirt"), filepath.Join(dir, "elsewhere")), os.Symlink("elsewhere", filepath.Join(dir, "libvirt")))
		},
	} {
		dir := filepath.Join(t.TempDir(), "above", "policy")
		if err := os.MkdirAll(filepath.Join(dir, "libvirt"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := open(dir); err != nil {
			t.Errorf("%s: before: %v", name, err)
		}
		if err := change(dir); err != nil {
			t.Fatal(err)
		}
		if err := open(dir); !errors.Is(err, ErrUnsafeDir) {
			t.Errorf("%s: %v", name, err)
		}
		if err := errors.Join(CheckDirectory(dir), CheckDirectory(filepath.Join(dir, "libvirt"))); !errors.Is(err, ErrUnsafeDir) {
			t.Errorf("%s: CheckDirectory: %v", name, err)
		}
	}
	if os.Geteuid() != 0 {
		return
	}
	// Where all users are seen, user 65534 is one of them.
	dir := filepath.Join(t.TempDir(), "above", "policy")
	err := errors.Join(os.MkdirAll(filepath.Join(dir, "libvirt"), 0o755), os.Chown(filepath.Dir(dir), overflowUID, 0))
	if err != nil {
		t.Fatal(err)
	}
	if err := CheckDirectory(dir); !errors.Is(err, ErrUnsafeDir) {
		t.Errorf("CheckDirectory: %v", err)
	}
	if m, err := New(t.Context(), ManagerOptions{Dir: dir, Driver: newFakeDriver(t), AncestorsChecked: true}); !errors.Is(err, ErrUnsafeDir) {
		t.Errorf("checked where it counts for nothing: %v, %v", m, err)
	}
}

// TestLitter removes what killed runs left, and nothing else.
func TestLitter(t *testing.T) {
	ctx := t.Context()
	const random = ".abcdefghijklmnopqrstuvwxyz"
	other := numbered(1).UUID
	litter := []string{"." + testProfile + random, "." + testFiles + random, ".libvirt-" + other + random}
	stays := []string{".hidden", "." + testProfile, "." + testProfile + ".abc", "." + testProfile + strings.ToUpper(random), ".other-" + testUUID + random, testProfile + random, ".libvirt-x" + random}
	make := func(dir string) {
		t.Helper()
		for _, n := range append(append([]string{}, litter...), stays...) {
			if err := os.WriteFile(filepath.Join(dir, "libvirt", n), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	left := func(dir string) (out []string) {
		for _, n := range append(append([]string{}, litter...), stays...) {
			if _, err := os.Lstat(filepath.Join(dir, "libvirt", n)); err == nil {
				out = append(out, n)
			}
		}
		return out
	}
	f := newFixture(t, ManagerOptions{})
	closed(t, f)
	make(f.dir)
	newFixture(t, ManagerOptions{Dir: f.dir})
	if diff := cmp.Diff(stays, left(f.dir)); diff != "" {
		t.Error(diff)
	}
	// Helpers leave alone what another helper may be at.
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "libvirt"), 0o755); err != nil {
		t.Fatal(err)
	}
	make(dir)
	m := helper(t, dir, newFakeDriver(t))
	defer m.Close()
	if err := m.Create(ctx, testDomain("/srv/a")); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(append([]string{litter[2]}, stays...), left(dir)); diff != "" {
		t.Error(diff)
	}
}

// TestKilled kills processes that create, replace, update and remove a machine
// at any time. What is on disk afterwards is what was before or what should
// be, the next one goes on from there, and nothing is left over.
func TestKilled(t *testing.T) {
	const variable = "SVIRT_TEST_KILLED"
	if dir := os.Getenv(variable); dir != "" {
		ctx := context.Background()
		m, err := New(ctx, ManagerOptions{Dir: dir, Driver: newFakeDriver(t), Derive: Options{FS: emptyFS{}}})
		if err != nil {
			t.Fatal(err)
		}
		fmt.Println("opened")
		for {
			a, b := testDomain("/srv/a"), testDomain("/srv/a", "/srv/b")
			err := errors.Join(
				m.Create(ctx, a), m.Replace(ctx, b),
				m.update(ctx, testUUID, Change{Remove: []Device{{DeviceDisk, "vda"}}}),
				m.Remove(ctx, testUUID))
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	ctx := t.Context()
	dir := t.TempDir()
	valid := map[string]bool{}
	for _, disks := range [][]string{{"/srv/a"}, {"/srv/a", "/srv/b"}} {
		f := newFixture(t, ManagerOptions{})
		if err := f.Create(ctx, testDomain(disks...)); err != nil {
			t.Fatal(err)
		}
		valid[f.state(t)[testFiles]] = true
		if err := f.update(ctx, testUUID, Change{Remove: []Device{{DeviceDisk, "vda"}}}); err != nil {
			t.Fatal(err)
		}
		valid[f.state(t)[testFiles]] = true
		valid[f.state(t)[testProfile]] = true
	}
	for round := range 25 {
		cmd := exec.Command(os.Args[0], "-test.run=^TestKilled$", "-test.v")
		cmd.Env = append(os.Environ(), variable+"="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		for said := ""; !strings.Contains(said, "opened"); {
			var b [512]byte
			n, err := out.Read(b[:])
			if err != nil {
				t.Fatalf("%v: %s", err, said)
			}
			said += string(b[:n])
		}
		time.Sleep(time.Duration(round*1700) * time.Microsecond)
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // it says that the process was killed
		for _, n := range []string{testProfile, testFiles} {
			text, err := os.ReadFile(filepath.Join(dir, "libvirt", n))
			if err == nil && !valid[string(text)] {
				t.Errorf("round %d: %s is torn:\n%s", round, n, text)
			}
		}
		f := newFixture(t, ManagerOptions{Dir: dir})
		if err := f.put(ctx, testDomain("/srv/a")); err != nil {
			t.Errorf("round %d: %v", round, err)
		}
		entries, err := os.ReadDir(filepath.Join(dir, "libvirt"))
		if err != nil || len(entries) != 2 {
			t.Errorf("round %d: left over: %v, %v", round, entries, err)
		}
		if err := f.Remove(ctx, testUUID); err != nil {
			t.Errorf("round %d: %v", round, err)
		}
		closed(t, f)
	}
}

// TestStoreReadsFiles has names that are not of regular files: none is opened, so
// that no link is followed and no pipe is waited for or taken for an empty file.
func TestStoreReadsFiles(t *testing.T) {
	dir := t.TempDir()
	s, err := openStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.root.Close()
	at := func(name string) string { return filepath.Join(dir, name) }
	err = errors.Join(os.WriteFile(at("file"), []byte("text"), 0o644), os.Symlink("file", at("link")), unix.Mkfifo(at("pipe"), 0o644), os.Mkdir(at("directory"), 0o755))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := s.read("file"); string(got) != "text" || err != nil {
		t.Errorf("file: %q, %v", got, err)
	}
	for _, name := range []string{"link", "pipe", "directory"} {
		var pe *fs.PathError
		if got, err := s.read(name); got != nil || !errors.As(err, &pe) || pe.Op != "read" || pe.Path != name {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

// TestStoreFollowsNoLink exchanges a file for a link, and for another file, while
// it is read: what the link leads to is never read.
func TestStoreFollowsNoLink(t *testing.T) {
	dir := t.TempDir()
	s, err := openStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.root.Close()
	at := func(name string) string { return filepath.Join(dir, name) }
	if err := errors.Join(os.WriteFile(at("file"), []byte("text"), 0o644), os.WriteFile(at("other"), []byte("not this"), 0o644)); err != nil {
		t.Fatal(err)
	}
	ended, swapped := make(chan struct{}), make(chan error, 1)
	go func() {
		defer close(swapped)
		for i := 0; ; i++ {
			select {
			case <-ended:
				return
			default:
			}
			var err error
			if i%2 == 0 {
				err = os.WriteFile(at("new"), []byte("text"), 0o644)
			} else {
				err = os.Symlink("other", at("new"))
			}
			if err = errors.Join(err, os.Rename(at("new"), at("file"))); err != nil {
				swapped <- err
				return
			}
		}
	}()
	read, bad := 0, ""
	for i := 0; i < 5000 && bad == ""; i++ {
		got, err := s.read("file")
		var pe *fs.PathError
		switch {
		case err == nil && string(got) == "text":
			read++
		case err == nil || !errors.As(err, &pe):
			bad = fmt.Sprintf("%q, %v", got, err)
		}
	}
	close(ended)
	if err := <-swapped; err != nil {
		t.Error(err)
	}
	if read == 0 || bad != "" {
		t.Errorf("read %d times, then %s", read, bad)
	}
}
