// SPDX-License-Identifier: Apache-2.0

package svirt

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// TestCloseOnExec holds that programs that are started meanwhile inherit nothing of
// what is open while files of the host are looked at.
func TestCloseOnExec(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, "a", "b", "image")
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	held, err := hostFS{}.hold()
	if err != nil {
		t.Fatal(err)
	}
	defer held.close()
	f, err := held.open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	open := map[string]int{name: int(f.(rawFile))}
	for dir, fd := range held.(*hostTree).dirs {
		open[dir] = fd
	}
	if len(open) < 3 {
		t.Fatalf("open: %v", open)
	}
	for name, fd := range open {
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
			t.Errorf("%s: flags %#x, %v", name, flags, err)
		}
	}
}
