// SPDX-License-Identifier: Apache-2.0

package testenv

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/goarmor/apparmor/internal/debian"
)

// fetchTimeout is how long a package may take to arrive with its libraries.
const fetchTimeout = 8 * time.Minute

// howFetch is what helps where packages cannot be fetched.
const howFetch = "they are fetched by apt from Debian's archive into ~/.cache/goarmor (or APPARMOR_TEST_CACHE): " +
	"that takes network, apt-get, dpkg-deb, tar, xz and the package debian-archive-keyring"

// CacheDir returns the folder for what tests fetch, or skips the test.
func CacheDir(tb testing.TB) string {
	tb.Helper()
	dir, err := debian.CacheDir()
	if err != nil {
		Missing(tb, err.Error(), "name a folder in APPARMOR_TEST_CACHE")
	}
	return dir
}

// Source returns the folder of a source package as upstream released it, such
// as "apparmor" of "trixie", and logs its version. It skips the test where
// the package cannot be had.
func Source(tb testing.TB, suite, name string) string {
	tb.Helper()
	cache := CacheDir(tb)
	t := fetch(tb, "source "+suite+" "+name, func(ctx context.Context) (debian.Tree, error) {
		return debian.Source{Name: name, Suite: suite}.Fetch(ctx, cache)
	})
	tb.Logf("source of %s from Debian %s", t.Packages[0], suite)
	return t.Dir
}

// Packages returns Debian's packages, unpacked, and logs the versions of those
// that were asked for. It skips the test where they cannot be had.
func Packages(tb testing.TB, b debian.Binary) debian.Tree {
	tb.Helper()
	cache := CacheDir(tb)
	t := fetch(tb, b.Suite+" "+strings.Join(b.Names, " "), func(ctx context.Context) (debian.Tree, error) { return b.Fetch(ctx, cache) })
	var names []string
	for _, p := range t.Packages[:min(len(b.Names), len(t.Packages))] {
		names = append(names, p.String())
	}
	tb.Logf("%s from Debian %s", strings.Join(names, ", "), b.Suite)
	return t
}

// failed remembers what could not be fetched: the next test of the process
// need not wait for the network as long as the first did.
var failed sync.Map // of errors, by what was wanted

func fetch(tb testing.TB, what string, f func(context.Context) (debian.Tree, error)) debian.Tree {
	tb.Helper()
	if err, ok := failed.Load(what); ok {
		Missing(tb, err.(error).Error(), howFetch)
	}
	ctx, cancel := context.WithTimeout(context.Background(), fetchTimeout)
	defer cancel()
	t, err := f(ctx)
	if err != nil {
		failed.Store(what, err)
		Missing(tb, err.Error(), howFetch)
	}
	return t
}

// DebianTree returns /etc/apparmor.d as Debian 12's packages install it, in a
// folder that nothing may write to: a test that changes it copies it.
func DebianTree(tb testing.TB) string {
	tb.Helper()
	return etc(tb, debian.Binary{Suite: "bookworm", Names: []string{
		"apparmor", "apparmor-profiles", "apparmor-profiles-extra", "libvirt-daemon-system"}})
}

// NewestTree returns /etc/apparmor.d of the newest release in Debian.
func NewestTree(tb testing.TB) string {
	tb.Helper()
	return etc(tb, debian.Binary{Suite: "sid", Names: []string{"apparmor", "apparmor-profiles"}})
}

func etc(tb testing.TB, b debian.Binary) string {
	tb.Helper()
	dir := filepath.Join(Packages(tb, b).Dir, "etc", "apparmor.d")
	if err := addLocal(dir); err != nil {
		tb.Fatal(err)
	}
	return dir
}

// localInclude matches the include of a file for the administrator's rules.
var localInclude = regexp.MustCompile(`(?m)^\s*#?include\s+<(local/[^>\s]+)>`)

// addLocal makes the empty files that Debian's packages leave for the
// administrator when they are installed.
func addLocal(dir string) error {
	done := filepath.Join(filepath.Dir(dir), ".local-complete")
	if _, err := os.Stat(done); err == nil {
		return nil
	}
	if err := os.MkdirAll(filepath.Join(dir, "local"), 0o755); err != nil {
		return err
	}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, m := range localInclude.FindAllSubmatch(text, -1) {
			name := filepath.Join(dir, filepath.FromSlash(string(m[1])))
			if strings.Contains(string(m[1]), "..") {
				continue
			}
			if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
				return err
			}
			f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o644)
			if err != nil {
				return err
			}
			if err := f.Close(); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return os.WriteFile(done, nil, 0o644)
}
