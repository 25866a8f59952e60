// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/parser"
	"github.com/goarmor/apparmor/policy"
)

func kernel(tb testing.TB, name string) *features.Set {
	tb.Helper()
	set, ok := features.Kernel(name)
	if !ok {
		tb.Fatalf("no kernel %s", name)
	}
	return set
}

var tree = map[string]string{
	"p":           "abi <abi/one>,\nprofile p {\n  include <i>\n  include if exists <maybe>\n  include if exists <d>\n}\n",
	"i":           "/a r,\n",
	"d/1":         "/b r,\n",
	"abi/one":     "caps {mask {chown}}\n",
	"abi/another": "caps {mask {chown kill}}\n",
}

// input is all that a key is made of.
type input struct {
	files   map[string]string
	roots   []string // first of them; the tree itself is last
	policy  policy.Options
	compile compile.Options
	more    []string
}

func (in input) key(tb testing.TB) Key {
	tb.Helper()
	k, err := in.tryKey(tb)
	if err != nil {
		tb.Fatal(err)
	}
	return k
}

func (in input) tryKey(tb testing.TB) (Key, error) {
	tb.Helper()
	fsys := fstest.MapFS{}
	for name, text := range in.files {
		fsys[name] = &fstest.MapFile{Data: []byte(text)}
	}
	var roots []fs.FS
	for _, r := range in.roots {
		sub, err := fs.Sub(fsys, r)
		if err != nil {
			tb.Fatal(err)
		}
		roots = append(roots, sub)
	}
	roots = append(roots, fsys)
	unit, err := parser.Config{Roots: roots, RootNames: append(slices.Clone(in.roots), "")}.ParseFS(tb.Context(), "p")
	if err != nil {
		tb.Fatal(err)
	}
	in.policy.Roots = roots
	return KeyOf(unit, in.policy, in.compile, in.more...)
}

func base(tb testing.TB) input {
	files := map[string]string{}
	for name, text := range tree {
		files[name] = text
	}
	set := kernel(tb, "6.12")
	return input{files: files, policy: policy.Options{Kernel: set}, compile: compile.Options{Kernel: set}}
}

// TestKeyOf changes one thing after the other that policy is made of: each gives
// another key, and what policy is not made of gives the same.
func TestKeyOf(t *testing.T) {
	first := base(t).key(t)
	if again := base(t).key(t); again != first || len(first.String()) != 64 {
		t.Fatalf("%v, then %v", first, again)
	}
	seen := map[Key]string{first: "nothing"}
	for name, change := range map[string]func(in *input){
		"the file":                           func(in *input) { in.files["p"] += "# more\n" },
		"an include":                         func(in *input) { in.files["i"] = "/b r,\n" },
		"an include that appears":            func(in *input) { in.files["maybe"] = "/m r,\n" },
		"a file added to a directory":        func(in *input) { in.files["d/2"] = "/m r,\n" },
		"a file removed from a directory":    func(in *input) { delete(in.files, "d/1") },
		"an include in an earlier directory": func(in *input) { in.files["first/i"] = "/a r,\n"; in.roots = []string{"first"} },
		"the abi":                            func(in *input) { in.files["abi/one"] = tree["abi/another"] },
		"the kernel that is compiled for":    func(in *input) { in.compile.Kernel = kernel(t, "7.3") },
		"the kernel that abi <kernel> means": func(in *input) { in.policy.Kernel = kernel(t, "7.3") },
		"no kernel that abi <kernel> means":  func(in *input) { in.policy.Kernel = nil },
		"the features of policy":             func(in *input) { in.policy.Default = kernel(t, "6.1") },
		"features of policy that are empty":  func(in *input) { in.policy.Default = &features.Set{} },
		"the namespace":                      func(in *input) { in.policy.Namespace = "n" },
		"reports of unenforceable rules":     func(in *input) { in.compile.Degrade = compile.Report },
		"denials":                            func(in *input) { in.compile.KeepDenials = true },
		"names":                              func(in *input) { in.compile.PlainNames = true },
		"more":                               func(in *input) { in.more = []string{"complain"} },
		"more that is split":                 func(in *input) { in.more = []string{"com", "plain"} },
		"more that is empty":                 func(in *input) { in.more = []string{""} },
	} {
		in := base(t)
		change(&in)
		k := in.key(t)
		if other, ok := seen[k]; ok {
			t.Errorf("%s: the same key as for %s", name, other)
		}
		seen[k] = name
	}
	in := base(t)
	in.files["unrelated"] = "x"
	in.compile.Limits.States = 1 << 10
	in.policy.Limits.Errors = 7
	if in.key(t) != first {
		t.Error("a file that is not included, or a limit, changes the key")
	}
}

