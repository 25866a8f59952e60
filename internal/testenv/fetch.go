// SPDX-License-Identifier: Apache-2.0

package testenv

import (
	"context"
	"fmt"
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
	logOnce(tb, fmt.Sprintf("source of %s from Debian %s", t.Packages[0], suite))
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
	logOnce(tb, fmt.Sprintf("%s from Debian %s", strings.Join(names, ", "), b.Suite))
	return t
}

// logged are the lines that logOnce has printed.
var logged sync.Map

// logOnce logs a line in the first test of the process that has it to say.
func logOnce(tb testing.TB, line string) {
	tb.Helper()
	if _, before := logged.LoadOrStore(line, true); !before {
		tb.Log(line)
	}
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
	dir, err := debianTree(Packages(tb, bookworm()))
	if err != nil {
		tb.Fatal(err)
	}
	return dir
}

// FetchDebianTree is DebianTree for programs.
func FetchDebianTree(ctx context.Context) (string, error) {
	cache, err := debian.CacheDir()
	if err != nil {
		return "", err
	}
	t, err := bookworm().Fetch(ctx, cache)
	if err != nil {
		return "", err
	}
	return debianTree(t)
}

// debianTree completes what the packages have.
func debianTree(t debian.Tree) (string, error) {
	dir := filepath.Join(t.Dir, "etc", "apparmor.d")
	done := filepath.Join(filepath.Dir(dir), ".local-complete-2")
	if _, err := os.Stat(done); err == nil {
		return dir, nil
	}
	if err := AddLocal(dir); err != nil {
		return "", err
	}
	return dir, os.WriteFile(done, nil, 0o644)
}

func bookworm() debian.Binary {
	return debian.Binary{Suite: "bookworm", Names: []string{
		"apparmor", "apparmor-profiles", "apparmor-profiles-extra", "libvirt-daemon-system"}}
}

// LibvirtTree returns /etc/apparmor.d as libvirt, AppArmor and passt of a suite
// ("bookworm", "trixie", "sid") install it, in a folder that nothing may write to.
// The text of libvirt is under the LGPL: no part of it may become part of this
// module.
func LibvirtTree(tb testing.TB, suite string) string {
	tb.Helper()
	dir, err := debianTree(Packages(tb, libvirt(suite)))
	if err != nil {
		tb.Fatal(err)
	}
	return dir
}

func libvirt(suite string) debian.Binary {
	names := []string{"apparmor", "libvirt-daemon-system", "passt"}
	if suite != "bookworm" { // which has all in one
		names = append(names, "libvirt-daemon-common", "libvirt-daemon-driver-qemu", "libvirt-daemon-driver-lxc")
	}
	return debian.Binary{Suite: suite, Names: names}
}

// CachedDebianTree is DebianTree for those who can do without: it fetches
// nothing.
func CachedDebianTree() (string, bool) {
	cache, err := debian.CacheDir()
	if err != nil {
		return "", false
	}
	t, ok := bookworm().Cached(cache)
	return filepath.Join(t.Dir, "etc", "apparmor.d"), ok
}

// localInclude matches the include of a file for the administrator's rules.
var localInclude = regexp.MustCompile(`(?m)^\s*#?include\s+<(local/[^>\s]+)>`)

// AddLocal makes the empty files that Debian's packages leave for the
// administrator when they are installed: those below local that profiles
// include, and one in tunables/xdg-user-dirs.d.
func AddLocal(dir string) error {
	if err := os.MkdirAll(filepath.Join(dir, "local"), 0o755); err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(dir, "tunables", "xdg-user-dirs.d")); err == nil {
		if err := os.WriteFile(filepath.Join(dir, "tunables", "xdg-user-dirs.d", "site.local"), nil, 0o644); err != nil {
			return err
		}
	}
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
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
}
