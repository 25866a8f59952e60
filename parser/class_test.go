// SPDX-License-Identifier: Apache-2.0

package parser

import (
	"testing"

	"github.com/goarmor/apparmor/ast"
)

// Every class of rules has its row, whose words begin its rules.
func TestRuleClasses(t *testing.T) {
	texts := map[string]string{
		"file": "file /a r,", "link": "link /a -> /b,", "set": "set rlimit as <= 1,",
	}
	for c := range ast.Classes() {
		if int(c) >= len(ruleClasses) || ruleClasses[c].class == nil {
			t.Errorf("%s has no row", c)
			continue
		}
		for _, word := range ruleClasses[c].words {
			src, ok := texts[word]
			if !ok {
				src = word + ","
			}
			if rule, err := ParseRule(src); err != nil || rule.Class() != c {
				t.Errorf("%s is %T, %v; want one of class %s", src, rule, err, c)
			}
		}
	}
	if n := len(ruleClasses); n > int(ast.ClassAll)+1 {
		t.Errorf("%d rows, more than classes", n)
	}
}
