// SPDX-License-Identifier: Apache-2.0

// Package testenv finds what tests need beside the code: packages and sources
// of Debian and programs. If something is missing, the test is skipped and
// says how to get it; where nothing may be skipped, it fails.
package testenv

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
)

// require is the environment variable that forbids to skip tests.
const require = "APPARMOR_TEST_REQUIRE"

// Missing skips the test, saying what is missing and how to get it. With
// APPARMOR_TEST_REQUIRE set, as in CI, it fails the test instead.
func Missing(tb testing.TB, what, how string) {
	tb.Helper()
	if os.Getenv(require) != "" {
		tb.Fatalf("missing: %s; %s", what, how)
	}
	tb.Skipf("missing: %s; %s", what, how)
}

// Full reports whether everything is to be run, with APPARMOR_TEST_FULL set:
// whole tables instead of samples, and every kernel for everything.
func Full() bool { return os.Getenv("APPARMOR_TEST_FULL") != "" }

// Root returns the directory of the module.
func Root(tb testing.TB) string {
	tb.Helper()
	dir, err := os.Getwd()
	if err != nil {
		tb.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		up := filepath.Dir(dir)
		if up == dir {
			tb.Fatal("no go.mod above the working directory")
		}
		dir = up
	}
}

// CopySources copies the files below the root of a work tree that git does not
// ignore, as they are there. Outside of a clone it skips the test.
func CopySources(tb testing.TB, root, to string) {
	tb.Helper()
	cmd := exec.CommandContext(tb.Context(), "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		tb.Skip("missing: a clone of the repository; run this in one")
	}
	for name := range strings.SplitSeq(strings.TrimSuffix(string(out), "\x00"), "\x00") {
		info, err := os.Lstat(filepath.Join(root, name))
		if err != nil || !info.Mode().IsRegular() {
			continue // removed, or a link
		}
		data, err := os.ReadFile(filepath.Join(root, name))
		if err == nil {
			err = os.MkdirAll(filepath.Dir(filepath.Join(to, name)), 0o755)
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(to, name), data, info.Mode())
		}
		if err != nil {
			tb.Fatal(err)
		}
	}
}

// ExtraCorpus returns the folder of private test data that APPARMOR_CORPUS
// names, and whether it names one. The data adds tests; without it nothing is
// missing.
func ExtraCorpus() (string, bool) {
	dir := os.Getenv("APPARMOR_CORPUS")
	return dir, dir != ""
}

// Corpus returns the path of a file of the private corpus, or skips the test.
func Corpus(tb testing.TB, name string) string {
	tb.Helper()
	dir, ok := ExtraCorpus()
	if !ok {
		tb.Skipf("an extra: its data is private, in %s of a folder that APPARMOR_CORPUS names", name)
	}
	path := filepath.Join(dir, filepath.FromSlash(name))
	if _, err := os.Stat(path); err != nil {
		tb.Fatalf("APPARMOR_CORPUS: %v", err)
	}
	return path
}

// Tool returns the path of a tool of the folder that APPARMOR_TOOLS names, an
// extra as the private corpus is, or skips the test.
func Tool(tb testing.TB, name string) string {
	tb.Helper()
	dir := os.Getenv("APPARMOR_TOOLS")
	if dir == "" {
		tb.Skipf("an extra: it runs %s of a folder that APPARMOR_TOOLS names", name)
	}
	path := filepath.Join(dir, name)
	if _, err := os.Stat(path); err != nil {
		tb.Fatalf("APPARMOR_TOOLS: %v", err)
	}
	return path
}

// CorpusFS unpacks a .tar.gz of the corpus into memory. Symbolic links and
// other special files are left out.
func CorpusFS(tb testing.TB, name string) fstest.MapFS {
	tb.Helper()
	f, err := os.Open(Corpus(tb, name))
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	zr, err := gzip.NewReader(bufio.NewReader(f))
	if err != nil {
		tb.Fatal(err)
	}
	out := fstest.MapFS{}
	for tr := tar.NewReader(zr); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			tb.Fatal(err)
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		data, err := io.ReadAll(tr)
		if err != nil {
			tb.Fatal(err)
		}
		out[strings.TrimPrefix(h.Name, "./")] = &fstest.MapFile{Data: data, Mode: 0o644}
	}
}

// CorpusLines reads a .jsonl or .jsonl.gz of the corpus, one value a line.
func CorpusLines[T any](tb testing.TB, name string) []T {
	tb.Helper()
	data, err := os.ReadFile(Corpus(tb, name))
	if err != nil {
		tb.Fatal(err)
	}
	if strings.HasSuffix(name, ".gz") {
		zr, err := gzip.NewReader(bytes.NewReader(data))
		if err != nil {
			tb.Fatal(err)
		}
		if data, err = io.ReadAll(zr); err != nil {
			tb.Fatal(err)
		}
	}
	return Lines[T](tb, name, data)
}

// Lines decodes the JSON values in data, which is called name in errors.
func Lines[T any](tb testing.TB, name string, data []byte) []T {
	tb.Helper()
	var out []T
	for dec := json.NewDecoder(bytes.NewReader(data)); ; {
		var v T
		if err := dec.Decode(&v); err == io.EOF {
			return out
		} else if err != nil {
			tb.Fatal(fmt.Errorf("%s: %w", name, err))
		}
		out = append(out, v)
	}
}

// Command returns the path of a program that a test runs against.
func Command(tb testing.TB, name, debianPackage string) string {
	tb.Helper()
	path := name
	if !filepath.IsAbs(name) {
		found, err := exec.LookPath(name)
		for _, dir := range []string{"/usr/sbin", "/sbin"} {
			if err == nil {
				break
			}
			found, err = exec.LookPath(filepath.Join(dir, name))
		}
		if err != nil {
			Missing(tb, name, "apt-get install "+debianPackage)
		}
		path = found
	}
	if _, err := os.Stat(path); err != nil {
		Missing(tb, name, "apt-get install "+debianPackage)
	}
	return path
}

// OpenFiles counts the files that the process has open.
func OpenFiles(tb testing.TB) int {
	tb.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		tb.Fatal(err)
	}
	return len(list)
}
