// SPDX-License-Identifier: Apache-2.0

package fuzz

import (
	"errors"
	"io/fs"
	"os"
	"testing"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/internal/seeds"
	"github.com/goarmor/apparmor/internal/testenv"
	"github.com/goarmor/apparmor/internal/upstream"
	"github.com/goarmor/apparmor/parser"
	"github.com/goarmor/apparmor/parser/grammar"
)

// FuzzGrammar holds the parser against the grammar of record.
func FuzzGrammar(f *testing.F) {
	for _, text := range texts(f, 300) {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		watch(t)
		if len(text) < 4096 {
			compareGrammar(t, "f", text)
		}
	})
}

// compareGrammar holds the parser against the grammar of record: a text that
// the grammar refuses must be a syntax error to the parser, one that it takes
// must not, and what both take must have the same statements, field by field.
// It is read as a file, as a fragment, and as what a profile holds.
func compareGrammar(tb testing.TB, name, src string) {
	tb.Helper()
	for what, c := range map[string]struct {
		where parser.Context
		text  string
	}{
		"file":    {parser.ContextFile, src},
		"body":    {parser.ContextBody, src},
		"profile": {parser.ContextFile, "profile x {\n" + src + "\n}\n"},
	} {
		_, err := grammar.Check(tb.Context(), parser.Config{Context: c.where}, name, c.text)
		var disagreement *grammar.DisagreementError
		if errors.As(err, &disagreement) {
			tb.Errorf("as a %s: %v\n%s", what, err, c.text)
		}
	}
}

func TestGrammar(t *testing.T) {
	for _, c := range upstream.Corners(t) {
		compareGrammar(t, c.ID, c.Profile)
	}
	for _, test := range upstream.PolicyTests(t, false).Tests {
		compareGrammar(t, test.Path, test.Text)
	}
	root := os.DirFS(testenv.DebianTree(t))
	for _, name := range seeds.Files(t, root) {
		data, err := fs.ReadFile(root, name)
		if err != nil {
			t.Fatal(err)
		}
		f, err := parser.Parse(name, string(data))
		if err != nil {
			t.Error(err)
			continue
		}
		where := parser.ContextFile
		if isFragment(f) {
			where = parser.ContextBody
		}
		if _, err := grammar.Check(t.Context(), parser.Config{Context: where}, name, string(data)); err != nil {
			t.Error(err)
		}
	}
}

// isFragment reports whether a file holds rules.
func isFragment(f *ast.File) bool {
	for _, s := range f.Stmts {
		switch s.(type) {
		case ast.Rule, *ast.Block, *ast.If:
			return true
		}
	}
	return false
}
