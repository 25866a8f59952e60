// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/parser"
	"github.com/goarmor/apparmor/policy"
)

// TestWarningPlaces checks which warnings a text gets, parsed and resolved, and
// where. Unless noted otherwise they are those of apparmor_parser 6.0.
func TestWarningPlaces(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       []string
	}{
		{"nothing to say", "profile t /t {\n  /a rwk,\n  /b Ux,\n}\n", nil},

		{"path as name", "/t {\n}\n", []string{"1:1 deprecated path-as-name"}},
		{"path as name after a word", "profile /t {\n}\n", []string{"1:1 deprecated path-as-name"}},
		{"path as name in a namespace", ":ns:/t {\n}\n", []string{"1:1 deprecated path-as-name"}},
		{"path as name of a child", "profile t {\n  profile /c { }\n}\n", nil},
		{"upper case", "profile t {\n  /a RW,\n  /b rW,\n}\n", []string{"2:6 deprecated upper-case-mode", "3:6 deprecated upper-case-mode"}},
		{"comma in a variable", "profile t {\n  /@{a,b} r,\n}\n", []string{"2:3 deprecated comma-in-variable"}},
		{"comma after an escaped at sign", "profile t {\n  /\\@{a,b} r,\n}\n", nil},
		{"target of link and exec", "profile t {\n  /a lpx -> b,\n}\n", []string{"2:3 deprecated link-exec"}},

		{"pound include", "profile t {\n  #include if exists <x>\n}\n", []string{"2:3 pound-include pound-include"}},

		{"ux", "profile t {\n  /a ux,\n  owner /b rux,\n}\n", []string{"2:3 dangerous unconfined-exec", "3:3 dangerous unconfined-exec"}},
		{"ux where it is not taken", "profile t {\n  if false {\n    /a ux,\n  }\n}\n", []string{"3:5 dangerous unconfined-exec"}},
		{"ux with a fallback", "profile t {\n  /a pux,\n}\n", nil},

		{"rlimit", "profile t {\n  set rlimit cpu <= 1,\n  set rlimit rttime <= 1,\n  set rlimit cpu <= infinity,\n}\n",
			[]string{"2:3 missing rlimit-without-unit", "3:3 missing rlimit-without-unit"}},

		{"audited change_profile", "profile t {\n  audit change_profile -> a,\n}\n", []string{"2:3 rule-downgraded audit-change-profile"}},
		{"denied change_profile", "profile t {\n  deny change_profile -> a,\n}\n", []string{"2:3 rule-downgraded audit-change-profile"}},
		{"denied change_profile in a block", "profile t {\n  deny {\n    change_profile -> a,\n  }\n}\n", []string{"3:5 rule-downgraded audit-change-profile"}},
		{"logged denial of change_profile", "profile t {\n  audit deny change_profile -> a,\n}\n", nil},

		{"needless escape", "profile t {\n  /a\\.b r,\n  /a\\+b r,\n  /a\\@b r,\n}\n",
			[]string{"2:3 format needless-escape", "3:3 format needless-escape", "4:3 format needless-escape"}},
		{"escaped blank", "profile t {\n  /a\\ b r,\n}\n", []string{"2:3 format needless-escape"}},
		{"escape in a label", "profile t {\n  signal peer=a\\-b,\n}\n", []string{"2:3 format needless-escape"}},
		{"escape in a value", "@{V}=/a\\-b\nprofile t {\n  @{V} r,\n}\n", []string{"3:3 format needless-escape"}},
		{"escape in a name", "profile t\\-x {\n}\n", []string{"1:1 format needless-escape"}},
		{"escape in an attachment", "profile t /a\\-b {\n}\n", []string{"1:1 format needless-escape"}},
		{"needed escapes", "profile t {\n  /a\\*\\?\\[\\]\\{\\}\\^\\$\\,\\\\\\000b r,\n  \"/a\\n\\x2a\\\"\" r,\n}\n", nil},

		{"two abi", "abi <abi/4.0>,\nabi <abi/3.0>,\nprofile t { }\n", []string{"2:1 abi abi"}},
		{"abi in a body", "profile t {\n  abi <abi/4.0>,\n}\n", []string{"2:3 abi abi"}},
		{"other abi twice", "abi <abi/4.0>,\nabi <abi/3.0>,\nabi <abi/3.0>,\nprofile t { }\n", []string{"2:1 abi abi"}},
		{"abi in two bodies", "profile t {\n  abi <abi/4.0>,\n  abi <abi/4.0>,\n  profile c {\n    abi <abi/4.0>,\n  }\n}\n", []string{"2:3 abi abi", "5:5 abi abi"}},
		{"repeated abi", "abi <abi/4.0>,\nabi <abi/4.0>,\nprofile t { }\n", nil},

		{"namespace", "profile :a:t {\n}\n", []string{"1:1 override namespace-override"}},
		{"same namespace", "profile :other:t {\n}\n", nil},

		// The reference prints these, too, but not as warnings.
		{"alias twice", "alias /a -> /b,\nalias /a -> /b,\nprofile t { }\n", []string{"2:1 unexpected duplicate-alias"}},
		{"defined boolean", "$B = true\nprofile t {\n  if defined $B { }\n}\n", []string{"3:6 unexpected defined-boolean"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, warningsOf(t, tt.text)); diff != "" {
				t.Errorf("%s%s", tt.text, diff)
			}
		})
	}
}

