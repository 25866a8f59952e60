// SPDX-License-Identifier: Apache-2.0

package features

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/goarmor/apparmor/diag"
)

func mustParse(tb testing.TB, text string) *Set {
	tb.Helper()
	s, err := Parse([]byte(text))
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

const small = "policy {versions {v7 {yes\n}\nv5 {yes\n}\n}\nset_load {yes\n}\n}\nfile {mask {read write\n}\n}\nstate32 {0x000001\n}\n"

func TestLookup(t *testing.T) {
	s := mustParse(t, small)
	for path, want := range map[string]bool{
		"":                   true,
		"policy":             true,
		"policy/versions":    true,
		"policy/versions/v7": true,
		"policy/versions/v8": false,
		"file/mask/read":     true,
		"file/mask/exec":     false,
		"file/read":          false,
		"file/":              true,
		"files":              false,
		"file/mask/read/x":   false,
	} {
		if got := s.Supports(path); got != want {
			t.Errorf("Supports(%q) = %t, want %t", path, got, want)
		}
	}
	if diff := cmp.Diff([]string{"read", "write"}, s.Words("file/mask")); diff != "" {
		t.Error(diff)
	}
	if w := s.Words("file/nothing"); w != nil {
		t.Errorf("Words of an absent entry = %q", w)
	}
	if v, ok := s.Value("file/mask"); v != "read write" || !ok {
		t.Errorf("Value = %q, %t", v, ok)
	}
	if v, ok := s.Value("file/mask/read"); v != "" || ok {
		t.Errorf("Value of a word = %q, %t", v, ok)
	}
	if n, ok := s.Uint("state32"); n != 1 || !ok {
		t.Errorf("Uint = %d, %t", n, ok)
	}
	for _, path := range []string{"file/mask", "policy", "none", "policy/set_load"} {
		if n, ok := s.Uint(path); ok {
			t.Errorf("Uint(%q) = %d", path, n)
		}
	}
	if diff := cmp.Diff([]string{"set_load", "versions"}, s.Names("policy")); diff != "" {
		t.Error(diff)
	}
}

func TestEmpty(t *testing.T) {
	var none *Set
	for name, s := range map[string]*Set{"nil": none, "zero": {}, "parsed": mustParse(t, " \n")} {
		if !s.Empty() || s.Supports("file") || s.Words("file") != nil || s.String() != "" || s.Names("file") != nil {
			t.Errorf("%s set is not empty", name)
		}
		if !s.Equal(&Set{}) || s.ID() != none.ID() {
			t.Errorf("%s set does not equal the zero set", name)
		}
		if !s.Intersect(Default()).Empty() || !Default().Intersect(s).Empty() {
			t.Errorf("intersection with the %s set is not empty", name)
		}
	}
}

func TestCanonical(t *testing.T) {
	s := mustParse(t, small)
	const want = "file {mask {read write\n}\n}\npolicy {set_load {yes\n}\nversions {v5 {yes\n}\nv7 {yes\n}\n}\n}\nstate32 {0x000001\n}\n"
	if diff := cmp.Diff(want, s.String()); diff != "" {
		t.Error(diff)
	}
	other := mustParse(t, want)
	if !s.Equal(other) || s.ID() != other.ID() {
		t.Error("the canonical text is another set")
	}
	if changed := mustParse(t, strings.Replace(small, "v7", "v9", 1)); s.Equal(changed) || s.ID() == changed.ID() {
		t.Error("different sets are equal")
	}
	for _, same := range []string{"{" + small + "}", strings.ReplaceAll(small, "\n", " "), strings.ReplaceAll(small, "\n", "\r\n")} {
		if !mustParse(t, same).Equal(s) {
			t.Errorf("differs: %q", same)
		}
	}
}

func TestRootWords(t *testing.T) {
	s := mustParse(t, "file=3.1 capability=2.0\nnetwork {inet}")
	if !s.Supports("file=3.1") || !s.Supports("network/inet") {
		t.Errorf("words lost: %q", s)
	}
	if again := mustParse(t, s.String()); !again.Equal(s) {
		t.Errorf("%q is read back as %q", s, again)
	}
}

func TestIntersect(t *testing.T) {
	for _, tt := range []struct{ name, a, b, want string }{
		{"words", "m {x y z}", "m {z x}", "m {x z}"},
		{"entries", "a {b {c} d {e}} f {g}", "a {d {e}}", "a {d {e}}"},
		{"smaller number", "v {0x000003}", "v {2}", "v {2}"},
		{"number in one set", "v {3}", "v {yes}", "v {}"},
		{"disjoint", "a {x}", "b {x}", ""},
	} {
		a, b := mustParse(t, tt.a), mustParse(t, tt.b)
		want := mustParse(t, tt.want)
		if got := a.Intersect(b); !got.Equal(want) {
			t.Errorf("%s: %q, want %q", tt.name, got, want)
		}
		if got := a.Intersect(a); !got.Equal(a) {
			t.Errorf("%s: a with itself is %q", tt.name, got)
		}
	}
}

func TestParseErrors(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		code       diag.Code
		line, col  int
	}{
		{"unclosed", "a {b {c}", diag.CodeFeaturesSyntax, 1, 3},
		{"unclosed second line", "a {b}\nc {d\n", diag.CodeFeaturesSyntax, 2, 3},
		{"closed twice", "a {b}}", diag.CodeFeaturesSyntax, 1, 6},
		{"no name", "a {{b}}", diag.CodeFeaturesSyntax, 1, 4},
		{"no name at the top", "a {b} {c}", diag.CodeFeaturesSyntax, 1, 7},
		{"word after the end", "{a {b}} c", diag.CodeFeaturesSyntax, 1, 9},
		{"control byte", "a {b\x01}", diag.CodeFeaturesSyntax, 1, 5},
		{"NUL", "a {\x00}", diag.CodeFeaturesSyntax, 1, 4},
		{"twice", "a {b} a {c}", diag.CodeFeaturesDuplicate, 1, 12},
		{"deep", strings.Repeat("a {", MaxDepth+1) + strings.Repeat("}", MaxDepth+1), diag.CodeFeaturesLimit, 1, 3*MaxDepth + 4},
		{"many", "a {" + strings.Repeat("b ", MaxEntries) + "}", diag.CodeFeaturesLimit, 1, 2*MaxEntries + 2},
		{"large", strings.Repeat(" ", MaxSize+1), diag.CodeFeaturesLimit, 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse([]byte(tt.text))
			d, ok := errors.AsType[*diag.Diagnostic](err)
			if !ok {
				t.Fatalf("error is %T %v", err, err)
			}
			if d.Code != tt.code || d.Pos.Line != tt.line || d.Pos.Column != tt.col {
				t.Errorf("%s at %d:%d, want %s at %d:%d (%v)", d.Code, d.Pos.Line, d.Pos.Column, tt.code, tt.line, tt.col, d)
			}
			if errors.Is(err, diag.ErrLimit) != (tt.code == diag.CodeFeaturesLimit) {
				t.Errorf("ErrLimit is wrong for %v", err)
			}
		})
	}
	deepest := strings.Repeat("a {", MaxDepth) + strings.Repeat("}", MaxDepth)
	if _, err := Parse([]byte(deepest)); err != nil {
		t.Errorf("at the limit of depth: %v", err)
	}
}