func TestKeyOfUnknownABI(t *testing.T) {
	in := base(t)
	delete(in.files, "abi/one")
	_, err := in.tryKey(t)
	var d *diag.Diagnostic
	if !errors.As(err, &d) || d.Code != diag.CodeABI || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

// TestFeaturesID holds the names of directories against those that
// libapparmor gives to the features of Debian's kernels.
func TestFeaturesID(t *testing.T) {
	for series, want := range map[string]string{"6.1": "6b0d76a2.0", "6.12": "979b3ac6.0", "7.2": "cb1455dc.0", "7.3": "48da56f3.0"} {
		c := Cache{Features: kernel(t, series)}
		if got := filepath.Base(c.Dir("x")); got != want {
			t.Errorf("%s: %s, want %s", series, got, want)
		}
	}
}

// fixed is a cache with one entry.
func fixed(tb testing.TB) (c *Cache, key Key, p *blob.Policy) {
	tb.Helper()
	c = &Cache{Dirs: []string{filepath.Join(tb.TempDir(), "cache")}, Features: kernel(tb, "6.12")}
	key, p = base(tb).key(tb), compiled(tb, "/a r,")
	if _, err := c.Put("p", key, []*blob.Policy{p}, PutOptions{}); err != nil {
		tb.Fatal(err)
	}
	return c, key, p
}

func compiled(tb testing.TB, rules string) *blob.Policy {
	tb.Helper()
	out, err := compile.Text(tb.Context(), "p", "abi <kernel>,\nprofile p {\n"+rules+"\n}\n", compile.Source{Kernel: kernel(tb, "6.12")})
	if err != nil {
		tb.Fatal(err)
	}
	return out.Policy
}

func TestGet(t *testing.T) {
	c, key, p := fixed(t)
	got, file, err := c.Get("p", key)
	if err != nil || len(got) != 1 || !bytes.Equal(got[0].Bytes(), p.Bytes()) || file != filepath.Join(c.Dir(c.Dirs[0]), "p") {
		t.Fatalf("%v %s %v", got, file, err)
	}
	other := Key{}
	for name, miss := range map[string]func() error{
		"another key":      func() error { _, _, err := c.Get("p", other); return err },
		"another name":     func() error { _, _, err := c.Get("q", key); return err },
		"other features":   func() error { _, _, err := (&Cache{Dirs: c.Dirs}).Get("p", key); return err },
		"no directory":     func() error { _, _, err := (&Cache{}).Get("p", key); return err },
		"a name elsewhere": func() error { _, _, err := c.Get("../979b3ac6.0/p", key); return err },
	} {
		var m *MissError
		if err := miss(); !errors.Is(err, ErrMiss) || !errors.As(err, &m) || m.Name == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	// What other directories have is found, too.
	second := &Cache{Dirs: []string{filepath.Join(t.TempDir(), "none"), c.Dirs[0]}, Features: c.Features}
	if _, file, err := second.Get("p", key); err != nil || !strings.HasPrefix(file, c.Dirs[0]) {
		t.Errorf("%s %v", file, err)
	}
}

// TestDamaged damages each file of the cache: nothing of it is used, and Put
// mends it.
func TestDamaged(t *testing.T) {
	for _, name := range []string{"*.0/p", "*.0/.features", ".goarmor/*/p"} {
		for how, content := range map[string]*string{"gone": nil, "empty": new(""), "text": new("damaged"), "long": new(strings.Repeat("x", 300<<10))} {
			c, key, p := fixed(t)
			found, err := filepath.Glob(filepath.Join(c.Dirs[0], name))
			if err != nil || len(found) != 1 {
				t.Fatal(found, err)
			}
			if content == nil {
				err = os.Remove(found[0])
			} else {
				err = os.WriteFile(found[0], []byte(*content), 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
			if _, _, err := c.Get("p", key); !errors.Is(err, ErrMiss) {
				t.Errorf("%s %s: %v", name, how, err)
			}
			if _, err := c.Put("p", key, []*blob.Policy{p}, PutOptions{}); err != nil {
				t.Errorf("%s %s: put: %v", name, how, err)
			}
			if _, _, err := c.Get("p", key); err != nil {
				t.Errorf("%s %s: after put: %v", name, how, err)
			}
		}
	}
}

// TestFirst has several begin with a directory that is not there. None of them
// takes what another has begun for that of other features, and nothing is lost.
func TestFirst(t *testing.T) {
	key, p := base(t).key(t), compiled(t, "/a r,")
	for range 50 {
		c := &Cache{Dirs: []string{filepath.Join(t.TempDir(), "cache")}, Features: kernel(t, "6.12")}
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				name := fmt.Sprint("p", i)
				if _, _, err := c.Get(name, key); !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("get: %v", err)
				}
				if _, err := c.Put(name, key, []*blob.Policy{p}, PutOptions{}); err != nil {
					t.Errorf("put: %v", err)
				}
			})
		}
		wg.Wait()
		for i := range 8 {
			if _, _, err := c.Get(fmt.Sprint("p", i), key); err != nil {
				t.Error(err)
			}
		}
		if list, err := filepath.Glob(filepath.Join(c.Dirs[0], ".goarmor", "*")); err != nil || len(list) != 1 {
			t.Errorf("left over: %v, %v", list, err)
		}
		if t.Failed() {
			return
		}
	}
}

