// SPDX-License-Identifier: Apache-2.0

// Package sarif has a test of what aapolicy writes.
package sarif

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif"
	"github.com/xeipuuv/gojsonschema"
)

// TestSchema validates the golden files of aapolicy with the schema of SARIF 2.1.0
// (OASIS, errata 01), which go-sarif has in its source.
func TestSchema(t *testing.T) {
	schema, err := gojsonschema.NewSchema(gojsonschema.NewStringLoader(schemaText(t)))
	if err != nil {
		t.Fatal(err)
	}
	check := func(text string) []gojsonschema.ResultError {
		t.Helper()
		r, err := schema.Validate(gojsonschema.NewStringLoader(text))
		if err != nil {
			t.Fatal(err)
		}
		return r.Errors()
	}
	golden := filepath.Join("..", "..", "..", "cmd", "aapolicy", "internal", "command", "testdata", "golden")
	files, err := os.ReadDir(golden)
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, f := range files {
		text, err := os.ReadFile(filepath.Join(golden, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(text), "sarif-schema-2.1.0.json") {
			continue
		}
		seen++
		for _, e := range check(string(text)) {
			t.Errorf("%s: %s", f.Name(), e)
		}
		// The schema is one that refuses something.
		for _, change := range [][2]string{
			{`"startLine": `, `"startLine": -`}, {`"level": "`, `"level": "x`}, {`"ruleId"`, `"ruleID"`}, {`"columnKind": "`, `"columnKind": "x`},
		} {
			if bad := strings.Replace(string(text), change[0], change[1], 1); bad == string(text) || len(check(bad)) == 0 {
				t.Errorf("%s: %s is taken", f.Name(), change[1])
			}
		}
	}
	if seen < 4 {
		t.Errorf("%d files", seen)
	}
}

// schemaText returns the schema, which is a constant that go-sarif does not export:
// its own check is of its own values, which lack what it does not know.
func schemaText(t *testing.T) string {
	t.Helper()
	_ = sarif.NewReport // the package that has the constant
	dir, err := exec.CommandContext(t.Context(), "go", "list", "-f", "{{.Dir}}", "github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif").Output()
	if err != nil {
		t.Fatal(err)
	}
	f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(strings.TrimSpace(string(dir)), "schema.go"), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	text := ""
	ast.Inspect(f, func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok && spec.Names[0].Name == "schema" {
			if value, ok := spec.Values[0].(*ast.BasicLit); ok {
				text, err = strconv.Unquote(value.Value)
			}
		}
		return true
	})
	if err != nil || text == "" {
		t.Fatalf("no schema: %v", err)
	}
	return text
}
