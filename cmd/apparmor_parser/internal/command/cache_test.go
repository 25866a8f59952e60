// SPDX-License-Identifier: Apache-2.0

package command

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/internal/oracle"
)

// cacheRun runs one compilation with the cache and returns what it said about
// it: "hit", "miss" or "".
func cacheRun(tb testing.TB, dir string, args ...string) string {
	tb.Helper()
	all := append([]string{"-Q", "-W", "-k", "-q", "-L", "cache", "-b", ".", "-M", "features"}, args...)
	got := runIn(tb, dir, "", all...)
	if got.Status != 0 {
		tb.Fatalf("%v: %+v", args, got)
	}
	for line := range strings.Lines(got.Stderr) {
		if strings.HasPrefix(line, "Cache hit: ") {
			return "hit"
		}
		if strings.HasPrefix(line, "Cache miss: ") {
			return "miss"
		}
	}
	return ""
}

var cacheTree = map[string]string{
	"features":  policyTree["features"],
	"features2": strings.Replace(policyTree["features"], "chown", "chown kill", 1),
	"abi/one":   policyTree["features"],
	"p":         "abi <abi/one>,\nprofile p {\n  include <i>\n  include if exists <maybe>\n  include if exists <d>\n}\n",
	"i":         "/a r,\n", "d/1": "/b r,\n",
}

// TestCache changes one thing after the other that policy is made of, without
// any sign of it in the times of files.
func TestCache(t *testing.T) {
	when := time.Unix(1e9, 0)
	for _, test := range []struct {
		name  string
		files map[string]string // after the first run; "" removes
		args  string
		want  string
	}{
		{"nothing", nil, "p", "hit"},
		{"only the times", map[string]string{"i": cacheTree["i"]}, "p", "hit"},
		{"the file", map[string]string{"p": strings.ReplaceAll(cacheTree["p"], "profile p", "profile q")}, "p", "miss"},
		{"an include", map[string]string{"i": "/b r,\n"}, "p", "miss"},
		{"an include that appears", map[string]string{"maybe": "/m r,\n"}, "p", "miss"},
		{"a file added to a directory", map[string]string{"d/2": "/m r,\n"}, "p", "miss"},
		{"a file removed from a directory", map[string]string{"d/1": ""}, "p", "miss"},
		{"an include in an earlier directory", map[string]string{"first/i": "/other r,\n"}, "-I first p", "miss"},
		{"the abi", map[string]string{"abi/one": cacheTree["features2"]}, "p", "miss"},
		{"the kernel", nil, "--kernel-features features2 p", "miss"},
		{"the features of policy", nil, "--policy-features features2 p", "miss"},
		{"the override", nil, "--override-policy-abi features2 p", "miss"},
		{"reading implies mapping", nil, "-X p", "miss"},
		{"denials kept in the tables", nil, "-O no-filter-deny p", "miss"},
		{"warnings as errors", nil, "--warn=dangerous --Werror=dangerous p", "miss"},
		{"errors for warnings that are off", nil, "--Werror=dangerous p", "hit"},
		{"cached policy that was changed", map[string]string{"cache/*/p": "damaged"}, "p", "miss"},
		{"cached policy that was removed", map[string]string{"cache/*/p": ""}, "p", "miss"},
		{"a key that was changed", map[string]string{"cache/.goarmor/*/p": "damaged"}, "p", "miss"},
		{"another cache", nil, "-L cache2 p", "miss"},
		{"a second cache", nil, "-L cache2,cache p", "hit"},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := files(t, cacheTree)
			if got := cacheRun(t, dir, "p"); got != "miss" {
				t.Fatalf("first run: %q", got)
			}
			for name, text := range test.files {
				name = filepath.Join(dir, name)
				if list, err := filepath.Glob(name); err == nil && len(list) == 1 {
					name = list[0]
				}
				if text == "" {
					if err := os.Remove(name); err != nil {
						t.Fatal(err)
					}
					continue
				}
				if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
				if err := os.Chtimes(name, when, when); err != nil {
					t.Fatal(err)
				}
			}
			args := strings.Fields(test.args)
			if got := cacheRun(t, dir, args...); got != test.want {
				t.Errorf("%q, want %q", got, test.want)
			}
			// What missed was written anew, so that the next run finds it.
			if test.want == "miss" {
				if got := cacheRun(t, dir, args...); got != "hit" {
					t.Errorf("once more: %q", got)
				}
			}
		})
	}
}

