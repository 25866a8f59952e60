// SPDX-License-Identifier: Apache-2.0

package command

import (
	"bufio"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/goarmor/apparmor/internal/testenv"
)

// errorCase is one of upstream's cases on error messages.
type errorCase struct {
	ID     string   `json:"id"`
	Args   []string `json:"args"`
	Input  string   `json:"input"`
	Expect string   `json:"expect"`
	Stderr string   `json:"stderr"`
	Setup  struct {
		Mkdir   []string    `json:"mkdir"`
		Symlink [][2]string `json:"symlink"`
	} `json:"setup"`
	Structured *struct {
		Kind string `json:"kind"`
		File string `json:"file"`
		Line int    `json:"line"`
	} `json:"structured"`
	Reference struct {
		Status int `json:"rc"`
	} `json:"upstream_6_0"`
}

var (
	errorForm   = regexp.MustCompile(`^AppArmor parser error for (.+) in profile (.+) at line (\d+): `)
	warningForm = regexp.MustCompile(`^Warning from (.+) \((.+) line (\d+)\): `)
)

// TestErrorCases runs upstream's cases on messages: the file and line, the
// form of the message, and the status.
func TestErrorCases(t *testing.T) {
	dir := t.TempDir()
	unpack(t, "errors.tar.gz", dir)
	dir = filepath.Join(dir, "errors")
	f, err := os.Open(filepath.Join(dir, "errors.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	n := 0
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var c errorCase
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			t.Fatal(err)
		}
		n++
		t.Run(c.ID, func(t *testing.T) {
			tmp := t.TempDir()
			place := func(s string) string { return strings.ReplaceAll(s, "{TMP}", tmp) }
			for _, d := range c.Setup.Mkdir {
				if err := os.MkdirAll(place(d), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			for _, l := range c.Setup.Symlink {
				if err := os.Symlink(l[0], place(l[1])); err != nil {
					t.Fatal(err)
				}
			}
			args := slices.Concat([]string{"-QK", "-M", testenv.Corpus(t, "features/features.all"), "-I", "errors"}, c.Args, []string{place(c.Input)})
			got := runIn(t, dir, "", args...)
			if got.Status != c.Reference.Status {
				t.Errorf("status %d, want %d", got.Status, c.Reference.Status)
			}
			if c.Structured == nil {
				if d := cmp.Diff(place(c.Stderr), got.Stderr); d != "" {
					t.Errorf("standard error (-want +got):\n%s", d)
				}
				return
			}
			form := errorForm
			if c.Structured.Kind == "warning" {
				form = warningForm
			}
			m := form.FindStringSubmatch(got.Stderr)
			if m == nil {
				t.Fatalf("no %s in its form: %q", c.Structured.Kind, got.Stderr)
			}
			if m[1] != c.Input || m[2] != c.Structured.File || m[3] != strconv.Itoa(c.Structured.Line) {
				t.Errorf("%s %s:%s, want %s %s:%d", m[1], m[2], m[3], c.Input, c.Structured.File, c.Structured.Line)
			}
			if strings.Contains(c.Stderr, "Could not open") && got.Stderr != c.Stderr {
				t.Errorf("got %q, want %q", got.Stderr, c.Stderr)
			}
		})
	}
	if n == 0 {
		t.Fatal("there are no cases")
	}
}

// TestDirectories runs upstream's cases on directories: what is good in one is
// listed whatever else is in it.
func TestDirectories(t *testing.T) {
	dir := t.TempDir()
	unpack(t, "dirtest.tar.gz", dir)
	dir = filepath.Join(dir, "dirtest")
	want, err := os.ReadFile(filepath.Join(dir, "expected_names.txt"))
	if err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{
		"gooddir/good_link": "../goodtarget", "badlink/good_link": "../goodtarget", "badprofile/good_link": "../goodtarget",
		"badlink/bar": "foo",
	} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil && !errors.Is(err, os.ErrExist) {
			t.Fatal(err)
		}
	}
	features := testenv.Corpus(t, "features/features.all")
	for _, test := range []struct {
		dir    string
		status int
		stderr string
	}{
		{"gooddir", 0, ""},
		{"badlink", 2, "There was an error while loading profiles from badlink\n"},
		{"badprofile", 1, "AppArmor parser error for badprofile in profile badprofile/bad at line 3: "},
	} {
		for _, more := range []string{"-j0", "-j1", "-j8", "-jauto"} {
			got := runIn(t, dir, "", "-N", "-M", features, more, test.dir)
			names := strings.Fields(got.Stdout)
			slices.Sort(names)
			if got.Status != test.status || !strings.HasPrefix(got.Stderr, test.stderr) || test.stderr == "" && got.Stderr != "" {
				t.Errorf("%s %s: status %d, %q; want %d, %q", test.dir, more, got.Status, got.Stderr, test.status, test.stderr)
			}
			if d := cmp.Diff(strings.Fields(string(want)), names); d != "" {
				t.Errorf("%s %s (-want +got):\n%s", test.dir, more, d)
			}
		}
	}
}
