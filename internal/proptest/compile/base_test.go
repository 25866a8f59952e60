// SPDX-License-Identifier: Apache-2.0

package compile_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/leanovate/gopter"
	"github.com/leanovate/gopter/gen"
	"github.com/leanovate/gopter/prop"

	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/internal/oracle"
	"github.com/goarmor/apparmor/internal/querytest"
	"github.com/goarmor/apparmor/internal/testenv"
	"github.com/goarmor/apparmor/policy"
)

// rulesOf makes a rule of each number, so that gopter can take rules out of a
// case that fails.
func rulesOf(seeds []uint64) []policy.Rule {
	var list []policy.Rule
	for _, seed := range seeds {
		list = append(list, policy.Rule{Rule: querytest.New(seed).Rule()})
	}
	return list
}

// TestBase holds instances of a base against whole compiles of the rules of both:
// what they mean, that every check of a whole policy passes, and errors.
func TestBase(t *testing.T) {
	kernels := []string{"kernel-6.1.192", "kernel-6.12.107", "kernel-7.2.13", "kernel-7.3.4", "features.af_inet", "features.all"}
	ctx := context.Background()
	added, whole := 0, 0
	check := func(base, delta []uint64, kernel int, name string) error {
		k := oracle.FeatureSet(t, kernels[kernel])
		o := compile.Options{Kernel: k, Degrade: compile.Report}
		top := policy.Profile{Name: "p", Rules: rulesOf(base)}
		b, baseErr := compile.NewBase(ctx, &policy.Set{Profiles: []*policy.Profile{&top}}, o)
		if b == nil || baseErr != nil {
			return nil //nolint:nilerr // rules that conflict, and the like, make no base
		}
		d := &compile.Delta{Name: name, Rules: rulesOf(delta)}
		got, err := b.Instantiate(ctx, d)
		all := policy.Profile{Name: name, Rules: slices.Concat(top.Rules, d.Rules)}
		want, wantErr := compile.Compile(ctx, &policy.Set{Profiles: []*policy.Profile{&all}}, o)
		if err != nil || wantErr != nil {
			if fmt.Sprint(err) != fmt.Sprint(wantErr) {
				return fmt.Errorf("error %w, want %w", err, wantErr)
			}
			return nil
		}
		if got.Whole == "" {
			added++
		} else {
			whole++
		}
		again, err := b.Append(ctx, nil, d)
		if err != nil || !bytes.Equal(again, got.Policy.Bytes()) {
			return errors.Join(errors.New("other bytes the second time"), err)
		}
		full, err := blob.Inspect(again)
		if err != nil {
			return fmt.Errorf("the full check: %w", err)
		}
		if err := full.Check(blob.LimitsOf(k)); err != nil {
			return err
		}
		found, err := blob.DiffPolicy(full, want.Policy, blob.DiffOptions{Strict: true})
		if err != nil || len(found) > 0 {
			return errors.Join(fmt.Errorf("instance | whole: %v", found), err)
		}
		return nil
	}
	parameters := gopter.DefaultTestParameters()
	parameters.MinSuccessfulTests = 300
	if testenv.Full() {
		parameters.MinSuccessfulTests = 10_000
	}
	parameters.MaxSize = 12
	parameters.Rng.Seed(1)
	properties := gopter.NewProperties(parameters)
	properties.Property("an instance means the same as the whole policy", prop.ForAll(func(base, delta []uint64, kernel int, name string) string {
		if err := check(base, delta, kernel, name); err != nil {
			return err.Error()
		}
		return ""
	}, gen.SliceOf(gen.UInt64()), gen.SliceOf(gen.UInt64()), gen.IntRange(0, len(kernels)-1), gen.OneConstOf("p", "q", "/bin/q*")))
	properties.TestingRun(t)
	if t.Logf("%d added to their base, %d whole", added, whole); added < parameters.MinSuccessfulTests/3 {
		t.Errorf("only %d instances were added to their base", added)
	}
}
