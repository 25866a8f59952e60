// SPDX-License-Identifier: Apache-2.0

//go:build linux

package checks

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/goarmor/apparmor/internal/vmtest/guest"
	"github.com/goarmor/apparmor/loader"
)

// TestStatus compares what aapolicy status says with what is known to be loaded
// and to run.
func TestStatus(t *testing.T) {
	guest.Scenario(t)
	k := kernel(t)
	const program, uuid = "/tmp/aapolicy", "7d3e5a34-1c0f-4f4e-9d0a-2b8f6c1e9a11"
	if err := os.WriteFile(program, guest.File(t, "aapolicy"), 0o755); err != nil {
		t.Fatal(err)
	}
	removeLater(t, program)
	loadText(t, k, "profile libvirt-"+uuid+" { "+base+" }")
	loadText(t, k, "profile watched flags=(complain) { "+base+" profile child { "+base+" } }")
	first, other := confine(t, k, "libvirt-"+uuid), confine(t, k, "watched//child")
	second := newProbe(t, "/usr/bin/confined-libvirt-"+uuid, func(cmd *exec.Cmd) error {
		return k.StartWith(t.Context(), cmd, "libvirt-"+uuid, loader.StartOptions{})
	})
	both := []int{first.cmd.Process.Pid, second.cmd.Process.Pid}
	slices.Sort(both)

	type profile struct {
		Name      string `json:"name"`
		Mode      string `json:"mode"`
		Processes []int  `json:"processes"`
	}
	type machine struct {
		UUID      string `json:"uuid"`
		Mode      string `json:"mode"`
		Processes []int  `json:"processes"`
	}
	var got struct {
		Mode       string    `json:"mode"`
		Profiles   []profile `json:"profiles"`
		Machines   []machine `json:"machines"`
		Unreadable int       `json:"unreadable"`
	}
	want := got
	want.Mode = "enforce"
	want.Profiles = []profile{
		{"libvirt-" + uuid, "enforce", both}, {"watched", "complain", []int{}}, {"watched//child", "enforce", []int{other.cmd.Process.Pid}},
	}
	want.Machines = []machine{{uuid, "enforce", both}}
	out, err := exec.CommandContext(t.Context(), program, "status", "--format=json").Output()
	if err == nil {
		err = json.Unmarshal(out, &got)
	}
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	slices.SortFunc(got.Profiles, func(a, b profile) int { return strings.Compare(a.Name, b.Name) })
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	out, err = exec.CommandContext(t.Context(), program, "status").Output()
	for _, line := range []string{"The kernel is in mode enforce.\n", fmt.Sprintf("  %s enforce (%d, %d)\n", uuid, both[0], both[1])} {
		if err != nil || !strings.Contains(string(out), line) {
			t.Errorf("%v, want %q in:\n%s", err, line, out)
		}
	}
}
