// SPDX-License-Identifier: Apache-2.0

//go:build linux

package libvirtd

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestManagers has other managers and tools run apparmor_parser: systemd,
// apparmor.service, the aa-* tools, the scripts of a package, docker, containerd,
// podman, lxc, incus and snapd, once with Debian's and once with ours in its
// place. Every step must end in the same way, with the same labels of processes
// and the same profiles loaded.
func TestManagers(t *testing.T) {
	for _, suite := range suites(t) {
		t.Run(suite, func(t *testing.T) {
			d := openDisk(t, suite, "managers")
			t.Logf("kernel %s, apparmor %s", d.versions["kernel"], d.versions["apparmor"])
			for _, name := range []string{"systemd", "docker.io", "containerd", "podman", "lxc", "incus", "snapd"} {
				t.Logf("%s %s", name, d.versions[name])
			}
			parsers := []string{"debian", "own"}
			results := make([]result, len(parsers))
			t.Run("play", func(t *testing.T) {
				for i, parser := range parsers {
					t.Run(parser, func(t *testing.T) {
						t.Parallel()
						files := map[string][]byte{"systemd": nil}
						if parser == "own" {
							files["apparmor_parser"] = buildCommand(t, "apparmor_parser")
						}
						results[i] = d.run(t, "managers", files, scenarioTime)
						keep(t, d, parser, results[i])
					})
				}
			})
			if t.Failed() {
				return
			}
			for _, line := range compareManagers(results[0], results[1]) {
				t.Error(line)
			}
			t.Logf("%d steps", len(results[1].steps))
		})
	}
}

// compareManagers returns what differs between two runs.
func compareManagers(reference, ours result) []string {
	var out []string
	differs := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	if len(reference.steps) != len(ours.steps) {
		differs("%d steps, with Debian's parser %d", len(ours.steps), len(reference.steps))
		return out
	}
	if !slices.Equal(reference.first, ours.first) {
		differs("before all steps seen is\n%s\nwith Debian's parser\n%s", strings.Join(ours.first, "\n"), strings.Join(reference.first, "\n"))
	}
	for i, want := range reference.steps {
		got := ours.steps[i]
		if want.name != got.name || want.status != got.status {
			differs("%s ended with status %d, with Debian's parser %s with %d: %s\nwith Debian's\n%s", got.name, got.status, want.name, want.status, strings.Join(got.output, "\n"), strings.Join(want.output, "\n"))
		}
		out = append(out, compareSeen(want, got, "Debian's parser")...)
	}
	return out
}

// TestCompareManagers finds each way in which two runs can differ.
func TestCompareManagers(t *testing.T) {
	run := func(change func(*result)) result {
		r := result{first: []string{"init unconfined"}, steps: []step{{name: "a", seen: []string{"label x"}}, {name: "b", status: 1, output: []string{"text"}}}}
		if change != nil {
			change(&r)
		}
		return r
	}
	for _, tt := range []struct {
		name   string
		change func(*result)
		want   string // part of what is said; empty: nothing
	}{
		{"nothing", nil, ""},
		{"another text", func(r *result) { r.steps[1].output = nil }, ""},
		{"before all steps", func(r *result) { r.first = nil }, "before all steps"},
		{"steps", func(r *result) { r.steps = r.steps[:1] }, "1 steps, with Debian's parser 2"},
		{"a status", func(r *result) { r.steps[1].status = 0 }, "b ended with status 0"},
		{"a name", func(r *result) { r.steps[1].name = "c" }, "c ended"},
		{"seen", func(r *result) { r.steps[0].seen = nil }, "a: seen is"},
	} {
		got := strings.Join(compareManagers(run(nil), run(tt.change)), "\n")
		if (got != "") != (tt.want != "") || !strings.Contains(got, tt.want) {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}
