// SPDX-License-Identifier: Apache-2.0

//go:build linux

package command

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/goarmor/apparmor/internal/oracle"
)

// TestCallsReference makes the calls of testdata with libvirt 11.3's helper: what
// they say is what it does.
func TestCallsReference(t *testing.T) {
	calls, text := ownCalls(t)
	h := oracle.VirtAAHelper(t, "trixie", nil)
	if !strings.HasPrefix(h.Version(), "11.3.") {
		t.Skipf("trixie has libvirt %s now, and the calls are those of 11.3", h.Version())
	}
	dir := filepath.Join(h.Root(), "etc/apparmor.d/libvirt")
	templates, err := filepath.Glob(filepath.Join(dir, "TEMPLATE.*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range templates {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	write(t, dir, map[string]string{"TEMPLATE.qemu": text, "TEMPLATE.lxc": text})
	write(t, filepath.Join(h.Root(), "dev"), map[string]string{"null": ""}) // what the parser reads
	write(t, filepath.Join(h.Root(), "sbin"), nil)
	build := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(h.Root(), "sbin/apparmor_parser"), "./testdata/parser")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for i, c := range calls {
		t.Run(fmt.Sprintf("%s/%02d-%s", c.Run, i, c.Step), func(t *testing.T) {
			c.prepare(t, dir)
			table := filepath.Join(h.Root(), "loaded")
			if err := os.WriteFile(table, []byte(strings.Join(machinesOf(c.ProfilesBefore), "\n")), 0o644); err != nil {
				t.Fatal(err)
			}
			status, stderr := h.Call(c.Stdin, c.Argv[1:]...)
			c.compare(t, dir, status, stderr)
			loaded, err := os.ReadFile(table)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(machinesOf(c.ProfilesAfter), append([]string{}, strings.Fields(string(loaded))...)); d != "" {
				t.Errorf("profiles (-want +got)\n%s", d)
			}
		})
	}
}

// machinesOf returns the names in lines of the kernel's table, without those of
// children.
func machinesOf(lines []string) []string {
	out := []string{}
	for _, line := range lines {
		name, _, _ := strings.Cut(line, " (")
		if !strings.Contains(name, "//") {
			out = append(out, name)
		}
	}
	return slices.Clip(out)
}
