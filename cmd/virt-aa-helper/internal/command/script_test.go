// SPDX-License-Identifier: Apache-2.0

//go:build linux

package command

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/goarmor/apparmor/internal/testenv"
	"github.com/goarmor/apparmor/svirt"
)

// TestScript runs libvirt's own test of its helper, virt-aa-helper-test, on
// ours, and on a helper that refuses nothing, which must fail it. The script is
// that of libvirt 11.3, whose sources the archive keeps; what it checks holds for
// every version that we follow.
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
	source := testenv.Source(t, "trixie", "libvirt")
	script := filepath.Join(source, "tests", "virt-aa-helper-test")
	for _, m := range methods {
		if m.method == svirt.Strict || testing.Short() && m.method != svirt.Compat113 {
			continue
		}
		t.Run(m.word, func(t *testing.T) {
			passed, failed := runScript(t, script, wrapper("helper-"+m.word, "exec "+program+" --policy="+m.word+` "$@"`))
			// More on a machine with firmware.
			if len(failed) > 0 || passed < 75 {
				t.Errorf("%d checks passed: %s", passed, strings.Join(failed, "\n"))
			}
			t.Logf("%s: %d checks", filepath.Base(source), passed)
		})
	}
	if _, failed := runScript(t, script, wrapper("easy", "exit 0")); len(failed) < 20 {
		t.Errorf("a helper that refuses nothing fails only %d checks", len(failed))
	}
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
