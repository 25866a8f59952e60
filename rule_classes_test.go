// SPDX-License-Identifier: Apache-2.0

package apparmor_test

import (
	"fmt"
	goast "go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"text/tabwriter"

	"github.com/goarmor/apparmor/ast"
)

// TestRuleClasses compares docs/rule-classes.md with the tree: each class of
// rules has a file of its name in each column, which is not empty, or the
// table says "none, because ...".
func TestRuleClasses(t *testing.T) {
	columns := []string{"ast", "parser", "policy", "render", "compile", "query"}
	const none = "none, because "
	rows := tableRows(t, "docs/rule-classes.md", "class", columns)
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "class\t"+strings.Join(columns, "\t"))
	var reasons []string
	for class := range ast.Classes() {
		cells, ok := rows["`"+class.String()+"`"]
		if !ok {
			t.Errorf("%s has no row", class)
			continue
		}
		delete(rows, "`"+class.String()+"`")
		name := strings.ReplaceAll(class.String(), "_", "") + ".go"
		fmt.Fprint(w, class)
		for i, column := range columns {
			path := column + "/" + name
			declares, err := declares(path)
			switch {
			case strings.HasPrefix(cells[i], none) && len(cells[i]) > len(none)+10:
				if err == nil {
					t.Errorf("%s: the table says %q, but %s is there", class, cells[i], path)
				}
				reasons = append(reasons, fmt.Sprintf("%s has no %s: %s", class, path, strings.TrimPrefix(cells[i], "none, ")))
				fmt.Fprint(w, "\tnone")
				continue
			case err != nil:
				t.Errorf("%s has no file in %s, and the table gives no reason: %v", class, column, err)
			case !declares:
				t.Errorf("%s declares nothing", path)
			}
			if link := fmt.Sprintf("[%s](../%s)", name, path); cells[i] != link {
				t.Errorf("%s: the cell of %s is %q, want %q", class, column, cells[i], link)
			}
			fmt.Fprint(w, "\t"+path)
		}
		fmt.Fprintln(w)
	}
	for row := range rows {
		t.Errorf("%s is not a class", row)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	t.Logf("\n%s%s", &b, strings.Join(reasons, "\n"))
}

// declares reports whether a Go file declares anything besides imports.
func declares(path string) (bool, error) {
	file, err := parser.ParseFile(token.NewFileSet(), filepath.FromSlash(path), nil, parser.SkipObjectResolution)
	if err != nil {
		return false, err
	}
	for _, d := range file.Decls {
		if g, ok := d.(*goast.GenDecl); !ok || g.Tok != token.IMPORT {
			return true, nil
		}
	}
	return false, nil
}

// tableRows reads the table of a Markdown file that has the given head: the
// cells of each row by the first one.
func tableRows(t *testing.T, path, first string, columns []string) map[string][]string {
	t.Helper()
	data, err := os.ReadFile(filepath.FromSlash(path))
	if err != nil {
		t.Fatal(err)
	}
	_, table, ok := strings.Cut(string(data), "| "+first+" | "+strings.Join(columns, " | ")+" |\n")
	if !ok {
		t.Fatalf("%s has no table of %s", path, first)
	}
	rows := map[string][]string{}
	for i, line := range strings.Split(table, "\n") {
		if i == 0 { // the line of dashes
			continue
		}
		if !strings.HasPrefix(line, "| ") {
			break
		}
		cells := strings.Split(strings.TrimSuffix(strings.TrimPrefix(line, "| "), " |"), " | ")
		if len(cells) != len(columns)+1 {
			t.Fatalf("a row of %d cells, want %d: %s", len(cells), len(columns)+1, line)
		}
		if _, again := rows[cells[0]]; again {
			t.Errorf("%s has two rows", cells[0])
		}
		rows[cells[0]] = cells[1:]
	}
	return rows
}
