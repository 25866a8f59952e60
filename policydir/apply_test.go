// SPDX-License-Identifier: Apache-2.0

package policydir

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/compile/cache"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/loader"
	"github.com/goarmor/apparmor/loader/loadertest"
	"github.com/goarmor/apparmor/parser"
	"github.com/goarmor/apparmor/query"
)

// host is a directory and a kernel.
type host struct {
	files  fstest.MapFS
	kernel *loadertest.Kernel
	cache  string
}

func newHost(t *testing.T, files map[string]string) *host {
	h := &host{files: fstest.MapFS{}, kernel: loadertest.NewKernel(nil), cache: filepath.Join(t.TempDir(), "cache")}
	for name, text := range files {
		h.write(name, text)
	}
	return h
}

func (h *host) write(name, text string) { h.files[name] = &fstest.MapFile{Data: []byte(text)} }

func (h *host) options() Options {
	return Options{
		Kernel: h.kernel, CacheDirs: []string{h.cache}, Prefix: "app-",
		Parser: parser.Config{Roots: []fs.FS{h.files}, RootNames: []string{"/etc/x"}},
	}
}

func (h *host) apply(t *testing.T, change func(*Options)) (*Report, error) {
	t.Helper()
	o := h.options()
	if change != nil {
		change(&o)
	}
	r, err := Apply(t.Context(), o)
	if r == nil {
		t.Fatal(err)
	}
	return r, err
}

// states returns what became of the files, with a star for those of the cache,
// and what was removed, with an exclamation mark for what stays.
func states(r *Report) map[string]string {
	out := map[string]string{}
	for _, f := range r.Files {
		s := string(f.State)
		if f.Cached {
			s += "*"
		}
		out[filepath.Base(f.Name)] = s
	}
	for _, p := range r.Removed {
		s := "removed"
		if p.Err != nil {
			s = "stays"
		}
		out[p.Name] = s
	}
	return out
}

func profile(name, rules string) string {
	return "abi <kernel>,\nprofile " + name + " {\n" + rules + "\n}\n"
}

var simple = map[string]string{
	"a": profile("app-a", "include <abstractions/x>"), "b": profile("app-b", "/b r,"), "c": profile("other", "/c r,"),
	"abstractions/x": "/x r,\n",
}

// TestApply goes through the life of a directory.
func TestApply(t *testing.T) {
	h := newHost(t, simple)
	for _, step := range []struct {
		name    string
		change  func()
		options func(*Options)
		want    map[string]string
	}{
		{"first", nil, nil, map[string]string{"a": "loaded", "b": "loaded", "c": "loaded"}},
		{"again", nil, nil, map[string]string{"a": "unchanged*", "b": "unchanged*", "c": "unchanged*"}},
		{"a file", func() { h.write("b", profile("app-b", "/b w,")) }, nil, map[string]string{"a": "unchanged*", "b": "loaded", "c": "unchanged*"}},
		{"an include, dry", func() { h.write("abstractions/x", "/y r,\n") }, func(o *Options) { o.DryRun = true }, map[string]string{"a": "changed", "b": "unchanged*", "c": "unchanged*"}},
		{"an include", nil, nil, map[string]string{"a": "loaded*", "b": "unchanged*", "c": "unchanged*"}},
		{"fresh", nil, func(o *Options) { o.Fresh = true }, map[string]string{"a": "unchanged", "b": "unchanged", "c": "unchanged"}},
		{"no cache", nil, func(o *Options) { o.CacheDirs = nil }, map[string]string{"a": "unchanged", "b": "unchanged", "c": "unchanged"}},
		{"a restart of the host", func() { h.kernel = loadertest.NewKernel(nil) }, nil, map[string]string{"a": "loaded*", "b": "loaded*", "c": "loaded*"}},
		{"removed files, dry", func() { delete(h.files, "b"); delete(h.files, "c") }, func(o *Options) { o.DryRun = true }, map[string]string{"a": "unchanged*", "app-b": "removed"}},
		{"removed files", nil, nil, map[string]string{"a": "unchanged*", "app-b": "removed"}},
		{"disabled", func() { h.write("disable/a", "") }, nil, map[string]string{"a": "disabled", "app-a": "removed"}},
		{"complain", func() { delete(h.files, "disable/a"); h.write("force-complain/a", "") }, nil, map[string]string{"a": "loaded"}},
		{"complain again", nil, nil, map[string]string{"a": "unchanged*"}},
		{"another kernel", func() { set, _ := features.Kernel("7.3"); h.kernel = loadertest.NewKernel(set) }, nil, map[string]string{"a": "loaded"}},
	} {
		if step.change != nil {
			step.change()
		}
		before := len(h.kernel.Written())
		r, err := h.apply(t, step.options)
		if err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		if diff := cmp.Diff(step.want, states(r)); diff != "" {
			t.Errorf("%s:\n%s", step.name, diff)
		}
		// What is written is what is reported.
		loaded := 0
		for _, f := range r.Files {
			if f.State == Loaded {
				loaded++
			}
		}
		if n := len(h.kernel.Written()) - before; n != loaded {
			t.Errorf("%s: %d policies written, %d reported", step.name, n, loaded)
		}
		if step.name == "an include" {
			for path, want := range map[string]bool{"/x": false, "/y": true} {
				if got, err := h.kernel.Allows("app-a", query.File{Path: path, Perms: query.Read}); err != nil || got != want {
					t.Errorf("%s: %v %v", path, got, err)
				}
			}
		}
		if strings.HasPrefix(step.name, "complain") {
			if p, err := h.kernel.Profile(t.Context(), "app-a"); err != nil || p.Mode != loader.ModeComplain || !r.Files[0].Complain {
				t.Errorf("%s: %+v %v", step.name, p, err)
			}
		}
	}
}

