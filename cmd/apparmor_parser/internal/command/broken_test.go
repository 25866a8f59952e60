// SPDX-License-Identifier: Apache-2.0

package command

import (
	"errors"
	"strings"
	"testing"
)

// full is a writer that takes nothing, as a disk without room.
type full struct{}

var errFull = errors.New("no room left")

func (full) Write([]byte) (int, error) { return 0, errFull }

// TestBrokenOutput: a run whose output is lost fails and says so.
func TestBrokenOutput(t *testing.T) {
	tree := map[string]string{"features": policyTree["features"], "ok": "profile  ok {}\n"}
	for _, args := range []string{
		"--help", "--help=warn", "--help=dump", "--help=optimize", "--version", "--print-prompt-compat",
		"--warn=show", "--Werror=show", "--Dump=show", "--Optimize=show", "--print-config-file", "--print-cache-dir",
		"-N ok", "-p ok", "-S ok", "--format ok", "--format -d ok", "--verbose ok", "--verbose -r ok", "--verbose -R ok",
	} {
		t.Run(args, func(t *testing.T) {
			k := &fakeKernel{}
			var errs strings.Builder
			env := Env{Dir: files(t, tree), Stdout: full{}, Stderr: &errs, OpenKernel: func(string) (Kernel, error) { return k, nil }}
			all := append([]string{"--config-file=/dev/null", "-K", "-M", "features"}, strings.Fields(args)...)
			if status := Run(t.Context(), all, env); status == 0 || !strings.Contains(errs.String(), errFull.Error()) {
				t.Errorf("status %d, %q", status, errs.String())
			}
		})
	}
}
