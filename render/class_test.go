// SPDX-License-Identifier: Apache-2.0

package render_test

import (
	"testing"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/parser"
	"github.com/goarmor/apparmor/render"
)

// A rule of every class is written, as one that reads back as the same class.
func TestRuleClasses(t *testing.T) {
	texts := map[ast.Class]string{
		ast.ClassLink: "link /a -> /b,", ast.ClassRlimit: "set rlimit as <= 1,",
	}
	for c := range ast.Classes() {
		src, ok := texts[c]
		if !ok {
			src = c.String() + ","
		}
		rule, err := parser.ParseRule(src)
		if err != nil || rule.Class() != c {
			t.Errorf("%s: %T, %v", src, rule, err)
			continue
		}
		if got := render.String(rule); got != src {
			t.Errorf("a %s rule is written as %s, want %s", c, got, src)
		}
	}
}
