// SPDX-License-Identifier: Apache-2.0

package parser

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/diag"
)

// TestErrors pins messages, places and codes. The text of a rule is in the
// profile on a line of its own; a text that begins with a bar is a whole file.
func TestErrors(t *testing.T) {
	for _, c := range []struct {
		src  string
		code diag.Code
		want string
	}{
		// Structure.
		{"| t { }\n", diag.CodePlace, `f:1:2: unknown statement "t" (at "t"); a profile that is not named by a path begins with the word profile`},
		{"|/t { /a r,\n", diag.CodeSyntax, `f:2:1: unexpected end of file, expected a closing brace; see f:1:4`},
		{"|/t{ }\n", diag.CodeSyntax, `f:1:1: the brace belongs to the name of the profile (at "/t{"); put a blank before the brace`},
		{"|/t { } }\n", diag.CodeSyntax, `f:1:8: unexpected brace, expected a profile or a preamble statement (at "}")`},
		{"|/t { }\n@{V}=a\n", diag.CodePlace, `f:2:1: an assignment must come before the first profile (at "@{V}")`},
		{"|/t { }\nalias /a -> /b,\n", diag.CodePlace, `f:2:1: an alias must come before the first profile (at "alias")`},
		{"|/t { }\nabi <default>,\n", diag.CodePlace, `f:2:1: abi must come before the first profile (at "abi")`},
		{"|if true { }\n", diag.CodePlace, `f:1:1: a conditional is not allowed outside a profile (at "if")`},
		{"@{V}=a", diag.CodePlace, `f:2:2: an assignment is not allowed in a profile (at "@{V}")`},
		{"/b { }", diag.CodeSyntax, `f:2:5: unexpected brace, expected file permissions (at "{")`},
		{"else { }", diag.CodeSyntax, `f:2:2: the else has no if before it (at "else")`},
		{"|# foo", diag.CodeCharacter, `f:1:1: a comment must end in a newline (at "# foo")`},
		{"! r,", diag.CodeCharacter, `f:2:2: an exclamation mark must be quoted or escaped (at "!")`},
		{"mount options!=(ro) /a,", diag.CodeCharacter, `f:2:15: policy has no operator !=; list what is to match, or write not in a conditional (at "!")`},
		{"\"/a r,", diag.CodeCharacter, `f:2:2: the quote is not closed (at "\"/a r,")`},
		{"\x00", diag.CodeCharacter, `f:2:2: a NUL byte is not allowed in policy (at "\x00")`},
		{"\x0c", diag.CodeCharacter, `f:2:2: unexpected character, expected a rule or a closing brace (at "\f")`},
		{"\ufeff", diag.CodeCharacter, `f:2:2: unexpected character, expected a rule or a closing brace (at "\ufeff"); remove the byte order mark`},
		// Preamble.
		{"|@{V}=a,\n", diag.CodeSyntax, `f:1:7: an assignment does not end in a comma (at ","); remove it, or quote the value`},
		{"|@{V}=\n", diag.CodeSyntax, `f:1:5: the assignment has no value; an empty one is written "" (at "=")`},
		{"|@{V} { }\n", diag.CodeSyntax, `f:1:6: unexpected brace, expected an assignment (a profile that is named by a variable needs the word profile) (at "{")`},
		{"|$B += true\n", diag.CodeSyntax, `f:1:4: a boolean variable cannot be added to (at "+=")`},
		{"|$B = yes\n", diag.CodeExpression, `f:1:6: a condition must be true, false, a variable or a comparison (at "yes")`},
		{"|alias /a /b,\n", diag.CodeSyntax, `f:1:10: unexpected path, expected an arrow (at "/b"); write alias /from -> /to`},
		{"|alias /a -> \"\",\n", diag.CodePath, `f:1:13: this cannot be empty (at "\"\"")`},
		{"|abi <x>\n/t { }\n", diag.CodeSyntax, `f:2:1: unexpected word, expected a comma at the end of the abi statement (at "/t"); is a comma missing at the end of the line before?`},
		{"include <x", diag.CodeCharacter, `f:2:2: the path is not closed by > (at "include <x")`},
		// Heads of profiles.
		{"|profile { }\n", diag.CodeSyntax, `f:1:9: the profile has no name (at "{")`},
		{"|profile \"\" { }\n", diag.CodeName, `f:1:9: the name of a profile cannot be empty (at "\"\"")`},
		{"|&t { }\n", diag.CodeName, `f:1:1: the name of a profile cannot be a stack (at "&t")`},
		{"|:ns { }\n", diag.CodeName, `f:1:1: the namespace must end in a colon (at ":ns"); write :namespace:name`},
		{"|profile t /a /b { }\n", diag.CodeSyntax, `f:1:14: unexpected path, expected an opening brace (at "/b")`},
		{"|profile t flags=(complian) { }\n", diag.CodeFlag, `f:1:18: unknown flag "complian" (at "complian"); did you mean "complain"?`},
		{"|profile t flags=() { }\n", diag.CodeFlag, `f:1:18: the list of flags is empty (at ")")`},
		{"|profile t flags=(complain kill) { }\n", diag.CodeFlagConflict, `f:1:27: the flags complain and kill exclude each other (at "kill")`},
		{"|profile t flags=(error=EFOO) { }\n", diag.CodeFlag, `f:1:18: unknown error code "EFOO" (at "error=EFOO")`},
		{"^h xattrs=(a) { }", diag.CodeXattr, `f:2:5: a hat cannot have xattrs (at "xattrs=")`},
		// Qualifiers.
		{"deny audit /a r,", diag.CodeQualifier, `f:2:7: audit comes too late (at "audit"); the order is priority, audit, allow or deny, owner`},
		{"owner owner /a r,", diag.CodeQualifier, `f:2:8: a second owner qualifier (at "owner")`},
		{"priority=1001 /a r,", diag.CodeQualifier, `f:2:11: the priority must be from -1000 to 1000 (at "1001")`},
		{"owner network,", diag.CodeQualifier, `f:2:8: network rules take neither owner nor other (at "network")`},
		{"priority=-1001 /a r,", diag.CodeQualifier, `f:2:11: the priority must be from -1000 to 1000 (at "-1001")`},
		{"priority=1 all,", diag.CodeQualifier, `f:2:13: all rules take no priority (at "all")`},
		{"audit set rlimit cpu <= 1,", diag.CodeQualifier, `f:2:8: rlimit rules take no qualifiers (at "set")`},
		{"allow { deny /a r, }", diag.CodeQualifiers, `f:2:10: the qualifier contradicts that of the block around it (at "deny")`},
		{"priority=5 { }", diag.CodeQualifier, `f:2:2: a block cannot have a priority (at "priority")`},
		// File rules.
		{"/a r\n /b r,", diag.CodeSyntax, `f:3:2: unexpected path, expected a comma at the end of the rule (at "/b"); is a comma missing at the end of the line before?`},
		{"/a r }", diag.CodeSyntax, `f:2:7: unexpected brace, expected a comma at the end of the rule (at "}"); is a comma missing before the brace?`},
		{"/a,", diag.CodeSyntax, `f:2:4: unexpected comma, expected file permissions (at ","); permissions are missing`},
		{"/a q,", diag.CodePermissions, `f:2:5: the word is not a list of file permissions (at "q"); permissions are letters of rwalkm and an exec mode such as ix, px, cx or ux`},
		{"/a x,", diag.CodePermissions, `f:2:5: x alone is allowed only in deny rules (at "x"); write ix, px, cx or ux`},
		{"deny /a ix,", diag.CodePermissions, `f:2:10: a deny rule takes no exec mode but x (at "ix"); write x`},
		{"/a pxux,", diag.CodePermissions, `f:2:5: two different exec modes, px and ux (at "pxux")`},
		{"/a rwa,", diag.CodePermissions, `f:2:5: write and append exclude each other in one rule (at "rwa")`},
		{"deny file,", diag.CodePermissions, `f:2:7: file cannot be denied as a whole: it grants an exec mode too (at "file"); write deny all, or list permissions`},
		{"unsafe /a r,", diag.CodePermissions, `f:2:2: unsafe needs an exec mode (at "unsafe")`},
		{"/a px->b,", diag.CodePermissions, `f:2:5: unexpected text right after the permissions (at "px->b"); put blanks around the arrow`},
		{"/a px -> b,}", diag.CodeSyntax, `f:3:1: unexpected brace, expected a comma at the end of the rule (at "}"); is a comma missing at the end of the line before?`},
		{"capabilty chown,", diag.CodeSyntax, `f:2:2: unknown rule "capabilty" (at "capabilty"); did you mean "capability"?`},
		// Other rules.
		{"capability chwn,", diag.CodeCapability, `f:2:13: unknown capability "chwn" (at "chwn"); did you mean "chown"?`},
		{"capability CAP_CHOWN,", diag.CodeCapability, `f:2:13: unknown capability "CAP_CHOWN" (at "CAP_CHOWN"); did you mean "chown"?`},
		{"signal set=(queit),", diag.CodeSignal, `f:2:14: unknown signal "queit" (at "queit"); did you mean "quit"?`},
		{"signal set=SIGHUP,", diag.CodeSignal, `f:2:13: unknown signal "SIGHUP" (at "SIGHUP"); did you mean "hup"?`},
		{"signal send receive,", diag.CodeSyntax, `f:2:14: unexpected word, expected a comma at the end of the rule (at "receive"); put several permissions in parentheses`},
		{"signal peer=(a),", diag.CodeSyntax, `f:2:9: peer takes one value here, not a list (at "peer="); write the value without parentheses`},
		{"signal peer=a peer=b,", diag.CodeCondition, `f:2:16: peer is repeated (at "peer=")`},
		{"ptrace (tracd),", diag.CodePermissions, `f:2:10: unknown permission "tracd" (at "tracd"); did you mean "trace"?`},
		{"dbus label=a,", diag.CodeCondition, `f:2:7: label is allowed only in peer=( ) (at "label="); write peer=(label=...)`},
		{"dbus send name=a,", diag.CodeRule, `f:2:2: send and receive cannot be used with name; write peer=(name=...) (at "dbus")`},
		{"dbus peer=(name=org.{a,b}),", diag.CodeSyntax, `f:2:25: unexpected word, expected a condition (at "b}"); a comma ends a value here; quote a value that holds one`},
		{"dbus peer=(name=a(b),", diag.CodeSyntax, `f:2:19: unexpected parenthesis, expected a condition or a closing parenthesis (at "("); quote a value that holds a parenthesis`},
		{"unix peer=(label=(a(b)),", diag.CodeCharacter, `f:2:21: unexpected character, expected a closing parenthesis (at "(")`},
		{"dbus bus=(a b),", diag.CodeCondition, `f:2:14: bus takes one value (at "b")`},
		{"network intet,", diag.CodeNetwork, `f:2:10: unknown address family, socket type or protocol "intet" (at "intet"); did you mean "inet"?`},
		{"network inet,}", diag.CodeNetwork, `f:2:10: unknown address family, socket type or protocol "inet,}" (at "inet,}"); a comma ends a rule only if a blank follows it`},
		{"network ip=1.2.3,", diag.CodeAddress, `f:2:13: the address must be an IP address or none (at "1.2.3")`},
		{"network port=90-80,", diag.CodeAddress, `f:2:15: the port must be a number from 0 to 65535 or a range of them (at "90-80"); the lower port must come first`},
		{"unix addr=foo,", diag.CodeAddress, `f:2:12: the address of a unix socket must be none or auto, or begin with @ (at "foo")`},
		{"unix bind peer=(label=a),", diag.CodeRule, `f:2:2: bind cannot be used with conditions on a peer (at "unix")`},
		{"mount options=(rw,nosuidd) /a -> /b,", diag.CodeMountFlag, `f:2:20: unknown mount option "nosuidd" (at "nosuidd"); did you mean "nosuid"?`},
		{"mount options=ro,nosuid,", diag.CodeMountFlag, `f:2:16: unknown mount option "ro,nosuid" (at "ro,nosuid"); write a list in parentheses`},
		{"mount options=(ro,rw),", diag.CodeMountFlag, `f:2:8: the options ro and rw exclude each other (at "options=(ro,rw)")`},
		{"mount /a options=ro,", diag.CodeSyntax, `f:2:11: conditions must come before the paths (at "options=")`},
		{"change_profile b,", diag.CodePath, `f:2:17: the executable must begin with a slash or a variable (at "b"); write -> before the profile to change to`},
		{"change_profile->b,", diag.CodePath, `f:2:16: the executable must begin with a slash or a variable (at "->b"); put blanks around the arrow`},
		{"set rlimit cpu <= 10 ms,", diag.CodeRlimit, `f:2:23: cpu: the limit is less than a second (at "ms")`},
		{"set rlimit nofil <= 10,", diag.CodeRlimit, `f:2:13: unknown resource "nofil" (at "nofil"); did you mean "nofile"?`},
		{"mqueue type=sysv /a,", diag.CodeCondition, `f:2:19: the name of a sysv message queue must be a number (at "/a")`},
		{"userns crate,", diag.CodeSyntax, `f:2:9: unexpected word, expected a comma at the end of the rule (at "crate"); did you mean "create"?`},
		// Conditionals.
		{"if true{ }", diag.CodeExpression, `f:2:5: a condition must be true, false, a variable or a comparison (at "true{"); put a blank before the brace`},
		{"if ! true { }", diag.CodeCharacter, `f:2:5: an exclamation mark must be quoted or escaped (at "!")`},
		{"if (true { }", diag.CodeSyntax, `f:2:11: unexpected brace, expected a closing parenthesis (at "{")`},
	} {
		src, alone := strings.CutPrefix(c.src, "|")
		if !alone {
			src = "/t {\n " + src + "\n}\n"
		}
		f, err := Config{Context: ContextFile}.Parse(t.Context(), "f", src)
		var list diag.List
		if !errors.As(err, &list) || len(list) != 1 || f != nil {
			t.Errorf("%q: got %v, %v", c.src, f, err)
			continue
		}
		if diff := cmp.Diff(c.want, strings.ReplaceAll(list[0].Error(), "\ufeff", `\ufeff`)); diff != "" {
			t.Errorf("%q:\n%s", c.src, diff)
		}
		if list[0].Code != c.code {
			t.Errorf("%q: code %s, want %s", c.src, list[0].Code, c.code)
		}
		if inProfile := !alone; inProfile != (list[0].Profile == "/t") && list[0].Pos.Line == 2 && !alone {
			t.Errorf("%q: in profile %q", c.src, list[0].Profile)
		}
	}
}

