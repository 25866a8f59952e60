// SPDX-License-Identifier: Apache-2.0

package command

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goarmor/apparmor/internal/oracle"
	"github.com/goarmor/apparmor/internal/testenv"
)

// TestCheckParser runs the check-parser of upstream's profiles, which compiles
// each of them and each abstraction, with the command in the parser's place.
func TestCheckParser(t *testing.T) {
	dir := filepath.Join(testenv.Source(t, oracle.Newest, "apparmor"), "profiles")
	makes := testenv.Command(t, "make", "make")
	check := func(parser string) (string, error) {
		out, err := exec.CommandContext(t.Context(), makes, "-C", dir, "-s", "check-parser", "USE_SYSTEM=1", "VERBOSE=1", "PARSER="+parser).CombinedOutput()
		return string(out), err
	}
	// It notices a parser that refuses.
	if out, err := check("false"); err == nil {
		t.Errorf("a parser that refuses everything passes:\n%s", out)
	}
	parser := filepath.Join(t.TempDir(), "apparmor_parser")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", parser, "github.com/goarmor/apparmor/cmd/apparmor_parser").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	out, err := check(parser + " --kernel-features=" + oracle.Features(t, "features.all"))
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	n := 0
	for line := range strings.Lines(out) {
		if strings.HasPrefix(line, "Testing ") {
			n++
		}
	}
	t.Logf("%d files", n)
	if n < 300 {
		t.Errorf("only %d files are tried:\n%s", n, out)
	}
}
