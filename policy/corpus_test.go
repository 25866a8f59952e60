// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/internal/upstream"
	"github.com/goarmor/apparmor/parser"
	"github.com/goarmor/apparmor/policy"
)

// later tells from the message of the reference whether a policy is refused
// only when it is compiled: for its globs, for mount flags that go with no
// operation, for patterns whose exec modes overlap, for too many targets.
func later(message string) bool {
	for _, part := range []string{
		"Regex grouping error", "Unable to parse input line", "Encoding of mount rule failed",
		"profile has merged rule with conflicting x modifiers", "too many specified profile transitions",
		"ERROR processing",
	} {
		if strings.Contains(message, part) {
			return true
		}
	}
	return false
}

// refused are corners that the reference accepts and means something else by
// than what is written.
var refused = map[string]string{
	"c0842": "08 is read as 0",
	"c0843": "the value wraps around",
	"c0844": "the value is cut at 63 bits",
}

func TestCorners(t *testing.T) {
	n, skipped := 0, 0
	config := testConfig(upstream.PolicyTests(t, false))
	for _, c := range upstream.Corners(t) {
		err := resolveWith(t, config, c.ID, c.Profile)
		accepted := err == nil
		if !c.Accept && later(c.Message) {
			skipped++
			continue
		}
		n++
		if reason, ok := refused[c.ID]; ok {
			if accepted {
				t.Errorf("%s %q: accepted although %s", c.ID, c.Profile, reason)
			}
			continue
		}
		if accepted != c.Accept {
			t.Errorf("%s %q: the reference accepts: %v (%s), we say %v", c.ID, c.Profile, c.Accept, c.Message, err)
		}
	}
	t.Logf("%d corners, %d more are refused when compiling", n, skipped)
}

// testConfig returns how policy tests are parsed.
func testConfig(suite upstream.PolicySuite) parser.Config {
	return parser.Config{Roots: suite.Roots, Abs: suite.Abs, Dir: suite.Dir, Cache: &parser.Cache{}}
}

// resolveWith parses and resolves a text with its includes.
func resolveWith(tb testing.TB, config parser.Config, name, text string) error {
	unit, err := config.ParseTree(tb.Context(), name, text)
	if err != nil {
		return err
	}
	_, err = policy.Resolve(tb.Context(), unit, policy.Options{
		Kernel: features.Default(), Roots: config.Roots, Abs: config.Abs, Dir: config.Dir,
	})
	return err
}

// overlap names the generated tests whose patterns overlap with different exec
// modes.
var overlap = regexp.MustCompile(`^generated_(x|perms_safe)/(ambiguous|dominate)-`)

// TestSimple runs upstream's policy tests through parser and resolver. The
// verdicts must agree, but for what is only seen when compiling.
func TestSimple(t *testing.T) {
	suite := upstream.PolicyTests(t, true)
	config := testConfig(suite)
	agree, compiled := 0, 0
	for _, test := range suite.Tests {
		err := resolveWith(t, config, test.Path, test.Text)
		switch accepted := err == nil; {
		case accepted == test.Accept:
			agree++
		case accepted && (later(test.Message) || overlap.MatchString(test.Path)):
			compiled++
		default:
			t.Errorf("%s: 6.0 accepts: %v (%s), we say %v", test.Path, test.Accept, test.Message, err)
		}
	}
	t.Logf("%d agree, %d are refused when compiling", agree, compiled)
}
