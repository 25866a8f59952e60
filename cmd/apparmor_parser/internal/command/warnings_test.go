// SPDX-License-Identifier: Apache-2.0

package command

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestWarningClasses: each class of warnings about policy can be switched on,
// off, and made an error, by itself and not by another one.
func TestWarningClasses(t *testing.T) {
	dir := files(t, map[string]string{"features": policyTree["features"], "inc/x": "\n", "inc/dir/old.orig": "broken"})
	classes := map[string]struct {
		text, message string // a text with this warning only, and the end of a line about it
		args          []string
	}{
		"rule-not-enforced": {"profile t {\n  signal,\n}\n", "from profile t (stdin): signal rules not enforced", nil},
		"rule-downgraded":   {"profile t {\n  audit change_profile,\n}\n", "(stdin line 2): no kernel audits change_profile: remove audit, which has no effect", nil},
		"abi":               {"profile t { }\n", "(stdin line 1): the policy has no abi statement: only what AppArmor 3 knew is mediated", []string{"--kernel-features", "features"}},
		"deprecated":        {"/t {\n}\n", "(stdin line 2): a path is used as the name of a profile, which is deprecated (at \"/t\"); write `profile NAME /t`", nil},
		"dangerous":         {"profile t {\n  /a ux,\n}\n", "(stdin line 2): ux keeps environment variables that can take over an unconfined process (at \"/a\")", nil},
		"unexpected":        {"profile t {\n  include <dir>\n}\n", "(stdin line 2): a file that looks like a leftover is not included (at \"inc/dir/old.orig\")", nil},
		"format":            {"profile t {\n  /a\\.b r,\n}\n", "(stdin line 2): the backslash before '.' changes nothing (at \"/a\\\\.b\")", nil},
		"missing":           {"profile t {\n  set rlimit cpu <= 1,\n}\n", "(stdin line 2): the rlimit cpu has no unit; seconds are assumed (at \"1\")", nil},
		"override":          {"profile :a:t {\n}\n", "(stdin line 1): the namespace is replaced by b (at \"a\")", []string{"-n", "b"}},
		"pound-include":     {"profile t {\n  #include <x>\n}\n", "(stdin line 2): #include looks like a comment; write include (at \"#include <x>\")", nil},
	}
	on := strings.Split(defaultClasses.String(), ", ")
	for class, tt := range classes {
		t.Run(class, func(t *testing.T) {
			args := append([]string{"-QK", "-I", "inc", "-b", "."}, tt.args...)
			if tt.args == nil || tt.args[0] == "-n" {
				args = append(args, "-M", "features")
			}
			run := func(more ...string) outcome { return runIn(t, dir, tt.text, append(args, more...)...) }
			silent := outcome{}
			warned := outcome{Stderr: "Warning " + at(tt.message) + "\n"}
			failed := outcome{Status: 1, Stderr: "Warning converted to Error " + at(tt.message) + "\n"}
			all := []string{"--warn=all"}
			for other := range classes {
				if other != class {
					all = append(all, "--warn=no-"+other)
				}
			}
			byDefault := silent
			if slices.Contains(on, class) {
				byDefault = warned
			}
			for _, run := range []struct {
				name      string
				got, want outcome
			}{
				{"by default", run(), byDefault},
				{"on", run("--warn=" + class), warned},
				{"on and off", run("--warn="+class, "--warn=no-"+class), silent},
				{"all but this class", run("--warn=all", "--warn=no-"+class), silent},
				{"this class alone", run(all...), warned},
				{"quiet", run("--warn="+class, "-q"), silent},
				{"error", run("--warn="+class, "--Werror="+class), failed},
				{"every warning as error", run("--warn="+class, "--Werror"), failed},
			} {
				if diff := cmp.Diff(run.want, run.got); diff != "" {
					t.Errorf("%s: %s", run.name, diff)
				}
			}
		})
	}
}

// at completes the message of a warning with where it came from.
func at(message string) string {
	if strings.HasPrefix(message, "from ") {
		return message
	}
	return "from stdin " + message
}
