// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goarmor/apparmor/loader"
	"github.com/goarmor/apparmor/loader/loadertest"
	"github.com/goarmor/apparmor/query"
)

// configMap is a directory as the kubelet makes it.
type configMap struct {
	dir     string
	version int
}

// set makes a new version of files by their names.
func (c *configMap) set(t *testing.T, files map[string]string) {
	t.Helper()
	c.version++
	version := filepath.Join(c.dir, "..version"+strings.Repeat("x", c.version))
	if err := os.Mkdir(version, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(version, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	link := filepath.Join(c.dir, "new")
	if err := errors.Join(os.Symlink(filepath.Base(version), link), os.Rename(link, filepath.Join(c.dir, "..data"))); err != nil {
		t.Fatal(err)
	}
}

func profile(name, rules string) string {
	return "abi <abi/5.0>,\nprofile " + name + " { " + rules + " }\n"
}

// TestApply changes a ConfigMap, a bit at a time.
func TestApply(t *testing.T) {
	kernel, ctx := loadertest.NewKernel(nil), t.Context()
	var log bytes.Buffer
	a := &agent{dir: t.TempDir(), cache: t.TempDir(), prefix: "k8s-", log: slog.New(slog.NewTextHandler(&log, nil)), wrong: map[string]string{}}
	c := &configMap{dir: a.dir}
	may := func(name, path string) bool {
		t.Helper()
		ok, err := kernel.Allows(name, query.File{Path: path, Perms: query.Read})
		return ok && err == nil
	}

	c.set(t, map[string]string{"web": profile("k8s-web", "/srv/a r,"), "db": profile("k8s-db", "/srv/b r,")})
	if err := a.apply(ctx, kernel); err != nil || !may("k8s-web", "/srv/a") || !may("k8s-db", "/srv/b") {
		t.Fatalf("%v\n%s", err, &log)
	}
	written := len(kernel.Written())
	if err := a.apply(ctx, kernel); err != nil || len(kernel.Written()) != written {
		t.Errorf("what did not change: %v, %v", err, kernel.Written())
	}

	// One becomes wrong: it stays as it was, and the other changes.
	c.set(t, map[string]string{"web": profile("k8s-web", "nonsense"), "db": profile("k8s-db", "/srv/c r,")})
	if err := a.apply(ctx, kernel); err == nil || !may("k8s-web", "/srv/a") || !may("k8s-db", "/srv/c") || may("k8s-db", "/srv/b") {
		t.Errorf("with a wrong one: %v\n%s", err, &log)
	}
	said := log.Len()
	if err := a.apply(ctx, kernel); err == nil || log.Len() != said {
		t.Errorf("it says so again: %v\n%s", err, &log)
	}

	// One goes while a pod runs, then for good.
	c.set(t, map[string]string{"db": profile("k8s-db", "/srv/c r,")})
	release := kernel.Use("k8s-web")
	if err := a.apply(ctx, kernel); !errors.Is(err, loader.ErrInUse) || !may("k8s-web", "/srv/a") {
		t.Errorf("in use: %v", err)
	}
	release()
	if err := a.apply(ctx, kernel); err != nil || may("k8s-web", "/srv/a") {
		t.Errorf("it stays: %v\n%s", err, &log)
	}

	// Nothing outside of the directory is read.
	c.set(t, map[string]string{"db": "include \"/etc/hostname\"\n" + profile("k8s-db", "")})
	if err := a.apply(ctx, kernel); err == nil || !may("k8s-db", "/srv/c") {
		t.Errorf("an include of the node: %v", err)
	}
}

// TestPlain takes a directory that is not a ConfigMap, and one that is not there.
func TestPlain(t *testing.T) {
	kernel := loadertest.NewKernel(nil)
	a := &agent{dir: t.TempDir(), prefix: "k8s-", log: slog.New(slog.DiscardHandler), wrong: map[string]string{}}
	if err := os.WriteFile(filepath.Join(a.dir, "web"), []byte(profile("k8s-web", "/a r,")), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := a.apply(t.Context(), kernel); err != nil || len(kernel.Written()) != 1 {
		t.Errorf("%v, %v", err, kernel.Written())
	}
	a.dir = filepath.Join(a.dir, "none")
	if err := a.apply(t.Context(), kernel); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no directory: %v", err)
	}
}
