// SPDX-License-Identifier: Apache-2.0

package render_test

import (
	"testing"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/parser"
	"github.com/goarmor/apparmor/render"
)

// TestBareIncludes holds what may be written as a path without quotes against
// what the parser reads. With a backslash in it, quotes would change it.
func TestBareIncludes(t *testing.T) {
	for _, tt := range []struct {
		path string
		ok   bool
	}{
		{`,\a`, true}, {`,\`, true}, {`,a\,`, true}, {`a\,`, true}, {`\,`, true}, {`#\`, true}, {`{\`, true}, {`}\a`, true},
		{`\"b`, true}, {`a\!b`, true}, {`a\ b`, true}, {`,`, true}, {`a b`, true}, // the last two are put in quotes
		{`a,,b\`, false}, {`a,,\`, false}, {`,,\`, false}, {`\,,`, false}, {`\a,`, false}, {`a b\`, false}, {`a"\`, false}, {"a\n\\", false},
	} {
		n := &ast.Include{Path: tt.path, Kind: ast.IncludeBare}
		text, err := render.Append(nil, &ast.File{Stmts: []ast.Stmt{n, &ast.Include{Path: "z"}}})
		if (err == nil) != tt.ok {
			t.Errorf("%q: %q, %v", tt.path, text, err)
		}
		if err != nil {
			continue
		}
		f, err := parser.Parse("f", string(text))
		if err != nil {
			t.Errorf("%q: %v", text, err)
		} else if got, ok := f.Stmts[0].(*ast.Include); !ok || len(f.Stmts) != 2 || got.Path != tt.path {
			t.Errorf("%q comes back as %+v", text, f.Stmts[0])
		}
	}
}
