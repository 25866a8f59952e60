// SPDX-License-Identifier: Apache-2.0

package compile_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/internal/oracle"
)

// TestMeaning is a table of what apparmor_parser 6.0 makes of texts that are
// easily taken for something else. The answers are in the form of grants.
func TestMeaning(t *testing.T) {
	const attached, file, other = blob.PartXMatch, blob.PartFile, blob.PartPolicydb
	type answer struct {
		part     blob.Part
		in, want string
	}
	for _, tt := range []struct {
		name, kernel, text string
		answers            []answer
	}{
		{"name that is a pattern", k612, "profile a{b,c} { }", []answer{{attached, "ab", "1"}, {attached, "a{b,c}", "0"}}},
		{"name of a variable", k612, "@{V}=/a /b\nprofile @{V} { }", []answer{{attached, "/b", "1"}}},
		{"name of a child", k612, "/t//c { }", []answer{{attached, "c", "1"}, {attached, "/t/c", "0"}}},
		{"plain name", k612, "profile t { }", []answer{{attached, "t", "none"}}},
		{"plain name with attributes", k612, "profile t xattrs=(user.a=b) { }", []answer{{attached, "t", "1"}}},

		{"prompt for a kernel without prompts", k61, "/t { priority=1 prompt /a r, /a rw, prompt /b r, }",
			[]answer{{file, "/a", "337a"}, {file, "/b", "200"}}},
		{"prompt", k72, "/t { priority=1 prompt /a r, /a rw, }", []answer{{file, "/a", "337a prompt 4"}}},
		{"prompt for what is allowed or denied, of a class", k72, "/t { prompt signal (send,receive), signal send, deny signal receive, }", []answer{{other, "\x0a\x01x", "2 quiet 4"}}},

		{"namespace as target", k612, "/t { /a px -> :ns://b, /b cx -> :ns:b, /c Cx -> &:ns:b, /d cx -> b, }", []answer{
			{file, "/a", "201 px -> :ns:b"}, {file, "/b", "201 px -> :ns:b"}, {file, "/c", "201 Px -> &:ns:b"}, {file, "/d", "201 px -> /t//b"},
		}},
		{"unsafe ix", k612, "/t { unsafe /a ix, }", []answer{{file, "/a", "10201 ix"}}},
		{"denied change at exec", k612, "/t { deny change_profile /a -> b, change_profile /* -> *, }",
			[]answer{{file, "/a\x00b", "200"}, {file, "/b\x00b", "20000201"}}},

		{"verbose is silent", k612, "/t { mount options=(verbose), }", []answer{{other, "\x07/\x00\x00\x00\x10", "2"}, {other, "\x07/\x00\x00\x00", "0"}}},
		{"nouser is not a flag of a mount", k612, "/t { mount options=(nouser), }", []answer{{other, "\x07/\x00\x00\x00", "2"}, {other, "\x07/\x00\x00\x00\x20", "0"}}},

		{"label of the peer is for every family", k612, "/t { network peer=(label=foo), }", []answer{{other, "\x0e\x00\x10\x00\x03", "3700376"}}},
		{"label of the socket is for inet", k612, "/t { network label=foo, }",
			[]answer{{other, "\x0e\x00\x10\x00\x03", "0"}, {other, "\x0e\x00\x02\x00\x01", "3700376"}}},

		{"label of a queue", afInet, "/t { mqueue label=foo /q, }", []answer{
			{other, "\x11/q", "16"}, {other, "\x11/q\x00foo", "376"}, {other, "\x11/q\x00bar", "0"},
		}},
		{"label of a queue that is not created", afInet, "/t { mqueue (read,delete) label=foo /q, }",
			[]answer{{other, "\x11/q", "0"}, {other, "\x11/q\x00foo", "24"}}},
		{"any label of a queue", afInet, "/t { mqueue read /q, }",
			[]answer{{other, "\x11/q", "4"}, {other, "\x11/q\x00x", "4"}, {other, "\x11/q\x00", "0"}}},
		{"any queue", afInet, "/t { mqueue read, }", []answer{{other, "\x11/q", "4"}, {other, "\x12\x00\x00\x00\x7b", "4"}, {other, "\x12\x00\x00\x00\x7b\x00x", "4"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			kernel := oracle.FeatureSet(t, tt.kernel)
			out, err := source{abi: kernel}.compile(t, kernel, "p", tt.text+"\n")
			if err != nil {
				t.Fatal(err)
			}
			p := out.Policy.Profiles()[0]
			for _, a := range tt.answers {
				if got := grants(p, a.part, a.in); got != a.want {
					t.Errorf("%v %q: got %s, want %s", a.part, a.in, got, a.want)
				}
			}
		})
	}
}

// TestRefused is a table of policy that is refused before a kernel sees it, and
// where: the place, and that of the other profile or rule.
func TestRefused(t *testing.T) {
	long := strings.Repeat("x", 300)
	var targets strings.Builder
	for i := range 13 {
		targets.WriteString("  /a" + strings.Repeat("a", i) + " px -> b" + strings.Repeat("b", i) + ",\n")
	}
	for _, tt := range []struct {
		name, kernel, text string
		code               diag.Code
		place, related     string
	}{
		{"exec of one path", k612, "profile t {\n  /a px,\n  /a ux,\n}\n", diag.CodeExecConflict, "p:3:3", "p:2:3"},
		{"exec of patterns", k73, "profile t {\n  /a* px,\n  /*a ux,\n}\n", diag.CodeExecConflict, "p:3:3", "p:2:3"},
		{"exec targets", k612, "profile t {\n" + targets.String() + "}\n", diag.CodeTooManyExecTargets, "p:14:3", ""},
		{"exec targets of a table", k73, "profile t {\n" + targets.String() + "}\n", "", "", ""},
		{"a name twice", k612, "profile t { }\nprofile t { }\n", diag.CodeDuplicateProfile, "p:2:1", "p:1:1"},
		{"name of a child twice", k612, "/t { profile c { } }\n/t//c { }\n", diag.CodeDuplicateProfile, "p:2:1", "p:1:6"},
		{"namespaces", k612, "profile t { }\nprofile :n:u { }\n", diag.CodeMixedNamespaces, "p:2:1", "p:1:1"},
		{"name", k612, "profile t { }\nprofile " + long + " { }\n", diag.CodeNotLoadable, "p:2:1", ""},
		{"name of a child", k73, "profile t {\n  profile " + long + " { }\n}\n", diag.CodeNotLoadable, "p:2:3", ""},
		{"child before its parent", k612, "/t//c { }\n/t { }\n", "", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			kernel := oracle.FeatureSet(t, tt.kernel)
			_, err := source{abi: kernel}.compile(t, kernel, "p", tt.text)
			var list diag.List
			errors.As(err, &list)
			var d *diag.Diagnostic
			switch {
			case tt.code == "":
				if err != nil {
					t.Fatal(err)
				}
				return
			case len(list) > 0:
				d = list[0]
			case !errors.As(err, &d):
				t.Fatalf("not a diagnostic: %v", err)
			}
			related := ""
			if len(d.Related) > 0 {
				related = d.Related[0].String()
			}
			if d.Code != tt.code || d.Pos.String() != tt.place || related != tt.related {
				t.Errorf("%s at %s, related %q: %v", d.Code, d.Pos, related, err)
			}
		})
	}
}