// TestXattrName has each byte in the name of an xattr; those that end a word are
// left out.
func TestXattrName(t *testing.T) {
	const good = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.:@/+-"
	for b := range 256 {
		name := "user." + string([]byte{byte(b)}) + "x"
		if strings.Contains(" \t\r\n,()=\"\\", name[5:6]) {
			continue
		}
		f, err := Parse("f", "profile t xattrs=("+name+"=x) { }\n")
		switch {
		case strings.Contains(good, name[5:6]) != (err == nil):
			t.Errorf("%q: %v", name, err)
		case err == nil:
			if got := f.Stmts[0].(*ast.Profile).Xattrs; len(got) != 1 || got[0].Name != name {
				t.Errorf("%q: %v", name, got)
			}
		}
	}
}

func TestAutoContext(t *testing.T) {
	for src, ok := range map[string]bool{
		"/a r,\n/b w,\n":                   true,  // an abstraction
		"@{V}=a\n":                         true,  // a tunable
		"@{V}=a\n/a r,\n":                  false, // neither
		"/a r,\n@{V}=a\n":                  false,
		"include <a>\n^h { }\n/a r,\n":     false,
		"include <a>\nprofile x { }\n":     true,
		"/t { }\n/u flags=(kill) { }\n":    true,
		"/t @{exec} { }\n":                 true,
		"/t r,\nif true { }\naudit { }\n":  true,
		"@{V} r,\n@{V}/x r,\n":             true,
		"network,\nalias /a -> /b,\n":      false,
		"/t { }\nnetwork,\n":               false,
		"abi <x>,\n/a r,\nhat h { /b r, }": true,
	} {
		if _, err := Parse("f", src); (err == nil) != ok {
			t.Errorf("%q: %v", src, err)
		}
	}
}

func TestWarnings(t *testing.T) {
	var got []string
	c := Config{Warn: func(d *diag.Diagnostic) { got = append(got, d.Error()) }}
	if _, err := c.Parse(t.Context(), "f", "/t {\n #include <x>\n /a RW,\n /b lpx -> c,\n}\n"); err != nil {
		t.Fatal(err)
	}
	want := []string{
		`f:2:2: warning: #include looks like a comment; write include (at "#include <x>")`,
		`f:3:5: warning: upper-case permissions are deprecated (at "RW")`,
		`f:4:2: warning: the target could belong to l or to x; it is taken as that of x (at "lpx")`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
