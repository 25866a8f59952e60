// SPDX-License-Identifier: Apache-2.0

package compile_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/policy"
)

// limitOf compiles for kernel 6.1 and returns the limit that was exceeded, if
// one was.
func limitOf(t *testing.T, set *policy.Set, limits compile.Limits) (*compile.Output, *diag.LimitError) {
	t.Helper()
	kernel, ok := features.Kernel("6.1")
	if !ok {
		t.Fatal("no kernel 6.1")
	}
	out, err := compile.Compile(t.Context(), set, compile.Options{Kernel: kernel, Limits: limits})
	var limit *diag.LimitError
	if err != nil && (!errors.As(err, &limit) || !errors.Is(err, diag.ErrLimit)) {
		t.Fatal(err)
	}
	return out, limit
}

// TestLimits compiles with as much as a policy needs, and with less.
func TestLimits(t *testing.T) {
	set := ruleSet(execRule("/usr/{lib,share}/**/[ab]*/x", ast.ExecInherit), execRule("/usr/**/y", ast.ExecInherit))
	out, limit := limitOf(t, set, compile.Limits{})
	if limit != nil {
		t.Fatal(limit)
	}
	stats := out.Stats[0]
	states := max(stats.File.Built, stats.Policydb.Built, stats.XMatch.Built)
	size := int64(out.Policy.Len())
	const memory = 1 << 20 // enough, by far; how much it is exactly is not promised
	for _, c := range []struct {
		what     string
		ok, over compile.Limits
	}{
		{"states of an automaton", compile.Limits{States: states}, compile.Limits{States: states - 1}},
		{"bytes of memory for an automaton", compile.Limits{Memory: memory}, compile.Limits{Memory: memory / 1000}},
		{"bytes of binary policy", compile.Limits{Bytes: size}, compile.Limits{Bytes: size - 1}},
	} {
		if _, limit := limitOf(t, set, c.ok); limit != nil {
			t.Errorf("%+v: %v", c.ok, limit)
		}
		if _, limit := limitOf(t, set, c.over); limit == nil || limit.What != c.what || limit.Got <= limit.Limit {
			t.Errorf("%+v: %v", c.over, limit)
		}
	}
}

// TestLimitBytesEarly checks that many profiles are not all compiled before
// the limit is looked at.
func TestLimitBytesEarly(t *testing.T) {
	set := &policy.Set{}
	for i := range 100 {
		set.Profiles = append(set.Profiles, &policy.Profile{Name: fmt.Sprintf("p%02d", i), Rules: ruleSet(execRule("/usr/**/y", ast.ExecInherit)).Profiles[0].Rules})
	}
	out, limit := limitOf(t, set, compile.Limits{})
	if limit != nil {
		t.Fatal(limit)
	}
	size := int64(out.Policy.Len())
	if _, limit := limitOf(t, set, compile.Limits{Bytes: size / 10}); limit == nil || limit.Got > size/2 {
		t.Errorf("a tenth of %d bytes: %v", size, limit)
	}
}

// TestLimitExecTargets fills the table of exec targets of the old form, and
// permission tables.
func TestLimitExecTargets(t *testing.T) {
	targets := func(n int) *policy.Set {
		var rules []ast.Rule
		for i := range n {
			rules = append(rules, &ast.FileRule{Path: ast.Pattern(fmt.Sprint("/", i)), Exec: ast.ExecProfile, Target: fmt.Sprint("t", i)})
		}
		return ruleSet(rules...)
	}
	if _, limit := limitOf(t, targets(12), compile.Limits{}); limit != nil {
		t.Errorf("12 targets: %v", limit)
	}
	if _, limit := limitOf(t, targets(13), compile.Limits{}); limit == nil || limit.What != "exec targets" || limit.Limit != 12 || limit.Got != 13 {
		t.Errorf("13 targets: %v", limit)
	}

	kernel, ok := features.Kernel("7.3")
	if !ok {
		t.Fatal("no kernel 7.3")
	}
	for n, want := range map[int]diag.LimitError{
		32_766: {}, // and a pair of entries for what is not granted
		32_767: {What: "entries of a permission table", Limit: 65_535, Got: 65_536},
		32_768: {What: "exec targets", Limit: 32_767, Got: 32_768},
	} {
		_, err := compile.Compile(t.Context(), targets(n), compile.Options{Kernel: kernel})
		var got *diag.LimitError
		if errors.As(err, &got); got == nil {
			got = &diag.LimitError{}
		}
		if *got != want || (err == nil) != (want == diag.LimitError{}) {
			t.Errorf("%d targets: %+v, want %+v (%v)", n, *got, want, err)
		}
	}
}

// TestLimitErrors checks that a policy full of mistakes gives a list that a
// person can read.
func TestLimitErrors(t *testing.T) {
	kernel, _ := features.Kernel("6.1")
	set := &policy.Set{}
	for i := range 1000 {
		rule := &ast.CapabilityRule{Names: []string{"none"}}
		set.Profiles = append(set.Profiles, &policy.Profile{Name: strings.Repeat("p", i+1), Rules: []policy.Rule{{Rule: rule}}})
	}
	_, err := compile.Compile(t.Context(), set, compile.Options{Kernel: kernel})
	var list diag.List
	if !errors.As(err, &list) || len(list) < 100 || len(list) > 110 {
		t.Errorf("%d errors: %v", len(list), err)
	}
}