// TestFailures: what is wrong with one file does not keep the others from being
// loaded; what is in force for it stays, and so does all that it may define.
func TestFailures(t *testing.T) {
	for name, tt := range map[string]struct {
		text       string
		incomplete bool
		find       func(err error) bool
	}{
		"syntax":        {"profile app-a {\n  /a r\n}\n", true, is[diag.List]},
		"no include":    {profile("app-a", "include <none>"), true, is[diag.List]},
		"no abi":        {"abi <abi/none>,\nprofile app-a {\n}\n", true, is[*diag.Diagnostic]},
		"no variable":   {profile("app-a", "@{none} r,"), true, is[diag.List]},
		"unenforceable": {"abi <abi/4.0>,\nprofile app-a {\n  network inet ip=127.0.0.1,\n}\n", true, is[diag.List]},
		"duplicate":     {profile("app-b", "/other r,"), false, is[*DuplicateError]},
		"no parent":     {profile("none//app-a", "/a r,"), false, func(err error) bool { return errors.Is(err, loader.ErrParent) }},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t, simple)
			if _, err := h.apply(t, nil); err != nil {
				t.Fatal(err)
			}
			delete(h.files, "a")
			h.write("z", tt.text)
			h.write("b", profile("app-b", "/new r,"))
			r, err := h.apply(t, nil)
			var at *FileError
			if !errors.As(err, &at) || at.File != "/etc/x/z" || !tt.find(err) {
				t.Fatalf("%v", err)
			}
			got := states(r)
			if got["z"] != "failed" || got["b"] != "loaded" || got["c"] != "unchanged*" || r.Incomplete != tt.incomplete {
				t.Errorf("%v, incomplete %v", got, r.Incomplete)
			}
			_, err = h.kernel.Profile(t.Context(), "app-a")
			if tt.incomplete != (err == nil) {
				t.Errorf("app-a: %v", err)
			}
			if ok, err := h.kernel.Allows("app-b", query.File{Path: "/new", Perms: query.Read}); err != nil || !ok {
				t.Errorf("app-b: %v %v", ok, err)
			}
			if data, err := json.Marshal(r); err != nil || !strings.Contains(string(data), `"errors":[{"`) || strings.Contains(string(data), "null") {
				t.Errorf("%s %v", data, err)
			}
		})
	}
}

func is[E error](err error) bool {
	var e E
	return errors.As(err, &e)
}

// TestInUse: a profile of a living process stays, and the next call removes it
// when the process has ended.
func TestInUse(t *testing.T) {
	h := newHost(t, simple)
	if _, err := h.apply(t, nil); err != nil {
		t.Fatal(err)
	}
	release := h.kernel.Use("app-b")
	delete(h.files, "b")
	r, err := h.apply(t, nil)
	var stays *RemoveError
	if !errors.Is(err, loader.ErrInUse) || !errors.As(err, &stays) || stays.Profile != "app-b" || states(r)["app-b"] != "stays" {
		t.Fatalf("%v %v", states(r), err)
	}
	if ok, err := h.kernel.Allows("app-b", query.File{Path: "/b", Perms: query.Read}); err != nil || !ok {
		t.Errorf("the process has lost its rights: %v %v", ok, err)
	}
	release()
	if r, err := h.apply(t, nil); err != nil || states(r)["app-b"] != "removed" {
		t.Errorf("%v %v", states(r), err)
	}
}