// TestForeign gives each part of the cache to somebody else, in two ways.
func TestForeign(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("missing: owners of files, which this system does not show")
	}
	for _, name := range []string{"*.0", "*.0/p", ".goarmor/*/p", "*.0/.features", ".goarmor", ".goarmor/*"} {
		for _, how := range []string{"mode", "owner"} {
			t.Run(name+" "+how, func(t *testing.T) {
				c, key, p := fixed(t)
				found, err := filepath.Glob(filepath.Join(c.Dirs[0], name))
				if err != nil || len(found) != 1 {
					t.Fatal(found, err)
				}
				if how == "mode" {
					err = os.Chmod(found[0], 0o722)
				} else if os.Geteuid() != 0 {
					t.Skip("missing: root, to give a file to somebody else; run the test as root")
				} else {
					err = os.Chown(found[0], 65534, 65534)
				}
				if err != nil {
					t.Fatal(err)
				}
				if _, _, err := c.Get("p", key); !errors.Is(err, ErrForeign) {
					t.Errorf("get: %v", err)
				}
				// Files are written anew; where directories are foreign nothing is
				// written.
				_, err = c.Put("p", key, []*blob.Policy{p}, PutOptions{})
				file := strings.HasSuffix(name, "/p")
				if file && err != nil || !file && !errors.Is(err, ErrForeign) {
					t.Errorf("put: %v", err)
				}
			})
		}
	}
}

// TestLinks puts links in the place of what the cache made.
func TestLinks(t *testing.T) {
	for _, name := range []string{"*.0", "*.0/p", ".goarmor/*/p", "*.0/.features", ".goarmor"} {
		c, key, p := fixed(t)
		found, err := filepath.Glob(filepath.Join(c.Dirs[0], name))
		if err != nil || len(found) != 1 {
			t.Fatal(found, err)
		}
		moved := filepath.Join(t.TempDir(), "moved")
		if err := errors.Join(os.Rename(found[0], moved), os.Symlink(moved, found[0])); err != nil {
			t.Fatal(err)
		}
		if _, _, err := c.Get("p", key); !errors.Is(err, ErrMiss) {
			t.Errorf("%s: %v", name, err)
		}
		_, err = c.Put("p", key, []*blob.Policy{p}, PutOptions{})
		if info, serr := os.Stat(moved); serr != nil || info.IsDir() && !errors.Is(err, ErrLink) {
			t.Errorf("%s: put: %v, %v", name, err, serr)
		}
		if err := c.Purge(); name == "*.0" && !errors.Is(err, ErrLink) {
			t.Errorf("%s: purge: %v", name, err)
		}
	}
}

