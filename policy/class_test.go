// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"reflect"
	"testing"

	"github.com/goarmor/apparmor/ast"
)

// Every class of rules has its row, which names all fields that are patterns.
func TestRuleClasses(t *testing.T) {
	rules := map[ast.Class]ast.Rule{}
	for _, r := range []ast.Rule{
		&ast.FileRule{}, &ast.LinkRule{}, &ast.CapabilityRule{}, &ast.NetworkRule{}, &ast.UnixRule{}, &ast.DBusRule{},
		&ast.SignalRule{}, &ast.PtraceRule{}, &ast.MountRule{Conds: []ast.MountCond{{Values: make([]ast.Pattern, 1)}}},
		&ast.PivotRootRule{}, &ast.ChangeProfileRule{}, &ast.RlimitRule{}, &ast.MqueueRule{}, &ast.IOUringRule{},
		&ast.UsernsRule{}, &ast.AllRule{},
	} {
		rules[r.Class()] = r
	}
	for c := range ast.Classes() {
		switch r := rules[c]; {
		case r == nil:
			t.Errorf("the test has no %s rule", c)
		case int(c) >= len(rulePatterns) || rulePatterns[c] == nil:
			t.Errorf("%s has no row", c)
		default:
			if got, want := len(patternsOf(r, nil)), countPatterns(reflect.ValueOf(r)); got != want {
				t.Errorf("%s: %d patterns, want %d", c, got, want)
			}
		}
	}
}

// unknownRule is a rule of a class that this package does not know.
type unknownRule struct{ ast.Rule }

func (unknownRule) Class() ast.Class { return ast.Class(len(rulePatterns)) }

func TestUnknownClass(t *testing.T) {
	if got := patternsOf(unknownRule{}, nil); got != nil {
		t.Errorf("patterns of an unknown class: %v", got)
	}
}

// countPatterns counts the patterns in a value.
func countPatterns(v reflect.Value) (n int) {
	switch v.Kind() {
	case reflect.Pointer:
		return countPatterns(v.Elem())
	case reflect.Slice:
		for i := range v.Len() {
			n += countPatterns(v.Index(i))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			n += countPatterns(v.Field(i))
		}
	case reflect.String:
		if v.Type() == reflect.TypeFor[ast.Pattern]() {
			return 1
		}
	}
	return n
}
