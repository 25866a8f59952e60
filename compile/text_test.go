// SPDX-License-Identifier: Apache-2.0

package compile_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/parser"
	"github.com/goarmor/apparmor/policy"
)

// TestText compares one call with the steps, and looks at each kind of error.
func TestText(t *testing.T) {
	kernel, _ := features.Kernel("6.12")
	roots := []fs.FS{fstest.MapFS{"a": {Data: []byte("/a r,\n")}, "b": {Data: []byte("/b zz,\n")}}}
	names := []string{"/etc/apparmor.d"}
	const text = "abi <abi/4.0>,\nprofile p {\n\tinclude <a>\n\tmount options=(ro,remount,bind) -> /m,\n\tset rlimit cpu <= 1,\n}\n"
	src := compile.Source{Kernel: kernel, Roots: roots, RootNames: names, Namespace: "ns", Cache: new(parser.Cache)}
	got, err := compile.Text(t.Context(), "p", text, src)
	if err != nil {
		t.Fatal(err)
	}
	var warnings diag.List
	unit, err := parser.Config{Roots: roots, RootNames: names, Warn: func(d *diag.Diagnostic) { warnings = append(warnings, d) }}.ParseTree(t.Context(), "p", text)
	if err != nil {
		t.Fatal(err)
	}
	set, err := policy.Resolve(t.Context(), unit, policy.Options{Kernel: kernel, Roots: roots, Namespace: "ns"})
	if err != nil {
		t.Fatal(err)
	}
	want, err := compile.Compile(t.Context(), set, compile.Options{Kernel: kernel})
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Policy.Bytes(), want.Policy.Bytes()) {
		t.Error("Text gives other policy than the single steps")
	}
	all := append(append(warnings, set.Warnings...), want.Warnings...)
	if len(all) == 0 || all.Error() != got.Warnings.Error() {
		t.Errorf("warnings\n%v\nwant\n%v", got.Warnings, all)
	}

	// The kernel may be in either place; that of Source goes first.
	old, _ := features.Kernel("6.1")
	alone, err := compile.Text(t.Context(), "p", text, compile.Source{Roots: roots, Namespace: "ns", Options: compile.Options{Kernel: kernel}})
	if err != nil {
		t.Fatal(err)
	}
	both, err := compile.Text(t.Context(), "p", text, compile.Source{Kernel: kernel, Roots: roots, Namespace: "ns", Options: compile.Options{Kernel: old}})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(alone.Stats, both.Stats); d != "" {
		t.Errorf("the kernel of the source is not taken (-alone +both)\n%s", d)
	}

	for _, tt := range []struct {
		name, text string
		source     compile.Source
		place      string
	}{
		{"parser", "profile p {\n  /a zz,\n}\n", src, "p:2"},
		{"parser, in an include", "profile p {\n  include <b>\n}\n", src, "/etc/apparmor.d/b:1"},
		{"policy", "profile p {\n  @{NONE}/a r,\n}\n", src, "p:2"},
		{"compile", "profile p {\n  /a px -> x,\n  /a cx -> y,\n}\n", src, "p:3"},
	} {
		out, err := compile.Text(t.Context(), "p", tt.text, tt.source)
		var list diag.List
		var one *diag.Diagnostic
		switch {
		case errors.As(err, &list) && len(list) > 0:
			one = list[0]
		case errors.As(err, &one):
		default:
			t.Errorf("%s: %v, %v", tt.name, out, err)
			continue
		}
		if place := fmt.Sprintf("%s:%d", one.Pos.File, one.Pos.Line); out != nil || place != tt.place {
			t.Errorf("%s: %v, at %s, want %s", tt.name, err, place, tt.place)
		}
	}
	if _, err := compile.Text(t.Context(), "p", text, compile.Source{Roots: roots}); !errors.Is(err, compile.ErrNoKernel) {
		t.Errorf("without a kernel: %v", err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := compile.Text(gone, "p", text, src); !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that ended: %v", err)
	}
}

// TestManyErrors holds that work stops at the first error after a hundred, in a
// profile and in many.
func TestManyErrors(t *testing.T) {
	kernel, _ := features.Kernel("6.1")
	abi, _ := features.Kernel("6.12")
	for name, text := range map[string]string{
		"one profile":   "profile p {\n" + strings.Repeat("userns,\n", 200) + "}\n",
		"many profiles": strings.Repeat("profile p%d { userns, }\n", 200),
	} {
		for i := 0; strings.Contains(text, "%d"); i++ {
			text = strings.Replace(text, "%d", fmt.Sprint(i), 1)
		}
		_, err := compile.Text(t.Context(), "p", text, compile.Source{Kernel: kernel, Default: abi})
		var list diag.List
		if !errors.As(err, &list) || len(list) != 101 {
			t.Errorf("%s: %d errors: %v", name, len(list), err)
		}
	}
}
