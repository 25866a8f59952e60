// SPDX-License-Identifier: Apache-2.0

package command

import (
	"testing"

	"github.com/goarmor/apparmor/ast"
)

func TestHideVariables(t *testing.T) {
	for in, want := range map[ast.Pattern]ast.Pattern{
		"":               "",
		"plain{a,b}":     "plain{a,b}",
		"@{A}":           "\x01A\x02",
		"/x/@{A}-@{}/y":  "/x/\x01A\x02-\x01\x02/y",
		"@{a@{b}":        "@{a\x01b\x02",
		"@{a{b}c}":       "@{a{b}c}",
		"@{open":         "@{open",
		"@":              "@",
		"@{@{@{x}":       "@{@{\x01x\x02",
		"{@{A},@{B}}@{C": "{\x01A\x02,\x01B\x02}@{C",
	} {
		if got := hideVariables(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
