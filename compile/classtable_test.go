// SPDX-License-Identifier: Apache-2.0

package compile

import (
	"reflect"
	"testing"

	"github.com/goarmor/apparmor/ast"
)

// Every class of rules has its row, but for resource limits: they are members
// of a resolved profile, not rules of it.
func TestRuleClasses(t *testing.T) {
	rows := map[ast.Class]class{}
	for typ, row := range classes {
		rows[reflect.New(typ.Elem()).Interface().(ast.Rule).Class()] = row
	}
	for c := range ast.Classes() {
		row, ok := rows[c]
		switch {
		case c == ast.ClassRlimit && ok:
			t.Errorf("%s has a row", c)
		case c == ast.ClassRlimit:
		case !ok || row.translate == nil:
			t.Errorf("%s has no row, or none that translates it", c)
		}
	}
}
