// SPDX-License-Identifier: Apache-2.0

package fuzz

import (
	"errors"
	"hash/fnv"
	"io/fs"
	"runtime"
	"testing"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/internal/treetest"
	"github.com/goarmor/apparmor/parser"
)

// parseLimits are small enough for a fuzzer to reach all of them.
var parseLimits = parser.Limits{Depth: 24, Bytes: 1 << 12, IncludeDepth: 4, Includes: 6, TotalBytes: 1 << 13}

// FuzzParse checks that any text gives a tree whose nodes are in order, nest
// and add up to the text, that there are errors exactly when there are Bad
// nodes, that parsing without recovery agrees, and that no limit is exceeded
// unnoticed.
func FuzzParse(f *testing.F) {
	contexts := []parser.Context{parser.ContextAuto, parser.ContextFile, parser.ContextBody}
	for i, text := range texts(f, 300) {
		f.Add(text, uint8(i))
	}
	f.Fuzz(func(t *testing.T, text string, where uint8) {
		watch(t)
		parseText(t, text, contexts[int(where)%len(contexts)])
		parseTree(t, text)
	})
}

func parseText(t *testing.T, text string, where parser.Context) {
	c := parser.Config{Context: where, Recover: 1 << 20}
	file, err := c.Parse(t.Context(), "f", text)
	if file == nil {
		t.Fatalf("no tree: %v", err)
	}
	if err := treetest.Spans(file); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	bad := 0
	for n := range ast.All(file) {
		if _, ok := n.(*ast.Bad); ok {
			bad++
		}
	}
	var list diag.List
	if errors.As(err, &list); bad > len(list) || bad == 0 && len(list) > 0 && !headErrors(list) {
		t.Fatalf("%d bad statements, errors %+v", bad, list)
	}
	for _, d := range list {
		if !d.Pos.IsValid() || d.Pos.Offset > len(text) || d.Message == "" || d.Code == "" {
			t.Fatalf("bad diagnostic %+v", d)
		}
	}

	c.Recover = 0
	strict, err2 := c.Parse(t.Context(), "f", text)
	if (err2 == nil) != (err == nil) || (strict == nil) != (err2 != nil) {
		t.Fatalf("with recovery %v, without %v", err, err2)
	}
	if err == nil {
		if err := ast.Check(file); err != nil {
			t.Fatalf("ast.Check: %v", err)
		}
	}

	c.Limits = parseLimits
	weigh := weighed(text)
	before := allocated(weigh)
	limited, err3 := c.Parse(t.Context(), "f", text)
	if n, most := allocated(weigh)-before, parseMemory(min(len(text), int(parseLimits.Bytes))); n > most {
		t.Fatalf("parsing %d bytes of text took %d bytes of memory", len(text), n)
	}
	switch {
	case limited != nil:
		if err != nil {
			t.Fatalf("with limits there is no error, without %v", err)
		}
		if int64(len(text)) > parseLimits.Bytes {
			t.Fatalf("%d bytes are within the limit", len(text))
		}
		if n := nesting(limited.Stmts); n > parseLimits.Depth {
			t.Fatalf("%d levels are within the limit", n)
		}
	case err == nil && !errors.Is(err3, diag.ErrLimit):
		t.Fatalf("with limits %v", err3)
	}
}

// headErrors reports whether all errors are in heads of profiles, which leave
// the profile's node whole.
func headErrors(list diag.List) bool {
	for _, d := range list {
		switch d.Code {
		case diag.CodeName, diag.CodeAttachment, diag.CodeFlag, diag.CodeFlagConflict, diag.CodeXattr,
			diag.CodeSyntax, diag.CodeCharacter:
		default:
			return false
		}
	}
	return true
}

// nesting is how deep the statements of a list nest, as parser.Limits counts.
func nesting(list []ast.Stmt) int {
	deepest := 0
	for _, s := range list {
		n := 0
		switch s := s.(type) {
		case *ast.Profile:
			n = 1 + nesting(s.Body)
		case *ast.Block:
			n = 1 + nesting(s.Body)
		case *ast.If:
			n = max(1+nesting(s.Then), nesting(s.Else))
		}
		deepest = max(deepest, n)
	}
	return deepest
}

