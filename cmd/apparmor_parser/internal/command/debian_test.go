// SPDX-License-Identifier: Apache-2.0

package command

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/internal/oracle"
	"github.com/goarmor/apparmor/internal/testenv"
)

// debianProfiles lists the top-level profiles of Debian's tree.
func debianProfiles(tb testing.TB, tree string) (files []string) {
	tb.Helper()
	entries, err := os.ReadDir(tree)
	if err != nil {
		tb.Fatal(err)
	}
	for _, e := range entries {
		if e.Type().IsRegular() && !strings.HasPrefix(e.Name(), ".") {
			files = append(files, e.Name())
		}
	}
	if len(files) == 0 {
		tb.Fatalf("no profiles in %s", tree)
	}
	return files
}

// singleFiles copies Debian's tree and leaves only the first of the files of
// each directory that is included as a whole: the reference reads directories
// in whatever order the file system has.
func singleFiles(tb testing.TB) string {
	tb.Helper()
	tree := filepath.Join(tb.TempDir(), "apparmor.d")
	if err := os.CopyFS(tree, os.DirFS(testenv.DebianTree(tb))); err != nil {
		tb.Fatal(err)
	}
	dirs, err := filepath.Glob(filepath.Join(tree, "*", "*.d"))
	if err != nil {
		tb.Fatal(err)
	}
	for _, dir := range dirs {
		files, err := filepath.Glob(filepath.Join(dir, "*"))
		if err != nil {
			tb.Fatal(err)
		}
		for _, f := range files[min(1, len(files)):] {
			if err := os.Remove(f); err != nil {
				tb.Fatal(err)
			}
		}
	}
	return tree
}

// TestDebianText holds -N and -p against the reference on Debian's tree. The
// marker of an include that finds nothing is that of version 6.0, which 3.0.8
// does not have.
func TestDebianText(t *testing.T) {
	reference := oracle.Parser(t)
	tree := singleFiles(t)
	features := oracle.Features(t, "kernel-6.1.192")
	files := debianProfiles(t, tree)
	for _, name := range files {
		file := filepath.Join(tree, name)
		job := oracle.Job{File: file, Base: tree, Features: features}
		text, err := reference.Preprocess(job)
		if err != nil {
			t.Fatal(err)
		}
		got := runIn(t, t.TempDir(), "", "-b", tree, "-p", file)
		if got.Status != 0 || got.Stderr != "" {
			t.Errorf("%s: -p: status %d, %s", name, got.Status, got.Stderr)
		}
		if d := cmp.Diff(text, strings.ReplaceAll(got.Stdout, "##failed include", "##included")); d != "" {
			t.Errorf("%s: -p (-want +got):\n%s", name, d)
		}
		names, err := reference.Names(job)
		if err != nil {
			t.Fatal(err)
		}
		got = runIn(t, t.TempDir(), "", "-b", tree, "-N", file)
		if d := cmp.Diff(strings.Join(names, "\n")+"\n", got.Stdout); got.Status != 0 || d != "" {
			t.Errorf("%s: -N: status %d (-want +got):\n%s", name, got.Status, d)
		}
	}
	t.Logf("%d profiles", len(files))
}

// TestFlattenErrors holds how much -p prints of a text with a mistake against
// Debian sid's apparmor_parser.
func TestFlattenErrors(t *testing.T) {
	reference := oracle.ParserOf(t, oracle.Newest)
	for _, rule := range []string{
		"/a r tags=(x),", "file r /a tags = (x),", "mount foo=bar /a,", "mount options!=(ro) /a,", "signal foo=bar,",
		"signal set=(nonsense),", "capability foo=bar,", "dbus foo=(x),", "unix foo=(x),", "ptrace foo=(x),", "network foo=(x),",
		"pivot_root foo=(x) /a,", "link foo=(x) /a -> /b,", "set rlimit foo=(x),", "/a foo=x r,", "mqueue foo=x,", "umount foo=x /a,",
	} {
		text := "profile c {\n  " + rule + "\n}\n"
		a := reference.Run(oracle.Job{Text: text}, "-Q", "-K", "-q", "-p")
		got := runIn(t, t.TempDir(), text, "-p")
		if got.Status == 0 || a.Exit == 0 || got.Stdout != string(a.Stdout) {
			t.Errorf("%s: status %d and %d, %q, want %q", rule, got.Status, a.Exit, got.Stdout, a.Stdout)
		}
	}
}

// TestPlainNames writes the form of attachments of version 4.1.
func TestPlainNames(t *testing.T) {
	features := oracle.Features(t, "kernel-6.12")
	reference := oracle.ParserOf(t, oracle.Trixie)
	const text = "/bin/x {\n  /r r,\n}\n"
	data, err := reference.Compile(oracle.Job{Text: text, Features: features})
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := blob.Inspect(data)
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"--plain-names"}, nil} {
		got := runIn(t, t.TempDir(), text, append(args, "-S", "-q", "-M", features)...)
		ours, err := blob.Inspect([]byte(got.Stdout))
		if err != nil {
			t.Fatal(err, got.Stderr)
		}
		found, err := blob.DiffPolicy(ours, theirs, blob.DiffOptions{})
		if err != nil || (len(found) == 0) != (args != nil) {
			t.Errorf("%v: %v %v", args, found, err)
		}
	}
}

// TestDebianBinary compares what -S writes for kernel 6.1 with what the
// reference writes.
func TestDebianBinary(t *testing.T) {
	reference := oracle.Parser(t)
	tree := testenv.DebianTree(t)
	features := oracle.Features(t, "kernel-6.1.192")
	files := debianProfiles(t, tree)
	for _, name := range files {
		file := filepath.Join(tree, name)
		got := runIn(t, t.TempDir(), "", "-S", "-q", "-b", tree, "-M", features, file)
		if got.Status != 0 || got.Stderr != "" {
			t.Errorf("%s: status %d, %s", name, got.Status, got.Stderr)
			continue
		}
		ours, err := blob.Inspect([]byte(got.Stdout))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		data, err := reference.Compile(oracle.Job{File: file, Base: tree, Features: features})
		if err != nil {
			t.Fatal(err)
		}
		theirs, err := blob.Inspect(data)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range oracle.Compare(t, ours, theirs) {
			t.Errorf("%s: %s", name, d)
		}
	}
	t.Logf("%d profiles", len(files))
}