// TestCacheUnused is about what is neither found in the cache nor written to
// it.
func TestCacheUnused(t *testing.T) {
	for _, test := range []struct {
		name, args string
		file       string // to be written first
	}{
		{"no reading of the cache", "-T p", ""},
		{"no cache", "-K p", ""},
		{"complain mode", "-C p", ""},
		{"forced complain mode", "p", "force-complain/p"},
		{"a namespace", "-n x p", ""},
		{"dump of statistics", "-D stats p", ""},
	} {
		dir := files(t, cacheTree)
		if got := cacheRun(t, dir, "p"); got != "miss" {
			t.Fatalf("%s: first run: %q", test.name, got)
		}
		used, _ := filepath.Glob(filepath.Join(dir, "cache", "*", "p"))
		if len(used) != 1 {
			t.Fatalf("%s: %v", test.name, used)
		}
		before, err := os.ReadFile(used[0])
		if err != nil {
			t.Fatal(err)
		}
		if test.file != "" {
			if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(test.file)), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, test.file), nil, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got := cacheRun(t, dir, strings.Fields(test.args)...); got != "miss" {
			t.Errorf("%s: %q", test.name, got)
		}
		if after, err := os.ReadFile(used[0]); err != nil || !bytes.Equal(before, after) {
			t.Errorf("%s: the cache was written to: %v", test.name, err)
		}
	}
}

// TestCacheTimes: the time of policy in the cache is that of the newest text.
func TestCacheTimes(t *testing.T) {
	dir := files(t, cacheTree)
	newest := time.Unix(2e9, 0)
	for i, name := range []string{"i", "d/1", "p"} {
		when := newest.Add(time.Duration(-i) * time.Hour)
		if err := os.Chtimes(filepath.Join(dir, name), when, when); err != nil {
			t.Fatal(err)
		}
	}
	cacheRun(t, dir, "p")
	used, _ := filepath.Glob(filepath.Join(dir, "cache", "*", "p"))
	if len(used) != 1 {
		t.Fatal(used)
	}
	if info, err := os.Stat(used[0]); err != nil || !info.ModTime().Equal(newest) {
		t.Errorf("%v %v", info.ModTime(), err)
	}
}

// TestCacheContent checks that the cache gives back what compiling gives, and
// that its directory holds the policy under the name of the file.
func TestCacheContent(t *testing.T) {
	dir := files(t, cacheTree)
	cacheRun(t, dir, "p")
	list, err := filepath.Glob(filepath.Join(dir, "cache", "*", "p"))
	if err != nil || len(list) != 1 {
		t.Fatalf("%v %v", list, err)
	}
	data, err := os.ReadFile(list[0])
	if err != nil {
		t.Fatal(err)
	}
	want := runIn(t, dir, "", "-S", "-q", "-b", ".", "-M", "features", "p").Stdout
	if sha256.Sum256(data) != sha256.Sum256([]byte(want)) {
		t.Error("the cache does not hold what -S writes")
	}
	if set, err := os.ReadFile(filepath.Join(filepath.Dir(list[0]), ".features")); err != nil || len(set) == 0 {
		t.Errorf("features: %q %v", set, err)
	}
}

