// SPDX-License-Identifier: Apache-2.0

package query_test

import (
	"testing"

	"github.com/goarmor/apparmor/ast"
)

// A rule of every class makes a difference that Diff finds. One that it did not
// see would make policies equal that are not.
func TestRuleClasses(t *testing.T) {
	texts := map[ast.Class]string{
		ast.ClassLink: "link /a -> /b,", ast.ClassRlimit: "set rlimit nofile <= 1,",
	}
	bare := ours(t, "7.3", "profile t { }\n")
	for c := range ast.Classes() {
		if c == ast.ClassMqueue {
			continue // no kernel mediates them: TestWitnessClasses has their strings
		}
		text, ok := texts[c]
		if !ok {
			text = c.String() + ","
		}
		found, err := profile(t, bare, "t").Diff(t.Context(), profile(t, ours(t, "7.3", "profile t {\n"+text+"\n}\n"), "t"))
		if err != nil || len(found) == 0 {
			t.Errorf("%s: Diff finds %v, %v", text, found, err)
		}
	}
}
