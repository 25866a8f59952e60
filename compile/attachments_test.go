// SPDX-License-Identifier: Apache-2.0

package compile_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/diag"
)

// TestAttachments adds one text after the other, as the files of a directory,
// and looks at which of them a kernel cannot choose between.
func TestAttachments(t *testing.T) {
	kernel := kernelOf(t, "6.12")
	where := func(file string) func(*blob.Profile) (ast.Position, []ast.Position) {
		return func(p *blob.Profile) (ast.Position, []ast.Position) {
			return ast.Position{File: file + ":" + p.Name, Line: 1}, nil
		}
	}
	for _, tt := range []struct {
		files []string
		want  string // path: first, second; of each pair
	}{
		{[]string{"profile a /usr/bin/x { }", "profile b /usr/bin/x { }"}, "/usr/bin/x: 0:a, 1:b"},
		{[]string{"profile a /{usr/,}bin/x { }", "profile b /usr/{bin,sbin}/x { }", "profile c /bin/x { }"}, "/usr/bin/x: 0:a, 1:b; /bin/x: 0:a, 2:c"},
		{[]string{"/usr/bin/x { }", "profile b /usr/bin/* { }"}, "/usr/bin/x: 0:/usr/bin/x, 1:b"},
		{[]string{"profile a /bin/x { }", "profile b /bin/y { }", "profile c /bin/{x,y} { }"}, "/bin/x: 0:a, 2:c; /bin/y: 1:b, 2:c"},
		{[]string{"profile a /bin/{x,y} { }\nprofile d /bin/z { }", "profile b /bin/{y,z} { }"}, "/bin/y: 0:a, 1:b; /bin/z: 0:d, 1:b"},

		// Not these.
		{[]string{"profile a /usr/bin/x { }", "profile b /usr/bin/y { }"}, ""},
		{[]string{"profile a /usr/** { }", "profile b /usr/bin/* { }"}, ""},
		{[]string{"profile a /bin/x { }\nprofile b /bin/x { }", "profile c /bin/y { }"}, ""}, // Compile says so
		{[]string{"profile a /bin/x { }", "profile a /bin/x { }"}, ""},                       // it takes its place
		{[]string{"profile a /bin/x { }", "profile :n:b /bin/x { }"}, ""},
		{[]string{"profile a { profile c /bin/x { } }", "profile b { profile c /bin/x { } }", "profile c /bin/x { }"}, ""},
		{[]string{"profile a /bin/x xattrs=(user.a=b) { }", "profile b /bin/x { }"}, ""},
	} {
		var all compile.Attachments
		var got []string
		for i, text := range tt.files {
			set, err := source{abi: kernel}.resolve(t, "p", text+"\n")
			if err != nil {
				t.Fatal(err)
			}
			outs, err := compile.CompileAll(t.Context(), set, compile.Options{Kernel: kernel, Degrade: compile.Report})
			if err != nil {
				t.Fatal(err)
			}
			for _, out := range outs {
				for _, d := range all.Add(out.Policy, where(fmt.Sprint(i))) {
					_, path, _ := strings.Cut(d.Message, " attach to ")
					path, _, _ = strings.Cut(path, " ")
					if d.Code != diag.CodeAttachConflict || d.Severity != diag.Error || len(d.Related) != 1 {
						t.Fatalf("%+v", d)
					}
					got = append(got, fmt.Sprintf("%s: %s, %s", path, d.Related[0].File, d.Pos.File))
				}
			}
		}
		if got := strings.Join(got, "; "); got != tt.want {
			t.Errorf("%q: %q, want %q", tt.files, got, tt.want)
		}
	}
}

// BenchmarkAttachments adds 500 profiles, each with the paths that Debian's
// have, which share nothing but where they begin.
func BenchmarkAttachments(b *testing.B) {
	kernel := kernelOf(b, "6.12")
	var list []*blob.Policy
	for i := range 500 {
		set, err := source{abi: kernel}.resolve(b, "p", fmt.Sprintf("profile p%d /{usr/,}{s,}bin/program-%d{,-*} { }\n", i, i))
		if err != nil {
			b.Fatal(err)
		}
		out, err := compile.Compile(b.Context(), set, compile.Options{Kernel: kernel, Degrade: compile.Report})
		if err != nil {
			b.Fatal(err)
		}
		list = append(list, out.Policy)
	}
	for b.Loop() {
		var all compile.Attachments
		for _, p := range list {
			if found := all.Add(p, nil); len(found) > len(list) {
				b.Fatal(found)
			}
		}
	}
}
