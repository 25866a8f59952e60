// SPDX-License-Identifier: Apache-2.0

package render_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"runtime"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/internal/testenv"
	"github.com/goarmor/apparmor/internal/upstream"
	"github.com/goarmor/apparmor/parser"
	"github.com/goarmor/apparmor/policy"
	"github.com/goarmor/apparmor/render"
)

// The kernels that policy is compiled for before and after it is formatted.
var meaningKernels = []string{"6.12", "7.3"}

// subject is one policy as it is to be compiled.
type subject struct {
	name, text string
	config     parser.Config // of the policy as it was written
	formatted  parser.Config // with what it includes in canonical form
}

// policies compiles a text for a kernel, each namespace apart.
func policies(ctx context.Context, c parser.Config, kernel *features.Set, name, text string) ([]*blob.Policy, error) {
	unit, err := c.ParseTree(ctx, name, text)
	if err != nil {
		return nil, err
	}
	set, err := policy.Resolve(ctx, unit, policy.Options{Kernel: kernel, Default: kernel, Roots: c.Roots, Abs: c.Abs, Dir: c.Dir})
	if err != nil {
		return nil, err
	}
	var list []*blob.Policy
	for _, s := range compile.ByNamespace(set) {
		out, err := compile.Compile(ctx, s, compile.Options{Kernel: kernel, Degrade: compile.Report})
		if err != nil {
			return nil, err
		}
		list = append(list, out.Policy)
	}
	return list, nil
}

// errNoPolicy says that a subject compiles to nothing to compare.
var errNoPolicy = errors.New("no policy")

// sameMeaning compiles a subject as it is, in canonical form without its
// comments and in canonical form with them, and compares what a kernel would
// load.
func (s subject) sameMeaning(ctx context.Context) error {
	file, err := s.config.Parse(ctx, s.name, s.text)
	if err != nil {
		return errNoPolicy
	}
	bare, err := render.Append(nil, file)
	if err != nil {
		return err
	}
	formatted, err := render.Format(file)
	if err != nil {
		return err
	}
	compiled := false
	for _, series := range meaningKernels {
		kernel, ok := features.Kernel(series)
		if !ok {
			return fmt.Errorf("no features of %s", series)
		}
		want, refused := policies(ctx, s.config, kernel, s.name, s.text)
		for form, text := range map[string][]byte{"bare": bare, "formatted": formatted} {
			got, err := policies(ctx, s.formatted, kernel, s.name, string(text))
			switch {
			case err != nil && refused == nil:
				return fmt.Errorf("%s: only the %s text is refused: %w\n%s", series, form, err, text)
			case err == nil && refused != nil:
				return fmt.Errorf("%s: the %s text is not refused, as written it is: %w\n%s", series, form, refused, text)
			}
			if len(got) != len(want) {
				return fmt.Errorf("%s: %d namespaces; %s: %d", series, len(want), form, len(got))
			}
			for i := range want {
				ds, err := blob.DiffPolicy(want[i], got[i], blob.DiffOptions{})
				if err != nil {
					return fmt.Errorf("%s, %s: %w\n%s", series, form, err, text)
				}
				if len(ds) > 0 {
					return fmt.Errorf("%s, %s: %v\n%s", series, form, ds, text)
				}
				compiled = true
			}
		}
	}
	if !compiled {
		return errNoPolicy
	}
	return nil
}

// compare checks subjects, of which least must compile.
func compare(t *testing.T, subjects []subject, least int) {
	t.Helper()
	var (
		work    = make(chan subject)
		workers sync.WaitGroup
		mu      sync.Mutex
		same    int
	)
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for s := range work {
				err := s.sameMeaning(t.Context())
				mu.Lock()
				switch {
				case err == nil:
					same++
				case !errors.Is(err, errNoPolicy):
					t.Errorf("%s: %v", s.name, err)
				}
				mu.Unlock()
			}
		})
	}
	for _, s := range subjects {
		work <- s
	}
	close(work)
	workers.Wait()
	t.Logf("%d of %d compiled to the same", same, len(subjects))
	if same < least {
		t.Errorf("only %d compiled", same)
	}
}

