// SPDX-License-Identifier: Apache-2.0

package diag

import (
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// Each code has one name, each name one code, and all have one form.
func TestCodes(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "codes.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	form := regexp.MustCompile(`^[a-z]+(-[a-z]+)*$`)
	names := map[string]string{}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		name := spec.Names[0].Name
		code, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		switch {
		case err != nil:
			t.Fatalf("%s: %v", name, err)
		case !strings.HasPrefix(name, "Code") && !strings.HasPrefix(name, "Warn"):
			t.Errorf("%s begins with neither Code nor Warn", name)
		case !form.MatchString(code):
			t.Errorf("%s = %q is not in lower case with dashes", name, code)
		case names[code] != "":
			t.Errorf("%s and %s are both %q", names[code], name, code)
		}
		names[code] = name
		return true
	})
	if len(names) < 50 {
		t.Errorf("%d codes found, want at least 50", len(names))
	}
}
