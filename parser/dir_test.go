// SPDX-License-Identifier: Apache-2.0

package parser

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/internal/testenv"
)

// names returns the names of files, a ! before those that are wrong.
func names(files []DirFile) (list []string) {
	for _, f := range files {
		mark := ""
		if f.Err != nil {
			mark = "!"
		}
		list = append(list, mark+f.Name)
	}
	return list
}

// brief is a finding without its words: place, code, text if it is a name, and
// the places of includes.
func brief(d *diag.Diagnostic) string {
	s := fmt.Sprint(d.Pos, " ", d.Code)
	if strings.HasPrefix(d.Text, "/") {
		s += " " + d.Text
	}
	for _, v := range d.Via {
		s += " < " + v.String()
	}
	return s
}

// findings returns what is in an error.
func findings(err error) (list []string) {
	var found diag.List
	if err != nil && !errors.As(err, &found) {
		return []string{err.Error()}
	}
	for _, d := range found {
		list = append(list, brief(d))
	}
	return list
}

// TestParseDirDebian holds what ParseDir makes of Debian's tree against what
// ParseFS makes of each file.
func TestParseDirDebian(t *testing.T) {
	dir := testenv.DebianTree(t)
	var warned []string
	warn := func(d *diag.Diagnostic) { warned = append(warned, brief(d)) }
	c := Config{Roots: []fs.FS{os.DirFS(dir)}, RootNames: []string{dir}, Abs: os.DirFS("/"), Warn: warn}
	byRoot, err := c.ParseDir(t.Context(), ".")
	if err != nil {
		t.Fatal(err)
	}
	seen := slices.Clone(warned)
	byPath, err := c.ParseDir(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(names(byRoot), names(byPath)); diff != "" {
		t.Error(diff)
	}
	if twice := warned[len(seen):]; !slices.Equal(seen, twice) {
		t.Error(cmp.Diff(seen, twice))
	}
	if len(byRoot) < 20 {
		t.Errorf("only %d files", len(byRoot))
	}
	warned = nil
	trees := map[string]*ast.File{}
	for _, f := range byRoot {
		want, err := c.ParseFS(t.Context(), filepath.Base(f.Name))
		if err != nil {
			t.Fatal(err)
		}
		if f.Name != want.Main.Name || f.Unit.Main.Src != want.Main.Src {
			t.Errorf("%s is not %s", f.Name, want.Main.Name)
		}
		if diff := cmp.Diff(included(want), included(f.Unit)); diff != "" {
			t.Errorf("%s:\n%s", f.Name, diff)
		}
		for _, files := range f.Unit.Included {
			for _, file := range files {
				// A file in a preamble and in a body is two trees.
				key := fmt.Sprint(file.Name, strings.Contains(file.Name, "/tunables/"))
				if old := trees[key]; old != nil && old != file {
					t.Errorf("%s is parsed twice", file.Name)
				}
				trees[key] = file
			}
		}
	}
	// One place is warned of once for the directory and once for each file.
	slices.Sort(seen)
	slices.Sort(warned)
	places := func(list []string) []string {
		var out []string
		for _, w := range list {
			at, _, _ := strings.Cut(w, " <")
			out = append(out, at)
		}
		slices.Sort(out)
		return slices.Compact(out)
	}
	if diff := cmp.Diff(places(warned), places(seen)); diff != "" || len(seen) != len(places(seen)) {
		t.Errorf("%d warnings of %d places: %s", len(seen), len(places(seen)), diff)
	}
}

func TestParseDir(t *testing.T) {
	own := mapFS(
		"b", "/own { }\n", "README", "garbage", "z~", "garbage", "z.rpmnew", "garbage", ".hidden", "garbage", "x.dpkg-old", "garbage",
		"sub/file", "garbage", "dir/x", "/x { }\n", "shadow/file", "",
	)
	etc := mapFS(
		"a", "include <tunables/t>\n/a { include <abs/bad> }\n", "b", "garbage", "c", "/c { include <abs/bad> }\n", "d", "/d { broken }\n",
		"e", "/e { /x r, }\n#include <tunables/t>\n", "shadow", "garbage", "tunables/t", "#include <tunables/u>\n", "tunables/u", "",
		"abs/bad", "/x r,\n/y broken,\n", "dir/w", "/w { }\n", "dir/x", "garbage", "loop", "include <loop>\n", "z~~", "garbage",
	)
	etc["pipe"] = &fstest.MapFile{Mode: fs.ModeNamedPipe}
	etc["good"] = &fstest.MapFile{Mode: fs.ModeSymlink, Data: []byte("dir/w")}
	etc["dangling"] = &fstest.MapFile{Mode: fs.ModeSymlink, Data: []byte("nowhere")}
	etc["elsewhere"] = &fstest.MapFile{Mode: fs.ModeSymlink, Data: []byte("dir")}
	for _, workers := range []int{0, 1, 3, 100} {
		var warned []string
		c := Config{
			Roots: []fs.FS{own, etc}, RootNames: []string{"/own", "/etc"}, Workers: workers,
			Warn: func(d *diag.Diagnostic) { warned = append(warned, brief(d)) },
		}
		for _, test := range []struct {
			dir                   string
			names, errors, warned []string
		}{
			{".", []string{"!/etc/a", "/own/b", "!/etc/c", "!/etc/d", "!/etc/dangling", "/etc/e", "/etc/good", "/etc/loop"}, []string{
				"/etc/abs/bad:2:4 invalid-permissions < /etc/a:2:6", // once, though c has it too
				"/etc/d:1:13 syntax",
				"/etc/dangling include-not-found /etc/dangling",
			}, []string{
				"/own file-ignored /own/z.rpmnew",
				"/own file-ignored /own/z~",
				"/etc file-ignored /etc/z~~",
				"/etc/tunables/t:1:1 pound-include < /etc/a:1:1",
				"/etc/e:2:1 pound-include",
			}},
			{"dir", []string{"/etc/dir/w", "/own/dir/x"}, nil, nil},
			{"sub/../dir/", []string{"/etc/dir/w", "/own/dir/x"}, nil, nil},
			{"none", nil, []string{"none include-not-found"}, nil},
			{"../etc", nil, []string{"../etc include-not-found"}, nil},
			{"a", nil, []string{"a include-not-found"}, nil},
			{"shadow", nil, []string{"shadow include-not-found"}, nil},
			{"/etc", nil, []string{"/etc include-not-found"}, nil},
		} {
			warned = nil
			files, err := c.ParseDir(t.Context(), test.dir)
			if diff := cmp.Diff(test.names, names(files)); diff != "" {
				t.Errorf("%s:\n%s", test.dir, diff)
			}
			if diff := cmp.Diff(test.errors, findings(err)); diff != "" {
				t.Errorf("%s:\n%s", test.dir, diff)
			}
			if diff := cmp.Diff(test.warned, warned); diff != "" {
				t.Errorf("%s:\n%s", test.dir, diff)
			}
			for _, f := range files {
				if (f.Err == nil) != (f.Unit != nil) {
					t.Errorf("%s: %v, %v", f.Name, f.Unit, f.Err)
				}
			}
		}
	}
}

// TestParseDirRecover wants all errors of each file, and trees in spite of
// them.
func TestParseDirRecover(t *testing.T) {
	root := mapFS("a", "/a { x y, }\n/b { x z, }\n", "b", "/c { /ok r, x y, }\n")
	files, err := Config{Roots: []fs.FS{root}, Recover: 10}.ParseDir(t.Context(), ".")
	var all diag.List
	for _, f := range files {
		var list diag.List
		if !errors.As(f.Err, &list) || f.Unit == nil || f.Unit.Main == nil {
			t.Fatalf("%s: %v", f.Name, f.Err)
		}
		all = append(all, list...)
	}
	if diff := cmp.Diff(findings(all), findings(err)); diff != "" || len(all) != 3 {
		t.Errorf("%d errors: %s", len(all), diff)
	}
}

func TestParseDirLimits(t *testing.T) {
	big := fstest.MapFS{}
	for i := range 3000 {
		big[fmt.Sprintf("profile%04d", i)] = &fstest.MapFile{Data: fmt.Appendf(nil, "profile p%d { include <all> }\n", i)}
	}
	big["all"] = &fstest.MapFile{Data: []byte(strings.Repeat("# text\n", 1000))}
	var size int64
	for _, f := range big {
		size += int64(len(f.Data))
	}
	for _, test := range []struct {
		limits Limits
		what   string
	}{
		{Limits{}, ""},
		{Limits{DirBytes: size}, ""},
		{Limits{DirBytes: size - 1}, "size of all files of a directory in bytes"},
		{Limits{DirEntries: 3001}, ""},
		{Limits{DirEntries: 3000}, "directory entries"},
	} {
		c := Config{Roots: []fs.FS{big}, Limits: test.limits}
		files, err := c.ParseDir(t.Context(), ".")
		var limit *diag.LimitError
		what := ""
		if errors.As(err, &limit) {
			what = limit.What
		} else if err != nil {
			what = err.Error()
		}
		if what != test.what || (what == "") != (len(files) == 3001) {
			t.Errorf("%+v: %d files, %v", test.limits, len(files), err)
		}
	}
	// Roots may have more in sum than each.
	halves := []fs.FS{fstest.MapFS{}, fstest.MapFS{}}
	for i := range 20 {
		halves[i%2].(fstest.MapFS)[fmt.Sprint("f", i)] = &fstest.MapFile{}
	}
	if _, err := (Config{Roots: halves, Limits: Limits{DirEntries: 19}}).ParseDir(t.Context(), "."); !errors.Is(err, diag.ErrLimit) {
		t.Error(err)
	}
}

// counting counts how often each path is opened.
type counting struct {
	fs.FS
	mu     sync.Mutex
	opened map[string]int
	after  func(n int)
}

func (c *counting) Open(name string) (fs.File, error) {
	c.mu.Lock()
	c.opened[name]++
	n := len(c.opened)
	c.mu.Unlock()
	if c.after != nil {
		c.after(n)
	}
	return c.FS.Open(name)
}

func (c *counting) Stat(name string) (fs.FileInfo, error) { return fs.Stat(c.FS, name) }

// TestParseDirReadsOnce wants every file opened once, and none after the end.
func TestParseDirReadsOnce(t *testing.T) {
	root := &counting{FS: os.DirFS(testenv.DebianTree(t)), opened: map[string]int{}}
	files, err := Config{Roots: []fs.FS{root}}.ParseDir(t.Context(), ".")
	if err != nil || len(files) < 20 {
		t.Fatal(len(files), err)
	}
	for name, n := range root.opened {
		if n != 1 {
			t.Errorf("%s was opened %d times", name, n)
		}
	}
	if len(root.opened) < 100 {
		t.Errorf("only %d files were opened", len(root.opened))
	}
}

func TestParseDirCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	root := &counting{FS: os.DirFS(testenv.DebianTree(t)), opened: map[string]int{}}
	root.after = func(n int) {
		if n > 10 {
			cancel()
		}
	}
	files, err := Config{Roots: []fs.FS{root}}.ParseDir(ctx, ".")
	if files != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("%d files, %v", len(files), err)
	}
	if len(root.opened) > 30 {
		t.Errorf("%d files were opened", len(root.opened))
	}
}