// TestFamilies: children and hats are removed with what they are below, alone if
// only they are gone, and never with a parent that another file needs.
func TestFamilies(t *testing.T) {
	h := newHost(t, map[string]string{
		"a":     profile("app-a", "profile child { /c r, }\n ^hat { /h r, }"),
		"b":     profile("app-b", "^hat { }"),
		"0late": profile("app-base//below//deep", "/d r,"),
		"1late": profile("app-base//below", "/d r,"),
		"base":  profile("app-base", "/b r,"),
	})
	r, err := h.apply(t, nil)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"app-a,app-a//child,app-a//hat", "app-b,app-b//hat", "app-base", "app-base//below", "app-base//below//deep"}; !slices.Equal(h.kernel.Written(), want) {
		t.Errorf("%q", h.kernel.Written())
	}
	if want := []string{"app-a", "app-a//child", "app-a//hat"}; !slices.Equal(r.Files[2].Profiles, want) {
		t.Errorf("%q", r.Files[2].Profiles)
	}
	h.write("a", profile("app-a", "profile child { /c r, }"))
	delete(h.files, "b")
	if r, err = h.apply(t, nil); err != nil {
		t.Fatal(err)
	}
	if want := []Removed{{Name: "app-a//hat"}, {Name: "app-b"}}; !cmp.Equal(r.Removed, want) {
		t.Errorf("%+v", r.Removed)
	}
	delete(h.files, "base")
	if r, err = h.apply(t, nil); err != nil || len(r.Removed) != 0 {
		t.Errorf("%+v %v", r, err)
	}
}

// TestNamespaces: a file of several namespaces is loaded in as many writes, and
// profiles of others' namespaces are never removed.
func TestNamespaces(t *testing.T) {
	h := newHost(t, map[string]string{"n": profile(":ns:app-n", "/n r,") + "profile app-m { /m r, }\n"})
	r, err := h.apply(t, nil)
	if err != nil || !slices.Equal(h.kernel.Written(), []string{":ns:app-n", "app-m"}) && !slices.Equal(h.kernel.Written(), []string{"app-m", ":ns:app-n"}) {
		t.Fatalf("%q %v", h.kernel.Written(), err)
	}
	if !slices.Contains(r.Files[0].Profiles, ":ns:app-n") {
		t.Errorf("%q", r.Files[0].Profiles)
	}
	delete(h.files, "n")
	h.write("m", profile("unrelated", ""))
	if r, err = h.apply(t, nil); err != nil || len(r.Removed) != 1 || r.Removed[0].Name != "app-m" {
		t.Errorf("%+v %v", r.Removed, err)
	}
}

// TestKernelFails has each call of the kernel fail once.
func TestKernelFails(t *testing.T) {
	broken := errors.New("broken")
	for _, op := range []loader.Op{loader.OpFeatures, loader.OpEnsure, loader.OpList, loader.OpRetire} {
		h := newHost(t, simple)
		if _, err := h.apply(t, nil); err != nil {
			t.Fatal(err)
		}
		delete(h.files, "b")
		h.kernel.Intercept = func(_ context.Context, c loadertest.Call) error {
			if c.Op == op {
				return broken
			}
			return nil
		}
		_, err := Apply(t.Context(), h.options())
		if !errors.Is(err, broken) {
			t.Errorf("%s: %v", op, err)
		}
		h.kernel.Intercept = nil
		if r, err := h.apply(t, nil); err != nil || states(r)["a"] != "unchanged*" {
			t.Errorf("after %s: %v %v", op, states(r), err)
		}
	}
}

func TestNoDigest(t *testing.T) {
	h := newHost(t, simple)
	h.kernel.NoDigest = true
	for range 2 { // always written, never wrongly skipped
		if r, err := h.apply(t, nil); err != nil || !strings.HasPrefix(states(r)["a"], "loaded") {
			t.Errorf("%v %v", states(r), err)
		}
	}
	if r, err := h.apply(t, func(o *Options) { o.DryRun = true }); err != nil || states(r)["a"] != "changed*" {
		t.Errorf("%v %v", states(r), err)
	}
}

func TestKernelMode(t *testing.T) {
	h := newHost(t, simple)
	h.kernel.Whole = loader.ModeComplain
	if _, err := h.apply(t, nil); !errors.Is(err, loader.ErrMode) {
		t.Errorf("%v", err)
	}
	if r, err := h.apply(t, func(o *Options) { o.Accept.Complain = true }); err != nil || states(r)["a"] != "loaded*" {
		t.Errorf("%v %v", states(r), err)
	}
}

func TestOptions(t *testing.T) {
	h := newHost(t, simple)
	if _, err := Apply(t.Context(), Options{}); !errors.Is(err, ErrNoFeatures) {
		t.Errorf("%v", err)
	}
	set, _ := features.Kernel("6.12")
	o := h.options()
	o.Kernel, o.Features = nil, set
	if _, err := Apply(t.Context(), o); !errors.Is(err, ErrPrefix) {
		t.Errorf("%v", err)
	}
	o.Prefix = ""
	for _, want := range []string{"compiled", "compiled*"} {
		if r, err := Apply(t.Context(), o); err != nil || states(r)["a"] != want {
			t.Errorf("%v %v", r, err)
		}
	}
	o.Dir = "none"
	if r, err := Apply(t.Context(), o); !errors.Is(err, fs.ErrNotExist) || r != nil {
		t.Errorf("%v %v", r, err)
	}
	o.Dir, o.Parser.Limits.DirEntries = ".", 2
	if r, err := Apply(t.Context(), o); !errors.Is(err, diag.ErrLimit) || r != nil {
		t.Errorf("%v %v", r, err)
	}
}

