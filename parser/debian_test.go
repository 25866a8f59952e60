package parser

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/internal/testenv"
)

// debianFiles returns the policy files below /etc/apparmor.d by name.
func debianFiles(tb testing.TB) map[string]string {
	root := testenv.DebianTree(tb)
	files := map[string]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		files[path] = string(data)
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
	for name := range files {
		rel, _ := filepath.Rel(root, name)
		// Not policy: feature sets, caches and explanations.
		if strings.HasPrefix(rel, "abi/") || strings.HasPrefix(rel, "cache") || filepath.Base(rel) == "README" {
			delete(files, name)
		}
	}
	return files
}

func TestDebianTree(t *testing.T) {
	files := debianFiles(t)
	if len(files) < 200 {
		t.Errorf("only %d files", len(files))
	}
	for name, src := range files {
		f, err := Parse(name, src)
		if err != nil {
			t.Errorf("%+v", err)
			continue
		}
		checkTree(t, f)
	}
}

// checkTree checks that spans nest and are in order, that they lie in the
// text, and that the text of the nodes and of the gaps between them is the
// text of the file.
func checkTree(tb testing.TB, f *ast.File) {
	tb.Helper()
	var b strings.Builder
	at := 0
	copyTo := func(to int) {
		if to < at || to > len(f.Src) {
			tb.Fatalf("%s: offset %d behind %d or the end", f.Name, to, at)
		}
		b.WriteString(f.Src[at:to])
		at = to
	}
	var stmts func(list []ast.Stmt, from, to int)
	stmts = func(list []ast.Stmt, from, to int) {
		for _, s := range list {
			start, end := s.Pos().Offset(), s.End().Offset()
			if start < from || end < start || end > to {
				tb.Fatalf("%s: %T at %d-%d is not within %d-%d\n%s", f.Name, s, start, end, from, to, f.Src)
			}
			copyTo(start)
			switch s := s.(type) {
			case *ast.Profile:
				stmts(s.Body, s.Open.Offset()+1, s.Close.Offset())
			case *ast.Block:
				stmts(s.Body, s.Open.Offset()+1, s.Close.Offset())
			case *ast.If:
				stmts(s.Then, start, end)
				stmts(s.Else, start, end)
			default:
				b.WriteString(f.Text(s))
				at = end
			}
			copyTo(end)
			from = end
		}
	}
	stmts(f.Stmts, 0, len(f.Src))
	copyTo(len(f.Src))
	if b.String() != f.Src {
		tb.Errorf("%s: the nodes do not add up to the text", f.Name)
	}
}

// TestUpstreamTree parses upstream's own profiles, and loads those at the top
// with all that they include.
func TestUpstreamTree(t *testing.T) {
	tree := testenv.CorpusFS(t, "profiles-6.0.tar.gz")
	root, err := fs.Sub(tree, "apparmor.d")
	if err != nil {
		t.Fatal(err)
	}
	c := Config{Roots: []fs.FS{root}, Cache: &Cache{}}
	units := 0
	for name, file := range tree {
		rel := strings.TrimPrefix(name, "apparmor.d/")
		if strings.HasPrefix(rel, "abi/") || Skip(filepath.Base(rel)) {
			continue
		}
		f, err := Parse(rel, string(file.Data))
		if err != nil {
			t.Errorf("%+v", err)
			continue
		}
		checkTree(t, f)
		if strings.Contains(rel, "/") {
			continue
		}
		units++
		if _, err := c.ParseFS(t.Context(), rel); err != nil {
			t.Errorf("%+v", err)
		}
	}
	if units < 190 {
		t.Errorf("only %d profiles", units)
	}
}
