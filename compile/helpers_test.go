// SPDX-License-Identifier: Apache-2.0

package compile_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/internal/oracle"
	"github.com/goarmor/apparmor/policy"
)

// The feature files of the corpus.
const (
	k61   = "kernel-6.1.192"
	k612  = "kernel-6.12.107"
	k72   = "kernel-7.2.13"
	k73   = "kernel-7.3.4"
	suite = "features.all"

	// afInet mediates addresses.
	afInet = "features.af_inet"
)

var kernels = []string{k61, k612, k72, k73}

// ruleSet wraps rules in a profile named t.
func ruleSet(rules ...ast.Rule) *policy.Set {
	p := &policy.Profile{Name: "t"}
	for _, r := range rules {
		p.Rules = append(p.Rules, policy.Rule{Rule: r})
	}
	return &policy.Set{Profiles: []*policy.Profile{p}}
}

func mustCompile(tb testing.TB, kernel string, set *policy.Set) *compile.Output {
	tb.Helper()
	out, err := compile.Compile(context.Background(), set, compile.Options{Kernel: oracle.FeatureSet(tb, kernel), Degrade: compile.Report})
	if err != nil {
		tb.Fatalf("%+v", err)
	}
	return out
}

// grants reads what a profile says to a string, as text that is easy to
// compare: "allow 8004" or "allow 244 quiet 1 | allow 200" for owner | other.
func grants(p *blob.Profile, part blob.Part, in string) string {
	show := func(e blob.Effective) string {
		if part == blob.PartPolicydb {
			e.Allow &^= blob.PermLock
		}
		s := fmt.Sprintf("%x", e.Allow)
		if e.Audit != 0 {
			s += fmt.Sprintf(" audit %x", e.Audit)
		}
		if e.Quiet != 0 {
			s += fmt.Sprintf(" quiet %x", e.Quiet)
		}
		if e.Prompt != 0 {
			s += fmt.Sprintf(" prompt %x", e.Prompt)
		}
		if x := e.Exec.String(); x != "" {
			s += " " + x
		}
		return s
	}
	switch part {
	case blob.PartFile:
		db, start := p.FileDB()
		if db == nil {
			return "none"
		}
		s := db.DFA.MatchString(start, in)
		owner, other := show(p.FilePerms(s, true)), show(p.FilePerms(s, false))
		if owner == other {
			return owner
		}
		return owner + " | " + other
	case blob.PartXMatch:
		if p.XMatch == nil {
			return "none"
		}
		return show(p.XMatchPerms(p.XMatch.DFA.MatchString(blob.StartState, in)))
	}
	if p.Policydb == nil {
		return "none"
	}
	return show(p.PolicydbPerms(p.Policydb.DFA.MatchString(blob.StartState, in)))
}
