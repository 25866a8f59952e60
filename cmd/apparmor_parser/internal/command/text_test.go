// SPDX-License-Identifier: Apache-2.0

package command

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestLimits is about text of a few lines that asks for too much.
func TestLimits(t *testing.T) {
	dir := files(t, map[string]string{"loop": "profile c { include <loop>\n}\n"})
	var power strings.Builder
	fmt.Fprintf(&power, "@{V0}=a b\n")
	for i := range 40 {
		fmt.Fprintf(&power, "@{V%d}=@{V%d}@{V%d}\n", i+1, i, i)
	}
	long := "@{A}=" + strings.Repeat("x", 1<<20) + " y\n@{B}=" + strings.Repeat("@{A}", 16) + "\n"
	for _, test := range []struct{ action, text, limit string }{
		{"-p", "profile a { include <loop>\n}\n", "include depth"},
		{"-Dexpanded-variables", power.String(), "values of a variable"},
		{"-Dexpanded-variables", long, "bytes of expanded variables"},
	} {
		got := runIn(t, dir, test.text, test.action, "-b", dir)
		if got.Status != 1 || !strings.Contains(got.Stderr, test.limit) {
			t.Errorf("%s: status %d, %.200s", test.action, got.Status, got.Stderr)
		}
	}
}

func TestClasses(t *testing.T) {
	var c classes
	for _, name := range []string{"all", "no-dev", "no-cache", "abi"} {
		if !c.change(name) {
			t.Errorf("%s is unknown", name)
		}
	}
	if got := c.String(); got != "abi, config, jobs" {
		t.Errorf("%q", got)
	}
	if c.change("") || c.change("no-") || c.change("ab") {
		t.Error("words that are not classes are accepted")
	}
	if c.has("news") || !allClasses.has("news") {
		t.Error("an unknown class is not treated like an unexpected one")
	}
}

func TestSplitDirs(t *testing.T) {
	for list, want := range map[string][]string{
		"a": {"a"}, "a,b": {"a", "b"}, `a\,b,c`: {"a,b", "c"}, ",a,,": {"a"}, `a\`: {`a\`}, "": nil,
	} {
		got := splitDirs(list)
		if d := cmp.Diff(want, got); d != "" && len(want)+len(got) > 0 {
			t.Errorf("%q (-want +got):\n%s", list, d)
		}
	}
}

func TestIncludeName(t *testing.T) {
	for text, want := range map[string]string{
		"include <a/b>": "a/b", "#include <a>": "a", `include "a b"`: "a b", "include  a/b": "a/b", "#includes": "",
	} {
		if got := includeName(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// FuzzOptions: no arguments and no configuration make the options panic, and
// what is refused is refused with a word.
func FuzzOptions(f *testing.F) {
	for _, s := range []string{"-N\nok", "-rQKvMx\n--\n-a", "--warn=all\n--Werror", "-D\nvariables\n-j\nx2\n-djobs", "-O\n0\n-O\nno-minimize\n-c9\n--estimated-compile-size=1MB\n-j-3", "--skip", "--=\n-", "-L\na,b\\,c"} {
		f.Add(s, "warn all\nInclude=x\n # \n=")
	}
	f.Fuzz(func(t *testing.T, args, config string) {
		o := defaults()
		table := optionTable()
		err := configure(o, table, config, func(string) {})
		if err == nil {
			err = applyArguments(o, table, strings.Split(args, "\n"), false)
		}
		if err == nil {
			err = o.check()
		}
		if err != nil && err.Error() == "" {
			t.Error("the error has no message")
		}
	})
}

// FuzzText runs the actions that need no compiler on arbitrary text.
func FuzzText(f *testing.F) {
	for _, s := range []string{"profile a { include <b> }", "@{A}=@{B} \"c\"\n$b=true\n", "#include <x>\r\n@{A}=1\r\n", "include if exists x", "profile a { if $b { /a r, } else { include \"x\" } }"} {
		f.Add(s)
	}
	dir := f.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "x"), []byte("@{B}=@{A}\nprofile c { include <x>\n}\n"), 0o600); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, action := range []string{"-p", "-N", "-d", "-Dvariables", "-Dexpanded-variables", "--format"} {
			got := runIn(t, dir, text, action, "-b", dir)
			if got.Status > 1 || got.Status == 1 && got.Stderr == "" {
				t.Errorf("%s: %+v", action, got)
			}
		}
	})
}
