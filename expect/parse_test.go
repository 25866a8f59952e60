// SPDX-License-Identifier: Apache-2.0

package expect_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/expect"
)

// TestMistakes checks the place, the message and the hint of every mistake.
func TestMistakes(t *testing.T) {
	for _, tt := range []struct{ line, want string }{
		{"foo", `x:2:1: unexpected word (at "foo")`},
		{"profile", `x:2:8: the statement ends too early`},
		{"profile web", `x:2:12: the statement ends too early`},
		{"profile web shall read /x", `x:2:13: unexpected word (at "shall")`},
		{"profile web must allow /x", `x:2:18: unexpected word (at "allow")`},
		{"profile web may", `x:2:16: the statement ends too early`},
		{"  may read /x", `x:2:3: the statement has no subject`},
		{"profile web may raed /x", `x:2:17: unknown permission or class of rules (at "raed")`},
		{"profile web may read,wirte /x", `x:2:17: unknown permission or class of rules (at "wirte")`},
		{"profile web may read", `x:2:21: one path must follow the permissions`},
		{"profile web may read /x /y", `x:2:25: one path must follow the permissions`},
		{"profile web may read x", `x:2:22: a path begins with a slash (at "x")`},
		{"profile web may owner", `x:2:22: the statement ends too early`},
		{"profile web may exec as zx /x", `x:2:25: unknown file permission "z"`},
		{"profile web may read as ix /x", `x:2:22: unexpected word (at "as")`},
		{"profile web may capability foo", `x:2:28: unknown capability "foo" (at "foo")`},
		{"profile web may signal set=foo", `x:2:28: unknown signal "foo" (at "foo")`},
		{"profile web may capability kill, /** rw", `x:2:17: the request is not one capability rule without qualifiers`},
		{"profile web may capability kill, } profile y {", `x:2:47: unexpected comma`},
		{"profile web may change_profile /bin/a -> b", `x:2:17: change_profile cannot be checked for one executable`},
		{"profile web may change_hat", `x:2:17: one name must follow`},
		{"profile web may attach /bin/*", `x:2:24: wildcards cannot be used here`},
		{"covers", `x:2:7: the statement ends too early`},
		{"covers a b", `x:2:10: unexpected word (at "b")`},
		{`covers "a`, `x:2:8: a quoted word does not end`},
		{"kernel 2.6", `x:2:8: unknown kernel (at "2.6")`},
		{"covers a\nkernel 6.1", `x:3:1: misplaced statement`},
		{"", `x:2:1: no expectations`},
	} {
		_, err := expect.Parse("x", "policy p\n"+tt.line+"\n")
		if err == nil || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%q:\n got %v\nwant %s", tt.line, err, tt.want)
		}
		var list diag.List
		if !errors.As(err, &list) {
			t.Errorf("%q: the error is %T", tt.line, err)
		}
	}
	if _, err := expect.Parse("x", "covers a"); err == nil || !strings.HasPrefix(err.Error(), "x:1:1: no policy is named") {
		t.Errorf("no policy: %v", err)
	}
	// All mistakes are told.
	_, err := expect.Parse("x", "policy p\nfoo\ncovers a\nbar\n")
	var list diag.List
	if !errors.As(err, &list) || len(list) != 2 || list[1].Pos.Line != 4 {
		t.Errorf("two mistakes: %+v", err)
	}
}

func TestParse(t *testing.T) {
	const text = "# a\npolicy p \"q r\"\r\ninclude i\nkernel 6.1 6.1 7.3 # b\n\n\tprofile \"a b\" may read \"/x y\" # c\n  covers p\"#\"q#r\n"
	f, err := expect.Parse("x", text)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Join(f.Policy, ",") != "p,q r" || strings.Join(f.Include, ",") != "i" || strings.Join(f.Kernels, ",") != "6.1,7.3" {
		t.Errorf("%q %q %q", f.Policy, f.Include, f.Kernels)
	}
	if len(f.Statements) != 2 || f.Statements[0].Text != `profile "a b" may read "/x y"` || f.Statements[0].Pos.String() != "x:6:2" || f.Statements[1].Text != `covers p"#"q#r` || f.Statements[1].Pos.Offset != strings.Index(text, "covers") {
		t.Errorf("%+v %+v", f.Statements[0], f.Statements[1])
	}
	if f, err = expect.Parse("x", "policy p\ncovers q"); err != nil || f.Kernels[0] != expect.DefaultKernel {
		t.Errorf("default kernel: %v, %v", f, err)
	}
}

func TestParseLimits(t *testing.T) {
	for name, text := range map[string]string{
		"bytes":      strings.Repeat("#", expect.MaxBytes+1),
		"statements": "policy p\n" + strings.Repeat("covers a\n", expect.MaxStatements+1),
	} {
		if _, err := expect.Parse("x", text); !errors.Is(err, diag.ErrLimit) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := expect.Parse("x", "policy p\n"+strings.Repeat("covers a\n", expect.MaxStatements)); err != nil {
		t.Errorf("as many statements as allowed: %v", err)
	}
}

// FuzzParse parses hostile text: it is refused with a place in it, or makes
// statements whose text is in it.
func FuzzParse(f *testing.F) {
	seeds, err := filepath.Glob("../examples/policycheck/*.expect")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range seeds {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	for _, s := range []string{
		"policy p\nprofile \"a\\\" b\" may read,write \"/x y\"\n", "policy p\nmachine * must deny mount fstype=(ext4,xfs) -> /mnt/** # x",
		"policy p\nprofile a may exec as px /x -> b\ncovers \"\n", "\x00\xff\"", "kernel\n\n\r\n#", "policy p\nprofile a may capability kill,}{",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		file, err := expect.Parse("x", text)
		if err != nil {
			var list diag.List
			if file != nil || !errors.As(err, &list) {
				t.Fatalf("%v, %T", file, err)
			}
			for _, d := range list {
				if d.Pos.Line < 1 || d.Pos.Column < 1 || d.Pos.Offset > len(text)+1 || d.Pos.Line > strings.Count(text, "\n")+2 {
					t.Fatalf("%v is outside of %q", d.Pos, text)
				}
			}
			return
		}
		for _, s := range file.Statements {
			if !strings.HasPrefix(text[s.Pos.Offset:], s.Text) {
				t.Fatalf("%q is not at %v of %q", s.Text, s.Pos, text)
			}
		}
	})
}
