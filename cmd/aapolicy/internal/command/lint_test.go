// SPDX-License-Identifier: Apache-2.0

package command_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/goarmor/apparmor/cmd/aapolicy/internal/command"
	"github.com/goarmor/apparmor/parser"
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
		{"twice in a block", "profile p {\nowner {\n/a r,\n/a r,\n}\n}", "duplicate-rule:5"},
		{"in blocks of two kinds", "profile p {\nowner { /a r, }\naudit { /a r, }\n}", ""},
		{"twice in the deepest block", "profile p {\n" + strings.Repeat("audit {", parser.DefaultDepth-1) + "\n/a r,\n/a r,\n" + strings.Repeat("}", parser.DefaultDepth-1) + "}", "duplicate-rule:5"},
		{"included before and in a block", "profile p {\ninclude <i>\naudit {\n/included r,\ninclude <i>\n}\n}", "duplicate-rule:5"},
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

// files writes files into a new directory, which becomes the current one.
func files(t *testing.T, all map[string]string) {
	t.Helper()
	t.Chdir(t.TempDir())
	for name, text := range all {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestLintInclude looks in the directories that -I names, and says of an included
// file once what is true of it in two profiles.
func TestLintInclude(t *testing.T) {
	files(t, map[string]string{"p": "abi <kernel>,\nprofile p {\ninclude <i>\n}\nprofile q {\ninclude <i>\n}\n"})
	if err := os.Mkdir("other", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("other/i", []byte("/a ux,\nmqueue type=posix /a,\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if status, out, _ := run(t, command.Env{}, "lint", "p"); status != 2 || out != "" {
		t.Errorf("without -I: %d, %s", status, out)
	}
	status, out, errs := run(t, command.Env{}, "lint", "-I", "other", "p")
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if status != 1 || len(lines) != 2 || !strings.HasPrefix(lines[0], "other/i:1:1: ") || !strings.HasPrefix(lines[1], "other/i:2:1: ") {
		t.Errorf("%d: %s%s", status, out, errs)
	}
	// A code of the compiler has a description, too.
	_, out, _ = run(t, command.Env{}, "lint", "-I", "other", "--format", "sarif", "p")
	if !strings.Contains(out, `"text": "A warning: unconfined-exec"`) {
		t.Error(out)
	}
}

// TestLintWrong finds what is wrong in one of two files.
func TestLintWrong(t *testing.T) {
	files(t, map[string]string{
		"good": "abi <kernel>,\nprofile p {\n/a r,\n/a r,\n}\n",
		"bad":  "abi <kernel>,\nprofile p {\n/bin/a{b,c} px,\n/bin/ab ix,\n}\n",
	})
	for _, args := range [][]string{{"bad", "good"}, {"good", "bad"}} {
		status, out, errs := run(t, command.Env{}, append([]string{"lint"}, args...)...)
		if status != 2 || out != "" || !strings.Contains(errs, "bad:4:1: conflicting exec modes") {
			t.Errorf("%v: %d, %q, %q", args, status, out, errs)
		}
	}
}

// TestLintExact has a rule with a wildcard of which every path is named by another
// rule.
func TestLintExact(t *testing.T) {
	var text strings.Builder
	text.WriteString("abi <kernel>,\nprofile p {\n/bin/? px,\n")
	for c := 1; c < 256; c++ {
		if c != '/' {
			fmt.Fprintf(&text, "/bin/\\%03o ix,\n", c)
		}
	}
	text.WriteString("}\n")
	files(t, map[string]string{"p": text.String()})
	status, out, errs := run(t, command.Env{}, "lint", "p")
	if status != 1 || strings.Count(out, "\n") != 1 || !strings.HasPrefix(out, "p:3:1: /bin/? px, has no effect: ") ||
		!strings.HasSuffix(out, " names the path without wildcards and decides all that it is about (void-rule)\n") {
		t.Errorf("%d: %s%s", status, out, errs)
	}
}

// TestLintIncludes ends with files of which each includes the next one twice.
func TestLintIncludes(t *testing.T) {
	const deep = parser.DefaultIncludeDepth
	all := map[string]string{"p": "abi <kernel>,\nprofile p {\n/a r,\ninclude <i1>\n}\n", fmt.Sprintf("i%d", deep): "/a r,\n"}
	for i := 1; i < deep; i++ {
		all[fmt.Sprintf("i%d", i)] = fmt.Sprintf("include <i%d>\ninclude <i%d>\n", i+1, i+1)
	}
	files(t, all)
	status, out, errs := run(t, command.Env{}, "lint", "p")
	if want := fmt.Sprintf("p:3:1: /a r, is included as well, at i%d:1:1 (duplicate-rule)\n", deep); status != 1 || out != want {
		t.Errorf("%d: %s%s", status, out, errs)
	}
}
