// SPDX-License-Identifier: Apache-2.0

package loader

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestWritesFollowNoLink has a link in the place of a file that policy is written
// to, which leads to another file of the same directory.
func TestWritesFollowNoLink(t *testing.T) {
	p := named(t, "p")
	for name, do := range map[string]func(context.Context, *Kernel) error{
		".load":    func(ctx context.Context, k *Kernel) error { return k.Load(ctx, p) },
		".replace": func(ctx context.Context, k *Kernel) error { return k.Replace(ctx, p) },
		".remove":  func(ctx context.Context, k *Kernel) error { return k.Remove(ctx, "p") },
	} {
		f := newFake(t)
		path := filepath.Join(f.dir, policyDir, name)
		if err := errors.Join(os.Remove(path), os.Symlink("revision", path)); err != nil {
			t.Fatal(err)
		}
		if err := do(t.Context(), f.open(nil)); !errors.Is(err, unix.ELOOP) || len(f.writes) > 0 {
			t.Errorf("%s: %v, written %q", name, err, f.writes)
		}
	}
}

// TestLinkTargets reads links whose targets are as long as a buffer, and longer.
func TestLinkTargets(t *testing.T) {
	path := t.TempDir()
	d, err := openDir(path)
	if err != nil {
		t.Fatal(err)
	}
	defer d.close()
	for _, n := range []int{1, 255, 256, 257, 1023, 1024, 1025, 4095} {
		want := strings.Repeat("x", n)
		name := filepath.Join(path, "link")
		if err := os.Symlink(want, name); err != nil {
			t.Fatal(err)
		}
		got, mode, err := d.link("link")
		if err != nil || got != want || mode&unix.S_IFMT != unix.S_IFLNK {
			t.Errorf("a target of %d bytes is read as one of %d, mode %o, %v", n, len(got), mode, err)
		}
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
}

// TestPipeIsNotDirectory has a pipe in the place of a directory: opening it to read
// would wait for a writer.
func TestPipeIsNotDirectory(t *testing.T) {
	path := t.TempDir()
	if err := unix.Mkfifo(filepath.Join(path, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	d, err := openDir(path)
	if err != nil {
		t.Fatal(err)
	}
	defer d.close()
	for name, f := range map[string]func() error{
		"names":   func() error { _, err := d.names("pipe"); return err },
		"at once": func() error { _, err := d.namesAtOnce("pipe"); return err },
		"sub":     func() error { _, err := d.sub("pipe"); return err },
		"openDir": func() error { _, err := openDir(filepath.Join(path, "pipe")); return err },
	} {
		if err := f(); !errors.Is(err, unix.ENOTDIR) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestShortestStat has just the fields that are read.
func TestShortestStat(t *testing.T) {
	if state, flags, err := parseStat("137 (a) R 131 0 0 0 -1 64"); state != "R" || flags != 64 || err != nil {
		t.Errorf("%q, %#x, %v", state, flags, err)
	}
}
