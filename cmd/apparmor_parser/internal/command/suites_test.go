// SPDX-License-Identifier: Apache-2.0

package command

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/goarmor/apparmor/internal/oracle"
	"github.com/goarmor/apparmor/internal/upstream"
)

var (
	errorForm   = regexp.MustCompile(`^AppArmor parser error for (.+) in profile (.+) at line (\d+): `)
	warningForm = regexp.MustCompile(`^Warning from (.+) \((.+) line (\d+)\): `)
)

// TestErrorCases runs upstream's cases on messages: the file and line, the
// form of the message, and the status.
func TestErrorCases(t *testing.T) {
	dir, cases := upstream.Messages(t)
	features := oracle.Features(t, "features.all")
	for _, c := range cases {
		t.Run(c.Input, func(t *testing.T) {
			args := slices.Concat([]string{"-QKS", "-M", features, "-I", "errors"}, c.Args, []string{c.Input})
			got := runIn(t, dir, "", args...)
			if got.Status != c.Status {
				t.Errorf("status %d, want %d", got.Status, c.Status)
			}
			if c.File == "" {
				if d := cmp.Diff(c.Stderr, got.Stderr); d != "" {
					t.Errorf("standard error (-want +got):\n%s", d)
				}
				return
			}
			form := errorForm
			if c.Warning {
				form = warningForm
			}
			m := form.FindStringSubmatch(got.Stderr)
			if m == nil {
				t.Fatalf("not in the form of %q: %q", c.Stderr, got.Stderr)
			}
			if m[1] != c.Input || m[2] != c.File || m[3] != strconv.Itoa(c.Line) {
				t.Errorf("%s %s:%s, want %s %s:%d", m[1], m[2], m[3], c.Input, c.File, c.Line)
			}
			if strings.Contains(c.Stderr, "Could not open") && got.Stderr != c.Stderr {
				t.Errorf("got %q, want %q", got.Stderr, c.Stderr)
			}
		})
	}
}

// TestAbsentFiles names files that are not there, and links to none.
func TestAbsentFiles(t *testing.T) {
	dir := t.TempDir()
	profiles := filepath.Join(dir, "profiles")
	if err := os.Mkdir(profiles, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("nothing", filepath.Join(profiles, "link")); err != nil {
		t.Fatal(err)
	}
	features := oracle.Features(t, "kernel-6.12")
	for _, tt := range []struct{ input, stderr string }{
		{filepath.Join(dir, "none"), "File " + filepath.Join(dir, "none") + " not found, skipping...\n"},
		{filepath.Join(profiles, "link"), "File " + filepath.Join(profiles, "link") + " not found, skipping...\n"},
		{profiles, "There was an error while loading profiles from " + profiles + "\n"},
	} {
		for _, jobs := range []string{"-j0", "-j1", "-j8", "-jauto"} {
			got := runIn(t, dir, "", "-QKS", "-M", features, jobs, tt.input)
			if got.Status == 0 || got.Stderr != tt.stderr {
				t.Errorf("%s %s: status %d, %q; want %q", tt.input, jobs, got.Status, got.Stderr, tt.stderr)
			}
		}
	}
}

// TestDirectories runs upstream's cases on directories: what is good in one is
// listed whatever else is in it.
func TestDirectories(t *testing.T) {
	dir, want := upstream.Directories(t)
	slices.Sort(want)
	features := oracle.Features(t, "features.all")
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
			if d := cmp.Diff(want, names); d != "" {
				t.Errorf("%s %s (-want +got):\n%s", test.dir, more, d)
			}
		}
	}
}