// canonical returns a tree whose policy files are in canonical form.
func canonical(t *testing.T, tree fs.FS) fs.FS {
	t.Helper()
	out := fstest.MapFS{}
	err := fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			out[name] = &fstest.MapFile{Mode: fs.ModeDir | 0o755} // it may be empty
		}
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		src, err := fs.ReadFile(tree, name)
		if err != nil {
			return err
		}
		if f, err := parser.Parse(name, string(src)); err == nil && path.Base(path.Dir(name)) != "abi" {
			if src, err = render.Format(f); err != nil {
				return err
			}
		}
		out[name] = &fstest.MapFile{Data: src, Mode: 0o644}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// files returns the files at the top of a tree as subjects.
func filesOf(t *testing.T, tree fs.FS) []subject {
	t.Helper()
	entries, err := fs.ReadDir(tree, ".")
	if err != nil {
		t.Fatal(err)
	}
	var (
		list      []subject
		config    = parser.Config{Roots: []fs.FS{tree}, Cache: &parser.Cache{}}
		formatted = parser.Config{Roots: []fs.FS{canonical(t, tree)}, Cache: &parser.Cache{}}
	)
	for _, e := range entries {
		if !e.Type().IsRegular() || parser.Skip(e.Name()) {
			continue
		}
		text, err := fs.ReadFile(tree, e.Name())
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, subject{name: e.Name(), text: string(text), config: config, formatted: formatted})
	}
	return list
}

// TestMeaning compiles the corpora's policy before and after it is brought to
// canonical form.
func TestMeaning(t *testing.T) {
	step := meaningStep
	if testing.Short() {
		step *= 10
	}
	t.Run("debian", func(t *testing.T) {
		compare(t, filesOf(t, os.DirFS(testenv.DebianTree(t))), 20)
	})
	t.Run("upstream", func(t *testing.T) {
		var list []subject
		for i, s := range filesOf(t, upstream.Profiles(t).FS) {
			if i%min(step, upstreamStep) == 0 {
				list = append(list, s)
			}
		}
		compare(t, list, 160/upstreamStep-1)
	})
	t.Run("policy tests", func(t *testing.T) {
		suite := upstream.PolicyTests(t, !testing.Short())
		config := parser.Config{Roots: suite.Roots, Abs: suite.Abs, Dir: suite.Dir, Cache: &parser.Cache{}}
		formatted := config
		formatted.Roots, formatted.Cache = []fs.FS{canonical(t, suite.Roots[0])}, &parser.Cache{}
		var list []subject
		for i, test := range suite.Tests {
			if test.Accept && i%step == 0 {
				list = append(list, subject{name: test.Path, text: test.Text, config: config, formatted: formatted})
			}
		}
		compare(t, list, len(list)*9/10)
	})
	t.Run("equality", func(t *testing.T) {
		var list []subject
		for i, c := range upstream.EqualityCases(t) {
			if i%step == 0 {
				for j, text := range c.Profiles {
					list = append(list, subject{name: fmt.Sprintf("%s-%d", c.ID, j), text: text + "\n"})
				}
			}
		}
		compare(t, list, len(list)*9/10)
	})
	t.Run("corners and pairs", func(t *testing.T) {
		var list []subject
		for _, c := range upstream.Corners(t) {
			list = append(list, subject{name: c.ID, text: c.Profile})
		}
		for _, c := range upstream.Pairs(t) {
			list = append(list, subject{name: c.ID + "a", text: c.A}, subject{name: c.ID + "b", text: c.B})
		}
		compare(t, list, 600)
	})
}

// The sizes of the samples of TestMeaning: one test in so many.
const (
	meaningStep  = 50
	upstreamStep = 8
)
