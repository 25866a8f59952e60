// SPDX-License-Identifier: Apache-2.0

package seeds

import (
	"slices"
	"strings"
	"testing"

	"github.com/goarmor/apparmor/internal/testenv"
	"github.com/goarmor/apparmor/parser"
)

// TestPieces checks that every piece parses, and that there are some of each
// kind.
func TestPieces(t *testing.T) {
	testenv.DebianTree(t)
	rules := Rules(t, 500)
	for _, text := range rules {
		if _, err := parser.ParseRule(text); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
	statements := Statements(t, 500)
	for _, text := range statements {
		if _, err := parser.Parse("p", text+"\n"); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
	words := Words(t, 500)
	if len(rules) < 300 || len(statements) < 100 || len(words) < 300 {
		t.Errorf("%d rules, %d statements, %d words", len(rules), len(statements), len(words))
	}
	for _, list := range [][]string{rules, statements, words} {
		if !slices.IsSorted(list) || slices.ContainsFunc(list, func(s string) bool { return len(s) > maxPiece || strings.TrimSpace(s) != s }) {
			t.Errorf("%.10q", list)
		}
	}
	if n := len(Rules(t, 10)); n < 10 || n > 20 {
		t.Errorf("%d rules for 10", n)
	}
}
