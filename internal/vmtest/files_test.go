// SPDX-License-Identifier: Apache-2.0

//go:build linux

package vmtest_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"sync"
	"testing"

	"github.com/goarmor/apparmor/internal/testenv"
)

// addDebian adds the files of Debian's policy, below debian/.
func addDebian(tb testing.TB, files map[string][]byte) {
	tb.Helper()
	addTree(tb, files, "debian", testenv.DebianTree(tb))
}

// addLibvirt adds what machines' profiles of sid's libvirt are made of, below
// libvirt/.
func addLibvirt(tb testing.TB, files map[string][]byte) {
	tb.Helper()
	dir := testenv.LibvirtTree(tb, "sid")
	for _, part := range []string{"abi", "abstractions", "libvirt", "tunables"} {
		addTree(tb, files, "libvirt/"+part, filepath.Join(dir, part))
	}
}

// addTree adds the files of a directory, below a name.
func addTree(tb testing.TB, files map[string][]byte, at, dir string) {
	tb.Helper()
	tree := os.DirFS(dir)
	err := fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			// A directory may be empty; a hidden file is not part of policy.
			if name != "." {
				files[at+"/"+name+"/.directory"] = nil
			}
			return nil
		}
		if !d.Type().IsRegular() {
			return nil
		}
		files[at+"/"+name], err = fs.ReadFile(tree, name)
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
}

// buildProgram compiles a program of this repository, by its directory, which may be of a module of its own, into a
// static binary for guests.
func buildProgram(t *testing.T, name string) func() ([]byte, error) {
	t.Helper()
	dir, root := t.TempDir(), testenv.Root(t)
	// The go command runs a test again when a file has changed that the test
	// looked at.
	if _, err := os.ReadDir(filepath.Join(root, filepath.FromSlash(name))); err != nil {
		t.Fatal(err)
	}
	return sync.OnceValues(func() ([]byte, error) {
		out := filepath.Join(dir, path.Base(name))
		cmd := exec.Command("go", "build", "-ldflags=-s -w", "-o", out, ".")
		cmd.Dir = filepath.Join(root, filepath.FromSlash(name))
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64", "GOFLAGS=")
		cmd.Stderr = os.Stderr
		if err := cmd.Run(); err != nil {
			return nil, err
		}
		return os.ReadFile(out)
	})
}
