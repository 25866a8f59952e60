// SPDX-License-Identifier: Apache-2.0

//go:build unix

package parser

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestIncludeOS includes from a directory of the operating system: links, loops
// of links, and an os.Root, which nothing leads out of.
func TestIncludeOS(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"etc/a": "/a r,\n", "etc/d/x": "/x r,\n", "outside": "/out r,\n"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name, to := range map[string]string{
		"link": "a", "loop": "loop", "out": "../outside", "abs": filepath.Join(dir, "outside"), "null": os.DevNull, "d/link": "../a", "to-d": "d",
	} {
		if err := os.Symlink(to, filepath.Join(dir, "etc", name)); err != nil {
			t.Skip(err)
		}
	}
	plain := os.DirFS(filepath.Join(dir, "etc"))
	root, err := os.OpenRoot(filepath.Join(dir, "etc"))
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	pipe := syscall.Mkfifo(filepath.Join(dir, "etc", "pipe"), 0o600) == nil
	for _, test := range []struct {
		stmt, plain, root string
	}{
		{"include <a>", "a", "a"},
		{"include <link>", "link", "link"},
		{"include <d>", "d/x d/link", "d/x d/link"},
		{"include <to-d>", "to-d/x to-d/link", "to-d/x to-d/link"},
		{"include <loop>", "error", "error"},
		{"include if exists <loop>", "", ""},
		{"include if exists <a/x>", "", ""},
		{"include if exists <" + strings.Repeat("x", 300) + ">", "", ""},
		{"include <out>", "out", "error"},
		{"include <abs>", "abs", "error"},
		{"include if exists <out>", "out", "error"}, // it exists and may not be read
		{"include <null>", "", "error"},
		{"include <pipe>", "error", "error"},
	} {
		if strings.Contains(test.stmt, "pipe") && !pipe {
			continue
		}
		for i, fsys := range []fs.FS{plain, root.FS()} {
			u, err := Config{Roots: []fs.FS{fsys}}.ParseTree(t.Context(), "main", "/t { "+test.stmt+"\n}\n")
			got := "error"
			if err == nil {
				got = strings.Join(filesOf(u), " ")
			}
			if want := []string{test.plain, test.root}[i]; got != want {
				t.Errorf("%d: %s: %s, want %s (%v)", i, test.stmt, got, want, err)
			}
		}
	}
}
