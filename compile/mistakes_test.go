// SPDX-License-Identifier: Apache-2.0

package compile_test

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/internal/oracle"
	"github.com/goarmor/apparmor/parser"
	"github.com/goarmor/apparmor/policy"
)

var updateMistakes = flag.Bool("update-mistakes", false, "write what is said about each mistake into testdata/mistakes.txt")

const mistakesFile = "testdata/mistakes.txt"

// mistakesTree is what the texts of mistakesFile can include.
var mistakesTree = fstest.MapFS{
	"abstractions/base":   {Data: []byte("/etc/ld.so.cache r,\n")},
	"abstractions/broken": {Data: []byte("/etc/fine r,\nsignal (sned) peer=x,\n")},
	"abstractions/outer":  {Data: []byte("# one level up\ninclude <abstractions/broken>\n")},
	"abstractions/lacks":  {Data: []byte("include <abstractions/nowhere>\n")},
	"abstractions/uses":   {Data: []byte("@{NOWHERE}/x r,\n")},
	"abstractions/px":     {Data: []byte("/usr/bin/tool px,\n")},
	"loop/a":              {Data: []byte("include <loop/b>\n/a r,\n")},
	"loop/b":              {Data: []byte("include <loop/a>\n/b r,\n")},
	"large":               {Data: []byte(strings.Repeat("# text\n", 1<<10))},
	"outside":             {Data: []byte("include <large>\n")},
	"abi/mine":            {Data: []byte("file {mask {read}")},
	"tunables/home":       {Data: []byte("@{HOME} = /home/*/\n")},
}

// TestMistakes checks what is said, word for word, about mistakes that people
// make. In mistakesFile, each one is a line with its name after ###, the
// text, a line of ---, and the diagnostics.
func TestMistakes(t *testing.T) {
	data, err := os.ReadFile(mistakesFile)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	n, named := 0, map[string]bool{}
	for _, part := range strings.SplitAfter(string(data), "\n\n###") {
		head, body, _ := strings.Cut(strings.TrimSuffix(strings.TrimPrefix(part, "###"), "\n\n###"), "\n")
		text, want, _ := strings.Cut(body, "---\n")
		name := strings.TrimSpace(head)
		if named[name] {
			t.Errorf("%s appears twice", name)
		}
		named[name] = true
		n++
		got := mistakes(t, text)
		if n > 1 {
			out.WriteString("\n")
		}
		fmt.Fprintf(&out, "### %s\n%s---\n%s", name, text, got)
		if *updateMistakes {
			continue
		}
		if diff := cmp.Diff(strings.TrimRight(want, "\n")+"\n", got); diff != "" {
			t.Errorf("%s:\n%s%s", name, text, diff)
		}
	}
	if *updateMistakes {
		if err := os.WriteFile(mistakesFile, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if n < 150 {
		t.Errorf("only %d mistakes", n)
	}
}

// mistakes returns what is said about a text, a line for each diagnostic, with
// its code before it. What follows from a statement that could not be parsed is
// not asked for.
func mistakes(t *testing.T, text string) string {
	t.Helper()
	roots := []fs.FS{mistakesTree}
	config := parser.Config{Roots: roots, Abs: mistakesTree, Recover: 20, Limits: parser.Limits{Bytes: 4 << 10}}
	err := func() error {
		unit, err := config.ParseTree(t.Context(), "p", text)
		if err != nil {
			return err
		}
		kernel := oracle.FeatureSet(t, k73)
		set, err := policy.Resolve(t.Context(), unit, policy.Options{Default: kernel, Roots: roots, Abs: mistakesTree})
		if err != nil {
			return err
		}
		for _, s := range compile.ByNamespace(set) {
			if _, err := compile.Compile(t.Context(), s, compile.Options{Kernel: kernel, Degrade: compile.Report}); err != nil {
				return err
			}
		}
		return nil
	}()
	var list diag.List
	switch {
	case err == nil:
		return "accepted\n"
	case !errors.As(err, &list):
		return err.Error() + "\n"
	}
	var b strings.Builder
	for _, d := range list {
		fmt.Fprintf(&b, "%s: %v\n", d.Code, d)
	}
	return b.String()
}