// TestParseDirCache wants trees to be kept between calls, in a cache of the
// caller's.
func TestParseDirCache(t *testing.T) {
	root := mapFS("a", "/a { include <abs/x> }\n", "b", "/b { include <abs/x> include <abs/y> }\n", "abs/x", "/x r,\n", "abs/y", "/y r,\n")
	c := Config{Roots: []fs.FS{root}, Cache: &Cache{}}
	load := func() map[string]*ast.File {
		files, err := c.ParseDir(t.Context(), ".")
		if err != nil {
			t.Fatal(err)
		}
		trees := map[string]*ast.File{}
		for _, f := range files {
			for s, in := range f.Unit.Included {
				trees[s.Path] = in[0]
			}
		}
		return trees
	}
	first := load()
	root["abs/y"].Data = []byte("/z r,\n")
	second := load()
	if first["abs/x"] != second["abs/x"] || first["abs/y"] == second["abs/y"] || second["abs/y"].Src != "/z r,\n" {
		t.Error("an unchanged file was parsed again, or a changed one was not")
	}
}

// TestParseDirConcurrent calls ParseDir from many goroutines with one cache,
// for the race detector.
func TestParseDirConcurrent(t *testing.T) {
	c := Config{Roots: []fs.FS{os.DirFS(testenv.DebianTree(t))}, Cache: &Cache{MaxBytes: 10_000}, Workers: 4}
	var wg sync.WaitGroup
	var failed atomic.Bool
	for range 4 {
		wg.Go(func() {
			if _, err := c.ParseDir(context.Background(), "."); err != nil {
				failed.Store(true)
			}
		})
	}
	wg.Wait()
	if failed.Load() {
		t.Error("ParseDir failed")
	}
}
