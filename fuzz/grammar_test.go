// SPDX-License-Identifier: Apache-2.0

package fuzz

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/internal/grammar"
	"github.com/goarmor/apparmor/internal/testenv"
	"github.com/goarmor/apparmor/internal/treetest"
	"github.com/goarmor/apparmor/parser"
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
// must not, and what both take must have the same statements.
func compareGrammar(tb testing.TB, name, src string) {
	tb.Helper()
	want, grammarErr := grammar.Parse(src)
	got, err := parser.Config{Context: parser.ContextFile}.Parse(tb.Context(), name, src)
	var list diag.List
	switch {
	case errors.As(err, &list) && grammarErr == nil:
		if guessed(list[0]) {
			return
		}
		switch list[0].Code {
		case diag.CodeSyntax, diag.CodeCharacter:
			tb.Errorf("%s: the grammar takes it, the parser says %v\n%s", name, err, src)
		}
	case err == nil && grammarErr != nil:
		tb.Errorf("%s: the parser takes it, the grammar says %v\n%s", name, grammarErr, src)
	case err == nil:
		if a, b := grammarOutline(want), treetest.Outline(got.Stmts); a != b {
			tb.Errorf("%s: grammar and parser differ:\n%s\n%s\n%s", name, a, b, src)
		}
	}
}

// guessed reports whether the parser refuses a word for what it probably means:
// one at the start of a line that cannot go on the rule before it, a brace as a
// name, at the end of one or as the path of an include. The grammar does not
// look at words.
func guessed(d *diag.Diagnostic) bool {
	return strings.HasPrefix(d.Hint, "is a comma missing at the end of the line before") ||
		d.Hint == "put a blank before the brace" || d.Message == "the profile has no name" ||
		d.Message == "the include has no path"
}

func TestGrammar(t *testing.T) {
	for _, c := range testenv.CorpusLines[struct{ ID, Profile string }](t, "corners.jsonl.gz") {
		compareGrammar(t, c.ID, c.Profile)
	}
	for _, test := range testenv.PolicyTests(t, false).Tests {
		compareGrammar(t, test.Path, test.Text)
	}
	root := os.DirFS(testenv.DebianTree(t))
	for _, name := range policyFiles(t, root) {
		data, err := fs.ReadFile(root, name)
		if err != nil {
			t.Fatal(err)
		}
		src := string(data)
		if f, err := parser.Parse(name, src); err != nil {
			t.Error(err)
		} else if isFragment(f) {
			src = "profile x {\n" + src + "\n}\n"
		}
		compareGrammar(t, name, src)
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

// grammarOutline is outline for the tree of the grammar of record.
func grammarOutline(f *grammar.File) string {
	var out []string
	for _, i := range f.Items {
		switch {
		case i.Include != nil:
			out = append(out, "Include")
		case i.ABI != nil:
			out = append(out, "ABI")
		case i.Alias != nil:
			out = append(out, "Alias")
		case i.Var != nil:
			out = append(out, "VarAssign")
		case i.Bool != nil:
			out = append(out, "BoolAssign")
		case i.Profile != nil:
			out = append(out, "Profile{"+bodyOutline(i.Profile.Body)+"}")
		}
	}
	return strings.Join(out, " ")
}

func bodyOutline(b *grammar.Body) string {
	var out []string
	for _, s := range b.Stmts {
		switch {
		case s.Include != nil:
			out = append(out, "Include")
		case s.ABI != nil:
			out = append(out, "ABI")
		case s.Child != nil:
			out = append(out, "Profile{"+bodyOutline(s.Child.Body)+"}")
		case s.If != nil:
			out = append(out, ifOutline(s.If))
		case s.Rlimit != nil:
			out = append(out, "RlimitRule")
		default:
			out = append(out, ruleOutline(s.Rule))
		}
	}
	return strings.Join(out, " ")
}

func ifOutline(n *grammar.If) string {
	other := ""
	if n.ElseIf != nil {
		other = ifOutline(n.ElseIf)
	} else if n.Else != nil {
		other = bodyOutline(n.Else)
	}
	return fmt.Sprintf("If{%s|%s}", bodyOutline(n.Then), other)
}

func ruleOutline(r *grammar.Rule) string {
	switch {
	case r.Block != nil:
		return "Block{" + bodyOutline(r.Block) + "}"
	case r.Capability != nil:
		return "CapabilityRule"
	case r.Network != nil:
		return "NetworkRule"
	case r.Unix != nil:
		return "UnixRule"
	case r.DBus != nil:
		return "DBusRule"
	case r.Signal != nil:
		return "SignalRule"
	case r.Ptrace != nil:
		return "PtraceRule"
	case r.Mount != nil, r.Remount != nil:
		return "MountRule"
	case r.PivotRoot != nil:
		return "PivotRootRule"
	case r.ChangeProfile != nil:
		return "ChangeProfileRule"
	case r.Mqueue != nil:
		return "MqueueRule"
	case r.IOUring != nil:
		return "IOUringRule"
	case r.Userns != nil:
		return "UsernsRule"
	case r.All != "":
		return "AllRule"
	case r.Link != nil:
		return "LinkRule"
	case r.File.Target != "":
		switch r.File.Mode + r.File.Mode2 {
		case "l", "L", "ll", "lsubset", "Lsubset":
			return "LinkRule"
		}
	}
	return "FileRule"
}
