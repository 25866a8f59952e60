// SPDX-License-Identifier: Apache-2.0

//go:build linux

package command

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/compile/cache"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/loader"
)

// usedDir returns the one directory of features in a cache.
func usedDir(tb testing.TB, cache string) string {
	tb.Helper()
	list, err := filepath.Glob(filepath.Join(cache, "*.0"))
	if err != nil || len(list) != 1 {
		tb.Fatalf("%v %v", list, err)
	}
	return list[0]
}

// TestCacheLink: a link in the place of a directory of features is neither
// written through nor emptied.
func TestCacheLink(t *testing.T) {
	dir := files(t, cacheTree)
	cacheRun(t, dir, "p")
	used := usedDir(t, filepath.Join(dir, "cache"))
	victim := filepath.Join(dir, "victim")
	if err := os.Rename(used, victim); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(victim, "mine"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(victim, used); err != nil {
		t.Fatal(err)
	}
	before := list(t, victim)
	args := []string{"-Q", "-W", "-q", "-L", "cache", "-b", ".", "-M", "features"}
	got := runIn(t, dir, "", append(args, "--warn=cache", "-v", "p")...)
	if got.Status != 0 || got.Stdout != "Replacement succeeded for \"p\".\n" && got.Stdout != "Addition succeeded for \"p\".\n" {
		t.Errorf("%+v", got)
	}
	if got := runIn(t, dir, "", append(args, "--purge-cache")...); got.Status != 1 || !strings.Contains(got.Stderr, cache.ErrLink.Error()) {
		t.Errorf("%+v", got)
	}
	if d := cmp.Diff(before, list(t, victim)); d != "" {
		t.Errorf("the target of the link was changed (-want +got):\n%s", d)
	}
}

func list(tb testing.TB, dir string) (names []string) {
	tb.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		tb.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// TestCacheInterrupted cuts every file of an entry at several lengths, as a
// write that did not come to its end would leave it, and mixes entries of
// two texts: none of it is served.
func TestCacheInterrupted(t *testing.T) {
	dir := files(t, cacheTree)
	cacheRun(t, dir, "p")
	used := usedDir(t, filepath.Join(dir, "cache"))
	whole := map[string][]byte{}
	key := filepath.Join("..", ".goarmor", filepath.Base(used), "p")
	for _, name := range []string{"p", key, ".features"} {
		data, err := os.ReadFile(filepath.Join(used, name))
		if err != nil {
			t.Fatal(err)
		}
		whole[name] = data
	}
	restore := func() {
		for name, data := range whole {
			if err := os.WriteFile(filepath.Join(used, name), data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	read := []string{"-Q", "-k", "-q", "-L", "cache", "-b", ".", "-M", "features", "p"}
	check := func(what string, hit bool) {
		t.Helper()
		if got := runIn(t, dir, "", read...); got.Status != 0 || strings.HasPrefix(got.Stderr, "Cache hit: ") != hit {
			t.Errorf("%s: %+v", what, got)
		}
	}
	check("whole", true)
	for name, data := range whole {
		for _, n := range []int{0, 1, len(data) / 2, len(data) - 1} {
			restore()
			if err := os.WriteFile(filepath.Join(used, name), data[:n], 0o600); err != nil {
				t.Fatal(err)
			}
			check(fmt.Sprintf("%d bytes of %s", n, name), false)
		}
	}
	// Policy that passes every check, of another text.
	restore()
	other := runIn(t, dir, "profile p { /other r, }", "-S", "-q", "-M", "features").Stdout
	if err := os.WriteFile(filepath.Join(used, "p"), []byte(other), 0o600); err != nil {
		t.Fatal(err)
	}
	check("policy of another text", false)
	restore()
	check("undamaged again", true)
}

// TestCacheFull: a full file system costs the entry, and nothing else.
func TestCacheFull(t *testing.T) {
	dir := files(t, cacheTree)
	full := filepath.Join(dir, "cache")
	if err := os.Mkdir(full, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", full, "tmpfs", 0, "size=4096"); err != nil {
		t.Skipf("a file system of its own cannot be mounted: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(full, 0); err != nil {
			t.Error(err)
		}
	})
	got := runIn(t, dir, "", "-Q", "-W", "-v", "-L", "cache", "-b", ".", "-M", "features", "p")
	if got.Status != 0 || !strings.HasPrefix(got.Stderr, "Warning: cannot write the cache: ") || got.Stdout != "Addition succeeded for \"p\".\n" {
		t.Errorf("%+v", got)
	}
	for _, name := range list(t, usedDir(t, full)) {
		if name != ".features" {
			t.Errorf("%s is left over", name)
		}
	}
}

// recorder is a kernel that keeps what it is given.
type recorder struct {
	features *features.Set
	loaded   [][]byte
}

func (k *recorder) Features(context.Context) (*features.Set, error) { return k.features, nil }
func (k *recorder) Close() error                                    { return nil }
func (k *recorder) Load(_ context.Context, p *blob.Policy) error {
	k.loaded = append(k.loaded, p.Bytes())
	return nil
}
func (k *recorder) Replace(ctx context.Context, p *blob.Policy) error { return k.Load(ctx, p) }
func (k *recorder) Remove(context.Context, string, string) error      { return nil }

// TestCacheShared lets several runs at once read and write one cache, under
// one name for different texts and features, some of them emptying it: each
// loads what its own text and features come to.
func TestCacheShared(t *testing.T) {
	const runs, rounds = 8, 12
	base := t.TempDir()
	var dirs []string
	var want [][]byte
	var sets []*features.Set
	for i := range runs {
		dir := files(t, map[string]string{"p": fmt.Sprintf("profile p {\n  /file%d r,\n}\n", i%3)})
		series := []string{"6.1", "7.2"}[i%2]
		set, _ := features.Kernel(series)
		k := &recorder{features: set}
		got := runEnv(t, Env{Dir: dir, OpenKernel: func(string) (Kernel, error) { return k, nil }},
			"--config-file=/dev/null", "-r", "-K", "-q", "p")
		if got.Status != 0 || len(k.loaded) != 1 {
			t.Fatalf("%+v", got)
		}
		dirs, want, sets = append(dirs, dir), append(want, k.loaded[0]), append(sets, set)
	}
	var work sync.WaitGroup
	for i := range runs {
		work.Go(func() {
			for round := range rounds {
				k := &recorder{features: sets[i]}
				args := []string{"--config-file=/dev/null", "-r", "-W", "-q", "-L", base, "p"}
				if (i+round)%5 == 0 {
					args = append(args, "--purge-cache")
				}
				got := runEnv(t, Env{Dir: dirs[i], OpenKernel: func(string) (Kernel, error) { return k, nil }}, args...)
				if got.Status != 0 || len(k.loaded) != 1 || !bytes.Equal(k.loaded[0], want[i]) {
					t.Errorf("run %d: wrong policy, or none: %+v", i, got)
				}
			}
		})
	}
	work.Wait()
}

// TestCacheRejected: what a kernel refuses from the cache is made anew, unless
// that is not wanted.
func TestCacheRejected(t *testing.T) {
	dir := files(t, cacheTree)
	kernel, _ := features.Kernel("6.1")
	args := []string{"--config-file=/dev/null", "-q", "-v", "-k", "-r", "-W", "-L", "cache", "-b", ".", "p"}
	run := func(fail int, more ...string) (outcome, int) {
		calls := 0
		env := Env{Dir: dir, OpenKernel: func(string) (Kernel, error) {
			return &refusing{&recorder{features: kernel}, fail, &calls}, nil
		}}
		return runEnv(t, env, append(append([]string{}, args...), more...)...), calls
	}
	run(0)
	if got, calls := run(0); got.Status != 0 || calls != 1 || !strings.HasPrefix(got.Stdout, "Cached reload") {
		t.Errorf("%+v, %d calls", got, calls)
	}
	if got, calls := run(1); got.Status != 0 || calls != 2 || got.Stdout != "Replacement succeeded for \"p\".\n" ||
		!strings.Contains(got.Stderr, "Cache reject: ") || !strings.Contains(got.Stderr, "Wrote cache: ") {
		t.Errorf("%+v, %d calls", got, calls)
	}
	if got, calls := run(1, "--skip-bad-cache-rebuild"); got.Status != int(syscall.EPROTO) || calls != 1 || got.Stdout != "" {
		t.Errorf("%+v, %d calls", got, calls)
	}
	if got, calls := run(2); got.Status != 256-int(syscall.EPROTO) || calls != 2 {
		t.Errorf("%+v, %d calls", got, calls)
	}
}

// refusing is a kernel that refuses the first loads.
type refusing struct {
	*recorder
	fail  int
	calls *int
}

func (k *refusing) Replace(ctx context.Context, p *blob.Policy) error {
	if *k.calls++; *k.calls <= k.fail {
		return &loader.Error{Op: loader.OpReplace, Name: p.Names()[0], Err: syscall.EPROTO}
	}
	return k.recorder.Replace(ctx, p)
}

// TestDebugCache: why the cache is not used is said, if that is asked for.
func TestDebugCache(t *testing.T) {
	dir := files(t, cacheTree)
	args := []string{"-Q", "-W", "-L", "cache", "-b", ".", "-M", "features", "--debug-cache"}
	for _, test := range []struct {
		change string // of the policy's text
		want   string
	}{
		{"", "there is no such directory"},
		{"", ""},
		{"# x\n", "the policy is from other text"},
	} {
		if err := os.WriteFile(filepath.Join(dir, "p"), []byte(test.change+cacheTree["p"]), 0o644); err != nil {
			t.Fatal(err)
		}
		got := runIn(t, dir, "", append(args, "p")...)
		if got.Status != 0 || !strings.Contains(got.Stderr, test.want) || test.want == "" && got.Stderr != "" {
			t.Errorf("%q: %+v", test.change, got)
		}
	}
	if got := runIn(t, dir, "profile :a:x { }\nprofile y { }", append(args, "-v")...); got.Status != 0 {
		t.Errorf("%+v", got)
	}
}

// TestRewriteKeepsWhatIsThere: a file that cannot be written stays as it is.
func TestRewriteKeepsWhatIsThere(t *testing.T) {
	dir := files(t, map[string]string{"d/p": "profile a {/b r,}\n"})
	small := filepath.Join(dir, "d")
	if err := syscall.Mount("tmpfs", small, "tmpfs", 0, "size=4096"); err != nil {
		t.Skipf("a file system of its own cannot be mounted: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(small, 0); err != nil {
			t.Error(err)
		}
	})
	old := []byte("profile a {" + strings.Repeat("/b r,\n", 400) + "}\n")
	if err := os.WriteFile(filepath.Join(small, "p"), old, 0o600); err != nil {
		t.Fatal(err)
	}
	got := runIn(t, dir, "", "--format", "-w", "d/p")
	if data, err := os.ReadFile(filepath.Join(small, "p")); got.Status != 1 || err != nil || !bytes.Equal(data, old) {
		t.Errorf("%+v; %d bytes of %d left, %v", got, len(data), len(old), err)
	}
	if names := list(t, small); len(names) != 1 {
		t.Errorf("left over: %v", names)
	}
}

// TestUnreadable: the status of a file that cannot be read is its error number.
func TestUnreadable(t *testing.T) {
	err := fmt.Errorf("wrapped: %w", &os.PathError{Op: "open", Path: "x", Err: syscall.EACCES})
	if got := statusOf(err); got != 13 {
		t.Errorf("%d", got)
	}
	if got := statusOf(errors.New("no number")); got != statusFailed {
		t.Errorf("%d", got)
	}
}

// TestPseudo: what the kernel shows in files is not read as policy, be it named
// on the command line or by an include, and whoever links to it. Reading some
// of these files blocks, or takes messages away from others.
func TestPseudo(t *testing.T) {
	dir := files(t, map[string]string{
		"ok": "profile ok { }\n", "features": policyTree["features"],
		"link": "->/proc/self/status", "linked": "profile p { include <link> }\n",
		"straight": "include \"/proc/self/status\"\nprofile p { }\n",
	})
	for _, args := range [][]string{{"-N", "/proc/self/status", "ok"}, {"-N", "link", "ok"}, {"-N", "linked", "ok"}, {"-N", "straight", "ok"}} {
		got := runIn(t, dir, "", append(args, "-b", ".")...)
		if got.Status != statusFailed || got.Stdout != "ok\n" || !strings.Contains(got.Stderr, errPseudo.Error()) {
			t.Errorf("%v: %+v", args, got)
		}
	}
}

// TestIncludedText: the text of a file that policy includes is not shown
// unless the file is below a directory of includes, since the policy's author
// may not be able to read it. A link does not make it so, and a path with dots
// does not leave the directory.
func TestIncludedText(t *testing.T) {
	const secret = "hunter2 is not policy"
	dir := files(t, map[string]string{
		"features": policyTree["features"], "secret": secret, "base/mine": secret, "base/link": "->../secret",
		"absolute": "include \"" + "DIR/secret" + "\"\nprofile p { }\n",
		"dots":     "profile p { include <../secret> }\n",
		"link":     "profile p { include <link> }\n",
		"below":    "profile p { include <mine> }\n",
		"itself":   secret,
	})
	text, err := os.ReadFile(filepath.Join(dir, "absolute"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "absolute"), bytes.ReplaceAll(text, []byte("DIR"), []byte(dir)), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, shown := range map[string]bool{"absolute": false, "dots": false, "link": false, "below": true, "itself": true} {
		for _, form := range []string{"-q", "--json"} {
			got := runIn(t, dir, "", "-Q", "-K", "-S", form, "-b", "base", "-M", "features", name)
			if got.Status == 0 || strings.Contains(got.Stderr, "hunter2") != shown || !shown && !strings.Contains(got.Stderr, "text is not shown") && name != "dots" {
				t.Errorf("%s %s: %+v", name, form, got)
			}
		}
	}
}

// TestConfineIncludes: with the option nothing outside of the directories is
// read, and what is inside is.
func TestConfineIncludes(t *testing.T) {
	dir := files(t, map[string]string{
		"features": policyTree["features"], "out": "/out r,\n", "base/in": "/in r,\n", "base/link": "->in", "base/away": "->../out",
		"plain": "profile p { include <in> }\n", "linked": "profile p { include <link> }\n",
		"dots": "profile p { include <../out> }\n", "away": "profile p { include <away> }\n",
		"absolute": "profile p { include \"/etc/hostname\" }\n",
	})
	for name, reads := range map[string]bool{"plain": true, "linked": true, "dots": false, "away": false, "absolute": false} {
		got := runIn(t, dir, "", "-Q", "-K", "-S", "-q", "--confine-includes", "-b", "base", "-M", "features", name)
		if (got.Status == 0) != reads {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// TestCacheOfOthers: a directory or a file of the cache that others may write
// is neither used nor written, and the message says so.
func TestCacheOfOthers(t *testing.T) {
	for _, name := range []string{"cache/*.0", "cache/*.0/p", "cache/.goarmor/*/p", "cache/*.0/.features", "cache/.goarmor"} {
		for _, how := range []string{"mode", "owner"} {
			t.Run(name+" "+how, func(t *testing.T) {
				dir := files(t, cacheTree)
				cacheRun(t, dir, "p")
				found, err := filepath.Glob(filepath.Join(dir, name))
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
				got := runIn(t, dir, "", "-Q", "-W", "-k", "-L", "cache", "-b", ".", "-M", "features", "p")
				if strings.Contains(got.Stderr, "Cache hit") || got.Status != 0 {
					t.Errorf("%+v", got)
				}
				if !strings.Contains(got.Stderr, cache.ErrForeign.Error()) {
					t.Errorf("no message: %+v", got)
				}
			})
		}
	}
}
