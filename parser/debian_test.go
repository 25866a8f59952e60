// SPDX-License-Identifier: Apache-2.0

package parser

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goarmor/apparmor/internal/testenv"
	"github.com/goarmor/apparmor/internal/treetest"
	"github.com/goarmor/apparmor/internal/upstream"
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
	if len(files) < 180 {
		t.Errorf("only %d files", len(files))
	}
	for name, src := range files {
		f, err := Parse(name, src)
		if err != nil {
			t.Errorf("%+v", err)
			continue
		}
		if err := treetest.Spans(f); err != nil {
			t.Error(err)
		}
	}
}

// TestUpstreamTree parses upstream's own profiles, and loads those at the top
// with all that they include.
func TestUpstreamTree(t *testing.T) {
	for _, release := range upstream.Releases(t) {
		t.Run(release.Name, func(t *testing.T) { parseTree(t, release.FS) })
	}
}

func parseTree(t *testing.T, root fs.FS) {
	c := Config{Roots: []fs.FS{root}, Cache: &Cache{}}
	var names []string
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			names = append(names, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	units := 0
	for _, rel := range names {
		if strings.HasPrefix(rel, "abi/") || Skip(filepath.Base(rel)) {
			continue
		}
		text, err := fs.ReadFile(root, rel)
		if err != nil {
			t.Fatal(err)
		}
		f, err := Parse(rel, string(text))
		if err != nil {
			t.Errorf("%+v", err)
			continue
		}
		if err := treetest.Spans(f); err != nil {
			t.Error(err)
		}
		if strings.Contains(rel, "/") {
			continue
		}
		units++
		if _, err := c.ParseFS(t.Context(), rel); err != nil {
			t.Errorf("%+v", err)
		}
	}
	if units < 150 {
		t.Errorf("only %d profiles", units)
	}
}