// TestCacheForeign finds a directory that is for other features, though its
// name says otherwise.
func TestCacheForeign(t *testing.T) {
	dir := files(t, cacheTree)
	cacheRun(t, dir, "p")
	used, _ := filepath.Glob(filepath.Join(dir, "cache", "*.0"))
	if len(used) != 1 {
		t.Fatal(used)
	}
	stale := filepath.Join(used[0], "stale")
	for _, name := range []string{stale, filepath.Join(used[0], ".features")} {
		if err := os.WriteFile(name, []byte("other {\n}\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if got := cacheRun(t, dir, "--skip-bad-cache", "p"); got != "miss" {
			t.Errorf("left alone: %q", got)
		}
	}
	if _, err := os.Stat(stale); err != nil {
		t.Error(err)
	}
	if got := cacheRun(t, dir, "p"); got != "miss" {
		t.Errorf("%q", got)
	}
	if _, err := os.Stat(stale); !os.IsNotExist(err) {
		t.Errorf("policy for other features is left: %v", err)
	}
	if got := cacheRun(t, dir, "p"); got != "hit" {
		t.Errorf("%q", got)
	}
}

// TestCacheVerbose: what comes from a file of compiled policy is named by it.
func TestCacheVerbose(t *testing.T) {
	dir := files(t, cacheTree)
	args := []string{"-Q", "-W", "-v", "-L", "cache", "-b", ".", "-M", "features"}
	runIn(t, dir, "", append(args, "p")...)
	used, _ := filepath.Glob(filepath.Join(dir, "cache", "*", "p"))
	if len(used) != 1 {
		t.Fatal(used)
	}
	for action, want := range map[string]string{"-a": "Cached load", "-r": "Cached reload"} {
		for _, more := range [][]string{{"p"}, {"-B", used[0]}} {
			got := runIn(t, dir, "", append(append(args, action), more...)...)
			if got.Stdout != want+" succeeded for \""+used[0]+"\".\n" {
				t.Errorf("%s %v: %+v", action, more, got)
			}
		}
	}
}

// TestCacheNamespaces keeps the profiles of several namespaces of one file, and
// loads them in as many writes.
func TestCacheNamespaces(t *testing.T) {
	tree := map[string]string{"features": cacheTree["features"], "p": "profile :a:x { /r r, }\nprofile x { /s r, ^h { } }\nprofile :b:x { }\n"}
	dir := files(t, tree)
	if got := cacheRun(t, dir, "p"); got != "miss" {
		t.Errorf("first run: %q", got)
	}
	if got := cacheRun(t, dir, "p"); got != "hit" {
		t.Errorf("second run: %q", got)
	}
	used, _ := filepath.Glob(filepath.Join(dir, "cache", "*", "p"))
	if len(used) != 1 {
		t.Fatal(used)
	}
	kernel, _ := features.Kernel("6.1")
	want := []string{"replace x x//h", "replace x", "replace x", "close"}
	for _, args := range [][]string{{"-W", "-L", "cache", "-M", "features", "p"}, {"-B", used[0]}} {
		k := &fakeKernel{features: kernel}
		env := Env{Dir: dir, OpenKernel: func(string) (Kernel, error) { return k, nil }}
		got := runEnv(t, env, append([]string{"--config-file=/dev/null", "-b", ".", "-r"}, args...)...)
		if got.Status != 0 || got.Stderr != "" || !slices.Equal(k.calls, want) {
			t.Errorf("%v: %+v, %q", args, got, k.calls)
		}
	}
}

// TestCacheReference: what Debian's parser wrote to the cache stays if it is what
// we would write, with its file of features.
func TestCacheReference(t *testing.T) {
	for _, suite := range []string{oracle.Trixie, oracle.Newest} {
		reference := oracle.ParserOf(t, suite)
		dir := files(t, map[string]string{"p": "profile p /bin/p {\n  /etc/** r,\n  network inet stream,\n}\n", "q": "profile :n:q {\n  /q r,\n}\nprofile q {\n  /q w,\n}\n"})
		// The name of the directory is made of the very text.
		shown := filepath.Join(dir, "features")
		if err := os.WriteFile(shown, []byte(oracle.FeatureSet(t, "kernel-6.12").String()), 0o600); err != nil {
			t.Fatal(err)
		}
		args := []string{"--config-file=/dev/null", "-QW", "-c0", "-L", filepath.Join(dir, "cache"), "-b", dir, "-M", shown, filepath.Join(dir, "p"), filepath.Join(dir, "q")}
		if suite == oracle.Trixie {
			args = slices.DeleteFunc(args, func(s string) bool { return s == "-c0" })
		}
		command := append(reference.Command(), args...)
		cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		before := snapshot(t, filepath.Join(dir, "cache"))
		if len(before) != 3 {
			t.Fatalf("%s: the reference wrote %v", reference.Version(), before)
		}
		for i, want := range []string{"miss", "hit"} {
			got := runIn(t, dir, "", "-QW", "-k", "-L", "cache", "-b", ".", "-M", shown, "p", "q")
			if got.Status != 0 || strings.Count(got.Stderr, "Cache "+want) != 2 {
				t.Errorf("%s, run %d: %+v", reference.Version(), i, got)
			}
			after := snapshot(t, filepath.Join(dir, "cache"))
			for name, data := range before {
				if after[name] != data {
					t.Errorf("%s: %s is another file", reference.Version(), name)
				}
			}
			for name := range after {
				if before[name] == "" && !strings.HasPrefix(name, ".goarmor/") {
					t.Errorf("a file of our own: %s", name)
				}
			}
		}
	}
}

// snapshot returns the files below a directory: which file it is, its mode and
// its content.
func snapshot(tb testing.TB, dir string) map[string]string {
	tb.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, name)
		all[filepath.ToSlash(rel)] = fmt.Sprintf("%v %x", info.Mode(), sha256.Sum256(data))
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
	return all
}

func TestCachePurge(t *testing.T) {
	dir := files(t, cacheTree)
	cacheRun(t, dir, "p")
	got := runIn(t, dir, "", "--purge-cache", "-L", "cache", "-M", "features")
	if left, _ := filepath.Glob(filepath.Join(dir, "cache", "*")); got.Status != 0 || len(left) != 0 {
		t.Errorf("%+v: %v", got, left)
	}
	if got := runIn(t, dir, "", "--purge-cache", "-L", "never", "-M", "features"); got.Status != 0 {
		t.Errorf("%+v", got)
	}
	if got := cacheRun(t, dir, "p"); got != "miss" {
		t.Errorf("%q", got)
	}
}

// TestCacheBroken: policy is loaded even if the cache cannot be written.
func TestCacheBroken(t *testing.T) {
	dir := files(t, cacheTree)
	if err := os.WriteFile(filepath.Join(dir, "cache"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	got := runIn(t, dir, "", "-Q", "-W", "-v", "-L", "cache", "-b", ".", "-M", "features", "p")
	if got.Status != 0 || !strings.HasPrefix(got.Stderr, "Warning: cannot write the cache: ") || !strings.Contains(got.Stdout, `"p"`) {
		t.Errorf("%+v", got)
	}
	if got := runIn(t, dir, "", "-Q", "-W", "--Werror=cache", "-L", "cache", "-b", ".", "-M", "features", "p"); got.Status != 1 {
		t.Errorf("%+v", got)
	}
}
