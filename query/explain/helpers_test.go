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

// The feature files of the corpus.
const (
	k61   = "kernel-6.1.192"
	k612  = "kernel-6.12.107"
	k73   = "kernel-7.3.4"
	suite = "features.all"
)

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
