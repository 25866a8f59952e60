// SPDX-License-Identifier: Apache-2.0

package compile_test

import (
	"testing"

	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/internal/upstream"
)

// TestMatches takes file rules from the text to binary policy, and asks it for
// the strings that the reference's was asked for.
func TestMatches(t *testing.T) {
	entries := upstream.Matches(t)
	for _, k := range debianKernels {
		kernel, _ := features.Kernel(k.series)
		t.Run(k.series, func(t *testing.T) {
			walked := 0
			for _, e := range entries {
				out, err := source{abi: kernel}.compile(t, kernel, "p", "profile t { "+e.Pattern+" r, }\n")
				if (err == nil) != e.OK {
					t.Errorf("%s: %v, 6.0 accepts: %t", e.Pattern, err, e.OK)
				}
				if err != nil {
					continue
				}
				walked += matchesAs(t, e, out)
			}
			t.Logf("%d walks", walked)
			if walked < 5000 {
				t.Errorf("only %d walks", walked)
			}
		})
	}
}

// matchesAs compares what a policy grants with an entry, and returns how many
// strings it was asked for.
func matchesAs(t *testing.T, e upstream.Match, out *compile.Output) int {
	t.Helper()
	p := out.Policy.Profiles()[0]
	db, start := p.FileDB()
	if db == nil {
		t.Errorf("%s: nothing about files", e.Pattern)
		return 0
	}
	for want, list := range map[bool][]string{true: e.Match, false: e.NoMatch} {
		for _, s := range list {
			state := db.DFA.Match(start, latin1(s))
			for _, owner := range []bool{true, false} {
				if got := p.FilePerms(state, owner).Allow&blob.PermRead != 0; got != want {
					t.Errorf("%s on %q: %t, 6.0 says %t", e.Pattern, s, got, want)
				}
			}
		}
	}
	return len(e.Match) + len(e.NoMatch)
}

// latin1 makes bytes of a string with a rune for each.
func latin1(s string) []byte {
	b := make([]byte, 0, len(s))
	for _, r := range s {
		b = append(b, byte(r))
	}
	return b
}
