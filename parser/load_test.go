// SPDX-License-Identifier: Apache-2.0

package parser

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/internal/testenv"
	"github.com/goarmor/apparmor/internal/upstream"
)

func mapFS(files ...string) fstest.MapFS {
	m := fstest.MapFS{}
	for i := 0; i < len(files); i += 2 {
		m[files[i]] = &fstest.MapFile{Data: []byte(files[i+1])}
	}
	return m
}

// included lists what a unit includes: path -> names of files.
func included(u *ast.Unit) map[string]string {
	out := map[string]string{}
	for s, files := range u.Included {
		var names []string
		for _, f := range files {
			names = append(names, f.Name)
		}
		out[s.Path] = strings.Join(names, " ")
	}
	return out
}

func TestIncludeTree(t *testing.T) {
	etc := mapFS(
		"abstractions/base", "/a r,\ninclude <abstractions/base.d>\ninclude <abstractions/base>\n",
		"abstractions/base.d/b", "/b r,\n", "abstractions/base.d/a", "include <abstractions/base>\n",
		"abstractions/base.d/sub/c", "garbage",
		"abstractions/base.d/.hidden", "garbage", "abstractions/base.d/README", "garbage", "abstractions/base.d/x.dpkg-old", "garbage",
		"abstractions/base.d/x.rpmnew", "garbage", "abstractions/base.d/x~", "garbage",
		"tunables/global", "@{V}=a\n",
	)
	local := mapFS("tunables/local", "@{W}=b\n", "abstractions/base", "never read")
	abs := mapFS("etc/local", "/l r,\n", "work/rel", "/r r,\n")
	var warned []string
	c := Config{
		Roots: []fs.FS{etc, local}, RootNames: []string{"/etc/apparmor.d"}, Abs: abs, Dir: "/work",
		Warn: func(d *diag.Diagnostic) { warned = append(warned, d.Error()) },
	}
	u, err := c.ParseTree(t.Context(), "main", `include <tunables/global>
include <tunables/local>
include if exists <tunables/none>
/t {
  include <abstractions/base>
  audit { include "/etc/local" }
  if true { include rel
  }
}
`)
	if err != nil {
		t.Fatal(err)
	}
	base := "/etc/apparmor.d/abstractions/base"
	want := map[string]string{
		"tunables/global": "/etc/apparmor.d/tunables/global", "tunables/local": "tunables/local", "tunables/none": "",
		"abstractions/base": base, "abstractions/base.d": base + ".d/b " + base + ".d/a",
		"/etc/local": "/etc/local", "rel": "/work/rel",
	}
	if diff := cmp.Diff(want, included(u)); diff != "" {
		t.Error(diff)
	}
	// A file is parsed once, also when it includes itself.
	var trees []*ast.File
	for s, files := range u.Included {
		if s.Path == "abstractions/base" {
			trees = append(trees, files...)
		}
	}
	if len(trees) != 3 || trees[0] != trees[1] || trees[1] != trees[2] {
		t.Errorf("trees of one file: %v", trees)
	}
	wantWarned := []string{
		"/etc/apparmor.d/abstractions/base:2:1: warning: a file that looks like a leftover is not included (at \"" + base + ".d/x.rpmnew\") (included from main:5:3)",
		"/etc/apparmor.d/abstractions/base:2:1: warning: a file that looks like a leftover is not included (at \"" + base + ".d/x~\") (included from main:5:3)",
	}
	if diff := cmp.Diff(wantWarned, warned); diff != "" {
		t.Error(diff)
	}
}

