// SPDX-License-Identifier: Apache-2.0

package compile_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/goarmor/apparmor/internal/oracle"
	questions "github.com/goarmor/apparmor/query"
)

// TestDegradedUnlikeReference checks what is reported as not enforced where
// apparmor_parser 6.0 reports something else, and says why.
func TestDegradedUnlikeReference(t *testing.T) {
	for _, tt := range []struct {
		kernel, text string
		want         []string
		reason       string
	}{
		{k61, "profile t { network, }", nil,
			"6.0 says that a unix rule is downgraded, which nobody wrote: the rule is enforced as it is written"},
		{k61, "profile t { all, }", nil,
			"6.0 names every class that is not mediated: what is not mediated is allowed, which the rule asks for"},
		{suite, "profile t { network inet, }", nil,
			"6.0 says that it is not enforced, and writes the table of families by which it is"},
		{k73, "profile t { deny unix, }", nil,
			"6.0 says so of the copy that it makes for kernels without unix rules; the rule itself is enforced"},
		{k73, "profile t flags=(kill.signal=hup) { }", nil,
			"6.0 looks for the feature by another name than kernels give it, and leaves the signal out"},
		{k61, "profile t { prompt /a r, }", []string{"prompt rules not enforced"},
			"6.0 drops it without a word"},
		{k61, "profile t flags=(prompt) { }", []string{"the mode prompt downgraded"},
			"6.0 does not look whether the kernel knows the mode"},
		{k61, "profile t { network inet ip=1.2.3.4, }", []string{"addresses, ports, interfaces and labels of network rules downgraded"},
			"6.0 allows every address without a word"},
		{suite, "profile t { network send inet, }", []string{"permissions of network rules downgraded"},
			"6.0 allows everything without a word"},
		{k61, "profile t flags=(attach_disconnected.ipc=/p) { }", []string{"the flag attach_disconnected.ipc with a path downgraded"},
			"6.0 leaves the path out without a word"},
	} {
		kernel := oracle.FeatureSet(t, tt.kernel)
		out, err := source{abi: kernel}.compile(t, kernel, "p", tt.text+"\n")
		if err != nil {
			t.Errorf("%s: %v", tt.text, err)
			continue
		}
		var got []string
		for _, d := range out.Degraded {
			how := " downgraded"
			if d.Dropped {
				how = " not enforced"
			}
			got = append(got, d.What+how)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s: %s: %s", tt.text, tt.reason, diff)
		}
	}
}

// TestMqueueTypes has rules for all queues of one kind.
func TestMqueueTypes(t *testing.T) {
	kernel := kernelOf(t, "ubuntu-24.04")
	for rule, want := range map[string]struct{ posix, degraded bool }{
		"mqueue,":            {posix: true},
		"mqueue type=posix,": {posix: true},
		"mqueue type=sysv,":  {degraded: true},
	} {
		out, err := source{abi: kernel}.compile(t, kernel, "p", "profile t { "+rule+" mqueue /else, }\n")
		if err != nil {
			t.Errorf("%s: %v", rule, err)
			continue
		}
		p, _ := questions.Open(out.Policy).Profile("t")
		if got := p.Allows(questions.Mqueue{Name: "/q", Perms: questions.Read}); got != want.posix || (len(out.Degraded) > 0) != want.degraded {
			t.Errorf("%s: a POSIX queue is allowed: %t, degraded: %v", rule, got, out.Degraded)
		}
	}
}
