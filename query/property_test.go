// SPDX-License-Identifier: Apache-2.0

package query_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/leanovate/gopter"
	"github.com/leanovate/gopter/gen"
	"github.com/leanovate/gopter/prop"

	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/internal/oracle"
	"github.com/goarmor/apparmor/policy"
	"github.com/goarmor/apparmor/query"
	"github.com/goarmor/apparmor/query/internal/random"
)

// pair compiles a random policy and one that differs from it in a few rules.
// There is none where the rules contradict each other.
func pair(k *features.Set, r random.Source) (a, b *query.Profile, err error) {
	set := r.Set()
	p := *set.Profiles[0]
	p.Rules = nil
	for _, rule := range set.Profiles[0].Rules {
		if r.IntN(6) != 0 {
			p.Rules = append(p.Rules, rule)
		}
	}
	for range r.IntN(3) {
		p.Rules = append(p.Rules, policy.Rule{Rule: r.Rule()})
	}
	p.Rules = append(p.Rules, random.Inert())
	if a, err = compiled(k, set); err == nil {
		b, err = compiled(k, &policy.Set{Profiles: []*policy.Profile{&p}})
	}
	if list := (diag.List)(nil); errors.As(err, &list) && list[0].Code == compile.CodeExecConflict {
		return nil, nil, nil
	}
	return a, b, err
}

func compiled(k *features.Set, set *policy.Set) (*query.Profile, error) {
	out, err := compile.Compile(context.Background(), set, compile.Options{Kernel: k, Degrade: compile.Report})
	if err != nil {
		return nil, err
	}
	p, _ := query.Open(out.Policy).Profile("t")
	return p, nil
}

// TestComparisons holds what Diff, Equal and Covers find against what the
// profiles say when they are asked.
func TestComparisons(t *testing.T) {
	for _, name := range []string{"kernel-6.1.192", "kernel-7.3.4", "features.af_inet", "features.all"} {
		t.Run(name, func(t *testing.T) {
			k := oracle.FeatureSet(t, name)
			witnesses, equal, covered := 0, 0, 0
			parameters := gopter.DefaultTestParameters()
			parameters.MinSuccessfulTests = 40
			parameters.MaxShrinkCount = 0
			parameters.Rng.Seed(1)
			properties := gopter.NewProperties(parameters)
			properties.Property("witnesses are answered differently", prop.ForAll(func(seed uint64) string {
				r := random.New(seed)
				a, b, err := pair(k, r)
				if err != nil || a == nil {
					return errText(err)
				}
				found, err := a.Diff(b)
				if err != nil {
					return err.Error()
				}
				for _, d := range found {
					if d.Request == nil {
						if d.Member == "" {
							return "no request: " + d.String()
						}
						continue
					}
					witnesses++
					if x, y := say(a, d.Request), say(b, d.Request); x == y {
						return "both say " + x + " to " + d.Request.String()
					}
				}
				if same, err := a.Equal(b); err != nil || same != (len(found) == 0) {
					return fmt.Sprint("Equal says ", same, err, found)
				}
				gaps, err := a.Covers(b)
				if err != nil {
					return err.Error()
				}
				for _, d := range gaps {
					if d.Request == nil {
						continue // of capabilities that have no name
					}
					x, _ := a.Ask(d.Request)
					y, _ := b.Ask(d.Request)
					if !y.Allowed() || x.Allowed() && x.Exec == y.Exec {
						return "no gap: " + d.String()
					}
				}
				for range 100 {
					ask := r.Request()
					x, _ := a.Ask(ask)
					y, _ := b.Ask(ask)
					if len(found) == 0 && say(a, ask) != say(b, ask) {
						return "not equal: " + ask.String()
					}
					if len(gaps) == 0 && y.Allowed() && !x.Allowed() {
						return "not covered: " + ask.String()
					}
				}
				if len(found) == 0 {
					equal++
				}
				if len(gaps) == 0 {
					covered++
				}
				return ""
			}, gen.UInt64()))
			properties.TestingRun(t)
			t.Logf("%d witnesses, %d equal, %d covered", witnesses, equal, covered)
			if witnesses < 100 || equal == 0 || covered == 0 {
				t.Error("the policies have little in common or nothing to tell them apart")
			}
		})
	}
}

// say is what a profile answers, but for the mode and what is not mediated.
func say(p *query.Profile, r query.Request) string {
	d, err := p.Ask(r)
	exec := blob.Exec{}
	if d.Allow&query.Exec != 0 {
		exec = d.Exec
	}
	return fmt.Sprint(d.Allow, d.Deny, d.Audit, d.Quiet, d.Prompt, exec, err)
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
