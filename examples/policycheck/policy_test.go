// SPDX-License-Identifier: Apache-2.0

package policycheck

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goarmor/apparmor/expect"
	"github.com/goarmor/apparmor/expect/policytest"
)

// TestPolicy is all that a repository of policy needs.
func TestPolicy(t *testing.T) { policytest.Run(t, ".") }

// TestBreaks makes one change to the policy after the other, and checks that a
// statement notices it.
func TestBreaks(t *testing.T) {
	for _, tt := range []struct{ old, new, want string }{
		{"  /srv/www/** r,\n", "", "profile web may read /srv/www/**"},
		{"  deny /etc/web/private/** rw,\n", "", "profile web must deny read,write /etc/web/private/**"},
		{"  /etc/web/** r,\n", "  /etc/** r,\n", "profile * must deny read,write /etc/shadow"},
		{"px -> web-filter", "ux", "profile web must deny exec as ux /**"},
		{"network inet stream,", "network inet,", "within reviewed.aa"},
		{"  signal receive peer=web,\n", "  signal peer=web,\n", "profile web-filter must deny signal send"},
	} {
		dir := t.TempDir()
		if err := os.CopyFS(dir, os.DirFS(".")); err != nil {
			t.Fatal(err)
		}
		name := filepath.Join(dir, "apparmor.d", "web")
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(text), tt.old) {
			t.Fatalf("the policy has no %q", tt.old)
		}
		if err := os.WriteFile(name, []byte(strings.Replace(string(text), tt.old, tt.new, 1)), 0o644); err != nil {
			t.Fatal(err)
		}
		report, err := expect.Check(t.Context(), dir, expect.Options{})
		if err != nil {
			t.Errorf("%q: %v", tt.new, err)
			continue
		}
		found := false
		for _, r := range report.Failed() {
			found = found || r.Statement.Text == tt.want
		}
		if !found {
			t.Errorf("%q instead of %q: %q holds", tt.new, tt.old, tt.want)
		}
	}
}
