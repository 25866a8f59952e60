// SPDX-License-Identifier: Apache-2.0

//go:build linux

package libvirtd

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goarmor/apparmor/internal/testenv"
)

// foreignDisk is what a machine tries to open that another one has.
const foreignDisk = `name="/var/lib/libvirt/images/three.raw"`

// scenarioTime ends a machine in which the scenario does not.
const scenarioTime = 90 * time.Minute

// play runs the scenario with a helper: "libvirt", "own", "theirs", and perhaps
// a policy, see guest/lib.
func play(t *testing.T, d disk, helper string) result {
	t.Helper()
	files := buildHelper(t)
	files["helper"] = []byte(helper + "\n")
	if testenv.Full() {
		files["full"] = nil
	}
	r := d.run(t, "scenario", files, scenarioTime)
	keep(t, d, helper, r)
	if len(r.steps) < 25 {
		t.Fatalf("only %d steps", len(r.steps))
	}
	return r
}

// keep leaves what a machine printed and left where the tests are told to.
func keep(t *testing.T, d disk, name string, r result) {
	t.Helper()
	dir := os.Getenv("APPARMOR_TEST_LIBVIRTD_OUT")
	if dir == "" {
		return
	}
	name = filepath.Join(dir, filepath.Base(d.dir)+"-"+strings.ReplaceAll(name, " ", "-"))
	write := func(file string, data []byte) {
		file = filepath.Join(name, filepath.FromSlash(file))
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, data, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	for file, data := range r.files {
		write(file, data)
	}
	write("output", []byte(r.output))
}

// playAll runs the scenario with several helpers at once.
func playAll(t *testing.T, d disk, helpers ...string) []result {
	t.Helper()
	results := make([]result, len(helpers))
	t.Run("play", func(t *testing.T) {
		for i, helper := range helpers {
			t.Run(helper, func(t *testing.T) {
				t.Parallel()
				results[i] = play(t, d, helper)
			})
		}
	})
	if t.Failed() {
		t.FailNow()
	}
	return results
}

// TestLibvirtd plays the scenario with libvirt's helper and with ours, and
// compares them step by step.
func TestLibvirtd(t *testing.T) {
	for _, suite := range suites(t) {
		t.Run(suite, func(t *testing.T) {
			d := openDisk(t, suite)
			t.Logf("libvirt %s, QEMU %s, kernel %s", d.versions["libvirt-daemon-system"], d.versions["qemu-system-x86"], d.versions["kernel"])
			results := playAll(t, d, "libvirt", "own")
			for _, line := range compare(results[0], results[1]) {
				t.Error(line)
			}
			t.Logf("%d steps; %d calls of the helper", len(results[1].steps), len(recordings(results[1])))
		})
	}
}

// compare returns what differs between two runs of the scenario.
func compare(reference, ours result) []string {
	var out []string
	differs := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	if len(reference.steps) != len(ours.steps) {
		differs("%d steps, with libvirt's helper %d", len(ours.steps), len(reference.steps))
		return out
	}
	out = append(out, compareDenials(reference, ours)...)
	for i, want := range reference.steps {
		got := ours.steps[i]
		if want.name != got.name || want.status != got.status {
			differs("%s ended with status %d, with libvirt's helper %s with %d: %s", got.name, got.status, want.name, want.status, strings.Join(got.output, "\n"))
		}
		out = append(out, compareSeen(want, got, "libvirt's helper")...)
		out = append(out, confined(got)...)
	}
	return append(out, compareCalls(reference, ours)...)
}

// compareSeen returns what is seen after a step, and is other than with something
// else.
func compareSeen(want, got step, with string) []string {
	if slices.Equal(want.seen, got.seen) {
		return nil
	}
	return []string{fmt.Sprintf("%s: seen is\n%s\nwith %s\n%s", want.name, strings.Join(got.seen, "\n"), with, strings.Join(want.seen, "\n"))}
}

// compareDenials returns what the kernel denied and does not with libvirt's
// helper. Which step a denial comes in is a matter of time.
func compareDenials(reference, ours result) []string {
	var out []string
	known := map[string]bool{}
	for _, line := range reference.denied {
		known[line] = true
	}
	if !slices.ContainsFunc(ours.denied, func(s string) bool { return strings.Contains(s, foreignDisk) }) {
		out = append(out, "the kernel's log has not even the denial of "+foreignDisk)
	}
	for _, one := range ours.steps {
		for _, line := range one.denied {
			if !known[line] {
				out = append(out, fmt.Sprintf("%s: denied, and not with libvirt's helper: %s", one.name, line))
			}
		}
	}
	return out
}

// confined returns what of a step's machine is not confined.
func confined(got step) []string {
	var out []string
	for _, line := range got.seen {
		name, text, _ := strings.Cut(line, " ")
		if strings.HasPrefix(name, "label-") && (!strings.HasPrefix(text, "libvirt-4b1d7c3a-") || !strings.HasSuffix(text, " (enforce)")) {
			out = append(out, fmt.Sprintf("%s: %s", got.name, line))
		}
		if strings.HasPrefix(name, "foreign-") && !strings.Contains(text, "Permission denied") {
			out = append(out, fmt.Sprintf("%s is not denied: %s", name, text))
		}
	}
	return out
}

// recordings returns the recorded calls by their numbers.
func recordings(r result) map[string]map[string]string {
	out := map[string]map[string]string{}
	for name, data := range r.files {
		part := strings.SplitN(name, "/", 3)
		if len(part) == 3 && part[0] == "calls" {
			if out[part[1]] == nil {
				out[part[1]] = map[string]string{}
			}
			out[part[1]][part[2]] = string(data)
		}
	}
	return out
}

// compareCalls compares what libvirtd called its helper with, and what the helper
// left, call by call.
func compareCalls(reference, ours result) []string {
	var out []string
	want, got := recordings(reference), recordings(ours)
	if len(want) != len(got) {
		out = append(out, fmt.Sprintf("%d calls, with libvirt's helper %d", len(got), len(want)))
	}
	for _, number := range slices.Sorted(maps.Keys(want)) {
		a, b := want[number], got[number]
		names := map[string]bool{}
		maps.Copy(names, keys(a))
		maps.Copy(names, keys(b))
		delete(names, "stderr") // ours may say it better
		for _, name := range slices.Sorted(maps.Keys(names)) {
			if x, y := normal(a[name]), normal(b[name]); x != y {
				out = append(out, fmt.Sprintf("call %s in %s: %s is\n%s\nwith libvirt's helper\n%s", number, strings.TrimSpace(a["step"]), name, y, x))
			}
		}
	}
	return out
}

func keys(m map[string]string) map[string]bool {
	out := map[string]bool{}
	for k := range m {
		out[k] = true
	}
	return out
}

// normal leaves out what differs between two runs of the same helper.
func normal(text string) string {
	for _, mark := range []string{"qemu.screendump.", "<mac address='"} {
		for from := 0; ; {
			i := strings.Index(text[from:], mark)
			if i < 0 {
				break
			}
			from += i + len(mark)
			n := strings.IndexAny(text[from:], "\"'\n/")
			if n < 0 {
				break
			}
			text = text[:from] + fmt.Sprintf("<%d>", n) + text[from+n:]
		}
	}
	return text
}

// TestCompare finds each way in which two runs can differ.
func TestCompare(t *testing.T) {
	run := func(change func(*result)) result {
		r := result{
			steps: []step{
				{name: "start", seen: []string{"label-one libvirt-4b1d7c3a-x (enforce)", "foreign-disk Permission denied"}, denied: []string{foreignDisk}},
				{name: "stop", status: 1},
			},
			denied: []string{foreignDisk},
			files: map[string][]byte{
				"calls/1000/args": []byte("-c\n"), "calls/1000/step": []byte("start\n"), "calls/1000/libvirt-x.files": []byte("rules\n"),
				"calls/1001/args": []byte("-F\n/x/qemu.screendump.Q3YZ12\n"), "dmesg": []byte("anything"),
			},
		}
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
		{"what differs always", func(r *result) {
			r.files["calls/1001/args"] = []byte("-F\n/x/qemu.screendump.AAAAAA\n")
			r.files["dmesg"] = nil
		}, ""},
		{"fewer denials", func(r *result) { r.steps[0].denied = nil }, ""},
		{"a denial in another step", func(r *result) { r.steps[0].denied, r.steps[1].denied = nil, r.denied }, ""},
		{"no log", func(r *result) { r.steps[0].denied, r.denied = nil, nil }, "the kernel's log has not even"},
		{"steps", func(r *result) { r.steps = r.steps[:1] }, "1 steps, with libvirt's helper 2"},
		{"a status", func(r *result) { r.steps[1].status = 0 }, "stop ended with status 0"},
		{"seen", func(r *result) { r.steps[1].seen = []string{"x y"} }, "stop: seen is"},
		{"a denial", func(r *result) { r.steps[1].denied = []string{"b"} }, "stop: denied"},
		{"a call less", func(r *result) {
			delete(r.files, "calls/1001/args")
		}, "1 calls, with libvirt's helper 2"},
		{"rules", func(r *result) { r.files["calls/1000/libvirt-x.files"] = []byte("more\n") }, "call 1000 in start: libvirt-x.files"},
		{"a file that stays", func(r *result) { r.files["calls/1000/libvirt-x.lock"] = []byte("\n") }, "libvirt-x.lock"},
		{"no label", func(r *result) { r.steps[0].seen[0] = "label-one unconfined" }, "start: label-one unconfined"},
		{"another disk", func(r *result) { r.steps[0].seen[1] = "foreign-disk " }, "foreign-disk is not denied"},
	} {
		got := strings.Join(compare(run(nil), run(tt.change)), "\n")
		if (got != "") != (tt.want != "") || !strings.Contains(got, tt.want) {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}
