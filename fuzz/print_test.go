// SPDX-License-Identifier: Apache-2.0

package fuzz

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/internal/lex"
	"github.com/goarmor/apparmor/internal/treetest"
	"github.com/goarmor/apparmor/parser"
	"github.com/goarmor/apparmor/render"
)

// FuzzPrint holds for every text that parses: it prints as it is, and reads
// back as the same tree, places included. In canonical form, with its comments
// and without, it has the same tree but for the places, and is what its
// canonical form is made to be again.
func FuzzPrint(f *testing.F) {
	for _, text := range texts(f, 300) {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		watch(t)
		for _, where := range []parser.Context{parser.ContextFile, parser.ContextBody} {
			printText(t, text, where)
		}
	})
}

func printText(t *testing.T, text string, where parser.Context) {
	parse := func(text string) (*ast.File, error) {
		return parser.Config{Context: where}.Parse(t.Context(), "fuzz", text)
	}
	file, err := parse(text)
	if err != nil {
		return
	}
	same, err := render.Verbatim(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(same) != text {
		t.Fatalf("verbatim:\n got %q\nwant %q", same, text)
	}
	if again, err := parse(string(same)); err != nil || !reflect.DeepEqual(again, file) {
		t.Fatalf("not the same tree again (%v): %s", err, treetest.Diff(file, again))
	}
	for name, write := range map[string]func(*ast.File) ([]byte, error){
		"append": func(f *ast.File) ([]byte, error) { return render.Append(nil, f) },
		"format": render.Format,
	} {
		canonical, err := write(file)
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, text)
		}
		again, err := parse(string(canonical))
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, canonical)
		}
		if d := treetest.Diff(file, again); d != "" {
			t.Fatalf("%s: the tree changed at %s\n%s", name, d, canonical)
		}
		if name == "format" {
			if a, b := comments(text), comments(string(canonical)); !slices.Equal(a, b) {
				t.Fatalf("comments %q became %q", a, b)
			}
		}
		twice, err := write(again)
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, canonical)
		}
		if string(twice) != string(canonical) {
			t.Fatalf("%s: the canonical form of\n%q\nis\n%q", name, canonical, twice)
		}
	}
}

// comments returns what follows a # between the tokens of a text.
func comments(text string) []string {
	var out []string
	l := lex.New(text)
	var tok lex.Token
	end := uint32(0)
	for {
		l.Next(&tok)
		for line := range strings.Lines(text[end:tok.From]) {
			if _, c, ok := strings.Cut(line, "#"); ok {
				out = append(out, strings.TrimRight(c, " \t\r\n"))
			}
		}
		if tok.Kind == lex.EOF {
			return out
		}
		end = tok.To
	}
}
