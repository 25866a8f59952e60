// SPDX-License-Identifier: Apache-2.0

package render_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"testing"

	"github.com/leanovate/gopter"
	"github.com/leanovate/gopter/prop"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/internal/treetest"
	"github.com/goarmor/apparmor/parser"
	"github.com/goarmor/apparmor/render"
)

// parseBack parses text where the statements of f may be.
func parseBack(f *ast.File, text string) (*ast.File, error) {
	c := parser.Config{Context: parser.ContextFile}
	for _, s := range f.Stmts {
		switch s.(type) {
		case ast.Rule, *ast.Block, *ast.If:
			c.Context = parser.ContextBody
		}
	}
	return c.Parse(context.Background(), "rendered", text)
}

// unknownCapability reports whether text was refused for nothing but a
// capability, which a kernel might have.
func unknownCapability(err error) bool {
	var list diag.List
	return errors.As(err, &list) && list[0].Code == diag.CodeCapability
}

// enough nodes of every type must have been written for a test to tell
// something.
const enough = 10

// TestTreesComeBack holds for every tree: it is refused with a typed error, or
// its text is read as the same tree and is in canonical form.
func TestTreesComeBack(t *testing.T) {
	for _, wild := range []int{0, 12} {
		written, refused := map[string]int{}, map[string]int{}
		count := func(m map[string]int, f *ast.File) {
			for n := range ast.All(f) {
				if !reflect.ValueOf(n).IsNil() {
					m[reflect.TypeOf(n).Elem().Name()]++
				}
			}
		}
		parameters := gopter.DefaultTestParameters()
		parameters.MinSuccessfulTests = 5000
		properties := gopter.NewProperties(parameters)
		properties.Property(fmt.Sprintf("a field in %d holds anything", wild), prop.ForAll(func(f *ast.File) string {
			text, err := render.Append(nil, f)
			if err != nil {
				var d *diag.Diagnostic
				var ce *ast.CheckError
				if !errors.As(err, &d) || d.Code != diag.CodeUnwritable || !errors.As(err, &ce) || text != nil {
					return fmt.Sprintf("the error is %T %v", err, err)
				}
				for n := range ast.All(f) {
					if ast.Check(n) != nil && !reflect.ValueOf(n).IsNil() {
						refused[reflect.TypeOf(n).Elem().Name()]++
					}
				}
				return ""
			}
			count(written, f)
			back, err := parseBack(f, string(text))
			if unknownCapability(err) {
				return ""
			}
			if err != nil {
				return fmt.Sprintf("%+v\n%s", err, text)
			}
			if again, err := render.Format(back); err != nil || string(again) != string(text) {
				return fmt.Sprintf("not canonical: %v\n%s%s", err, text, again)
			}
			if d := treetest.Diff(plain(f), plain(back)); d != "" {
				return d + "\n" + string(text)
			}
			return ""
		}, files(wild)))
		properties.TestingRun(t)
		for _, types := range [][]reflect.Type{bodyTypes, preambleTypes, exprTypes} {
			for _, typ := range types {
				if n := written[typ.Name()]; n < enough {
					t.Errorf("only %d nodes of type %s were written", n, typ.Name())
				}
			}
		}
		t.Logf("written %v", written)
		t.Logf("refused %v", refused)
	}
}