// TestIncludeContext includes one file in the preamble and in a body, where
// its text means different things.
func TestIncludeContext(t *testing.T) {
	c := Config{Roots: []fs.FS{mapFS("empty", "# nothing\n", "rule", "/a r,\n", "profile", "/a { }\n", "both", "profile x { }\n")}}
	for src, want := range map[string]string{
		"include <empty>\n/t { include <empty> }\n": "",
		"include <both>\n/t { include <both> }\n":   "",
		"/t { include <rule> }\n":                   "",
		"include <profile>\n":                       "",
		"include <rule>\n":                          `rule:1:4: unexpected word, expected an opening brace (at "r"); a rule must be inside a profile (included from main:1:1)`,
		"/t { include <profile> }\n":                `profile:1:4: unexpected brace, expected file permissions (at "{") (included from main:1:6)`,
	} {
		_, err := c.ParseTree(t.Context(), "main", src)
		got := ""
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: %s, want %s", src, got, want)
		}
	}
}

func TestIncludeErrors(t *testing.T) {
	root := mapFS("a", "include <b>\n", "b", "\n/x r,\n include <none>\n/y q,\n", "dir/f", "", "dir/base", "")
	for _, c := range []struct{ src, want string }{
		{"include <none>\n", `main:1:1: cannot include none: file does not exist (at "include <none>")`},
		{"/t {\n include <a>\n}\n", `b:4:4: the word is not a list of file permissions (at "q"); permissions are letters of rwalkm and an exec mode such as ix, px, cx or ux (included from a:1:1, main:2:2)
b:3:2: cannot include none: file does not exist (at "include <none>") (included from a:1:1, main:2:2)`},
		{"include \"a\"\n", `main:1:1: cannot include a: file does not exist (at "include \"a\""); paths without angle brackets are not looked up`},
		{"include <//dir/.//bsae>\n", `main:1:1: cannot include //dir/.//bsae: file does not exist (at "include <//dir/.//bsae>"); did you mean "//dir/.//base"?`},
		{"include <dir/bsae/>\n", `main:1:1: cannot include dir/bsae/: file does not exist (at "include <dir/bsae/>")`},
		{"include <../a>\n", `main:1:1: cannot include ../a: file does not exist (at "include <../a>")`},
		{"#includes are fun\n", `main:1:1: cannot include s: file does not exist (at "#includes"); is this a comment? put a blank after the #
main:1:11: a rule is not allowed outside a profile (at "are")`},
	} {
		_, err := Config{Roots: []fs.FS{root}, Recover: 10}.ParseTree(t.Context(), "main", c.src)
		var list diag.List
		if !errors.As(err, &list) {
			t.Errorf("%s: %v", c.src, err)
			continue
		}
		var got []string
		for _, d := range list {
			got = append(got, d.Error())
		}
		slices.Sort(got)
		want := strings.Split(c.want, "\n")
		slices.Sort(want)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s:\n%s", c.src, diff)
		}
	}
	_, err := Config{Roots: []fs.FS{root}}.ParseTree(t.Context(), "main", "include <none>\n")
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file is %v", err)
	}
	for _, name := range []string{"none", "dir", "/a", "../a", ""} {
		if u, err := (Config{Roots: []fs.FS{root}}).ParseFS(t.Context(), name); err == nil || u != nil {
			t.Errorf("ParseFS(%q) = %v, %v", name, u, err)
		}
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := (Config{}).Parse(ctx, "", "/t { }"); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if _, err := (Config{}).ParseTree(ctx, "", "/t { }"); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	ctx = &cancelLater{Context: t.Context(), left: 3}
	if f, err := (Config{Recover: 1}).Parse(ctx, "", "/t {\n"+strings.Repeat("/a r,\n", 10_000)+"}\n"); !errors.Is(err, context.Canceled) || f != nil {
		t.Error(f, err)
	}
}

// cancelLater is cancelled when it has been asked a number of times.
type cancelLater struct {
	context.Context
	left int
}

func (c *cancelLater) Err() error {
	if c.left--; c.left < 0 {
		return context.Canceled
	}
	return nil
}

