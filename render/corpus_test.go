// SPDX-License-Identifier: Apache-2.0

package render_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/internal/testenv"
	"github.com/goarmor/apparmor/internal/treetest"
	"github.com/goarmor/apparmor/internal/upstream"
	"github.com/goarmor/apparmor/parser"
	"github.com/goarmor/apparmor/render"
)

// texts calls f with every text of the corpora that parses.
func texts(t *testing.T, f func(t *testing.T, name string, file *ast.File)) {
	t.Run("debian", func(t *testing.T) {
		dir := testenv.DebianTree(t)
		each(t, os.DirFS(dir), f, true)
	})
	t.Run("upstream", func(t *testing.T) {
		each(t, upstream.Profiles(t).FS, f, true)
	})
	t.Run("simple_tests", func(t *testing.T) {
		each(t, upstream.PolicyTests(t, false).Tree, f, false)
	})
}

func each(t *testing.T, fsys fs.FS, f func(*testing.T, string, *ast.File), must bool) {
	parsed := 0
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if d != nil && d.IsDir() && filepath.Base(name) == "abi" && must {
			return fs.SkipDir // feature files, not policy
		}
		if err != nil || !d.Type().IsRegular() || filepath.Base(name) == "README" {
			return err
		}
		src, err := fs.ReadFile(fsys, name)
		if err != nil {
			return err
		}
		file, err := parser.Parse(name, string(src))
		if err != nil {
			if must {
				t.Errorf("%v", err)
			}
			return nil
		}
		parsed++
		f(t, name, file)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d files", parsed)
	if parsed == 0 {
		t.Error("no file was parsed")
	}
}

func TestCorpusVerbatim(t *testing.T) {
	texts(t, func(t *testing.T, name string, file *ast.File) {
		got, err := render.Verbatim(file)
		if err != nil {
			t.Error(err)
		} else if string(got) != file.Src {
			t.Errorf("%s: not the same bytes:\n%s", name, cmp.Diff(file.Src, string(got)))
		}
	})
}

func TestCorpusCanonical(t *testing.T) {
	texts(t, func(t *testing.T, name string, file *ast.File) {
		keepsMeaning(t, name, file, render.Append)
	})
}

func TestCorpusFormat(t *testing.T) {
	texts(t, func(t *testing.T, name string, file *ast.File) {
		text := keepsMeaning(t, name, file, func(dst []byte, n ast.Node) ([]byte, error) {
			return render.Format(n.(*ast.File))
		})
		if got, want := comments(text), comments(file.Src); got != want {
			t.Errorf("%s: comments differ:\n%s", name, cmp.Diff(want, got))
		}
	})
}

// keepsMeaning renders a file, parses that, compares the trees, and renders
// again.
func keepsMeaning(t testing.TB, name string, file *ast.File, f func([]byte, ast.Node) ([]byte, error)) string {
	t.Helper()
	text, err := f(nil, file)
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return ""
	}
	again, err := parser.Parse(name+" (rendered)", string(text))
	if err != nil {
		t.Errorf("%v\n%s", err, text)
		return ""
	}
	if d := treetest.Diff(file, again); d != "" {
		t.Errorf("%s: the meaning changed at %s\n%s", name, d, text)
	}
	second, err := f(nil, again)
	if err != nil {
		t.Errorf("%s: %v", name, err)
	} else if string(second) != string(text) {
		t.Errorf("%s: not stable (-first +second):\n%s", name, cmp.Diff(string(text), string(second)))
	}
	return string(text)
}

// comments returns the comments of a text, one a line, judged by the blank or
// line start before them.
func comments(src string) string {
	var b strings.Builder
	for line := range strings.Lines(src) {
		for i := range line {
			if line[i] != '#' || i > 0 && line[i-1] != ' ' && line[i-1] != '\t' || strings.HasPrefix(line[i:], "#include") {
				continue
			}
			if strings.Count(line[:i], `"`)%2 == 0 {
				b.WriteString(strings.TrimSpace(line[i:]))
				b.WriteByte('\n')
				break
			}
		}
	}
	return b.String()
}

// BenchmarkTree writes all of Debian's policy.
func BenchmarkTree(b *testing.B) {
	var (
		files []*ast.File
		size  int
	)
	tree := os.DirFS(testenv.DebianTree(b))
	err := fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		src, err := fs.ReadFile(tree, name)
		if err != nil {
			return err
		}
		if f, err := parser.Parse(name, string(src)); err == nil {
			files = append(files, f)
			size += len(src)
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	dst := make([]byte, 0, 1<<20)
	for _, bb := range []struct {
		name string
		run  func(f *ast.File) error
	}{
		{"append", func(f *ast.File) error { _, err := render.Append(dst, f); return err }},
		{"format", func(f *ast.File) error { _, err := render.Format(f); return err }},
		{"verbatim", func(f *ast.File) error { _, err := render.Verbatim(f); return err }},
		{"edit", func(f *ast.File) error {
			e := render.NewEditor(f)
			if err := e.Prepend(f, &ast.Include{Path: "x"}); err != nil {
				return err
			}
			e.Bytes()
			return nil
		}},
	} {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(size))
			for b.Loop() {
				for _, f := range files {
					if err := bb.run(f); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}
