// SPDX-License-Identifier: Apache-2.0

//go:build linux

package command

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/features"
)

// baseTree is a directory of policy with what a machine's profile includes: files,
// a directory, and a file that need not be there.
func baseTree(t *testing.T) string {
	t.Helper()
	base := t.TempDir()
	for _, dir := range []string{"tunables", "abstractions/vm.d", "local", "libvirt"} {
		if err := os.MkdirAll(filepath.Join(base, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write(t, base, map[string]string{
		"tunables/global":     "@{HOME}=/home/*/ /root/\n",
		"abstractions/vm":     "/usr/share/vm/** r,\nsignal peer=@{profile_name},\ninclude <abstractions/vm.d>\ninclude if exists <local/vm>\n",
		"abstractions/vm.d/a": "/a r,\n",
		"libvirt/" + profile:  "include <tunables/global>\nprofile " + profile + " {\n  include <abstractions/vm>\n  include if exists <libvirt/" + profile + ".files>\n}\n",
	})
	return base
}

// bases returns the files of bases.
func bases(t *testing.T, base string) []string {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(base, "libvirt", "*"+baseSuffix))
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// TestBase compiles machines from what is kept. It is kept by the first, and means
// what the policy as a whole means, whatever of its files changes.
func TestBase(t *testing.T) {
	base := baseTree(t)
	kernel, _ := features.Kernel("6.12")
	l := &ownLoader{base: base, warn: func(string, ...any) {}}
	compiled := func(name string) *blob.Policy {
		t.Helper()
		p, err := l.compile(t.Context(), kernel, filepath.Join(base, "libvirt", name), name)
		if err != nil {
			t.Fatal(err)
		}
		whole, err := l.compileWhole(t.Context(), kernel, filepath.Join(base, "libvirt", name), name)
		if err != nil {
			t.Fatal(err)
		}
		found, err := blob.DiffPolicy(p, whole, blob.DiffOptions{Strict: true})
		if err != nil || len(found) > 0 {
			t.Errorf("%s: %v, %v", name, found, err)
		}
		return p
	}
	write(t, base, map[string]string{"libvirt/" + profile + ".files": "\"/srv/a.img\" rwk,\n"})
	first := compiled(profile)
	kept := bases(t, base)
	if len(kept) != 1 {
		t.Fatalf("kept is %v", kept)
	}
	before, err := os.ReadFile(kept[0])
	if err != nil {
		t.Fatal(err)
	}
	if again := compiled(profile); !bytes.Equal(again.Bytes(), first.Bytes()) {
		t.Error("other bytes from what is kept")
	}
	// Another machine takes the same.
	other := strings.Replace(profile, "ab", "ac", 1)
	text, err := os.ReadFile(filepath.Join(base, "libvirt", profile))
	if err != nil {
		t.Fatal(err)
	}
	write(t, base, map[string]string{"libvirt/" + other: strings.ReplaceAll(string(text), profile, other), "libvirt/" + other + ".files": "\"/srv/b.img\" rwk,\n"})
	compiled(other)
	unchanged := func(what string) {
		t.Helper()
		if now, err := os.ReadFile(kept[0]); err != nil || !bytes.Equal(now, before) {
			t.Errorf("%s: it was made again, %v", what, err)
		}
	}
	unchanged("another machine")
	for _, tt := range []struct{ what, file, text string }{
		{"a file", "abstractions/vm", "/usr/share/vm2/** r,\ninclude <abstractions/vm.d>\ninclude if exists <local/vm>\n"},
		{"a file in a directory", "abstractions/vm.d/a", "/b r,\n"},
		{"one more in a directory", "abstractions/vm.d/c", "/c r,\n"},
		{"a file that was not there", "local/vm", "/d r,\n"},
		{"a variable", "tunables/global", "@{HOME}=/x/\n"},
	} {
		write(t, base, map[string]string{tt.file: tt.text})
		compiled(profile)
		now, err := os.ReadFile(kept[0])
		if err != nil || bytes.Equal(now, before) {
			t.Errorf("%s: it was not made again, %v", tt.what, err)
		}
		before = now
		compiled(profile)
		unchanged(tt.what)
	}
	// The machine's own rules are never part of it.
	write(t, base, map[string]string{"libvirt/" + profile + ".files": "\"/srv/c.img\" rwk,\n"})
	compiled(profile)
	unchanged("rules")
	write(t, base, map[string]string{"libvirt/" + profile + ".files": "\"@{HOME}/x\" rwk,\n"})
	compiled(profile)
	unchanged("rules with a variable")
	write(t, base, map[string]string{"libvirt/" + profile + ".files": "\"/srv/c.img\" rwk\n"})
	if _, err := l.compile(t.Context(), kernel, filepath.Join(base, "libvirt", profile), profile); err == nil {
		t.Error("rules that are none are compiled")
	}
}

// TestBaseUntrusted: what is damaged, or may be another user's, is not taken.
func TestBaseUntrusted(t *testing.T) {
	base := baseTree(t)
	kernel, _ := features.Kernel("6.12")
	l := &ownLoader{base: base, warn: func(string, ...any) {}}
	file := filepath.Join(base, "libvirt", profile)
	compiled := func() {
		t.Helper()
		if _, err := l.compile(t.Context(), kernel, file, profile); err != nil {
			t.Fatal(err)
		}
	}
	compiled()
	kept := bases(t, base)[0]
	good, err := os.ReadFile(kept)
	if err != nil {
		t.Fatal(err)
	}
	dir := store{filepath.Join(base, "libvirt")}
	for what, change := range map[string]func() error{
		"empty": func() error { return os.WriteFile(kept, nil, 0o644) },
		"of the first form": func() error {
			return os.WriteFile(kept, bytes.Replace(good, []byte("goarmor helper 2"), []byte("goarmor helper 1"), 1), 0o644)
		},
		"half":             func() error { return os.WriteFile(kept, good[:len(good)/2], 0o644) },
		"other":            func() error { return os.WriteFile(kept, bytes.Repeat([]byte("x"), 4096), 0o644) },
		"written by group": func() error { return os.Chmod(kept, 0o664) },
		"written by all":   func() error { return os.Chmod(kept, 0o646) },
		"a link":           func() error { return errors.Join(os.Rename(kept, kept+".x"), os.Symlink(kept+".x", kept)) },
		"a directory":      func() error { return errors.Join(os.Remove(kept), os.Mkdir(kept, 0o755)) },
	} {
		if err := change(); err != nil {
			t.Fatal(err)
		}
		data, ok := dir.readOwn(filepath.Base(kept))
		if ok {
			if _, err := openBase(t.Context(), data, base, compileOptions(kernel)); !errors.Is(err, errStale) {
				t.Errorf("%s: %v", what, err)
			}
		}
		compiled()
		if err := errors.Join(os.RemoveAll(kept), os.RemoveAll(kept+".x"), os.WriteFile(kept, good, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	if os.Getuid() == 0 {
		if err := os.Chown(kept, 65534, 0); err != nil {
			t.Fatal(err)
		}
		if _, ok := dir.readOwn(filepath.Base(kept)); ok {
			t.Error("another user's file is taken")
		}
	}
	// Every byte counts.
	for i := 0; i < len(good); i += 1 + len(good)/500 {
		bad := bytes.Clone(good)
		bad[i] ^= 1
		if _, err := openBase(t.Context(), bad, base, compileOptions(kernel)); err == nil {
			t.Errorf("byte %d is changed, and it is taken", i)
		}
	}
}

// TestUnchanged: what was read is compared, whatever its times say, and nothing but
// a regular file is read.
func TestUnchanged(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "dir"), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, dir, map[string]string{"file": "text", "empty": "", "dir/a": "x", "dir/b": "y"})
	r := &reader{from: os.DirFS(dir), seen: map[string]*answer{}}
	for _, name := range []string{"file", "empty", "dir", "dir/a", "none"} {
		r.look(name)
	}
	record, ok := r.record()
	if !ok {
		t.Fatal("no record")
	}
	if !unchanged(dir, record) {
		t.Fatal("nothing has changed")
	}
	path := func(name string) string { return filepath.Join(dir, name) }
	info, err := os.Stat(path("file"))
	if err != nil {
		t.Fatal(err)
	}
	put := func(name, text string) func() error {
		return func() error {
			err := os.WriteFile(path(name), []byte(text), 0o644)
			return errors.Join(err, os.Chtimes(path(name), info.ModTime(), info.ModTime()))
		}
	}
	for _, c := range []struct {
		what         string
		change, undo func() error
	}{
		{"other content of the length and time", put("file", "tEXt"), put("file", "text")},
		{"more", put("file", "text\n"), put("file", "text")},
		{"less", put("file", "tex"), put("file", "text")},
		{"something in an empty file", put("empty", "x"), put("empty", "")},
		{"a file that is gone", func() error { return os.Remove(path("file")) }, put("file", "text")},
		{"a file that was not there", put("none", ""), func() error { return os.Remove(path("none")) }},
		{"a directory in the place of nothing", func() error { return os.Mkdir(path("none"), 0o755) }, func() error { return os.Remove(path("none")) }},
		{"a directory in the place of a file", func() error { return errors.Join(os.Remove(path("empty")), os.Mkdir(path("empty"), 0o755)) },
			func() error { return errors.Join(os.Remove(path("empty")), put("empty", "")()) }},
		{"a pipe in the place of a file", func() error { return errors.Join(os.Remove(path("empty")), syscall.Mkfifo(path("empty"), 0o644)) },
			func() error { return errors.Join(os.Remove(path("empty")), put("empty", "")()) }},
		{"one more in a directory", put("dir/c", ""), func() error { return os.Remove(path("dir/c")) }},
		{"another name in a directory", func() error { return os.Rename(path("dir/b"), path("dir/c")) }, func() error { return os.Rename(path("dir/c"), path("dir/b")) }},
		{"a link in the place of a file in a directory", func() error { return errors.Join(os.Remove(path("dir/b")), os.Symlink("a", path("dir/b"))) },
			func() error { return errors.Join(os.Remove(path("dir/b")), put("dir/b", "y")()) }},
	} {
		if err := c.change(); err != nil {
			t.Fatal(err)
		}
		if unchanged(dir, record) {
			t.Errorf("%s is not noticed", c.what)
		}
		if err := c.undo(); err != nil {
			t.Fatal(err)
		}
		if !unchanged(dir, record) {
			t.Fatalf("%s: undone, and not what it was", c.what)
		}
	}
	for n := 1; n < len(record); n++ {
		// Where an entry ends the rest is a record, too.
		if unchanged(dir, record[:n]) != ends(record, n) {
			t.Errorf("the first %d bytes of a record", n)
		}
	}
	outside := appendPart(appendPart([]byte{kindFile}, []byte("../"+filepath.Base(dir)+"/file")), []byte("text"))
	if unchanged(dir, outside) {
		t.Error("a record leaves its directory")
	}
	if unchanged(dir, append([]byte{'?'}, record[1:]...)) {
		t.Error("an unknown kind")
	}
}

// ends reports whether an entry of a record ends after n bytes.
func ends(record []byte, n int) bool {
	for rest := record; len(rest) > 0; {
		_, after, _ := cutPart(rest[1:])
		_, after, _ = cutPart(after)
		if rest = after; len(record)-len(rest) == n {
			return true
		}
	}
	return false
}

// TestBaseNone: where there can be no base, that is remembered; of several
// kernels and profiles the last ones are kept.
func TestBaseNone(t *testing.T) {
	base := baseTree(t)
	file := filepath.Join(base, "libvirt", profile)
	l := &ownLoader{base: base, warn: func(string, ...any) {}}
	write(t, base, map[string]string{"tunables/global": "alias /a/ -> /b/,\n"})
	kernel, _ := features.Kernel("6.12")
	for range 2 {
		if _, err := l.compile(t.Context(), kernel, file, profile); err != nil {
			t.Fatal(err)
		}
		kept := bases(t, base)
		if len(kept) != 1 {
			t.Fatalf("kept is %v", kept)
		}
		if info, err := os.Stat(kept[0]); err != nil || info.Size() > 1024 {
			t.Errorf("%v, %v", info, err)
		}
	}
	for _, name := range []string{"6.1", "6.12", "7.2", "7.3", "ubuntu-22.04", "ubuntu-24.04"} {
		kernel, ok := features.Kernel(name)
		if !ok {
			t.Fatal(name)
		}
		if _, err := l.compile(t.Context(), kernel, file, profile); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(bases(t, base)); n != maxBases {
		t.Errorf("%d are kept, want %d", n, maxBases)
	}
	if _, err := os.Lstat(filepath.Join(base, "libvirt", "virt-aa-helper.lock")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the lock stays: %v", err)
	}
}

// BenchmarkCompile is what an update costs besides the start of a program: as a
// whole, and from what is kept.
func BenchmarkCompile(b *testing.B) {
	base := os.Getenv("APPARMOR_BENCH_POLICY")
	if base == "" {
		b.Skip("an extra: APPARMOR_BENCH_POLICY names a directory of policy with a machine's profile in libvirt")
	}
	list, err := filepath.Glob(filepath.Join(base, "libvirt", "libvirt-*.files"))
	if err != nil || len(list) == 0 {
		b.Fatal(list, err)
	}
	file := strings.TrimSuffix(list[0], ".files")
	kernel, _ := features.Kernel("6.12")
	l := &ownLoader{base: base, warn: func(string, ...any) {}}
	b.Run("whole", func(b *testing.B) {
		for b.Loop() {
			if _, err := l.compileWhole(b.Context(), kernel, file, filepath.Base(file)); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("kept", func(b *testing.B) {
		for b.Loop() {
			if _, err := l.compile(b.Context(), kernel, file, filepath.Base(file)); err != nil {
				b.Fatal(err)
			}
		}
	})
}
