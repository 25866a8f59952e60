// SPDX-License-Identifier: Apache-2.0

package compile_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/internal/oracle"
	"github.com/goarmor/apparmor/internal/trace"
	"github.com/goarmor/apparmor/policy"
)

func mustTrace(tb testing.TB, kernel string, set *policy.Set) trace.Tracer {
	tb.Helper()
	t, err := compile.Trace(context.Background(), set, compile.Options{Kernel: oracle.FeatureSet(tb, kernel), Degrade: compile.Report})
	if err != nil {
		tb.Fatalf("%+v", err)
	}
	return t
}

// TestTraceMatch compares all that is said of a contribution.
func TestTraceMatch(t *testing.T) {
	set := ruleSet(
		&ast.FileRule{Path: "/a*", Perms: ast.FileRead, Exec: ast.ExecInherit},
		&ast.FileRule{Path: "/ab", Exec: ast.ExecProfile, Target: "x", Scrub: true, Qualifiers: ast.Qualifiers{Audit: true}},
		&ast.FileRule{Path: "/a*", Perms: ast.FileLock, Qualifiers: ast.Qualifiers{Owner: ast.OnlyOwner}},
		&ast.FileRule{Path: "/a**", Perms: ast.FileRead, Qualifiers: ast.Qualifiers{Access: ast.Deny, Audit: true, Priority: -2}},
		&ast.FileRule{Path: "/b", Perms: ast.FileRead},
		&ast.ChangeProfileRule{Exec: "/exec", Target: "t"},
		&ast.SignalRule{Perms: ast.SignalSend},
		&ast.UsernsRule{Qualifiers: ast.Qualifiers{Priority: 3}},
		&ast.FileRule{Path: "/d", Perms: ast.FileMmap},
		&ast.FileRule{Path: "/d*", Exec: ast.ExecInherit},
	)
	p := set.Profiles[0]
	hat := &policy.Profile{Name: "t//h", Hat: true, Parent: p}
	p.Children = append(p.Children, hat)
	set.Profiles = append(set.Profiles, hat)
	tracer := mustTrace(t, k73, set)
	const read = blob.PermRead | blob.PermOpen | blob.PermGetattr
	rule := func(i int) *policy.Rule { return &p.Rules[i] }
	for _, tt := range []struct {
		name, profile string
		part          blob.Part
		input         string
		owner         bool
		want          []trace.Contribution
	}{
		{"file", "t", blob.PartFile, "/ab", false, []trace.Contribution{
			{Rule: rule(0), Perms: read | blob.PermExec, Decides: read, Exec: blob.Exec{Inherit: true},
				Overridden: []trace.Override{{By: 1, Perms: blob.PermExec, Why: trace.ExactFirst}}},
			// It also decides that no mmap is implied.
			{Rule: rule(1), Exact: true, Perms: blob.PermExec | blob.PermMmap, Audit: blob.PermExec, Decides: blob.PermExec | blob.PermMmap,
				Exec: blob.Exec{Table: true, Target: "x"}},
			{Rule: rule(2), Elsewhere: blob.PermLock},
			{Rule: rule(3), Access: ast.Deny, Priority: -2, Perms: read, Audit: read,
				Overridden: []trace.Override{{By: 0, Perms: read, Why: trace.HigherPriority}}},
		}},
		{"owner", "t", blob.PartFile, "/ac", true, []trace.Contribution{
			{Rule: rule(0), Perms: read | blob.PermExec | blob.PermMmap, Decides: read | blob.PermExec | blob.PermMmap, Exec: blob.Exec{Inherit: true}},
			{Rule: rule(2), Perms: blob.PermLock, Decides: blob.PermLock},
			{Rule: rule(3), Access: ast.Deny, Priority: -2, Perms: read, Audit: read,
				Overridden: []trace.Override{{By: 0, Perms: read, Why: trace.HigherPriority}}},
		}},
		{"mmap by a rule and implied", "t", blob.PartFile, "/d", false, []trace.Contribution{
			{Rule: rule(8), Perms: blob.PermMmap, Decides: blob.PermMmap},
			{Rule: rule(9), Perms: blob.PermExec | blob.PermMmap, Decides: blob.PermExec | blob.PermMmap, Exec: blob.Exec{Inherit: true}},
		}},
		{"implied by a rule", "t", blob.PartFile, "/sys/module/apparmor/parameters/enabled", true, []trace.Contribution{
			{Rule: rule(5), Implied: trace.ByChangeProfile, Perms: read, Decides: read},
		}},
		{"implied by the profile", "t//h", blob.PartFile, "/sys/module/apparmor/parameters/enabled", true, []trace.Contribution{
			{Implied: trace.ByHats, Perms: read, Decides: read},
		}},
		{"label", "t", blob.PartFile, "t", true, []trace.Contribution{
			{Rule: rule(5), Perms: blob.PermChangeProf | blob.PermOnexec, Decides: blob.PermChangeProf | blob.PermOnexec},
		}},
		{"class", "t", blob.PartPolicydb, "\x0a\x0fx", true, []trace.Contribution{
			{Rule: rule(6), Perms: blob.PermSend, Decides: blob.PermSend},
		}},
		{"mediated", "t//h", blob.PartPolicydb, "\x0a", true, []trace.Contribution{
			{Implied: trace.ByMediation, Priority: 1001, Perms: blob.PermRead, Decides: blob.PermRead},
		}},
		{"mediated by a rule", "t", blob.PartPolicydb, "\x15", true, []trace.Contribution{
			{Rule: rule(7), Priority: 3, Perms: blob.PermRead, Decides: blob.PermRead},
			{Rule: rule(7), Priority: 3, Perms: blob.PermAppend, Decides: blob.PermAppend},
			{Implied: trace.ByMediation, Priority: -1001, Perms: blob.PermRead,
				Overridden: []trace.Override{{By: 0, Perms: blob.PermRead, Why: trace.HigherPriority}}},
		}},
		{"nothing", "t", blob.PartFile, "/none", true, nil},
		{"no automaton with rules", "t", blob.PartXMatch, "/ab", true, nil},
	} {
		got, err := tracer.Match(context.Background(), tt.profile, tt.part, tt.input, tt.owner)
		if err != nil {
			t.Fatal(err)
		}
		same := cmp.Comparer(func(a, b *policy.Rule) bool { return a == b })
		if diff := cmp.Diff(tt.want, got, same); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
	}
}

