// SPDX-License-Identifier: Apache-2.0

package parser

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/internal/treetest"
)

// places lists where the errors are.
func places(list diag.List) string {
	var places []string
	for _, d := range list {
		places = append(places, fmt.Sprintf("%d:%d", d.Pos.Line, d.Pos.Column))
	}
	return strings.Join(places, " ")
}

func TestRecover(t *testing.T) {
	for _, c := range []struct{ name, src, outline, places string }{
		{"three errors", "/t {\n /a q,\n /b r,\n signal set=foo,\n /c r,\n capability chwn,\n /d r,\n}\n",
			"Profile{Bad FileRule Bad FileRule Bad FileRule}", "2:5 4:13 6:13"},
		{"missing comma", "/t {\n /a r\n /b r,\n network inet\n dbus send,\n capability chown\n}\n",
			"Profile{Bad FileRule Bad DBusRule Bad}", "3:2 5:2 7:1"},
		{"glued brace", "/t { network inet,}\n/u { /a r, }\n", "Profile{Bad} Profile{FileRule}", "1:14"},
		{"flags", "profile t flags=(complian) {\n /a q,\n /b r,\n}\n/u { }\n", "Profile{Bad FileRule} Profile{}", "1:18 2:5"},
		{"block", "/t { audit owner network { /a r, } /b r, }\n", "Profile{Bad FileRule}", "1:26"},
		{"if else", "/t { if foo { /a r, } else if true { /b r, } else { /c r, } /d r, }\n", "Profile{Bad FileRule}", "1:9"},
		{"closing brace", "/t { /a r, }\n}\n/u { }\n", "Profile{FileRule} Bad Profile{}", "2:1"},
		{"rule outside", "/a r,\n/t { /b r, }\n", "Bad Profile{FileRule}", "1:4"},
		{"many lines", "/t {\n dbus send\n  bus=session\n  pth=/a\n  interface=b,\n /b r,\n}\n", "Profile{Bad FileRule}", "4:3"},
		{"include", "/t {\n /a q\n include <b>\n #include <c>\n}\n", "Profile{Bad Include Include}", "2:5"},
		{"include after a path", "/t {\n /a\n #include <c>\n}\n", "Profile{Bad Include}", "3:2"},
		{"end of file", "/t {\n /a r,\n", "Bad", "3:1"},
		{"illegal", "/t { ! }\n/u { }\n", "Profile{Bad} Profile{}", "1:6"},
		{"quote", "/t {\n \"/a r,\n /b r,\n}\n", "Profile{Bad FileRule}", "2:2"},
		{"pattern", "/t {\n /{a,b{c,}} q,\n /b{,c} r,\n}\n", "Profile{Bad FileRule}", "2:13"},
		{"assignment", "@{A}=a,\n@{B}=b\n/t { }\n", "Bad VarAssign Profile{}", "1:7"},
		{"unended comment", "/t { /a r, } # x", "Profile{FileRule} Bad", "1:14"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, err := Config{Context: ContextFile, Recover: 10}.Parse(t.Context(), "f", c.src)
			var list diag.List
			if !errors.As(err, &list) || f == nil {
				t.Fatalf("got %v, %v", f, err)
			}
			if err := treetest.Spans(f); err != nil {
				t.Error(err)
			}
			if diff := cmp.Diff(c.outline, treetest.Outline(f.Stmts)); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(c.places, places(list)); diff != "" {
				t.Errorf("%s\n%+v", diff, list)
			}
		})
	}
}

func TestRecoverStops(t *testing.T) {
	src := "/t {\n" + strings.Repeat(" /a q,\n", 100) + "}\n"
	for _, n := range []int{0, 1, 5, 1000} {
		f, err := Config{Recover: n}.Parse(t.Context(), "f", src)
		var list diag.List
		errors.As(err, &list)
		if want := min(max(n, 1), 100); len(list) != want {
			t.Errorf("Recover %d: %d errors, want %d", n, len(list), want)
		}
		if (f != nil) != (n > 0) {
			t.Errorf("Recover %d: tree %v", n, f)
		}
	}
}
