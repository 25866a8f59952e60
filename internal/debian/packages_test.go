// SPDX-License-Identifier: Apache-2.0

package debian

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParagraphs(t *testing.T) {
	got := paragraphs([]byte("Package: a\nVersion: 1-2\nTag: x,\n y\nDepends: b\n\nPackage: c\n\n\n"))
	want := []fields{
		{"Package": "a", "Version": "1-2", "Tag": "x,\n y", "Depends": "b"},
		{"Package": "c"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestDepends(t *testing.T) {
	got := depends("libc6 (>= 2.38), debconf (>= 0.5) | debconf-2.0,python3:any, ")
	if diff := cmp.Diff([]string{"libc6", "debconf", "python3"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestCommand(t *testing.T) {
	tree := Tree{Dir: t.TempDir()}
	write := func(name string) {
		t.Helper()
		name = filepath.Join(tree.Dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, nil, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := tree.Command("/sbin/p"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no program: %v", err)
	}
	write("usr/sbin/p")
	if _, err := tree.Command("/sbin/p"); err == nil {
		t.Error("a program runs without a loader")
	}
	write("usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2")
	got, err := tree.Command("/sbin/p")
	if err != nil {
		t.Fatal(err)
	}
	at := func(name string) string { return filepath.Join(tree.Dir, name) }
	want := []string{at("usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"), "--library-path",
		at("lib/x86_64-linux-gnu") + ":" + at("usr/lib/x86_64-linux-gnu"), at("usr/sbin/p")}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestKey holds folders of the cache to names that a file system takes, each of
// its own.
func TestKey(t *testing.T) {
	long := Binary{Names: make([]string, 60), Base: "trixie"}
	for i := range long.Names {
		long.Names[i] = "package"
	}
	other := long
	other.Libraries = true
	for _, b := range []Binary{{Names: []string{"a", "b"}, Libraries: true}, long, other} {
		if key := b.key(); len(key) > 255 || strings.Contains(key, "/") {
			t.Errorf("%d names: %s", len(b.Names), key)
		}
	}
	if long.key() == other.key() {
		t.Error("two lists of packages have one folder")
	}
	if got := (Binary{Names: []string{"a", "b"}, Libraries: true}).key(); got != "a+b+libs" {
		t.Error(got)
	}
}
