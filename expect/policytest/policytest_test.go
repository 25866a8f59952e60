// SPDX-License-Identifier: Apache-2.0

package policytest_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goarmor/apparmor/expect/policytest"
)

// dirVariable names the directory that TestChild checks.
const dirVariable = "APPARMOR_TEST_EXPECTATIONS"

// TestChild is run by TestRun in a process of its own, where it may fail.
func TestChild(t *testing.T) {
	if dir := os.Getenv(dirVariable); dir != "" {
		policytest.Run(t, dir)
	}
}

func TestRun(t *testing.T) {
	for name, tt := range map[string]struct {
		statements string
		fails      bool
		want       []string
	}{
		"holds": {statements: "profile p may read /x\nprofile p must deny write /x",
			want: []string{"--- PASS: TestChild/x.expect:2", "--- PASS: TestChild/x.expect:3"}},
		"fails": {statements: "profile p may read /x\nprofile p may write /x", fails: true,
			want: []string{"--- PASS: TestChild/x.expect:2", "--- FAIL: TestChild/x.expect:3", "x.expect:3:1: Error: Access that must be allowed is denied"}},
		"wrong": {statements: "profile p maybe read /x", fails: true, want: []string{"--- FAIL: TestChild", `x.expect:2:11: unexpected word (at "maybe")`}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for file, text := range map[string]string{"p": "abi <kernel>,\nprofile p { /x r, }", "x.expect": "policy p\n" + tt.statements} {
				if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestChild$", "-test.v")
			cmd.Env = append(cmd.Environ(), dirVariable+"="+dir)
			out, err := cmd.CombinedOutput()
			if (err != nil) != tt.fails {
				t.Errorf("%v\n%s", err, out)
			}
			for _, want := range tt.want {
				if !strings.Contains(string(out), want) {
					t.Errorf("%q lacks %q", out, want)
				}
			}
		})
	}
}
