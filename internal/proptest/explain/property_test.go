// SPDX-License-Identifier: Apache-2.0

package explain_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/leanovate/gopter"
	"github.com/leanovate/gopter/gen"
	"github.com/leanovate/gopter/prop"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/internal/oracle"
	"github.com/goarmor/apparmor/internal/querytest"
	"github.com/goarmor/apparmor/policy"
	"github.com/goarmor/apparmor/query"
	"github.com/goarmor/apparmor/query/explain"
)

// TestDecidingRules explains random requests to random policies. The decision
// has to be the one that the compiled policy gives when it is asked, also when
// it is compiled of the deciding rules alone, and what each rule is said to
// decide has to fit what was found.
func TestDecidingRules(t *testing.T) {
	for _, name := range []string{"kernel-6.1.192", "kernel-7.3.4"} {
		t.Run(name, func(t *testing.T) {
			k := oracle.FeatureSet(t, name)
			o := compile.Options{Kernel: k, Degrade: compile.Report}
			ctx := context.Background()
			asked, decided, overridden := 0, 0, 0
			parameters := gopter.DefaultTestParameters()
			parameters.MinSuccessfulTests = 300
			parameters.Rng.Seed(1)
			properties := gopter.NewProperties(parameters)
			properties.Property("deciding rules decide", prop.ForAll(func(seed uint64) string {
				r := querytest.New(seed)
				set := r.Set()
				p, err := explain.Open(ctx, set, o)
				if list := (diag.List)(nil); errors.As(err, &list) && list[0].Code == diag.CodeExecConflict {
					return "" // no policy
				} else if err != nil {
					return err.Error()
				}
				for range 20 {
					ask := r.Request()
					e, err := p.Explain(ctx, "t", ask)
					if err != nil {
						return err.Error()
					}
					asked++
					q, _ := p.Query().Profile("t")
					if d, _ := q.Ask(ask); !same(d, e.Decision) {
						return "Explain and Ask differ: " + diff(d, e.Decision)
					}
					if s := querytest.Consistent(e); s != "" {
						return s + "\n" + e.String()
					}
					rules := e.Deciding()
					if len(rules) > 0 {
						decided++
					}
					overridden += count(e, explain.Overridden)
					fewer, err := explain.Open(ctx, only(set, rules), o)
					if err != nil {
						return err.Error()
					}
					q, _ = fewer.Query().Profile("t")
					if d, _ := q.Ask(ask); !same(d, e.Decision) {
						return diff(e.Decision, d) + "\n" + e.String()
					}
				}
				return ""
			}, gen.UInt64()))
			properties.TestingRun(t)
			t.Logf("%d requests, %d with deciding rules, %d overridden rules", asked, decided, overridden)
			if decided < asked/4 || overridden < asked/20 {
				t.Error("the policies decide too few requests, or override too few rules")
			}
		})
	}
}

func same(a, b query.Decision) bool { return diff(a, b) == "" }

func diff(a, b query.Decision) string {
	return cmp.Diff(a, b, cmp.AllowUnexported(query.Decision{}))
}

func count(e *explain.Explanation, s explain.Status) (n int) {
	for _, step := range e.Steps {
		for _, r := range step.Rules {
			if r.Status == s {
				n++
			}
		}
	}
	return n
}

// only returns the set with these rules alone, and one that keeps the profile
// from being without rules on files.
func only(set *policy.Set, rules []ast.Rule) *policy.Set {
	p := *set.Profiles[0]
	p.Rules = nil
	for _, r := range rules {
		p.Rules = append(p.Rules, policy.Rule{Rule: r})
	}
	p.Rules = append(p.Rules, querytest.Inert())
	return &policy.Set{Profiles: append([]*policy.Profile{&p}, set.Profiles[1:]...)}
}
