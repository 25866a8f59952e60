// SPDX-License-Identifier: Apache-2.0

package fuzz

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/parser"
	"github.com/goarmor/apparmor/policy"
)

// TestHostile takes texts that ask for more than any machine has through the
// whole pipeline. Where nothing else is said the limits are the defaults.
func TestHostile(t *testing.T) {
	rep := strings.Repeat
	lines := func(n int, format string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, format, i)
		}
		return b.String()
	}
	// Each variable has the square of the values of the one before it.
	squares := func(n int) string {
		text := "@{V0}=a b\n"
		for i := range n {
			text += fmt.Sprintf("@{V%d}=@{V%d}@{V%d}\n", i+1, i, i)
		}
		return text
	}
	// Each file includes the next one twice.
	tree := fstest.MapFS{"rules/30": {Data: []byte("/x r,\n")}, "vars/30": {Data: []byte("@{V}=a\n")}}
	for i := range 30 {
		for _, dir := range []string{"rules", "vars"} {
			text := fmt.Sprintf("include <%s/%d>\n", dir, i+1)
			tree[fmt.Sprint(dir, "/", i)] = &fstest.MapFile{Data: []byte(text + text)}
		}
	}
	tree["self"] = &fstest.MapFile{Data: []byte("include <self>\n")}

	few := policy.Limits{ExpandedBytes: 1 << 20}
	small := compile.Limits{States: 1 << 14, Memory: 64 << 20, Bytes: 1 << 20}
	const (
		none       = "" // compiles
		refused    = "an error that is not a limit"
		nesting    = "nesting depth"
		operators  = "operators in an expression"
		statements = "policy statements"
		values     = "values of a variable"
		expanded   = "bytes of expanded policy"
		states     = "states of all automata"
		memory     = "bytes of memory to compile the policy"
		binary     = "bytes of binary policy"
	)
	for _, c := range []struct {
		name    string
		text    string
		resolve policy.Limits
		compile compile.Limits
		what    string
	}{
		{"blocks", "/t " + rep("{ ", 1_000_000), policy.Limits{}, small, nesting},
		{"profiles", rep("profile p { ", 1_000_000), policy.Limits{}, small, nesting},
		{"conditions", "/t { " + rep("if true { ", 1_000_000), policy.Limits{}, small, nesting},
		{"parentheses", "$B = " + rep("(", 1_000_000), policy.Limits{}, small, operators},
		{"squares", squares(40) + "/t { /@{V40} r, }", policy.Limits{}, small, values},
		{"squares in a rule", squares(3) + "/t { /" + rep("@{V3}", 3000) + " r, }", few, small, expanded},
		{"squares in rules", squares(4) + "/t { " + lines(3000, "/@{V4}/%d r,\n") + " }", few, small, expanded},
		{"a circle of variables", "@{A}=@{B}\n@{B}=@{A}\n/t { /@{A} r, }", policy.Limits{}, small, refused},
		{"values", "@{V}=" + lines(70_000, "x%d "), policy.Limits{}, small, values},
		{"values one by one", "@{V}=a\n" + lines(70_000, "@{V}+=x%d\n"), policy.Limits{}, small, values},
		{"comparisons", "@{V}=" + lines(60_000, "x%d ") + "\n" + lines(10_000, "$B%d = y in @{V}\n"), policy.Limits{Statements: 1 << 18}, small, statements},
		{"includes of rules", "/t { include <rules/0> }", policy.Limits{}, small, none},
		{"includes of variables", "include <vars/0>\n/t { }", policy.Limits{}, small, none}, // each is read once
		{"a circle of includes", "/t { include <self> }", policy.Limits{}, small, none},
		{"aliases", lines(100_000, "alias /a%d -> /b,\n") + "/t { }", policy.Limits{}, small, none},
		{"aliases of rules", lines(1000, "alias / -> /b%d,\n") + "/t { " + lines(1000, "/%d r,\n") + "}", few, small, expanded},
		{"aliases of profiles", lines(1000, "alias / -> /b%d,\n") + lines(1000, "/%d { }\n"), few, small, expanded},
		{"aliases without effect", lines(60_000, "alias /a%d -> /b,\n") + "/t { " + rep("/c r, ", 2000) + "}", policy.Limits{Statements: 1 << 18}, small, statements},
		{"alternations in a row", "/t { /" + rep("{a,b}", 3000) + " r, }", policy.Limits{}, small, none},
		{"alternations with stars", "/t { /" + rep("{a*,b*c}", 300) + "c r, }", policy.Limits{}, small, states},
		{"alternations in alternations", "/t { /" + rep("{a,", 40) + rep("}", 40) + " r, }", policy.Limits{}, small, none},
		{"deep alternations", "/t { /" + rep("{a,", 1_000_000) + rep("}", 1_000_000) + " r, }", policy.Limits{}, small, memory},
		{"a few open alternations", "/t { /" + rep("{", 10_000) + " r, }", policy.Limits{}, small, refused},
		{"open alternations", "/t { /" + rep("{", 1_000_000) + " r, }", policy.Limits{}, small, memory},
		{"a rule whose states double", "/t { /**{a,b}" + rep("?", 30) + "c r, }", policy.Limits{}, small, states},
		{"many rules whose states double", "/t { " + lines(40, "/**x????????????????%d r,\n") + "}", policy.Limits{}, small, states},
		{"a signal rule whose states double", "/t { signal peer=**{a,b}" + rep("?", 30) + "c, }", policy.Limits{}, small, states},
		{"an attachment whose states double", "profile t /**{a,b}" + rep("?", 30) + "c { }", policy.Limits{}, small, states},
		{"stars", "/t { /" + rep("**", 50_000) + "a r, }", policy.Limits{}, small, memory},
		{"a long path", "/t { /" + rep("a", 1<<16) + " r, }", policy.Limits{}, small, states},
		{"a long path in little memory", "/t { /" + rep("a", 1<<18) + " r, }", policy.Limits{}, compile.Limits{Memory: 1 << 20}, memory},
		{"hats", "/t { " + lines(5000, "^h%d { /a r, }\n") + "}", policy.Limits{}, small, states},
		{"hats in few bytes", "/t { " + lines(5000, "^h%d { /a r, }\n") + "}", policy.Limits{}, compile.Limits{Bytes: 1 << 18}, binary},
		{"a long name", "profile " + rep("a", 1<<20) + " { ^b { } }", policy.Limits{}, small, refused},
	} {
		t.Run(c.name, func(t *testing.T) {
			// It is the limits that are to end this, not the time.
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
			defer cancel()
			err := hostile(ctx, c.text+"\n", tree, c.resolve, c.compile)
			var limit *diag.LimitError
			switch {
			case errors.Is(err, context.DeadlineExceeded):
				t.Fatal("the time ended it, and not a limit")
			case errors.As(err, &limit):
				if limit.What != c.what || limit.Got <= limit.Limit || !errors.Is(err, diag.ErrLimit) {
					t.Errorf("%v, want %q", clip(err), c.what)
				}
			case c.what == none:
				if err != nil {
					t.Error(clip(err))
				}
			case c.what != refused || err == nil:
				t.Errorf("error %v, want %q", clip(err), c.what)
			}
		})
	}
}

// clip is the beginning of an error's text.
func clip(err error) string { return fmt.Sprintf("%.200v", err) }

// hostile compiles a text for kernel 6.12.
func hostile(ctx context.Context, text string, tree fstest.MapFS, resolve policy.Limits, limits compile.Limits) error {
	kernel, _ := features.Kernel("6.12")
	unit, err := parser.Config{Roots: []fs.FS{tree}}.ParseTree(ctx, "hostile", text)
	if err != nil {
		return err
	}
	set, err := policy.Resolve(ctx, unit, policy.Options{Kernel: kernel, Default: kernel, Limits: resolve})
	if err != nil || len(set.Profiles) == 0 {
		return err
	}
	_, err = compile.Compile(ctx, set, compile.Options{Kernel: kernel, Degrade: compile.Report, Limits: limits})
	return err
}