func TestCache(t *testing.T) {
	root := mapFS("a", "/a r,\n#include <b>\n", "b", "/b r,\n")
	cache := &Cache{}
	var warnings []string
	c := Config{Roots: []fs.FS{root}, Cache: cache, Warn: func(d *diag.Diagnostic) { warnings = append(warnings, d.Error()) }}
	load := func() (a, b *ast.File) {
		t.Helper()
		u, err := c.ParseTree(t.Context(), "main", "/t { include <a> }\n")
		if err != nil {
			t.Fatal(err)
		}
		for s, files := range u.Included {
			if s.Path == "a" {
				a = files[0]
			} else {
				b = files[0]
			}
		}
		return a, b
	}
	a1, b1 := load()
	a2, b2 := load()
	if a1 != a2 || b1 != b2 {
		t.Error("the trees of the second load are not those of the first")
	}
	root["b"].Data = []byte("/c r,\n")
	a3, b3 := load()
	if a1 != a3 || b1 == b3 {
		t.Error("an unchanged file was parsed again, or a changed one was not")
	}
	if len(warnings) != 3 || warnings[0] != warnings[2] {
		t.Errorf("warnings: %q", warnings)
	}
	// What has errors is not kept.
	root["b"].Data = []byte("/c q,\n")
	for range 2 {
		if _, err := c.ParseTree(t.Context(), "main", "/t { include <a> }\n"); err == nil {
			t.Error("an include with errors: no error")
		}
	}
	small := &Cache{MaxBytes: 10}
	for i := range 10 {
		k := cacheKey{"x", ContextBody, 1, fmt.Sprint(i)}
		small.put(k, cached{file: &ast.File{Src: "1234"}})
	}
	if len(small.files) > 2 {
		t.Errorf("%d files of 4 bytes in 10", len(small.files))
	}
}

func TestConcurrent(t *testing.T) {
	root := os.DirFS(testenv.DebianTree(t))
	c := Config{Roots: []fs.FS{root}, Cache: &Cache{}}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for _, name := range []string{"usr.sbin.smbd", "usr.bin.pidgin"} {
				if _, err := c.ParseFS(context.Background(), name); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

// TestDebianUnits loads every profile of Debian's tree with its includes.
func TestDebianUnits(t *testing.T) {
	dir := testenv.DebianTree(t)
	c := Config{Roots: []fs.FS{os.DirFS(dir)}, RootNames: []string{dir}, Abs: os.DirFS("/")}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := 0
	for _, e := range entries {
		if !e.Type().IsRegular() || Skip(e.Name()) {
			continue
		}
		u, err := c.ParseFS(t.Context(), e.Name())
		if err != nil {
			t.Errorf("%+v", err)
			continue
		}
		if want := filepath.Join(dir, e.Name()); u.Main.Name != want {
			t.Errorf("%s is called %s", want, u.Main.Name)
		}
		files += len(u.Included)
	}
	if files < 300 {
		t.Errorf("only %d include statements", files)
	}
}

// TestReferenceErrors holds file and line of errors against those that the
// reference reports for upstream's own tests of messages.
func TestReferenceErrors(t *testing.T) {
	dir, cases := upstream.Messages(t)
	config := Config{Roots: []fs.FS{os.DirFS(filepath.Join(dir, "errors"))}, RootNames: []string{"errors"}}
	judged := 0
	for _, c := range cases {
		_, err := config.ParseFS(t.Context(), filepath.Base(c.Input))
		if c.Status == 0 {
			if err != nil {
				t.Errorf("%s: %v", c.Input, err)
			}
			continue
		}
		var list diag.List
		if !errors.As(err, &list) || c.File == "" {
			t.Errorf("%s: %v, the reference says %q", c.Input, err, c.Stderr)
			continue
		}
		judged++
		if p := list[0].Pos; p.File != c.File || p.Line != c.Line {
			t.Errorf("%s: at %v, the reference says %s:%d", c.Input, p, c.File, c.Line)
		}
	}
	if judged < 4 {
		t.Errorf("only %d errors were judged", judged)
	}
}

var _ io.Reader = endless{}
