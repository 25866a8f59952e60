// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestTargets finds the targets of two modules, in their tests of both kinds.
func TestTargets(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":      "module example.org/m\n\ngo 1.26\n",
		"a/a.go":      "package a\n\nfunc FuzzNot() {}\n",
		"a/a_test.go": "package a\n\nimport \"testing\"\n\nfunc FuzzA(f *testing.F) {}\nfunc TestA(t *testing.T) {}\n",
		"a/x_test.go": "package a_test\n\nimport \"testing\"\n\nfunc FuzzX(f *testing.F) {}\n",
		"a/b/b.go":    "package b\n",
		"a/b/_x.go":   "not Go",
		// A module in the module, and two that are none of the repository's.
		"in/go.mod":            "module example.org/m/in\n\ngo 1.26\n",
		"in/in_test.go":        "package in\n\nimport \"testing\"\n\nfunc FuzzIn(f *testing.F) {}\n",
		"in/c/c_test.go":       "package c\n\nimport \"testing\"\n\nfunc FuzzC(f *testing.F) {}\n",
		".cache/go.mod":        "not a module",
		"in/testdata/x/go.mod": "not a module",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := targets(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	in := filepath.Join(dir, "in")
	want := []target{
		{dir, "example.org/m/a", "a", "FuzzA"}, {dir, "example.org/m/a", "a", "FuzzX"},
		{in, "example.org/m/in", "in", "FuzzIn"}, {in, "example.org/m/in/c", "in/c", "FuzzC"},
	}
	if d := cmp.Diff(want, got, cmp.AllowUnexported(target{})); d != "" {
		t.Error(d)
	}
	some, err := matching(got, []string{"^a.FuzzX$", "none"})
	if err != nil || len(some) != 1 || some[0].name != "FuzzX" {
		t.Errorf("matching: %v, %v", some, err)
	}
}

func TestProgress(t *testing.T) {
	out := "fuzz: elapsed: 0s, gathering baseline coverage: 0/7 completed\n" +
		"fuzz: elapsed: 3s, execs: 10 (3/sec), new interesting: 1 (total: 8)\n" +
		"fuzz: elapsed: 6s, execs: 20 (3/sec), new interesting: 2 (total: 9)\nPASS\n"
	if got, want := progress([]byte(out)), "execs: 20 (3/sec), new interesting: 2 (total: 9)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := progress(nil); got != "no progress" {
		t.Errorf("got %q", got)
	}
}

// TestOutOfTime tells the end of the time from a failure.
func TestOutOfTime(t *testing.T) {
	for out, want := range map[string]bool{
		"--- FAIL: FuzzX (3.00s)\n    context deadline exceeded\nFAIL\n":                                   true,
		"--- FAIL: FuzzX (3.00s)\n context deadline exceeded\n Failing input written to testdata/fuzz/1\n": false,
		"--- FAIL: FuzzX (3.00s)\n    panic\n":                                                             false,
	} {
		if outOfTime([]byte(out)) != want {
			t.Errorf("%q: %v", out, !want)
		}
	}
}
