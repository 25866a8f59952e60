// SPDX-License-Identifier: Apache-2.0

//go:build linux

package debian_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/goarmor/apparmor/internal/debian"
	"github.com/goarmor/apparmor/internal/testenv"
)

// A program of each suite runs with the libraries that were fetched with it.
func TestProgram(t *testing.T) {
	for _, suite := range []string{"bookworm", "trixie", "sid"} {
		t.Run(suite, func(t *testing.T) {
			tree := testenv.Packages(t, debian.Binary{Suite: suite, Names: []string{"apparmor"}, Libraries: true})
			command, err := tree.Command("/sbin/apparmor_parser")
			if err != nil {
				t.Fatal(err)
			}
			out, err := exec.Command(command[0], append(command[1:], "--version")...).CombinedOutput()
			if err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			upstream, _, _ := strings.Cut(tree.Version(), "-")
			if !strings.Contains(string(out), " "+upstream) {
				t.Errorf("package %s says %q", tree.Version(), out)
			}
			if _, err := tree.Command("/sbin/no-such-program"); err == nil {
				t.Error("a missing program can run")
			}
		})
	}
}

func TestSource(t *testing.T) {
	dir := testenv.Source(t, "trixie", "apparmor")
	if _, err := os.Stat(filepath.Join(dir, "parser", "tst", "simple_tests")); err != nil {
		t.Error(err)
	}
}

// Whoever comes second waits, and finds what the first has fetched.
func TestFetchTwice(t *testing.T) {
	testenv.Packages(t, debian.Binary{Suite: "bookworm", Names: []string{"apparmor"}, Libraries: true}) // or skip
	cache := t.TempDir()
	b := debian.Binary{Suite: "trixie-backports", Names: []string{"libvirt-common"}}
	var trees [2]debian.Tree
	var wg sync.WaitGroup
	for i := range trees {
		wg.Go(func() {
			var err error
			if trees[i], err = b.Fetch(t.Context(), cache); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if trees[0].Dir != trees[1].Dir || trees[0].Version() == "" {
		t.Errorf("two fetches give %v", trees)
	}
	if parts, _ := filepath.Glob(filepath.Join(cache, "packages", "*", "part-*")); len(parts) > 0 {
		t.Errorf("left over: %v", parts)
	}
	if _, err := (debian.Binary{Suite: b.Suite, Names: []string{"no-such-package"}}).Fetch(t.Context(), cache); err == nil {
		t.Error("a package that is in no suite was fetched")
	}
}
