// SPDX-License-Identifier: Apache-2.0

package compile_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/internal/oracle"
	"github.com/goarmor/apparmor/internal/upstream"
)

// TestVerdictsUnlikeReference checks the texts on whose validity we do not
// agree with apparmor_parser 6.0, and says why. They were found by comparing
// verdicts on random texts over the whole grammar.
func TestVerdictsUnlikeReference(t *testing.T) {
	v := newVerdicts(t, upstream.PolicyTests(t, false))
	for _, tt := range []struct {
		text, reason string
		accept       bool
	}{
		// What 6.0 refuses.
		{"$B=true\nprofile t { if (defined @{V}) { } }", "6.0 takes the parenthesis for part of the variable", true},
		{"@{V}=a\nprofile t { if (true and @{V} == @{V}) { } }", "6.0 takes the parenthesis for part of the variable", true},
		{"@{V}=/a\nprofile t { pivot_root @{V}, }", "6.0 knows no variable alone there, though one that text follows", true},
		{"@{V}=/a\nprofile t { @{V}?b r, }", "6.0 has no token for it; every other wildcard may follow a variable", true},
		{"profile t { audit { change_profile /a -> b, } }", "6.0 checks the rule as if it were of a file with the mode x", true},
		{"profile t { { change_profile /a -> b, } }", "6.0 checks the rule as if it were of a file with the mode x", true},
		{"profile t { /a,\\ b r, }", "6.0 takes the backslash for what follows the comma, not for an escape", true},

		// What 6.0 accepts.
		{"alias /a -> b,\nprofile t { }", "no file has a path that begins so", false},
		{"profile t { }\n#include", "6.0 loses an include without a path at the end", false},
		{"profile t {\n/\x00/ rw,\n}", "no path has a NUL byte", false},
		{"profile t { /a px -> \"\", }", "an empty target names no profile", false},
		{"profile t { remount fstype=ext4 /a, }", "no kernel remounts by the type of the file system", false},
		{"profile t { /a[][*] r, }", "an empty class swallows what follows it", false},
		{"profile t { /a/[^]/[b] r, }", "an empty class swallows what follows it", false},
		{"@{V}=\"a b\"\nprofile t { unix addr=@{V}, }", "no socket has such an address; 6.0 looks before variables are expanded", false},
		{"profile t { set rlimit data <= 99999999999999999999M, }", "the value wraps around in 6.0", false},
		{"profile t { set rlimit data <= 08, }", "6.0 takes it for 0", false},
		{"profile t { prompt { allow dbus, } }", "6.0 loses the rule, as every one in a block that is not of a file", false},
		{"profile t { { mount fstype=tmpfs options=rbind /a -> /b, } }", "6.0 loses the rule, as every one in a block that is not of a file", false},
		{"profile t { { dbus path=/a{b, } }", "6.0 loses the rule, as every one in a block that is not of a file", false},
	} {
		if err := v.check(t, "p", tt.text+"\n"); (err == nil) != tt.accept {
			t.Errorf("%s: %v, but %s", tt.text, err, tt.reason)
		}
	}
}

// TestVerdictsLikeReference checks texts on which verdicts are easily wrong,
// which came up in the same comparison.
func TestVerdictsLikeReference(t *testing.T) {
	v := newVerdicts(t, upstream.PolicyTests(t, false))
	for _, tt := range []struct {
		text   string
		accept bool
	}{
		{"hat h xattrs=(user.a=b) { }", true},
		{"profile t { hat h xattrs=(user.a=b) { } }", false},
		{"profile t { mqueue /a[b, }", true}, // not enforced by these features
		{"profile t { mqueue label=a[b, }", true},
		{"profile t { signal peer=a[b, }", false},
		{"profile t { /a[-b] r, }", true},
		{"profile t { /a[^-b] r, }", true},
		{"profile t { /a[--b] r, }", true},
		{"profile t { /a[b-] r, }", false},
		{"profile t { /a[a-b-c] r, }", false},
		{"profile t { /a[*] r, }", true},
		{"profile t { /a[] r, }", false},
		{"profile t { /a[^] r, }", false},
		{"profile t { if (defined @{V} ) { } }", true},
		{"profile t { if defined V { } }", false},
		{"@{V}=/a\nprofile t { pivot_root @{V}/b, }", true},
		{"@{V}=/a\nprofile t { mount @{V}, }", true},
		{"profile t { deny { change_profile /a -> b, } }", true},
		{"profile \\000 { }", true},
		{"profile ^a { }", true},
		{"profile &t { }", false},
		{"t { }", false},
		{"profile t { mount options=(rw) /a, }", true},
		{"profile t { mount options=(bind) fstype=ext4 /a -> /b, }", false},
		{"profile t { network inet ip=(1.2.3.4 1.2.3.5), }", true},
		{"profile t { network inet peer=(label:=x), }", true},
		{"profile t { network inet label:=x, }", false},
		{"profile t { audit mqueue (delete,delete,r), }", true},
		{"profile t { io_uring (nope nope) label=/a, }", true},
		{"profile t { unix (nope), }", false},
		{"profile t flags=(error=eperm) { }", true},
		{"profile t flags=(error=1) { }", false},
		{"profile t xattrs=() { }", true},
		{"profile t flags=() { }", false},
	} {
		if err := v.check(t, "p", tt.text+"\n"); (err == nil) != tt.accept {
			t.Errorf("%s: %v, 6.0 accepts: %v", tt.text, err, tt.accept)
		}
	}
}

