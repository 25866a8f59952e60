// SPDX-License-Identifier: Apache-2.0

package command_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/goarmor/apparmor/cmd/aapolicy/internal/command"
)

// TestLint has, for each kind of finding, policy that is found and policy that is
// not.
func TestLint(t *testing.T) {
	for _, tt := range []struct {
		name, policy string
		want         string // code:line of each finding
	}{
		{"denied", "profile p {\n/a r,\ndeny /a r,\n}", "void-rule:3"},
		{"denied in part", "profile p {\n/a rw,\ndeny /a w,\n}", ""},
		{"denied for some", "profile p {\n/a/* r,\ndeny /a/b r,\n}", ""},
		{"denied to the owner", "profile p {\n/a r,\ndeny owner /a r,\n}", ""},
		{"denied by two", "profile p {\n/a/{b,c} r,\ndeny /a/b r,\ndeny /a/c r,\n}", "void-rule:3"},
		{"what is not denied", "profile p {\n/a r,\ndeny /b r,\n}", ""},
		{"in complain mode", "profile p flags=(complain) {\n/a r,\ndeny /a r,\n}", "void-rule:3"},
		{"capability", "profile p {\ncapability kill chown,\ndeny capability kill,\n}", ""},
		{"network", "profile p {\nnetwork inet stream,\ndeny network inet,\n}", "void-rule:3"},
		{"change_profile", "profile p {\nchange_profile -> q,\naudit deny change_profile -> q,\n}", "void-rule:3"},
		{"link", "profile p {\nlink /a -> /b,\ndeny link /** -> /**,\n}", "void-rule:3"},
		{"mount", "profile p {\nmount fstype=ext4 -> /mnt/,\ndeny mount,\n}", "void-rule:3"},
		{"priority", "profile p {\n/a r,\npriority=1 deny /a r,\n}", "shadowed-rule:3"},
		{"a higher priority", "profile p {\npriority=1 /a r,\ndeny /a r,\n}", ""},
		{"another transition", "profile p {\n/bin/a ix,\npriority=1 /bin/a px,\n}", "shadowed-rule:3"},
		{"the same transition", "profile p {\n/bin/a ix,\npriority=1 /bin/* ix,\n}", ""},
		{"twice", "profile p {\n/a r,\n/b r,\n/a r,\n}", "duplicate-rule:5"},
		{"twice, spelled in two ways", "profile p {\n/a rw,\n/a wr,\n}", "duplicate-rule:4"},
		{"with other qualifiers", "profile p {\n/a r,\naudit /a r,\nowner { /a r, }\n}", ""},
		{"in two profiles", "profile p {\n/a r,\n}\nprofile q {\n/a r,\n}", ""},
		{"included before", "profile p {\ninclude <i>\n/included r,\n}", "duplicate-rule:4"},
		{"included after", "profile p {\n/included r,\ninclude <i>\n}", "duplicate-rule:3"},
		{"included twice", "profile p {\ninclude <i>\ninclude <i>\n}", ""},
		{"what is included and denied", "profile p {\ninclude <i>\ndeny /included r,\n}", ""},
		{"not enforced", "profile p {\nmqueue type=posix /a,\n}", "not-enforced:3"},
		{"a warning", "profile p {\n/a Ux,\n/b ux,\n}", "unconfined-exec:4"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			for name, text := range map[string]string{"p": "abi <kernel>,\n" + tt.policy, "i": "/included r,\n"} {
				if err := os.MkdirAll("d", 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile("d/"+name, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			status, out, errs := run(t, command.Env{}, "lint", "--format", "json", "d/p")
			var found []struct {
				Code string
				Pos  struct{ Line json.Number }
			}
			if err := json.Unmarshal([]byte(out), &found); err != nil {
				t.Fatalf("%v: %s%s", err, out, errs)
			}
			var got []string
			for _, f := range found {
				got = append(got, f.Code+":"+f.Pos.Line.String())
			}
			if s := strings.Join(got, ","); s != tt.want || (status == 1) != (tt.want != "") || errs != "" {
				t.Errorf("status %d, %s, want %s\n%s%s", status, s, tt.want, out, errs)
			}
		})
	}
}