// weighed reports whether to look at the memory that a text takes. That stops
// the whole process, twice, for as long as the rest of the work takes, so it is
// done for one text in 32, which the text itself decides.
func weighed(text string) bool {
	h := fnv.New32a()
	_, _ = h.Write([]byte(text)) // a hash takes everything
	return h.Sum32()%32 == 0
}

// allocated is how many bytes the process has allocated in all, and 0 unless
// it matters.
func allocated(weigh bool) uint64 {
	if !weigh {
		return 0
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

// parseMemory is the most that parsing n bytes may allocate. The densest text
// has a statement every two or three bytes.
func parseMemory(n int) uint64 { return 1<<18 + 1<<10*uint64(n) }

// parseTree checks that a text with the files it brings keeps to the limits
// of a unit.
func parseTree(t *testing.T, text string) {
	main, tree := split(text)
	root := &counter{FS: tree}
	c := parser.Config{Roots: []fs.FS{root}, Abs: root, Limits: parseLimits}
	weigh := weighed(text)
	before := allocated(weigh)
	unit, err := c.ParseTree(t.Context(), "main", main)
	took := allocated(weigh) - before
	if root.files > parseLimits.Includes {
		t.Fatalf("%d files were read", root.files)
	}
	// The last file may turn out too long when it has been read.
	read := min(int64(len(main)), parseLimits.Bytes) + root.bytes
	if read > parseLimits.TotalBytes+parseLimits.Bytes {
		t.Fatalf("%d bytes were read", read)
	}
	if most := parseMemory(int(read)) + 1<<16*uint64(root.opened); took > most {
		t.Fatalf("parsing %d bytes in %d files took %d bytes of memory", read, root.files, took)
	}
	if err != nil {
		var list diag.List
		if unit != nil || !errors.As(err, &list) || len(list) == 0 {
			t.Fatalf("error %T %v beside %v", err, err, unit)
		}
		return
	}
	if total := int64(len(main)) + root.bytes; total > parseLimits.TotalBytes {
		t.Fatalf("%d bytes are within the limit", total)
	}
	if n := includeDepth(unit, unit.Main, map[*ast.File]bool{}); n > parseLimits.IncludeDepth {
		t.Fatalf("%d levels of includes are within the limit", n)
	}
}

// includeDepth is how deep the includes of a file nest, each file counted
// where it comes up first.
func includeDepth(unit *ast.Unit, file *ast.File, seen map[*ast.File]bool) int {
	if seen[file] {
		return 0
	}
	seen[file] = true
	deepest := 0
	for n := range ast.All(file) {
		s, ok := n.(*ast.Include)
		if !ok {
			continue
		}
		for _, f := range unit.Included[s] {
			deepest = max(deepest, 1+includeDepth(unit, f, seen))
		}
	}
	return deepest
}

// counter counts what is read from a file system.
type counter struct {
	fs.FS
	opened int
	files  int
	bytes  int64
}

// Open implements fs.FS.
func (c *counter) Open(name string) (fs.File, error) {
	c.opened++
	f, err := c.FS.Open(name)
	if err != nil {
		return nil, err
	}
	return &countedFile{File: f, counter: c}, nil
}

// Stat implements fs.StatFS, so that looking for a file does not open it.
func (c *counter) Stat(name string) (fs.FileInfo, error) { return fs.Stat(c.FS, name) }

// ReadDir implements fs.ReadDirFS.
func (c *counter) ReadDir(name string) ([]fs.DirEntry, error) { return fs.ReadDir(c.FS, name) }

// countedFile counts the file and its bytes when they are read.
type countedFile struct {
	fs.File
	counter *counter
	read    bool
}

// Read implements io.Reader.
func (f *countedFile) Read(b []byte) (int, error) {
	if !f.read {
		f.read = true
		f.counter.files++
	}
	n, err := f.File.Read(b)
	f.counter.bytes += int64(n)
	return n, err
}
