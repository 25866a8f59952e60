// SPDX-License-Identifier: Apache-2.0

package parser

import (
	"strings"
	"testing"

	"github.com/goarmor/apparmor/internal/upstream"
)

// semantic tells from the message of the reference whether a policy is refused
// for what no parser can see: the values of variables, globs, and conflicts
// between rules that are well formed by themselves.
func semantic(message string) bool {
	for _, part := range []string{
		"Regex grouping error", "ERROR processing regexs", "Encoding of mount rule failed", "conflicting x modifiers",
		"too many specified profile transitions", "Multiple definitions for", "Failed to find declaration", "is already defined",
		"is referenced recursively", "Unset boolean variable", "is not a boolean variable", "is not a set variable",
		"Can only compare numbers with numbers", "Error retrieving variable", "attach_disconnected path must begin with a /",
		": No such file or directory", // of an abi
	} {
		if strings.Contains(message, part) {
			return true
		}
	}
	return false
}

// suiteConfig returns how policy tests are parsed.
func suiteConfig(s upstream.PolicySuite) Config {
	return Config{Roots: s.Roots, Abs: s.Abs, Dir: s.Dir}
}

func TestCorners(t *testing.T) {
	config := suiteConfig(upstream.PolicyTests(t, false))
	agree, left := 0, 0
	for _, c := range upstream.Corners(t) {
		_, err := config.ParseTree(t.Context(), "stdin", c.Profile)
		switch {
		case (err == nil) == c.Accept:
			agree++
		case err == nil && semantic(c.Message):
			left++
		default:
			t.Errorf("%s %q: the reference accepts: %v (%s), got %v", c.ID, c.Profile, c.Accept, c.Message, err)
		}
	}
	t.Logf("%d agree, %d are refused later", agree, left)
}

func TestSimple(t *testing.T) {
	suite := upstream.PolicyTests(t, true)
	config := suiteConfig(suite)
	agree, left := 0, 0
	for _, test := range suite.Tests {
		_, err := config.ParseTree(t.Context(), test.Path, test.Text)
		switch {
		case (err == nil) == test.Accept:
			agree++
		case err == nil && (semantic(test.Message) || generatedConflict(test.Path)):
			left++
		default:
			t.Errorf("%s: 6.0 accepts: %v (%s), got %v", test.Path, test.Accept, test.Message, err)
		}
	}
	t.Logf("%d agree, %d are refused later", agree, left)
	// The rest are conflicts of exec modes, globs and values of variables.
	if agree < left {
		t.Errorf("only %d of %d agree", agree, agree+left)
	}
}

// generatedConflict reports whether a generated test, for which there is no
// message, is about conflicts of exec modes or about values that cannot be
// compared.
func generatedConflict(name string) bool {
	return strings.HasPrefix(name, "generated_x/") || strings.HasPrefix(name, "generated_perms_safe/") ||
		strings.HasPrefix(name, "generated_conditional/")
}
