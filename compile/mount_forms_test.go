// SPDX-License-Identifier: Apache-2.0

package compile_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/features"
)

func kernelOf(tb testing.TB, series string) *features.Set {
	tb.Helper()
	k, ok := features.Kernel(series)
	if !ok {
		tb.Fatalf("no features of kernel %s", series)
	}
	return k
}

// The strings that kernels present for operations on /a and /b, see the
// documentation of the binary policy.
var mountStrings = map[string]string{
	"bind a to b":       "\x07/b\x00/a\x00\x00\x0d",
	"bind a to c":       "\x07/c\x00/a\x00\x00\x0d",
	"remount a ro":      "\x07/a\x00\x00\x00\x01\x06",
	"remount b ro":      "\x07/b\x00\x00\x00\x01\x06",
	"new ext4 ro on b":  "\x07/b\x00/a\x00ext4\x00\x01",
	"new ext4 rw on b":  "\x07/b\x00/a\x00ext4\x00",
	"make a shared":     "\x07/a\x00\x00\x00\x15",
	"make b shared":     "\x07/b\x00\x00\x00\x15",
	"make b rec shared": "\x07/b\x00\x00\x00\x0f\x15",
	"move a to b":       "\x07/b\x00/a\x00\x00\x0e",
}

// TestMountForms compiles mount rules whose options and operands do not go
// together, as container managers write them. What apparmor_parser 5.0.2 makes a
// meaning of means the same here; what means nothing is without effect, and
// reported.
func TestMountForms(t *testing.T) {
	const dropped = "mount rules that no operation fits not enforced"
	for _, tt := range []struct {
		rule    string
		grants  string // of mountStrings, in the order of their names
		report  string // what is degraded
		warning diag.Code
		refused bool
	}{
		// Incus: a bind mount that asks for remount.
		{rule: "options=(ro,nosuid,nodev,noexec,remount,bind) /a", grants: "bind a to b, bind a to c", warning: "mount-remount"},
		{rule: "options=(ro,remount,bind) /a -> /b", grants: "bind a to b", warning: "mount-remount"},
		{rule: "options=(ro,remount,bind) -> /b", grants: "remount b ro"}, // which has 0d, too
		{rule: "options=(bind,rw) /a -> /b", grants: "bind a to b"},
		{rule: "options=(rw,rshared) /b", grants: "make b rec shared", warning: "mount-source"},
		{rule: "options=(rw,shared) -> /b", grants: "make b shared"},
		{rule: "options=(rw,move,shared) /a -> /b", grants: "move a to b"},

		{rule: "options=(ro,remount) /a", report: dropped},
		{rule: "options=(remount,rw) /a -> /b", report: dropped},
		{rule: "options=(bind,rw) fstype=none /a -> /b", report: dropped},
		{rule: "options=(bind,remount,ro) fstype=ext4 /a -> /b", report: dropped},
		{rule: "options=(rw,rprivate) fstype=ext4 /a -> /b", report: dropped},
		{rule: "options=(rw,shared) /a -> /b", report: dropped},
		{rule: "options=(rw,move) fstype=ext4 /a -> /b", report: dropped},
		{rule: "options=(bind) options=(rw,shared) /a -> /b", grants: "bind a to b", report: "mount rules that no operation fits downgraded"},

		// Every release of the reference refuses these.
		{rule: "options=(shared) /a -> /b", refused: true},
		{rule: "options=(remount) /a -> /b", refused: true},
		{rule: "options=bind fstype=none /a -> /b", refused: true},
		{rule: "options=(rw,ro) /a -> /b", refused: true},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			kernel := kernelOf(t, "6.12")
			s := source{abi: kernel}
			set, err := s.resolve(t, "p", "profile t { mount "+tt.rule+", }\n")
			if err != nil {
				if !tt.refused {
					t.Fatal(err)
				}
				return
			}
			_, strict := compile.Compile(t.Context(), set, compile.Options{Kernel: kernel})
			out, err := compile.Compile(t.Context(), set, compile.Options{Kernel: kernel, Degrade: compile.Report})
			if tt.refused {
				if err == nil || strict == nil {
					t.Error("the rule is not refused")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var d *diag.Diagnostic
			if tt.report == "" && strict != nil || tt.report != "" && (!errors.As(strict, &d) || d.Code != diag.CodeImpossibleMount || d.Hint == "") {
				t.Errorf("Strict: %v", strict)
			}
			report := ""
			for _, d := range out.Degraded {
				if d.Cause != compile.ByOperation || d.Rule == nil || d.Hint == "" || !strings.HasSuffix(d.String(), d.Hint) {
					t.Errorf("degraded: %+v", d)
				}
				report += d.What + map[bool]string{true: " not enforced", false: " downgraded"}[d.Dropped]
			}
			if report != tt.report {
				t.Errorf("degraded: %q, want %q", report, tt.report)
			}
			var warning diag.Code
			for _, w := range out.Warnings {
				warning += w.Code
			}
			if warning != tt.warning {
				t.Errorf("warning %q, want %q", warning, tt.warning)
			}
			p := out.Policy.Profiles()[0]
			for name, in := range mountStrings {
				if tt.rule == "options=(ro,remount,bind) -> /b" && name == "remount b ro" {
					in += "\x0d" // bind is among the flags of a remount
				}
				granted := p.PolicydbPerms(p.Policydb.DFA.MatchString(blob.StartState, in)).Allow&2 != 0
				if want := strings.Contains(", "+tt.grants+", ", ", "+name+", "); granted != want {
					t.Errorf("%s: granted %v, want %v", name, granted, want)
				}
			}
		})
	}
}

// TestWrongOnEveryKernel checks that what is wrong in a rule is refused on
// kernels that do not mediate its class as well.
func TestWrongOnEveryKernel(t *testing.T) {
	without, err := features.Parse([]byte("file {mask {create read write exec}\n}\n"))
	if err != nil {
		t.Fatal(err)
	}
	for name, kernel := range map[string]*features.Set{
		"none": without, "6.1": kernelOf(t, "6.1"), "6.12": kernelOf(t, "6.12"), "7.3": kernelOf(t, "7.3"),
	} {
		for rule, code := range map[string]diag.Code{
			"mount options=(rw,ro),":          diag.CodeMountFlag,
			"unix addr=@{A},":                 diag.CodeAddress,
			"unix peer=(addr=@{A}),":          diag.CodeAddress,
			"deny unix peer=(addr=\"@{A}\"),": diag.CodeAddress,
		} {
			_, err := source{abi: kernel}.compile(t, kernel, "p", "@{A}=name\nprofile t { "+rule+" }\n")
			var d *diag.Diagnostic
			if !errors.As(err, &d) || d.Code != code {
				t.Errorf("%s on %s: %v, want %s", rule, name, err, code)
			}
		}
	}
}