func TestFromFS(t *testing.T) {
	tree := fstest.MapFS{
		"policy/versions/v7": {Data: []byte("yes\n")},
		"policy/versions/v5": {Data: []byte("yes\n")},
		"policy/set_load":    {Data: []byte("yes\n")},
		"file/mask":          {Data: []byte("read write\n")},
		"state32":            {Data: []byte("0x000001\n")},
	}
	s, err := FromFS(tree)
	if err != nil {
		t.Fatal(err)
	}
	if want := mustParse(t, small); !s.Equal(want) {
		t.Errorf("got %q, want %q", s, want)
	}
	tests := []struct {
		name string
		fsys fs.FS
		code diag.Code
		is   error
	}{
		{"missing", os.DirFS(filepath.Join(t.TempDir(), "no")), diag.CodeFeaturesRead, fs.ErrNotExist},
		{"braces in a file", fstest.MapFS{"a": {Data: []byte("b {c}")}}, diag.CodeFeaturesSyntax, nil},
		{"braces in a name", fstest.MapFS{"a{b": {Data: []byte("yes")}}, diag.CodeFeaturesSyntax, nil},
		{"large", fstest.MapFS{"a": {Data: make([]byte, MaxSize/2+1)}, "b": {Data: make([]byte, MaxSize/2+1)}}, diag.CodeFeaturesSyntax, nil},
		{"large blank", fstest.MapFS{"a": {Data: blank(MaxSize/2 + 1)}, "b": {Data: blank(MaxSize/2 + 1)}}, diag.CodeFeaturesLimit, diag.ErrLimit},
		{"many words", fstest.MapFS{"a": {Data: []byte(strings.Repeat("x ", MaxEntries))}}, diag.CodeFeaturesLimit, diag.ErrLimit},
		{"deep", fstest.MapFS{strings.Repeat("d/", MaxDepth+1) + "f": {Data: []byte("yes")}}, diag.CodeFeaturesLimit, diag.ErrLimit},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := FromFS(tt.fsys)
			d, ok := errors.AsType[*diag.Diagnostic](err)
			if !ok || d.Code != tt.code || tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("got %v, want code %s", err, tt.code)
			}
		})
	}
}

func blank(n int) []byte { return []byte(strings.Repeat(" ", n)) }

func FuzzParse(f *testing.F) {
	f.Add([]byte(small))
	f.Add([]byte(Default().String()))
	f.Add([]byte("{a {b}}"))
	f.Add([]byte("a=1 b {} c"))
	f.Add([]byte("a {b c {d} e}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := Parse(data)
		if err != nil {
			if _, ok := errors.AsType[*diag.Diagnostic](err); !ok {
				t.Fatalf("error is %T", err)
			}
			return
		}
		again, err := Parse([]byte(s.String()))
		if err != nil || !again.Equal(s) {
			t.Fatalf("%q is read back as %q, %v", s, again, err)
		}
		if both := s.Intersect(s); !both.Equal(s) {
			t.Fatalf("%q with itself is %q", s, both)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	text := []byte(Default().String())
	b.ReportAllocs()
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if _, err := Parse(text); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSupports(b *testing.B) {
	s := Default()
	b.ReportAllocs()
	for b.Loop() {
		if !s.Supports("policy/versions/v8") {
			b.Fatal("policy/versions/v8 is missing")
		}
	}
}
