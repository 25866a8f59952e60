// SPDX-License-Identifier: Apache-2.0

package explain_test

import (
	"context"
	"io/fs"
	"testing"

	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/parser"
	"github.com/goarmor/apparmor/policy"
	"github.com/goarmor/apparmor/query/explain"
)

// The kernels that policies are compiled for.
const (
	k61   = "6.1"
	k612  = "6.12"
	k73   = "7.3"
	suite = "ubuntu-26.04" // which mediates inet by address and queues, too
)

// featureSet returns the features of a kernel.
func featureSet(tb testing.TB, name string) *features.Set {
	tb.Helper()
	set, ok := features.Kernel(name)
	if !ok {
		tb.Fatalf("no features of %q", name)
	}
	return set
}

// resolve reads a policy with the given trees to include from.
func resolve(tb testing.TB, k *features.Set, text string, roots ...fs.FS) *policy.Set {
	tb.Helper()
	ctx := context.Background()
	config := parser.Config{Roots: roots}
	unit, err := config.ParseTree(ctx, "policy", text)
	if err != nil {
		tb.Fatal(err)
	}
	set, err := policy.Resolve(ctx, unit, policy.Options{Roots: roots, Default: k})
	if err != nil {
		tb.Fatal(err)
	}
	return set
}

func open(tb testing.TB, k *features.Set, set *policy.Set) *explain.Policy {
	tb.Helper()
	p, err := explain.Open(context.Background(), set, compile.Options{Kernel: k, Degrade: compile.Report})
	if err != nil {
		tb.Fatalf("%+v", err)
	}
	return p
}
