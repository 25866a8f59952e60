package policy_test

import (
	"context"
	"strings"
	"testing"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/internal/testenv"
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
	type corner struct {
		ID, Group, Profile string
		Verdict            string `json:"upstream_6_0"`
		Message            string `json:"upstream_6_0_message"`
	}
	n, skipped := 0, 0
	for _, c := range testenv.CorpusLines[corner](t, "corners.jsonl.gz") {
		if c.Group == "include" || strings.Contains(c.Profile, "include") {
			skipped++
			continue
		}
		_, err := resolveText(c.Profile, policy.Options{Kernel: features.Default()})
		accepted := err == nil
		if c.Verdict == "reject" && later(c.Message) {
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
		if accepted != (c.Verdict == "accept") {
			t.Errorf("%s %q: 6.0 says %s (%s), we say %v", c.ID, c.Profile, c.Verdict, c.Message, err)
		}
	}
	t.Logf("%d corners agree or were reported, %d are for others", n, skipped)
}

// resolveText parses and resolves a policy without includes.
func resolveText(text string, opts policy.Options) (*policy.Set, error) {
	file, err := parser.Parse("stdin", text)
	if err != nil {
		return nil, err
	}
	return policy.Resolve(context.Background(), &ast.Unit{Main: file}, opts)
}
