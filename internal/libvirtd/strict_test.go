// SPDX-License-Identifier: Apache-2.0

//go:build linux

package libvirtd

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goarmor/apparmor/internal/testenv"
)

// mend is a row of the table of docs/libvirt.md: a step that fails with libvirt's
// helper, and does not under the strict policy.
type mend struct {
	step     string
	versions []string // of libvirt: "11.3"
}

var (
	mendRow   = regexp.MustCompile("(?m)^\\| `([a-z0-9-]+)` \\| ([0-9., ]+) \\|")
	stepNames = regexp.MustCompile(`(?m)^\s*step ([a-z0-9-]+) `)
)

// mends reads the table in the section of docs/libvirt.md about the strict policy.
func mends(t *testing.T) []mend {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(testenv.Root(t), "docs", "libvirt.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n### 2.3 ")
	section, _, _ = strings.Cut(section, "\n## ")
	var out []mend
	for _, m := range mendRow.FindAllStringSubmatch(section, -1) {
		out = append(out, mend{m[1], strings.Split(m[2], ", ")})
	}
	return out
}

// TestMends: the table names steps of the scenario, each once.
func TestMends(t *testing.T) {
	script, err := os.ReadFile("guest/scenario")
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, m := range stepNames.FindAllStringSubmatch(string(script), -1) {
		known[m[1]] = true
	}
	rows := mends(t)
	if len(rows) < 3 || len(known) < 50 {
		t.Fatalf("%d rows, %d steps", len(rows), len(known))
	}
	for _, row := range rows {
		if !known[row.step] {
			t.Errorf("docs/libvirt.md has %s twice, or the scenario does not have it", row.step)
		}
		delete(known, row.step)
	}
}

// TestStrict plays the scenario with libvirt's helper and with ours under the
// strict policy. Each step ends in the same way, or is one of those that the
// strict policy mends; docs/libvirt.md has a table of these.
func TestStrict(t *testing.T) {
	for _, suite := range suites(t) {
		t.Run(suite, func(t *testing.T) {
			d := openDisk(t, suite)
			version := d.versions["libvirt-daemon-system"]
			t.Logf("libvirt %s, QEMU %s, kernel %s", version, d.versions["qemu-system-x86"], d.versions["kernel"])
			results := playAll(t, d, "libvirt", "own strict")
			var rows []string
			for _, row := range mends(t) {
				if slices.ContainsFunc(row.versions, func(s string) bool { return strings.HasPrefix(version, s+".") }) {
					rows = append(rows, row.step)
				}
			}
			for _, line := range compareStrict(results[0], results[1], rows) {
				t.Error(line)
			}
			t.Logf("%d steps, %d mends", len(results[1].steps), len(rows))
		})
	}
}

// compareStrict returns what is worse than with libvirt's helper, and where the
// steps that are mended are not the listed ones. A listed step that was not
// played is left out.
func compareStrict(reference, ours result, listed []string) []string {
	var out []string
	differs := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	if len(reference.steps) != len(ours.steps) {
		differs("%d steps, with libvirt's helper %d", len(ours.steps), len(reference.steps))
		return out
	}
	out = append(out, compareDenials(reference, ours)...)
	for i, want := range reference.steps {
		got := ours.steps[i]
		mended := want.status != 0 && got.status == 0
		switch {
		case want.name != got.name || want.status == 0 && got.status != 0:
			differs("%s ended with status %d, with libvirt's helper %s with %d: %s", got.name, got.status, want.name, want.status, strings.Join(got.output, "\n"))
		case mended != slices.Contains(listed, got.name):
			differs("%s ended with status %d, with libvirt's helper with %d; in the table of docs/libvirt.md: %v", got.name, got.status, want.status, !mended)
		case !mended:
			out = append(out, compareSeen(want, got, "libvirt's helper")...)
		}
		out = append(out, confined(got)...)
	}
	return out
}

// TestCompareStrict finds each way in which a run can be worse.
func TestCompareStrict(t *testing.T) {
	run := func(status ...int) result {
		r := result{denied: []string{foreignDisk}}
		for i, s := range status {
			r.steps = append(r.steps, step{name: fmt.Sprintf("s%d", i), status: s, seen: []string{fmt.Sprintf("x %d", s)}})
		}
		r.steps[0].denied = r.denied
		return r
	}
	reference := run(0, 1, 1)
	for _, tt := range []struct {
		name   string
		ours   result
		listed []string
		want   string // part of what is said; empty: nothing
	}{
		{"the same", run(0, 1, 1), nil, ""},
		{"mended", run(0, 0, 1), []string{"s1"}, ""},
		{"a step that was not played", run(0, 1, 1), []string{"s9"}, ""},
		{"mended, not listed", run(0, 0, 1), nil, "s1 ended with status 0"},
		{"listed, not mended", run(0, 1, 1), []string{"s1"}, "s1 ended with status 1"},
		{"worse", run(1, 1, 1), nil, "s0 ended with status 1"},
		{"steps", run(0, 1), nil, "2 steps"},
		{"another status", run(0, 1, 2), nil, "s2: seen is"},
		{"no log", func() result { r := run(0, 1, 1); r.denied = nil; return r }(), nil, "has not even"},
		{"a denial", func() result { r := run(0, 1, 1); r.steps[1].denied = []string{"x"}; return r }(), nil, "s1: denied"},
		{"not confined", func() result {
			r := run(0, 0, 1)
			r.steps[1].seen = []string{"label-one unconfined"}
			return r
		}(), []string{"s1"}, "label-one unconfined"},
	} {
		got := strings.Join(compareStrict(reference, tt.ours, tt.listed), "\n")
		if (got != "") != (tt.want != "") || !strings.Contains(got, tt.want) {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}