// TestMeaningUnlikeReference checks policy that apparmor_parser 6.0 compiles
// to another meaning, and says to which. These are the kinds of differences
// in upstream's policy tests written by hand, those of inet aside, for which
// there is TestInetDecisions. The answers are in the form of grants.
func TestMeaningUnlikeReference(t *testing.T) {
	const file, other = blob.PartFile, blob.PartPolicydb
	for _, tt := range []struct {
		kernel, text string
		part         blob.Part
		in, want     string
		reason       string
	}{
		{k72, "/t { deny all, }", file, "/", "200 quiet 1b37f", "6.0 denies to owners only"},
		{k72, "/t { audit deny all, }", file, "/", "200", "6.0 does not log it"},
		{k72, "/t { audit deny all, }", other, "\x07", "4", "6.0 does not log it"},
		{k72, "/t { network send, }", other, "\x0f\x00\x01\x00\x01", "2", "6.0 grants everything"},
		{k72, "/t { network unix, }", other, "\x0f\x00\x01\x00\x01", "3700376", "6.0 grants nothing"},
		{k72, "/t { audit deny network, }", other, "\x0f\x00\x01\x00\x01", "0", "6.0 does not log it"},
		{k72, "/t { { signal, } }", other, "\x0a\x01a", "6", "6.0 loses the rule, as every one in a block that is not of a file"},
		{k72, "/t { prompt file, }", file, "/", "200 prompt 5b17f ix", "6.0 has no transition"},
		{k61, "@{V}=/a /b\n/t { /@{V}/c r, }", file, "/b/c", "244", "6.0 matches //b/c"},
		{k61, "@{V}=/a /b\n/t { /@{V}/c r, }", file, "//b/c", "200", "6.0 matches it"},
		{afInet, "/t { mqueue label=foo, }", other, "\x12\x00\x00\x00\x01\x00foo", "376", "6.0 wants the label twice"},
	} {
		kernel := oracle.FeatureSet(t, tt.kernel)
		out, err := source{abi: kernel}.compile(t, kernel, "p", tt.text+"\n")
		if err != nil {
			t.Errorf("%s: %v", tt.text, err)
			continue
		}
		if got := grants(out.Policy.Profiles()[0], tt.part, tt.in); got != tt.want {
			t.Errorf("%s: %v %q: got %s, want %s: %s", tt.text, tt.part, tt.in, got, tt.want, tt.reason)
		}
	}
}

// TestCornersUnlikeReference has the corner on which 6.0's answer is that of
// old kernels: with permission tables the index of an exec target is a word,
// and the kernel compares it with the number of targets.
func TestCornersUnlikeReference(t *testing.T) {
	var text strings.Builder
	text.WriteString("/t { ")
	for i := range 13 {
		fmt.Fprintf(&text, "/a%d px -> b%[1]d, ", i)
	}
	text.WriteString("}\n")
	for kernel, accept := range map[string]bool{suite: false, k61: false, k612: false, k72: true, k73: true} {
		set := oracle.FeatureSet(t, kernel)
		out, err := source{abi: set}.compile(t, set, "p", text.String())
		if (err == nil) != accept {
			t.Errorf("%s: %v", kernel, err)
		}
		if err == nil && grants(out.Policy.Profiles()[0], blob.PartFile, "/a12") != "201 px -> b12" {
			t.Errorf("%s: %s", kernel, grants(out.Policy.Profiles()[0], blob.PartFile, "/a12"))
		}
	}
}