// TestWarningsUnlikeReference checks what gets a warning here and none from
// apparmor_parser 6.0, or the other way round, and says why.
func TestWarningsUnlikeReference(t *testing.T) {
	for _, tt := range []struct {
		text   string
		want   []string
		reason string
	}{
		{"profile t {\n  safe /a ux,\n}\n", nil, "6.0 warns of ux; safe takes the danger away, the rule is Ux"},
		{"profile t {\n  unsafe /a Ux,\n}\n", []string{"2:3 dangerous unconfined-exec"}, "6.0 does not see that the rule is ux"},
		{"profile t {\n  /a[b\\-d] r,\n}\n", nil, "6.0 warns, and takes the minus for that of a range"},
		{"profile t {\n  /\\@{a,b} r,\n}\n", nil, "6.0 asks for this backslash and warns of it"},
		{"profile t {\n  /a[*] r,\n  /a\\[* r,\n  /a[b]? r,\n  /a[\\*] r,\n}\n", []string{"2:3 unexpected wildcard-in-class"}, "6.0 makes a pattern of it that nobody can want"},
		{"profile t {\n  owner {\n    signal,\n  }\n}\n", []string{"3:5 unexpected owner-ignored"}, "6.0 drops rules other than of files from blocks"},
		{"profile t {\n  owner {\n    other /a r,\n  }\n}\n", []string{"3:5 unexpected matches-nothing"}, "6.0 does not notice"},
	} {
		if diff := cmp.Diff(tt.want, warningsOf(t, tt.text)); diff != "" {
			t.Errorf("%s%s: %s", tt.text, tt.reason, diff)
		}
	}
}

// warningsOf parses and resolves a text in the namespace "other", if it names
// one, and returns its warnings as line:column, class and code.
func warningsOf(t *testing.T, text string) []string {
	t.Helper()
	var found diag.List
	config := parser.Config{Warn: func(d *diag.Diagnostic) { found = append(found, d) }}
	unit, err := config.ParseTree(t.Context(), "p", text)
	if err != nil {
		t.Fatalf("%s%+v", text, err)
	}
	o := policy.Options{Default: features.Default()}
	if strings.HasPrefix(text, "profile :") {
		o.Namespace = "other"
	}
	set, err := policy.Resolve(t.Context(), unit, o)
	if err != nil {
		t.Fatalf("%s%+v", text, err)
	}
	var got []string
	for _, d := range append(found, set.Warnings...) {
		if d.Severity != diag.Warning {
			t.Errorf("%v is not a warning", d)
		}
		got = append(got, fmt.Sprintf("%d:%d %s %s", d.Pos.Line, d.Pos.Column, d.Class, d.Code))
	}
	return got
}
