// SPDX-License-Identifier: Apache-2.0

package render_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/internal/oracle"
	"github.com/goarmor/apparmor/internal/testenv"
	"github.com/goarmor/apparmor/parser"
	"github.com/goarmor/apparmor/render"
)

// TestSpellingsReference asks apparmor_parser whether the spellings of a rule
// really say the same: what it accepts it must also accept in canonical form,
// with the same binary.
func TestSpellingsReference(t *testing.T) {
	p := oracle.Parser(t)
	features := oracle.Features(t, "kernel-7.2.13")
	compile := func(rule string) ([]byte, error) {
		return p.Compile(oracle.Job{Text: "@{V} = /v\n$B = true\nprofile t {\n" + rule + "\n}\n", Features: features})
	}
	accepted := 0
	for _, group := range rules {
		canonical, refused := compile(group[0])
		for _, text := range group[1:] {
			got, err := compile(text)
			switch {
			case err != nil:
				continue // another version's, or never right
			case text == "mount detached -> /a,":
				continue // to 3.0.8 the word is the name of a source
			case refused != nil:
				t.Errorf("%s is accepted, but not %s: %v", text, group[0], refused)
			case !bytes.Equal(got, canonical):
				t.Errorf("%s compiles to something else than %s", text, group[0])
			}
			accepted++
		}
	}
	t.Logf("%d spellings compared", accepted)
	if accepted < 50 {
		t.Errorf("only %d spellings compared", accepted)
	}
}

// TestWordsReference asks apparmor_parser whether it reads literal words as
// they were meant: the file automaton must match the path and nothing shorter.
func TestWordsReference(t *testing.T) {
	p := oracle.Parser(t)
	features := oracle.Features(t, "kernel-6.1.192")
	for c := 1; c < 256; c++ {
		if c == '/' {
			continue
		}
		for _, path := range []string{"/a" + string([]byte{byte(c)}) + "b", "/a" + string([]byte{byte(c)})} {
			pattern, err := ast.Literal(path)
			if err != nil {
				t.Fatal(err)
			}
			rule := &ast.FileRule{Path: pattern, Perms: ast.FileRead}
			text, err := render.Append(nil, &ast.Profile{Name: "t", Body: []ast.Stmt{rule}})
			if err != nil {
				t.Fatal(err)
			}
			data, err := p.Compile(oracle.Job{Text: string(text) + "\n", Features: features})
			if err != nil {
				t.Errorf("%s: %v", text, err)
				continue
			}
			if !grants(t, data, path) {
				t.Errorf("%s does not grant %q", text, path)
			}
			for _, other := range []string{"/a", "/ab", "/acb", "/ac", `/a\b`, `/a\`, "/a/b", "/a" + string([]byte{byte(c) ^ 1}) + "b"} {
				if other != path && grants(t, data, other) {
					t.Errorf("%s grants %q", text, other)
				}
			}
		}
	}
}

// TestCanonicalReference compiles Debian's profiles as they are and in
// canonical form.
func TestCanonicalReference(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles every profile twice; run without -short")
	}
	dir := testenv.DebianTree(t)
	p := oracle.Parser(t)
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	compared := 0
	for _, e := range files {
		if !e.Type().IsRegular() {
			continue
		}
		src, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		f, err := parser.Parse(e.Name(), string(src))
		if err != nil {
			t.Error(err)
			continue
		}
		text, err := render.Append(nil, f)
		if err != nil {
			t.Error(err)
			continue
		}
		job := oracle.Job{Base: dir, Features: oracle.Features(t, "kernel-7.2.13")}
		job.Text = string(src)
		want, err := p.Compile(job)
		if err != nil {
			t.Errorf("%s: %v", e.Name(), err)
			continue
		}
		job.Text = string(text)
		got, err := p.Compile(job)
		if err != nil {
			t.Errorf("%s: %v", e.Name(), err)
		} else if !bytes.Equal(got, want) {
			t.Errorf("%s compiles to something else in canonical form", e.Name())
		}
		compared++
	}
	t.Logf("%d profiles compared", compared)
	if compared == 0 {
		t.Error("no profile was compared")
	}
}
