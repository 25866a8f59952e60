// SPDX-License-Identifier: Apache-2.0

package query_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/leanovate/gopter"
	"github.com/leanovate/gopter/gen"
	"github.com/leanovate/gopter/prop"

	"github.com/goarmor/apparmor/internal/oracle"
	"github.com/goarmor/apparmor/internal/querytest"
)

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
				r := querytest.New(seed)
				a, b, err := querytest.Pair(k, r)
				if err != nil || a == nil {
					return errText(err)
				}
				found, err := a.Diff(context.Background(), b)
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
					if x, y := querytest.Say(a, d.Request), querytest.Say(b, d.Request); x == y {
						return "both say " + x + " to " + d.Request.String()
					}
				}
				if same, err := a.Equal(context.Background(), b); err != nil || same != (len(found) == 0) {
					return fmt.Sprint("Equal says ", same, err, found)
				}
				gaps, err := a.Covers(context.Background(), b)
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
					if len(found) == 0 && querytest.Say(a, ask) != querytest.Say(b, ask) {
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
				t.Error("too few pairs of policies differ, are equal or cover one another")
			}
		})
	}
}

// say is what a profile answers, but for the mode and what is not mediated.

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
