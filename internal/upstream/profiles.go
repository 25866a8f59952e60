// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/goarmor/apparmor/internal/debian"
	"github.com/goarmor/apparmor/internal/oracle"
	"github.com/goarmor/apparmor/internal/testenv"
)

// Release is the profiles of a release with what they include, and what its
// parser makes of them.
type Release struct {
	Name  string
	FS    fs.FS
	Names []string // of the profiles, which are at the top

	dir   string       // the same on disk, which nothing may write to
	blobs fstest.MapFS // in place of a parser
}

// Releases returns Profiles and, where there is the private corpus, those of
// AppArmor 6.0.
func Releases(tb testing.TB) []Release {
	tb.Helper()
	all := []Release{Profiles(tb)}
	if _, ok := testenv.ExtraCorpus(); ok {
		tree, err := fs.Sub(testenv.CorpusFS(tb, "profiles-6.0.tar.gz"), "apparmor.d")
		if err != nil {
			tb.Fatal(err)
		}
		r := Release{Name: "6.0", FS: tree, blobs: testenv.CorpusFS(tb, "profiles-6.0-blobs.tar.gz")}
		for name := range r.blobs {
			if name, ok := strings.CutPrefix(name, "blobs/6.12/"); ok {
				r.Names = append(r.Names, strings.TrimSuffix(name, ".bin"))
			}
		}
		slices.Sort(r.Names)
		all = append(all, r)
	}
	return all
}

// Profiles returns the profiles of the newest release in Debian: those that
// its packages install and those that they have as examples.
func Profiles(tb testing.TB) Release {
	tb.Helper()
	packages := testenv.Packages(tb, debian.Binary{Suite: oracle.Newest, Names: []string{"apparmor", "apparmor-profiles"}})
	dir := derive(tb, "profiles-local-"+packages.Version(), func(dir string) error {
		for _, from := range []string{"usr/share/apparmor/extra-profiles", "etc/apparmor.d"} {
			if err := overlay(dir, filepath.Join(packages.Dir, filepath.FromSlash(from))); err != nil {
				return err
			}
		}
		return testenv.AddLocal(dir)
	})
	t := Release{Name: packages.Version(), FS: os.DirFS(dir), dir: dir}
	entries, err := os.ReadDir(dir)
	if err != nil {
		tb.Fatal(err)
	}
	for _, e := range entries {
		if e.Type().IsRegular() && e.Name() != "README" && !strings.HasPrefix(e.Name(), ".") {
			t.Names = append(t.Names, e.Name())
		}
	}
	if len(t.Names) < 150 {
		tb.Fatalf("only %d profiles in %s", len(t.Names), dir)
	}
	return t
}

// overlay copies the regular files below a folder.
func overlay(dir, from string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		to := filepath.Join(dir, rel)
		if d.IsDir() {
			return os.MkdirAll(to, 0o755)
		}
		if !d.Type().IsRegular() {
			return nil
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(to, data, 0o644)
	})
}

// Compiled returns what the release's parser makes of a profile for the kernels
// of a series, such as "6.12".
func (r Release) Compiled(tb testing.TB, series, name string) []byte {
	tb.Helper()
	if r.blobs != nil {
		f := r.blobs["blobs/"+series+"/"+name+".bin"]
		if f == nil {
			tb.Fatalf("no reference for %s", name)
		}
		return f.Data
	}
	data, err := oracle.ParserOf(tb, oracle.Newest).Compile(oracle.Job{
		File: filepath.Join(r.dir, name), Base: r.dir, Features: oracle.Features(tb, "kernel-"+series),
	})
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

// Dir returns the folder of the profiles that Debian has, which nothing may
// write to.
func (r Release) Dir() string { return r.dir }

// profilesSample is how many profiles are compiled where not everything is.
const profilesSample = 60

// Sample returns the names of profiles that are compiled: all of them, or a
// sample, see testenv.Full.
func (r Release) Sample() []string { return sample(r.Names, profilesSample) }
