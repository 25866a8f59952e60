// SPDX-License-Identifier: Apache-2.0

package compile_test

import (
	"testing"

	"github.com/goarmor/apparmor/internal/oracle"
	asking "github.com/goarmor/apparmor/query"
)

// unlikeNewest are requests that the policy of apparmor_parser 5.0.2, and of
// 6.0, answers in a way that its text does not say. Package query answers, from
// the compiled policy, as kernels do.
var unlikeNewest = []struct {
	name, text, profile string
	ask                 asking.Request
	ours, theirs        string
}{
	{
		"a file rule and a change_profile rule with one text",
		"profile t {\n  /etc/hostname r,\n  change_profile -> /etc/hostname,\n}\n", "t",
		asking.File{Path: "/etc/hostname", Perms: asking.Read}, "allowed", "denied read",
	},
	{
		"the change of profile of the same rules",
		"profile t {\n  /etc/hostname r,\n  change_profile -> /etc/hostname,\n}\n", "t",
		asking.ChangeProfile{Target: "/etc/hostname"}, "allowed", "allowed",
	},
	{
		"cx with a target in a child",
		"profile n {\n  profile c {\n    /bin/x cx -> g,\n    profile g { }\n  }\n}\n", "n//c",
		asking.Execute{Path: "/bin/x"}, "allowed, px -> n//c//g, label n//c//g", "allowed, px -> c//g, label c//g, c//g is not in this policy",
	},
}

// TestAnswersUnlikeReference holds what policy of this package answers to
// unlikeNewest on every kernel.
func TestAnswersUnlikeReference(t *testing.T) {
	for _, tt := range unlikeNewest {
		for _, name := range []string{k61, k612, k72, k73} {
			kernel := oracle.FeatureSet(t, name)
			out, err := source{abi: kernel}.compile(t, kernel, "p", tt.text)
			if err != nil {
				t.Errorf("%s for %s: %v", tt.name, name, err)
				continue
			}
			checkAnswer(t, tt.name+" for "+name, asking.Open(out.Policy), tt.profile, tt.ask, tt.ours)
		}
	}
}

// TestAnswersOfNewestReference holds what policy of Debian sid's apparmor_parser
// answers, so that a mended release is noticed.
func TestAnswersOfNewestReference(t *testing.T) {
	parser := oracle.ParserOf(t, oracle.Newest)
	for _, tt := range unlikeNewest {
		for _, name := range []string{k61, k612, k72, k73} {
			data, err := parser.Compile(oracle.Job{Text: tt.text, Features: oracle.Features(t, name)})
			if err != nil {
				t.Errorf("%s for %s: %v", tt.name, name, err)
				continue
			}
			checkAnswer(t, "sid's policy: "+tt.name+" for "+name, asking.Open(inspect(t, data)), tt.profile, tt.ask, tt.theirs)
		}
	}
}

func checkAnswer(t *testing.T, what string, policy *asking.Policy, profile string, ask asking.Request, want string) {
	t.Helper()
	p, ok := policy.Profile(profile)
	if !ok {
		t.Errorf("%s: no profile %s", what, profile)
		return
	}
	if d, err := p.Ask(ask); err != nil || d.String() != want {
		t.Errorf("%s: %v: %v, %v, want %s", what, ask, d, err, want)
	}
}
