// SPDX-License-Identifier: Apache-2.0

package command

import (
	"strings"
	"testing"
)

// TestRivals: profiles of two files of a directory that attach to one program
// equally well are told with both places, also of policy from the cache; as an
// error the later file is not loaded.
func TestRivals(t *testing.T) {
	dir := files(t, map[string]string{
		"features": policyTree["features"],
		"d/a":      "profile a /usr/bin/{x,y} { }\n",
		"d/b":      "\nprofile b /usr/{,local/}bin/x { }\n",
		"d/c":      "profile c /usr/bin/z { }\n",
	})
	const want = "profiles a and b attach to /usr/bin/x equally well, so kernels take neither; name the path without wildcards in one of them; see d/a:1:1\n"
	args := []string{"-Q", "-W", "-L", "cache", "-b", ".", "-M", "features", "-v"}
	for _, tt := range []struct {
		args   string
		status int
		stderr string
		loaded string
	}{
		{"--warn=dangerous d", 0, "Warning from d (d/b line 2): " + want, "a b c"},
		{"--warn=dangerous d", 0, "Warning from d (d/b line 2): " + want, "d/a d/b d/c"}, // cached
		{"d", 0, "", "d/a d/b d/c"},
		{"--warn=dangerous --Werror=dangerous -K d", 1, "Warning converted to Error from d (d/b line 2): " + want, "a c"},
		{"--warn=dangerous -K d/a d/c", 0, "", "a c"},
	} {
		got := runIn(t, dir, "", append(args, strings.Fields(tt.args)...)...)
		var loaded []string
		for line := range strings.Lines(got.Stdout) {
			_, name, _ := strings.Cut(strings.TrimSuffix(line, "\".\n"), "\"")
			if i := strings.Index(name, ".0/"); i >= 0 {
				name = "d/" + name[i+len(".0/"):]
			}
			loaded = append(loaded, name)
		}
		if got.Status != tt.status || got.Stderr != tt.stderr || strings.Join(loaded, " ") != tt.loaded {
			t.Errorf("%s: %+v, loaded %q", tt.args, got, loaded)
		}
	}
}