// TestCacheUnusable: nothing depends on the cache.
func TestCacheUnusable(t *testing.T) {
	h := newHost(t, simple)
	if err := os.WriteFile(h.cache, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := Apply(t.Context(), h.options())
	if r == nil || states(r)["a"] != "loaded" || r.Files[0].CacheErr == nil {
		t.Errorf("%v %v", r, err)
	}
	if err := os.Remove(h.cache); err != nil {
		t.Fatal(err)
	}
	if _, err := h.apply(t, nil); err != nil {
		t.Fatal(err)
	}
	set, _ := h.kernel.Features(t.Context())
	dir := (&cache.Cache{Features: set}).Dir(h.cache)
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	r, err = Apply(t.Context(), h.options())
	if r == nil || states(r)["a"] != "unchanged" || !errors.Is(r.Files[0].CacheErr, cache.ErrForeign) {
		t.Errorf("%v %v", r, err)
	}
}

// TestCancel ends the context after each number of files.
func TestCancel(t *testing.T) {
	for n := range 3 {
		h := newHost(t, simple)
		ctx, cancel := context.WithCancel(t.Context())
		o := h.options()
		o.Workers = 2
		o.Progress = func(done, total int, f *File) {
			if done > n {
				cancel()
			}
		}
		r, err := Apply(ctx, o)
		cancel()
		if !errors.Is(err, context.Canceled) || r == nil {
			t.Fatalf("%d: %v", n, err)
		}
		for _, f := range r.Files {
			if f.State == "" {
				t.Errorf("%d: no report of %s", n, f.Name)
			}
		}
		if got := len(h.kernel.Written()); got != n+1 {
			t.Errorf("%d: %d written", n, got)
		}
	}
}

// TestProgress: each file once, and the same report however many workers.
func TestProgress(t *testing.T) {
	files := map[string]string{}
	for i := range 40 {
		files[fmt.Sprintf("f%02d", i)] = profile(fmt.Sprintf("app-%02d", i), fmt.Sprintf("/%d r,\nnetwork inet ip=127.0.0.1,", i))
	}
	var first string
	for _, workers := range []int{1, 7} {
		h := newHost(t, files)
		var seen []string
		r, err := h.apply(t, func(o *Options) {
			o.Workers, o.Compile.Degrade = workers, compile.Report
			o.Progress = func(done, total int, f *File) {
				if done != len(seen)+1 || total != len(files) {
					t.Errorf("%d of %d", done, total)
				}
				seen = append(seen, f.Name)
			}
		})
		if err != nil || len(seen) != len(files) || !slices.IsSorted(seen) {
			t.Errorf("%q %v", seen, err)
		}
		data, err := json.Marshal(r)
		if err != nil || len(r.Files[0].Degraded) == 0 {
			t.Errorf("%v %v", r.Files[0].Degraded, err)
		}
		if first == "" {
			first = string(data)
		} else if diff := cmp.Diff(first, string(data)); diff != "" {
			t.Error(diff)
		}
	}
}

// TestAtOnce has several calls for one kernel and one cache.
func TestAtOnce(t *testing.T) {
	h := newHost(t, simple)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if _, err := Apply(t.Context(), h.options()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

var _ Kernel = (*loadertest.Kernel)(nil)

func Example() {
	ctx := context.Background()
	dir := fstest.MapFS{"web": {Data: []byte(`abi <kernel>,
profile agent-web /usr/bin/web {
  /srv/www/** r,
}
`)}}
	options := Options{
		Kernel: loadertest.NewKernel(nil), // a program takes loader.Open
		Parser: parser.Config{Roots: []fs.FS{dir}},
		Prefix: "agent-",
	}
	for range 2 {
		report, err := Apply(ctx, options)
		if err != nil {
			fmt.Println(err)
			return
		}
		for _, f := range report.Files {
			fmt.Println(f.Name, f.State, f.Profiles)
		}
	}
	delete(dir, "web")
	dir["db"] = &fstest.MapFile{Data: []byte("abi <kernel>,\nprofile agent-db {\n}\n")}
	report, err := Apply(ctx, options)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, p := range report.Removed {
		fmt.Println("removed", p.Name)
	}
	// Output:
	// web loaded [agent-web]
	// web unchanged [agent-web]
	// removed agent-web
}