// TestTraceConcurrent asks a new tracer from many goroutines at once, for the race
// detector.
func TestTraceConcurrent(t *testing.T) {
	tracer := mustTrace(t, k73, ruleSet(&ast.FileRule{Path: "/a*", Perms: ast.FileRead}, &ast.SignalRule{}))
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			got, err := tracer.Match(t.Context(), "t", blob.PartFile, "/ab", false)
			if err != nil || len(got) != 1 {
				t.Errorf("%v, %v", got, err)
			}
		})
	}
	all.Wait()
}

func TestTraceCapability(t *testing.T) {
	set := ruleSet(
		&ast.CapabilityRule{Names: []string{"kill", "bpf"}, Qualifiers: ast.Qualifiers{Audit: true}},
		&ast.CapabilityRule{},
		&ast.CapabilityRule{Names: []string{"kill"}, Qualifiers: ast.Qualifiers{Access: ast.Deny, Audit: true}},
		&ast.CapabilityRule{Names: []string{"kill"}, Qualifiers: ast.Qualifiers{Access: ast.Deny}},
	)
	tracer := mustTrace(t, k612, set)
	for name, want := range map[string]string{
		"kill":    "0 allow, audited, overridden by 2; 1 allow, overridden by 2; 2 deny, audited; 3 deny; ",
		"bpf":     "0 allow, audited; 1 allow; ",
		"chown":   "1 allow; ",
		"nothing": "",
	} {
		found := tracer.Capability("t", name)
		got := ""
		for _, c := range found {
			for i := range set.Profiles[0].Rules {
				if c.Rule == &set.Profiles[0].Rules[i] {
					got += fmt.Sprint(i)
				}
			}
			got += map[ast.Access]string{ast.Allow: " allow", ast.Deny: " deny"}[c.Access]
			if c.Audit != 0 {
				got += ", audited"
			}
			for _, o := range c.Overridden {
				got += fmt.Sprintf(", overridden by %d", o.By)
			}
			if (c.Decides == 0) != (len(c.Overridden) > 0) {
				got += ", which does not add up"
			}
			got += "; "
		}
		if got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

// TestTraceGroups traces expressions that one automaton cannot hold.
func TestTraceGroups(t *testing.T) {
	var rules []ast.Rule
	var words []string
	for c := 'a'; c <= 'z'; c++ {
		w := strings.Repeat(string(c), 2)
		words = append(words, w)
		rules = append(rules, &ast.FileRule{Path: ast.Pattern("/**" + w + "**"), Perms: ast.FileRead})
	}
	set := ruleSet(rules...)
	tracer := mustTrace(t, k612, set)
	for _, input := range []string{"/xaay", "/xaabby", "/zzyybb", "/abcdef", "/", "/aabbccddeeffgg"} {
		found, err := tracer.Match(context.Background(), "t", blob.PartFile, input, true)
		if err != nil {
			t.Fatal(err)
		}
		var want, got []string
		for i, w := range words {
			if strings.Contains(input, w) {
				want = append(want, string(rules[i].(*ast.FileRule).Path))
			}
		}
		for _, c := range found {
			got = append(got, string(c.Rule.Rule.(*ast.FileRule).Path))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", input, diff)
		}
	}
}

func TestTraceErrors(t *testing.T) {
	ctx := context.Background()
	o := compile.Options{Kernel: oracle.FeatureSet(t, k612)}
	set := ruleSet(&ast.FileRule{Path: "/a", Perms: ast.FileRead})
	done, cancel := context.WithCancel(ctx)
	cancel()
	for _, tt := range []struct {
		name string
		ctx  context.Context
		set  *policy.Set
		o    compile.Options
		want error
	}{
		{"no kernel", ctx, set, compile.Options{}, compile.ErrNoKernel},
		{"no set", ctx, nil, o, compile.ErrNoProfiles},
		{"no profiles", ctx, &policy.Set{}, o, compile.ErrNoProfiles},
		{"cancelled", done, set, o, context.Canceled},
	} {
		if _, err := compile.Trace(tt.ctx, tt.set, tt.o); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
	}
	// Errors of rules are Compile's.
	for _, bad := range []ast.Rule{
		&ast.FileRule{Path: "/[", Perms: ast.FileRead},
		&ast.DBusRule{},
		&ast.CapabilityRule{Names: []string{"x"}},
	} {
		_, err := compile.Trace(ctx, ruleSet(bad), o)
		_, want := compile.Compile(ctx, ruleSet(bad), o)
		if err == nil || want == nil || err.Error() != want.Error() {
			t.Errorf("%T: %v, want %v", bad, err, want)
		}
	}

	small := o
	small.Limits.States = 3
	tracer, err := compile.Trace(ctx, ruleSet(&ast.FileRule{Path: "/abcdef", Perms: ast.FileRead}), small)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tracer.Match(ctx, "t", blob.PartFile, "/a", true); !errors.Is(err, diag.ErrLimit) {
		t.Errorf("limit: %v", err)
	}
	if found, err := tracer.Match(ctx, "x", blob.PartFile, "/a", true); found != nil || err != nil {
		t.Errorf("no profile: %v, %v", found, err)
	}
	if found := tracer.Capability("x", "kill"); found != nil {
		t.Errorf("no profile: %v", found)
	}
}
