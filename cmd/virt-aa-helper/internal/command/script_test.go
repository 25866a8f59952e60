// SPDX-License-Identifier: Apache-2.0

//go:build linux

package command

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/goarmor/apparmor/internal/testenv"
)

// TestScript runs libvirt's own test of its helper, virt-aa-helper-test, on
// ours, and on a helper that refuses nothing, which must fail it.
func TestScript(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, "program")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, "github.com/goarmor/apparmor/cmd/virt-aa-helper")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	wrapper := func(name, text string) string {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		return name
	}
	for _, v := range []struct {
		suite  string
		checks int // that the script makes on a machine without firmware, at least
	}{{"trixie", 75}, {"sid", 80}, {"trixie-backports", 80}} {
		t.Run(v.suite, func(t *testing.T) {
			if testing.Short() && v.suite != "trixie" {
				t.Skip("one version is enough for a short run")
			}
			source := testenv.Source(t, v.suite, "libvirt")
			script := filepath.Join(source, "tests", "virt-aa-helper-test")
			policy := policyOf(t, filepath.Base(source))
			passed, failed := runScript(t, script, wrapper("helper-"+policy, "exec "+program+" --policy="+policy+` "$@"`))
			if len(failed) > 0 || passed < v.checks {
				t.Errorf("%d checks passed: %s", passed, strings.Join(failed, "\n"))
			}
			t.Logf("%s, policy %s: %d checks", filepath.Base(source), policy, passed)
			if _, failed := runScript(t, script, wrapper("easy", "exit 0")); len(failed) < 20 {
				t.Errorf("a helper that refuses nothing fails only %d checks", len(failed))
			}
		})
	}
}

// policyOf returns the policy for a version, by the name of its sources.
func policyOf(t *testing.T, name string) string {
	t.Helper()
	var major, minor int
	if _, err := fmt.Sscanf(name, "libvirt-%d.%d", &major, &minor); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	want := methodFor(major, minor)
	for _, m := range methods {
		if m.method == want {
			return m.word
		}
	}
	t.Fatalf("no word for %v", want)
	return ""
}

// runScript returns how many checks of the script passed, and what it says of
// the others.
func runScript(t *testing.T, script, helper string) (passed int, failed []string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sh", script, "-d", helper)
	cmd.Env = append(os.Environ(), "abs_top_builddir="+t.TempDir(), "LC_ALL=C.UTF-8")
	var out bytes.Buffer
	// A pipe: the script opens its output again for each line.
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	check := regexp.MustCompile(`^  (.*):  '.*': $`)
	last := ""
	for line := range strings.Lines(out.String()) {
		line = strings.TrimSuffix(line, "\n")
		switch m := check.FindStringSubmatch(line); {
		case m != nil:
			last = m[1]
		case line == "pass":
			passed++
		case strings.HasPrefix(line, "FAIL: exited") && (len(failed) == 0 || failed[len(failed)-1] != last+": "+line):
			failed = append(failed, last+": "+line)
		}
	}
	if (err == nil) != (len(failed) == 0) {
		t.Errorf("%v, and %d checks failed: %s", err, len(failed), out.String())
	}
	return passed, failed
}
