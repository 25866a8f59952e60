// SPDX-License-Identifier: Apache-2.0

//go:build linux

package checks

import (
	"os"
	"os/exec"
	"path"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/goarmor/apparmor/internal/vmtest/guest"
)

// TestQuickstart runs the example that loads a machine's profile and starts
// itself under it.
func TestQuickstart(t *testing.T) {
	guest.Scenario(t)
	k := kernel(t)
	const program, shadow = "/tmp/quickstart", "/etc/shadow"
	if err := os.MkdirAll("/etc", 0o755); err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{program: guest.File(t, "quickstart"), shadow: nil} {
		if err := os.WriteFile(name, data, 0o755); err != nil {
			t.Fatal(err)
		}
		removeLater(t, name)
	}
	out, err := exec.CommandContext(t.Context(), program, "-load").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if !strings.Contains(string(out), "mode enforce") {
		t.Errorf("it said:\n%s", out)
	}
	got := map[string]bool{}
	for line := range strings.Lines(string(out)) {
		if name, verdict, ok := strings.Cut(strings.TrimPrefix(line, "  read "), ": "); ok && name != line {
			got[path.Base(name)] = strings.HasPrefix(verdict, "allowed")
			if !got[path.Base(name)] && !strings.Contains(verdict, "permission denied") {
				t.Errorf("%s", line)
			}
		}
	}
	want := map[string]bool{"web.qcow2": true, "seed.iso": true, "stranger.img": false, "shadow": false}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s\n%s", diff, out)
	}
	wantLoaded(t, k)
}
