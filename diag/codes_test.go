// SPDX-License-Identifier: Apache-2.0

package diag

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
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

// No other package of the module declares a code.
func TestOneList(t *testing.T) {
	files := 0
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") {
			return err
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		files++
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok || len(spec.Values) == 0 {
				return true
			}
			if s, ok := spec.Type.(*ast.SelectorExpr); ok && s.Sel.Name == "Code" {
				if x, ok := s.X.(*ast.Ident); ok && x.Name == "diag" {
					t.Errorf("%v: %s is a code outside of package diag", fset.Position(spec.Pos()), spec.Names[0].Name)
				}
			}
			return true
		})
		return nil
	})
	if err != nil || files < 300 {
		t.Errorf("%d files read: %v", files, err)
	}
}
