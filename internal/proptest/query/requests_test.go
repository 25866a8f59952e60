// SPDX-License-Identifier: Apache-2.0

package query_test

import (
	"context"
	"testing"

	"github.com/leanovate/gopter"
	"github.com/leanovate/gopter/gen"
	"github.com/leanovate/gopter/prop"

	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/internal/oracle"
	"github.com/goarmor/apparmor/internal/querytest"
	"github.com/goarmor/apparmor/query"
)

// classOf is the class of the sets that a request may be in; zero: of none.
func classOf(r query.Request) blob.Class {
	switch r := r.(type) {
	case query.File, query.Link, query.ChangeProfile:
		return blob.ClassFile
	case query.Capability:
		return blob.ClassCap
	case query.Mount, query.Umount, query.PivotRoot:
		return blob.ClassMount
	case query.Ptrace:
		return blob.ClassPtrace
	case query.Signal:
		return blob.ClassSignal
	case query.Network:
		if r.Family == "unix" {
			return 0 // of either class
		}
		return blob.ClassNet
	case query.Unix:
		return blob.ClassNetV9
	case query.Mqueue:
		if r.Name == "" {
			return blob.ClassSysVMq
		}
		return blob.ClassPosixMq
	case query.Userns:
		return blob.ClassNamespaces
	case query.IOUring:
		return blob.ClassIOUring
	case query.DBus:
		return blob.ClassDBus
	}
	return 0
}

// TestRequests holds what Passing and Refused find against what the profiles say
// when they are asked for one request.
func TestRequests(t *testing.T) {
	for _, name := range []string{"kernel-6.1.192", "kernel-7.3.4", "features.af_inet", "features.all"} {
		t.Run(name, func(t *testing.T) {
			k := oracle.FeatureSet(t, name)
			classes := map[blob.Class][2]int{}
			empty := 0
			parameters := gopter.DefaultTestParameters()
			parameters.MinSuccessfulTests = 15
			parameters.MaxShrinkCount = 0
			parameters.Rng.Seed(1)
			properties := gopter.NewProperties(parameters)
			properties.Property("Refused and Passing agree with single requests", prop.ForAll(func(seed uint64) string {
				r := querytest.New(seed)
				a, b, err := querytest.Pair(k, r)
				if err != nil || a == nil {
					return errText(err)
				}
				found := map[blob.Class][2][]query.Difference{}
				for range 100 {
					ask := r.Request()
					class := classOf(ask)
					y, err := b.Ask(ask)
					if class == 0 || class == blob.ClassNetV9 && !b.Mediates(class) || err != nil || !y.Allowed() || !y.Mediated {
						continue
					}
					known, ok := found[class]
					if !ok {
						set := query.Requests{By: b, Class: class}
						for i, f := range []func(context.Context, query.Requests) ([]query.Difference, error){a.Refused, a.Passing} {
							if known[i], err = f(context.Background(), set); err != nil {
								return err.Error()
							}
							for _, d := range known[i] {
								x, _ := a.Ask(d.Request)
								y, _ := b.Ask(d.Request)
								if !y.Allowed() || x.Permitted() != (i == 1) {
									return "not such a request: " + d.String()
								}
							}
							if len(known[i]) == 0 {
								empty++
							}
						}
						found[class] = known
					}
					x, err := a.Ask(ask)
					if err != nil {
						continue
					}
					i := 0
					if x.Permitted() {
						i = 1
					}
					if len(known[i]) == 0 {
						return "a set without " + ask.String()
					}
					n := classes[class]
					n[i]++
					classes[class] = n
				}
				return ""
			}, gen.UInt64()))
			properties.TestingRun(t)
			t.Logf("requests refused and passing by class: %v; %d empty answers", classes, empty)
			if len(classes) < 4 || empty == 0 {
				t.Error("the policies have too little in common")
			}
		})
	}
}
