// SPDX-License-Identifier: Apache-2.0

package compile_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/diag"
	asking "github.com/goarmor/apparmor/query"
)

// TestAttachConflicts compiles pairs of profiles that may attach to one
// program, and asks package query, which walks as kernels do, about the path
// that a conflict names.
func TestAttachConflicts(t *testing.T) {
	kernel := kernelOf(t, "6.12")
	for _, tt := range []struct {
		text string
		path string // on which neither wins; empty: there is none
	}{
		{"profile a /usr/bin/x { }\nprofile b /usr/bin/x { }", "/usr/bin/x"},
		{"profile a /usr/bin/* { }\nprofile b /usr/bin/** { }", "/usr/bin/a"},
		// The one byte that the wildcard needs counts as literal.
		{"profile a /usr/bin/* { }\nprofile b /usr/bin/x { }", "/usr/bin/x"},
		{"/usr/bin/x { }\nprofile b /usr/bin/x { }", "/usr/bin/x"},
		{"profile a /{usr/,}bin/x { }\nprofile b /usr/{bin,sbin}/x { }", "/usr/bin/x"},
		{"profile a { profile c /bin/x { }\n profile d /bin/{x,y} { } }", "/bin/x"},

		{"profile a /usr/bin/x { }\nprofile b /usr/bin/y { }", ""},
		{"profile a /usr/bin/* { }\nprofile b /usr/bin/xy { }", ""},
		{"profile a /usr/** { }\nprofile b /usr/bin/* { }", ""},
		{"profile a /bin/x { profile c /bin/x { } }", ""},
		{"profile a { }\nprofile b { }", ""},
		{"profile a /bin/x xattrs=(user.a=b) { }\nprofile b /bin/x { }", ""}, // files tell
	} {
		set, err := source{abi: kernel}.resolve(t, "p", tt.text+"\n")
		if err != nil {
			t.Errorf("%s: %v", tt.text, err)
			continue
		}
		out, err := compile.Compile(t.Context(), set, compile.Options{Kernel: kernel, Degrade: compile.Report})
		if err != nil {
			t.Errorf("%s: %v", tt.text, err)
			continue
		}
		_, strict := compile.Compile(t.Context(), set, compile.Options{Kernel: kernel})
		if tt.path == "" {
			if len(out.Warnings) > 0 || strict != nil {
				t.Errorf("%s: %v, Strict: %v", tt.text, out.Warnings, strict)
			}
			continue
		}
		var d *diag.Diagnostic
		if !errors.As(strict, &d) || d.Code != diag.CodeAttachConflict || d.Severity == diag.Warning {
			t.Errorf("%s: Strict: %v", tt.text, strict)
		}
		if len(out.Warnings) != 1 {
			t.Errorf("%s: warnings %v", tt.text, out.Warnings)
			continue
		}
		w := out.Warnings[0]
		if w.Code != diag.CodeAttachConflict || w.Severity != diag.Warning || w.Class != diag.ClassDangerous ||
			!w.Pos.IsValid() || len(w.Related) != 1 || !w.Related[0].IsValid() || !strings.Contains(w.Message, " "+tt.path+" ") {
			t.Errorf("%s: %+v", tt.text, w)
		}
		if strings.Contains(tt.text, "profile c") {
			continue
		}
		var conflict *asking.ConflictError
		if _, err := asking.Open(out.Policy).Attachment(tt.path); !errors.As(err, &conflict) {
			t.Errorf("%s: kernels take one on %s: %v", tt.text, tt.path, err)
		}
	}
}

// TestPlainNames checks the older form of profiles that are named by a path: a
// kernel takes them before others.
func TestPlainNames(t *testing.T) {
	kernel := kernelOf(t, "6.12")
	set, err := source{abi: kernel}.resolve(t, "p", "profile b /usr/bin/x { }\n/usr/bin/x { }\n/usr/bin/{y,z} { }\n")
	if err != nil {
		t.Fatal(err)
	}
	out, err := compile.Compile(t.Context(), set, compile.Options{Kernel: kernel, PlainNames: true})
	if err != nil {
		t.Fatal(err)
	}
	if p := out.Policy.Profile("/usr/bin/x"); p.XMatch != nil {
		t.Error("a plain name has an automaton")
	}
	if p := out.Policy.Profile("/usr/bin/{y,z}"); p.XMatch == nil {
		t.Error("a name with a pattern has no automaton")
	}
	got, err := asking.Open(out.Policy).Attachment("/usr/bin/x")
	if err != nil || got == nil || got.Name != "/usr/bin/x" {
		t.Errorf("attaches %v, %v", got, err)
	}
}
