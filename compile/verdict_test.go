// SPDX-License-Identifier: Apache-2.0

package compile_test

import (
	"testing"

	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/internal/oracle"
	"github.com/goarmor/apparmor/internal/upstream"
	"github.com/goarmor/apparmor/parser"
	"github.com/goarmor/apparmor/policy"
)

// verdicts decides whether texts of upstream's suite are valid policy, from
// the text to binary policy.
type verdicts struct {
	config parser.Config
	kernel *features.Set
}

func newVerdicts(tb testing.TB, s upstream.PolicySuite) verdicts {
	tb.Helper()
	return verdicts{
		config: parser.Config{Roots: s.Roots, Abs: s.Abs, Dir: s.Dir, Cache: &parser.Cache{}},
		kernel: oracle.FeatureSet(tb, suite),
	}
}

// check returns why a text is refused.
func (v verdicts) check(tb testing.TB, name, text string) error {
	tb.Helper()
	unit, err := v.config.ParseTree(tb.Context(), name, text)
	if err != nil {
		return err
	}
	set, err := policy.Resolve(tb.Context(), unit, policy.Options{
		Kernel: v.kernel, Roots: v.config.Roots, Abs: v.config.Abs, Dir: v.config.Dir,
	})
	if err != nil {
		return err
	}
	for _, p := range set.Profiles {
		p.ABI = nil // the kernel's set is the policy's, too
	}
	for _, s := range compile.ByNamespace(set) {
		if _, err := compile.Compile(tb.Context(), s, compile.Options{Kernel: v.kernel, Degrade: compile.Report}); err != nil {
			return err
		}
	}
	return nil
}

// refusedCorners are corners that 6.0 accepts and means something else by than
// what is written.
var refusedCorners = map[string]string{
	"c0842": "08 is read as 0",
	"c0843": "the value wraps around",
	"c0844": "the value is cut at 63 bits",
	"c1290": "no kernel remounts by the type of the file system",
}

// TestCorners checks the verdicts on the corners of the language.
func TestCorners(t *testing.T) {
	v := newVerdicts(t, upstream.PolicyTests(t, false))
	agree := 0
	for _, c := range upstream.Corners(t) {
		err := v.check(t, c.ID, c.Profile)
		if want := c.Accept && refusedCorners[c.ID] == ""; (err == nil) != want {
			t.Errorf("%s %q: the reference accepts: %v (%s), we say %v", c.ID, c.Profile, c.Accept, c.Message, err)
			continue
		}
		agree++
	}
	t.Logf("%d agree", agree)
}

// TestVerdicts checks the verdicts on upstream's policy tests.
func TestVerdicts(t *testing.T) {
	tests := upstream.PolicyTests(t, !testing.Short())
	v := newVerdicts(t, tests)
	agree := 0
	for _, test := range tests.Tests {
		if err := v.check(t, test.Path, test.Text); (err == nil) != test.Accept {
			t.Errorf("%s: 6.0 accepts: %v (%s), we say %v", test.Path, test.Accept, test.Message, err)
			continue
		}
		agree++
	}
	t.Logf("%d agree", agree)
}
