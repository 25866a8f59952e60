// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/parser"
	"github.com/goarmor/apparmor/policy"
)

// FuzzResolve resolves whatever text parses. Nothing may panic or run away,
// errors must be typed, the result must be valid and the same each time.
func FuzzResolve(f *testing.F) {
	for _, seed := range []string{
		"@{V}=a b\n@{W}=/@{V}/ x\n/t { /q/@{W}/y r, @{exec_path} rix, signal peer=@{profile_name}, }\n",
		"alias /a -> /b,\n$B = true\nprofile t /a flags=(complain,attach_disconnected.path=/x) { if $B { /a px -> c, } else { /a ux, } ^h { } }\n",
		"@{V}=@{W}\n@{W}=@{V}\n/t { /@{V} r, }\n",
		"/t { audit deny { owner { /a r, } network, { set rlimit as <= 1K, } } }\n",
		"@{A}=a b\n@{B}=@{A}@{A}\n@{C}=@{B}@{B}\n@{D}=@{C}@{C}\n/t { /@{D}@{D} r, }\n",
		"abi <default>,\n:ns:t xattrs=(user.a=b) { if 1 < 2 and @{V} in a { } change_profile /a -> b, }\n",
	} {
		f.Add(seed)
	}
	if list, err := filepath.Glob("/etc/apparmor.d/usr.*"); err == nil {
		for _, name := range list {
			if data, err := os.ReadFile(name); err == nil && len(data) < 4096 {
				f.Add(string(data))
			}
		}
	}
	opts := policy.Options{Limits: policy.Limits{Values: 256, ExpandedBytes: 1 << 18, Statements: 1 << 14}}
	f.Fuzz(func(t *testing.T, text string) {
		file, err := parser.Parse("fuzz", text)
		if err != nil {
			return
		}
		unit := &ast.Unit{Main: file}
		set, err := policy.Resolve(context.Background(), unit, opts)
		again, err2 := policy.Resolve(context.Background(), unit, opts)
		if err != nil {
			list, ok := errors.AsType[diag.List](err)
			if !ok || len(list) == 0 || err2 == nil || err.Error() != err2.Error() {
				t.Fatalf("errors %T %v, then %v", err, err, err2)
			}
			return
		}
		if text, text2 := describe(set), describe(again); text != text2 {
			t.Fatalf("not the same twice:\n%s\n%s", text, text2)
		}
		for _, p := range set.Profiles {
			if p.Parent != nil {
				continue
			}
			if err := p.Validate(); err != nil {
				t.Fatalf("invalid result: %+v\n%s", err, describe(set))
			}
		}
	})
}

// describe prints a set for comparison.
func describe(s *policy.Set) string {
	var b strings.Builder
	for _, p := range s.Profiles {
		fmt.Fprintf(&b, "%s %s %v %v %+v %v %x\n", p.FullName(), p.Attachment, p.Alternates, p.Xattrs, p.Flags, p.Rlimits, p.ABI.ID())
		for _, r := range p.Rules {
			fmt.Fprintf(&b, "  %+v %v\n", r.Rule, r.Origin.Position())
		}
	}
	for _, w := range s.Warnings {
		fmt.Fprintln(&b, w)
	}
	return b.String()
}