func TestNames(t *testing.T) {
	c, key, p := fixed(t)
	for _, name := range []string{"", ".", "..", ".features", ".goarmor", "a/b", "/p", "../p", "a\x00b", strings.Repeat("x", 256)} {
		if _, err := c.Put(name, key, []*blob.Policy{p}, PutOptions{}); !errors.Is(err, ErrName) {
			t.Errorf("%q: %v", name, err)
		}
	}
	if _, err := (&Cache{}).Put("p", key, []*blob.Policy{p}, PutOptions{}); err == nil {
		t.Error("Put without a directory: no error")
	}
}

// TestPut: policy has the time that it is given, and what means the same
// stays, such as that of apparmor_parser.
func TestPut(t *testing.T) {
	c, key, p := fixed(t)
	when := time.Unix(1e9, 0)
	other := Key{}
	other.sum[0] = 1
	file, err := c.Put("p", other, []*blob.Policy{p}, PutOptions{Time: when})
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(file); err != nil || !info.ModTime().Equal(when) || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info, err)
	}
	if _, _, err := c.Get("p", key); !errors.Is(err, ErrOther) {
		t.Errorf("the first key still holds: %v", err)
	}
	if _, _, err := c.Get("p", other); err != nil {
		t.Error(err)
	}
	q := compiled(t, "/a r,\n/b w,")
	if _, err := c.Put("p", key, []*blob.Policy{q}, PutOptions{Data: q.Bytes()}); err != nil {
		t.Fatal(err)
	}
	if got, _, err := c.Get("p", key); err != nil || len(got) != 1 || !bytes.Equal(got[0].Bytes(), q.Bytes()) {
		t.Errorf("%v %v", got, err)
	}
}

// TestSeveral stores the profiles that one text has in several namespaces.
func TestSeveral(t *testing.T) {
	c, key, _ := fixed(t)
	var list []*blob.Policy
	for _, ns := range []string{"", "a", "b"} {
		q, err := blob.Encode([]*blob.Profile{{Namespace: ns, Name: "x"}})
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, q)
	}
	file, err := c.Put("p", key, list, PutOptions{})
	if err != nil {
		t.Fatal(err)
	}
	check := func() {
		t.Helper()
		got, _, err := c.Get("p", key)
		if err != nil || len(got) != len(list) {
			t.Fatalf("%d policies: %v", len(got), err)
		}
		for i := range got {
			if !bytes.Equal(got[i].Bytes(), list[i].Bytes()) {
				t.Errorf("policy %d is another one", i)
			}
		}
	}
	check()
	// The same in another order is left as it is; less is not the same.
	turned := slices.Concat(list[1].Bytes(), list[0].Bytes(), list[2].Bytes())
	if err := os.WriteFile(file, turned, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Put("p", key, list, PutOptions{}); err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(file); err != nil || !bytes.Equal(data, turned) {
		t.Errorf("policy of the same meaning was replaced: %v", err)
	}
	if _, err := c.Put("p", key, list[:2], PutOptions{}); err != nil {
		t.Fatal(err)
	}
	list = list[:2]
	check()
	if _, err := c.Put("p", key, nil, PutOptions{}); err == nil {
		t.Error("no policy is stored")
	}
}

// TestOtherFeatures finds a directory that is for other features, though its
// name says otherwise.
func TestOtherFeatures(t *testing.T) {
	c, key, p := fixed(t)
	dir := c.Dir(c.Dirs[0])
	for _, name := range []string{"stale", ".features"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("other {\n}\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c.KeepForeign = true
	if _, err := c.Put("p", key, []*blob.Policy{p}, PutOptions{}); !errors.Is(err, ErrFeatures) {
		t.Errorf("kept: %v", err)
	}
	c.KeepForeign = false
	if _, err := c.Put("p", key, []*blob.Policy{p}, PutOptions{}); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "stale")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("policy for other features is left: %v", err)
	}
}

func TestTrim(t *testing.T) {
	c, key, p := fixed(t)
	for i, name := range []string{"new", "old", "stale"} {
		if _, err := c.Put(name, key, []*blob.Policy{p}, PutOptions{Time: time.Unix(1e9-int64(i)*1e6, 0)}); err != nil {
			t.Fatal(err)
		}
	}
	keep := func(name string) bool { return name != "stale" }
	if removed, err := c.Trim(keep); err != nil || removed != nil {
		t.Errorf("below the bound: %v %v", removed, err)
	}
	c.MaxBytes = int64(2*len(p.Bytes()) + 1)
	if removed, err := c.Trim(keep); err != nil || !slices.Equal(removed, []string{"stale", "old"}) {
		t.Errorf("%v %v", removed, err)
	}
	for name, want := range map[string]bool{"p": true, "new": true, "old": false, "stale": false} {
		if _, _, err := c.Get(name, key); (err == nil) != want {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := os.Stat(keyFile(c.Dir(c.Dirs[0]), name)); (err == nil) != want {
			t.Errorf("key of %s: %v", name, err)
		}
	}
	if removed, err := (&Cache{Dirs: []string{t.TempDir()}}).Trim(nil); err != nil || removed != nil {
		t.Errorf("nothing there: %v %v", removed, err)
	}
}

func TestPurge(t *testing.T) {
	c, key, _ := fixed(t)
	for range 2 {
		if err := c.Purge(); err != nil {
			t.Fatal(err)
		}
	}
	if left, err := os.ReadDir(c.Dirs[0]); err != nil || len(left) != 0 {
		t.Errorf("%v %v", left, err)
	}
	if _, _, err := c.Get("p", key); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

// TestRace has writers and readers at the same names: what is found is whole.
func TestRace(t *testing.T) {
	c, key, p := fixed(t)
	q := compiled(t, "/q r,")
	other := Key{}
	other.sum[0] = 1
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for range 50 {
				var err error
				switch i {
				case 0:
					_, err = c.Put("p", key, []*blob.Policy{p}, PutOptions{})
				case 1:
					_, err = c.Put("p", other, []*blob.Policy{q}, PutOptions{})
				default:
					var got []*blob.Policy
					got, _, err = c.Get("p", key)
					if err == nil && !bytes.Equal(got[0].Bytes(), p.Bytes()) {
						err = errors.New("other policy")
					} else if errors.Is(err, ErrMiss) {
						err = nil
					}
				}
				if err != nil {
					t.Errorf("%d: %v", i, err)
				}
			}
		})
	}
	wg.Wait()
}

func ExampleCache() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "cache")
	if err != nil {
		panic(err)
	}
	defer func() {
		if err := os.RemoveAll(dir); err != nil {
			panic(err)
		}
	}()
	set, _ := features.Kernel("6.12")
	c := &Cache{Dirs: []string{dir}, Features: set}
	roots := []fs.FS{fstest.MapFS{"hello": {Data: []byte("abi <kernel>,\nprofile hello {\n  /etc/hostname r,\n}\n")}}}

	for range 2 {
		unit, err := parser.Config{Roots: roots}.ParseFS(ctx, "hello")
		if err != nil {
			panic(err)
		}
		resolve, o := policy.Options{Kernel: set, Roots: roots}, compile.Options{Kernel: set}
		key, err := KeyOf(unit, resolve, o)
		if err != nil {
			panic(err)
		}
		list, _, err := c.Get("hello", key)
		if err == nil {
			fmt.Println("found:", list[0].Names())
			continue
		}
		set, err := policy.Resolve(ctx, unit, resolve)
		if err != nil {
			panic(err)
		}
		out, err := compile.Compile(ctx, set, o)
		if err != nil {
			panic(err)
		}
		if _, err := c.Put("hello", key, []*blob.Policy{out.Policy}, PutOptions{}); err != nil {
			panic(err)
		}
		fmt.Println("compiled:", out.Policy.Names())
	}
	// Output:
	// compiled: [hello]
	// found: [hello]
}

// BenchmarkKeyOf is what a hit costs besides reading files.
func BenchmarkKeyOf(b *testing.B) {
	in := base(b)
	roots := fstest.MapFS{}
	for name, text := range in.files {
		roots[name] = &fstest.MapFile{Data: []byte(text)}
	}
	unit, err := parser.Config{Roots: []fs.FS{roots}}.ParseFS(b.Context(), "p")
	if err != nil {
		b.Fatal(err)
	}
	in.policy.Roots = []fs.FS{roots}
	for b.Loop() {
		if _, err := KeyOf(unit, in.policy, in.compile); err != nil {
			b.Fatal(err)
		}
	}
}
