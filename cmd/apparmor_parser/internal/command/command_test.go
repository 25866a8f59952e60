// SPDX-License-Identifier: Apache-2.0

package command

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/internal/getopt"
)

// files writes files, by name and content, into a new directory. A content
// that begins with "->" makes a symbolic link.
func files(tb testing.TB, content map[string]string) string {
	tb.Helper()
	dir := tb.TempDir()
	for name, text := range content {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			tb.Fatal(err)
		}
		if target, ok := strings.CutPrefix(text, "->"); ok {
			if err := os.Symlink(target, path); err != nil {
				tb.Fatal(err)
			}
			continue
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			tb.Fatal(err)
		}
	}
	return dir
}

// policyTree is the tree of most tests. The feature file knows no D-Bus.
var policyTree = map[string]string{
	"features": "caps {mask {chown dac_override}}\nfile {mask {read write exec append mmap_exec link lock}}\n" +
		"domain {change_hat {yes\n}\nchange_onexec {yes\n}}\npolicy {versions {v5 {yes\n}\nv6 {yes\n}\nv7 {yes\n}}\nset_load {yes\n}}\n",
	"ok":      "profile ok {\n  /a r,\n}\n",
	"other":   "profile other {\n  /b r,\n  profile child { /c r, }\n  ^hat { /d r, }\n}\nprofile :ns:far { /e r, }\n",
	"bad":     "profile bad {\n  /a r,\n  x\n}\n",
	"path":    "/bin/x {\n  /a ux,\n}\n",
	"dbus":    "profile d {\n  dbus send,\n  dbus receive,\n}\n",
	"vars":    "@{B}=a \"c d\"\n@{A} = x @{B} # two\n@{A} += y\n$b = true\nprofile v /@{A} {\n  /@{A}/z rw,\n}\n",
	"deep":    "profile deep {\n  include <top>\n}\n",
	"gone":    "profile gone {\n  include <nowhere>\n  include \"no/where\"\n}\n",
	"inc/top": "# top\n  include <low>\n",
	"inc/low": "  /low r,\n  bogus\n  /x r,\n",
	"dir/one": "profile one { }\n", "dir/two": "profile two { }\n",
	"dir/.hidden": "broken", "dir/old.dpkg-old": "broken", "dir/x.rpmsave": "broken", "dir/sub/x": "broken",
	"dead/one": "profile one { }\n", "dead/link": "->nothing",
	"disable/ok": "->../ok", "force-complain/other": "->../other",
}

// TestOutcomes is about arguments: what is printed and the exit status.
func TestOutcomes(t *testing.T) {
	dir := files(t, policyTree)
	for _, test := range []struct {
		name, args, stdin string
		want              outcome
	}{
		{"names", "-N other ok", "", outcome{0, "other\nother//child\nother//hat\n:ns://far\nok\n", ""}},
		{"names of standard input", "--names", "profile a { }", outcome{0, "a\n", ""}},
		{"names in a namespace", "-N -n x ok", "", outcome{0, ":x://ok\n", ""}},
		{"names of a directory", "-N dir", "", outcome{0, "one\ntwo\n", "Ignoring: 'x.rpmsave'\n"}},
		{"options after operands", "ok -N", "", outcome{0, "ok\n", ""}},
		{"end of options", "-N -- -N", "", outcome{2, "", "File -N not found, skipping...\n"}},
		{"joined options", "-QKvMfeatures ok", "", outcome{0, "Addition succeeded for \"ok\".\n", ""}},
		{"abbreviated option", "--skip-k --kernel=features --verb -K ok", "", outcome{0, "Addition succeeded for \"ok\".\n", ""}},
		{"replace", "-rQKv -M features other", "", outcome{0, "Replacement succeeded for \"child\".\nReplacement succeeded for \"hat\".\nReplacement succeeded for \"other\".\nReplacement succeeded for \"far\".\n", ""}},
		{"remove", "-RQv other", "", outcome{0, "Removal succeeded for \"other\".\nRemoval succeeded for \"far\".\n", ""}},
		{"verbose after quiet", "-qv -QK -M features ok", "", outcome{0, "Addition succeeded for \"ok\".\n", ""}},

		{"ambiguous option", "--skip-ca --skip", "", outcome{1, "", "apparmor_parser: option '--skip' is ambiguous; possibilities: '--skip-kernel-load' '--skip-read-cache' '--skip-cache' '--skip-bad-cache' '--skip-bad-cache-rebuild'\n"}},
		{"unknown option", "--what", "", outcome{1, "", "apparmor_parser: unrecognized option '--what'\n"}},
		{"unknown letter", "-Nz", "", outcome{1, "", "apparmor_parser: invalid option -- 'z'\n"}},
		{"missing argument", "-n", "", outcome{1, "", "apparmor_parser: option requires an argument -- 'n'\n"}},
		{"missing argument of a long option", "--base", "", outcome{1, "", "apparmor_parser: option '--base' requires an argument\n"}},
		{"unexpected argument", "--names=x", "", outcome{1, "", "apparmor_parser: option '--names' doesn't allow an argument\n"}},
		{"an action twice", "-a -a", "", outcome{1, "", "apparmor_parser: Too many actions given on the command line.\n"}},
		{"two actions", "-a -r", "", outcome{1, "", "apparmor_parser: Too many actions given on the command line.\n"}},
		{"wrong warning", "--warn=x", "", outcome{1, "", "apparmor_parser: Invalid --warn option x\n"}},
		{"wrong error", "--Werror=x", "", outcome{1, "", "apparmor_parser: Invalid --Werror option x\n"}},
		{"wrong dump", "-D x", "", outcome{1, "", "apparmor_parser: Invalid --Dump option x\n"}},
		{"empty dump", "-D expr-tree -QK -M features ok", "", outcome{}},
		{"wrong form of a dump", "-D no-variables", "", outcome{1, "", "apparmor_parser: Invalid --Dump option no-variables\n"}},
		{"wrong optimisation", "-O x", "", outcome{1, "", "apparmor_parser: Invalid --Optimize option x\n"}},
		{"wrong form of an optimisation", "-O no-0", "", outcome{1, "", "apparmor_parser: Invalid --Optimize option no-0\n"}},
		{"optimisations in conflict", "-O compress-small -O compress-default", "", outcome{1, "", "apparmor_parser: Conflicting --Optimize options: compress-default, compress-small\n"}},
		{"wrong jobs", "-jx", "", outcome{1, "", "apparmor_parser: Invalid option -j=x\n"}},
		{"wrong bound of jobs", "--max-jobs=1_0", "", outcome{1, "", "apparmor_parser: Invalid option max-jobs=1_0\n"}},
		{"wrong size of jobs", "--estimated-compile-size=5TB", "", outcome{1, "", "apparmor_parser: --estimated-compile-size invalid size '5TB'\n"}},
		{"wrong compression", "-cx", "", outcome{1, "", "apparmor_parser: Invalid compression level 'x'. It is none, default, fast, small, or 0 to 22\n"}},
		{"compression", "-c9 -QK -M features ok", "", outcome{}},
		{"no compression", "-c9 -cnone --zstd-compress-level=0 -QK -M features ok", "", outcome{}},
		{"prompts by flags", "--prompt-compat=flag -N ok", "", outcome{1, "", "apparmor_parser: --prompt-compat=flag is not available: prompt rules go to permission tables, and are reported if a kernel has none\n"}},
		{"wrong prompts", "--prompt-compat=x -N ok", "", outcome{1, "", "apparmor_parser: Invalid --prompt-compat option 'x'\n"}},
		{"prompts", "--prompt-compat=default --print-prompt-compat", "", outcome{0, "Prompt compat mode: permsv2\n", ""}},
		{"features as text", "-QK --Werror=rule-not-enforced --warn=rule-not-enforced -m file{mask{read}} dbus", "", outcome{1, "", "Warning converted to Error from profile d (dbus): dbus rules not enforced\n"}},
		{"wrong features as text", "-QK -m a{ ok", "", outcome{1, "", "apparmor_parser: Failed to parse features string: ...\n"}},
		{"features of no kernel", "-QK -f . --policy-features=<kernel> ok", "", outcome{1, "", "apparmor_parser: Failed to load kernel features into the policy-features abi: ...\n"}},
		{"too many caches", "-L a,b,c,d,e -N ok", "", outcome{1, "", "apparmor_parser: Invalid --cacheloc option: more than 4 directories\n"}},
		{"no caches", "-L , -M features --print-cache-dir", "", outcome{0, "/var/cache/apparmor/" + cacheID(t, dir) + ".0\n", ""}},
		{"other names of options", "--reload --complain --compile-features=features -QKv ok", "", outcome{0, "Replacement succeeded for \"ok\".\n", ""}},
		{"wrong help", "--help=x", "", outcome{1, "", "apparmor_parser: Invalid --help option x\n"}},
		{"wrong debug level", "-dx", "", outcome{1, "", "apparmor_parser: Invalid --debug option 'x'\n"}},
		{"write without format", "-w ok", "", outcome{1, "", "apparmor_parser: --write is for --format only\n"}},
		{"write standard input", "--format -w", "", outcome{1, "", "apparmor_parser: --write needs files: standard input cannot be written to\n"}},
		{"text of compiled policy", "-B -p", "", outcome{1, "", "apparmor_parser: compiled policy has no text: -B cannot be used with -p and --format\n"}},
		{"jobs and optimisations", "-QK -M features -j x99 --max-jobs=3 -O no-expr-simplify -O compress-fast -djobs ok", "", outcome{0, "", "Warning: the number of jobs is capped to 3\njobs: 3\n"}},

		{"missing file", "-N nope ok", "", outcome{2, "ok\n", "File nope not found, skipping...\n"}},
		{"abort at a missing file", "-N --abort-on-error nope ok", "", outcome{2, "", "File nope not found, skipping...\n"}},
		{"missing features", "-QK -M nope ok", "", outcome{1, "", "apparmor_parser: Failed to load features from 'nope': no such file or directory\n"}},
		{"missing configuration", "--config-file=nope -N ok", "", outcome{0, "ok\n", "Warning: config file 'nope' not found\n"}},
		{"dead link", "-N dead", "", outcome{2, "one\n", "There was an error while loading profiles from dead\n"}},
		{"output in a missing directory", "-QK -M features -o no/where ok", "", outcome{1, "", "apparmor_parser: Could not open file no/where: no such file or directory\n"}},

		{"error, then the rest", "-N bad ok", "", outcome{1, "ok\n", "AppArmor parser error for bad in profile bad at line 4: ...\n"}},
		{"error and abort", "-N -j1 --abort-on-error bad ok", "", outcome{1, "", "AppArmor parser error for bad in profile bad at line 4: ...\n"}},
		{"error of standard input", "-N", "\nprofile t {", outcome{1, "", "AppArmor parser error at line 2: ...\n"}},
		{"error in an include", "-N -I inc deep", "", outcome{1, "", "AppArmor parser error for deep in profile inc/low at line 3: ...\n"}},
		{"missing include", "-N gone", "", outcome{1, "", "AppArmor parser error for gone in profile gone at line 2: Could not open 'nowhere'\n"}},

		{"warning", "-QK --warn=deprecated --warn=dangerous path", "", outcome{0, "", "Warning from path (path line 2): ...\n" +
			"Warning from path (path line 3): ...\n"}},
		{"warning of standard input", "-QK --warn=deprecated", "/x { }\n", outcome{0, "", "Warning from stdin (stdin line 1): ...\n"}},
		{"warning switched off", "-QK --warn=all --warn=no-deprecated --warn=no-dangerous --warn=no-abi --warn=no-cache path", "", outcome{}},
		{"quiet", "-q -QK --warn=all path", "", outcome{}},
		{"warning as error", "-QK --warn=deprecated --Werror=deprecated path", "", outcome{1, "", "Warning converted to Error from path (path line 3): ...\n"}},
		{"warning that is off as error", "-QK --Werror=deprecated path", "", outcome{}},
		{"no abi", "-QK --warn=abi --kernel-features features ok", "", outcome{0, "", "Warning from ok (ok line 1): ...\n"}},
		{"not enforced", "-QK --warn=rule-not-enforced -M features dbus", "", outcome{0, "", "Warning from profile d (dbus): dbus rules not enforced\n"}},
		{"not enforced as error", "-QK --warn=rule-not-enforced --Werror=rule-not-enforced -M features dbus", "", outcome{1, "", "Warning converted to Error from profile d (dbus): dbus rules not enforced\n"}},
		{"show classes", "--warn=show --warn=abi --Werror=abi --Werror=show", "", outcome{0, "warn=abi, config, cache, jobs, unexpected, override\nWerror=abi\n", ""}},
		{"show words", "-O show -O no-minimize -D stats -D show -D no-equiv-stats", "", outcome{0, "Optimize=expr-normalize, expr-simplify, expr-right-simplify, filter-deny, compress-fast, diff-encode, rule-merge\ndump=dfa-stats\n", ""}},

		{"disabled", "-b . -N ok dir/one", "", outcome{0, "one\n", "Skipping profile in ./disable: ok\n"}},
		{"disabled, and quiet", "-q -b . -N ok dir/one", "", outcome{0, "one\n", ""}},
		{"leftovers, and quiet", "-q -N dir", "", outcome{0, "one\ntwo\n", "Ignoring: 'x.rpmsave'\n"}},
		{"names in policy with errors", "-N --warn=all --Werror", "@{A}=b\n/x@{A} { /@{NOPE} r, /a px, /a cx, profile @{A} { } }", outcome{0, "/x@{A}\n/x@{A}//@{A}\n", ""}},
		{"file used as a directory", "-N ok/x other", "", outcome{20, "other\nother//child\nother//hat\n:ns://far\n", "File ok/x not found, skipping...\n"}},
		{"no features as error", "-Q --Werror=cache -f . ok", "", outcome{1, "", "Warning converted to Error: Cache read/write disabled: this kernel shows no features, and --kernel-features gives none\n"}},
		{"text of a disabled profile", "-b . -p ok", "", outcome{0, policyTree["ok"], ""}},
		{"forced complain", "-b . -Q -d other", "", outcome{0, golden(t, "complain"), "Warning: found other in ./force-complain, forcing complain mode\n"}},
		{"complain", "-C -d other", "", outcome{0, golden(t, "complain"), ""}},
		{"debug", "-d vars", "", outcome{0, golden(t, "debug"), ""}},
		{"reading implies mapping", "-X -d ok", "", outcome{0, "----- Debugging built structures -----\nName:\t\tok\nAttachment:\t<NULL>\nLocal To:\t<NULL>\nMode:\t\tenforce\n--- Entries ---\nPerms:\trm:rm priority=0 \tName:\t(/a)\n  /a mr,\n\n", ""}},

		{"variables", "-D variables vars", "", outcome{0, "$b = true\n@A = \"@{B}\" \"x\" \"y\"\n@B = \"a\" \"c d\"\n", ""}},
		{"expanded variables", "-D expanded-variables vars", "", outcome{0, "$b = true\n@A = \"a\" \"c d\" \"x\" \"y\"\n@B = \"a\" \"c d\"\n", ""}},
		{"unknown variable", "-D expanded-variables", "@{A}=@{B}\n", outcome{1, "", "AppArmor parser error: the variable has no value (at \"@{B}\")\n"}},
		{"recursive variable", "-D expanded-variables", "@{A}=@{B}\n@{B}=@{A}\n", outcome{1, "", "AppArmor parser error: the variable refers to itself (at \"@{A}\")\n"}},

		{"format", "--format", "profile   t {/b  w,\n#c\n}\n", outcome{0, "profile t {\n  /b w,\n  #c\n}\n", ""}},
		{"format with an error", "--format bad", "", outcome{1, "", "AppArmor parser error for bad in profile bad at line 4: ...\n"}},
		{"diff", "--format -d vars ok", "", outcome{1, golden(t, "diff"), ""}},
		{"no diff", "--format -d ok", "", outcome{}},

		{"name of the configuration", "--print-config-file", "", outcome{0, "/dev/null\n", ""}},
		{"directory of the cache", "-M features -L a,b\\,c --print-cache-dir", "", outcome{0, "a/" + cacheID(t, dir) + ".0\nb,c/" + cacheID(t, dir) + ".0\n", ""}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := runIn(t, dir, test.stdin, strings.Fields(test.args)...)
			got.Stderr = elide(test.want.Stderr, got.Stderr)
			if d := cmp.Diff(test.want, got); d != "" {
				t.Errorf("%s (-want +got):\n%s", test.args, d)
			}
		})
	}
}

// elide replaces what got has where want has lines that end in dots:
// messages are other packages' business.
func elide(want, got string) string {
	w, g := strings.SplitAfter(want, "\n"), strings.SplitAfter(got, "\n")
	for i := range min(len(w), len(g)) {
		if head, ok := strings.CutSuffix(w[i], "...\n"); ok && strings.HasPrefix(g[i], head) && len(g[i]) > len(head)+1 {
			g[i] = w[i]
		}
	}
	return strings.Join(g, "")
}

// golden returns an expected output.
func golden(tb testing.TB, name string) string {
	tb.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name+".golden"))
	if err != nil {
		tb.Fatal(err)
	}
	return string(data)
}

// cacheID returns the name of the features of the test tree.
func cacheID(tb testing.TB, dir string) string {
	tb.Helper()
	out := runIn(tb, dir, "", "-M", "features", "-L", ".", "--print-cache-dir").Stdout
	return strings.TrimSuffix(strings.TrimSpace(out), ".0")
}

func TestFlatten(t *testing.T) {
	dir := files(t, map[string]string{
		"tunables": "@{T}=1 2\n", "one": "# one\n  /one r,\n   include <two>\n", "two": "  /two r,\n  /end r,",
		"many/a": "  /a r,\n", "many/b": "  /b r,\n", "many/c.orig": "broken",
		"crlf": "@{C}=1\r\n",
	})
	src := `# head
include <tunables>
include <crlf>
include if exists <none>
@{X}=a "b c" # why
$b = true
profile t {
  include    <one>  /x r, # x
#include <two>
	#include   if exists   "no/where"	# tail
  include two
  include <many>
  profile c { include <two>
  }
  if $b { include <two>
  }
}
`
	got := runIn(t, dir, src, "-b", ".", "-p", "-q")
	if d := cmp.Diff(outcome{0, golden(t, "flatten"), ""}, got); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

func TestFormatWrite(t *testing.T) {
	dir := files(t, map[string]string{"real": "profile a {/b r,}\n", "link": "->real", "good": "profile a { }\n", "bad": "profile {"})
	if err := os.Chmod(filepath.Join(dir, "real"), 0o640); err != nil {
		t.Fatal(err)
	}
	got := runIn(t, dir, "", "--format", "-w", "link", "bad", "good")
	if got.Status != 1 || got.Stdout != "" || !strings.Contains(got.Stderr, "for bad in profile bad at line 1") {
		t.Errorf("%+v", got)
	}
	for name, want := range map[string]string{"real": "profile a {\n  /b r,\n}\n", "bad": "profile {", "link": "profile a {\n  /b r,\n}\n"} {
		if data, _ := os.ReadFile(filepath.Join(dir, name)); string(data) != want {
			t.Errorf("%s: %q, want %q", name, data, want)
		}
	}
	if info, err := os.Lstat(filepath.Join(dir, "link")); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is gone: %v %v", info, err)
	}
	if info, err := os.Stat(filepath.Join(dir, "real")); err != nil || info.Mode() != 0o640 {
		t.Errorf("mode %v %v", info.Mode(), err)
	}
}

// TestJSON checks that everything on standard error is JSON, and that all
// errors of a file are reported.
func TestJSON(t *testing.T) {
	tree := map[string]string{"inc/low": "  /low r,\n  bogus\n  /x r,\n", "features": policyTree["features"]}
	tree["two"] = "profile two {\n  include <low>\n  capability nonsense,\n}\n"
	dir := files(t, tree)
	got := runIn(t, dir, "", "--json", "-QK", "-M", "features", "-I", "inc", "--warn=all", "two", "nope")
	type entry struct {
		Severity, Code, Input, File, Message string
		Line, Column                         int
		Via                                  []struct {
			File string
			Line int
		}
	}
	var all []entry
	for line := range strings.Lines(got.Stderr) {
		var e entry
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		all = append(all, e)
	}
	if got.Status != 1 || len(all) != 3 {
		t.Fatalf("status %d, %d findings: %s", got.Status, len(all), got.Stderr)
	}
	var included, capability *entry
	for i := range all {
		switch e := &all[i]; {
		case e.File == "inc/low":
			included = e
		case e.Code == "unknown-capability":
			capability = e
		}
	}
	if included == nil || included.Line != 3 || included.Input != "two" || len(included.Via) != 1 || included.Via[0].File != "two" || included.Via[0].Line != 2 {
		t.Errorf("the error in the include: %+v", included)
	}
	if capability == nil || capability.Line != 3 || capability.Column != 14 || capability.Severity != "error" {
		t.Errorf("the capability: %+v", capability)
	}
	if got := runIn(t, dir, "", "--json", "--nonsense"); got.Status != 1 || !json.Valid([]byte(got.Stderr)) {
		t.Errorf("a wrong option: %+v", got)
	}
}

// TestCompression writes compressed policy for a kernel that loads it, and takes
// it back in. For others it is plain.
func TestCompression(t *testing.T) {
	latest, _ := features.Kernel("7.3")
	old, _ := features.Kernel("7.2")
	dir := files(t, map[string]string{"ok": policyTree["ok"], "new": latest.String() + "\n", "old": old.String() + "\n"})
	write := func(args ...string) string {
		t.Helper()
		out := runIn(t, dir, "", append([]string{"-q", "-K"}, args...)...)
		if out.Status != 0 || out.Stderr != "" {
			t.Fatalf("%v: status %d, %s", args, out.Status, out.Stderr)
		}
		return out.Stdout
	}
	plain := write("-M", "new", "-S", "ok")
	for option, level := range map[string]byte{
		"-c": 10, "-cdefault": 10, "-cfast": 3, "-csmall": 20, "-c1": 1, "-c22": 22, "-c99": 22, "-c-1": 3,
	} {
		got := write("-M", "new", option, "-S", "ok")
		if len(got) >= len(plain) || got[0] != 1 || got[1] != level {
			t.Errorf("%s: %d bytes that begin with % x", option, len(got), got[:2])
		}
		p, err := blob.Inspect([]byte(got))
		if err != nil || string(p.Bytes()) != plain {
			t.Errorf("%s: the unpacked bytes are not those that were packed: %v", option, err)
		}
	}
	for _, option := range []string{"-c0", "-cnone"} {
		if write("-M", "new", option, "-S", "ok") != plain {
			t.Errorf("%s: it is not plain", option)
		}
	}
	if a, b := write("-M", "old", "-c9", "-S", "ok"), write("-M", "old", "-S", "ok"); a != b {
		t.Error("policy is compressed for a kernel that does not load it")
	}

	write("-M", "new", "-c9", "-o", "packed", "ok")
	if got := write("-M", "new", "-B", "-S", "packed"); got != plain {
		t.Error("-B reads other policy from a compressed file")
	}
	// The cache.
	cache := []string{"-M", "new", "-Q", "-W", "-L", "cache", "--show-cache"}
	run := func(args ...string) string {
		t.Helper()
		out := runIn(t, dir, "", append(cache[:len(cache):len(cache)], args...)...)
		if out.Status != 0 {
			t.Fatalf("%v: status %d, %s", args, out.Status, out.Stderr)
		}
		return out.Stdout + out.Stderr
	}
	run("-c9", "ok")
	entries, err := filepath.Glob(filepath.Join(dir, "cache", "*", "ok"))
	if err != nil || len(entries) != 1 {
		t.Fatalf("%v, %v", entries, err)
	}
	data, err := os.ReadFile(entries[0])
	if err != nil || data[0] != 1 || data[1] != 9 {
		t.Errorf("the entry of the cache begins with % x, %v", data[:2], err)
	}
	if out := run("ok"); !strings.Contains(out, "Cache hit") {
		t.Errorf("the compressed entry is not used: %s", out)
	}
}

// TestBinary writes compiled policy and takes it back in.
func TestBinary(t *testing.T) {
	dir := files(t, policyTree)
	base := []string{"-q", "-M", "features"}
	with := func(args ...string) []string { return append(base[:len(base):len(base)], args...) }

	got := runIn(t, dir, "", with("-S", "ok")...)
	p, err := blob.Inspect([]byte(got.Stdout))
	if err != nil || got.Status != 0 {
		t.Fatalf("status %d, %s: %v", got.Status, got.Stderr, err)
	}
	if d := cmp.Diff([]string{"ok"}, p.Names()); d != "" {
		t.Error(d)
	}
	if out := runIn(t, dir, "", with("-o", "out", "ok")...); out.Status != 0 || out.Stdout != "" {
		t.Fatalf("%+v", out)
	}
	if data, _ := os.ReadFile(filepath.Join(dir, "out")); string(data) != got.Stdout {
		t.Error("-o and -S write different policy")
	}
	if stdin := runIn(t, dir, policyTree["ok"], with("-S")...); stdin.Stdout != got.Stdout {
		t.Error("standard input and the file give different policy")
	}
	complain := runIn(t, dir, "", with("-S", "-C", "ok")...)
	if p, err := blob.Inspect([]byte(complain.Stdout)); err != nil || p.Profiles()[0].Mode != blob.Complain {
		t.Errorf("complain: %v", err)
	}
	two := runIn(t, dir, "", with("-S", "ok", "path")...)
	if path := runIn(t, dir, "", with("-S", "path")...); two.Stdout != got.Stdout+path.Stdout {
		t.Error("policy of two files is not the policies of both, in order")
	}
	if out := runIn(t, dir, "", with("-B", "-N", "out")...); out.Stdout != "ok\n" {
		t.Errorf("%+v", out)
	}
	if out := runIn(t, dir, "", with("-B", "-Qv", "out")...); out.Status != 0 {
		t.Errorf("%+v", out)
	}
	if out := runIn(t, dir, "nonsense", with("-B", "-Q")...); out.Status != 1 || !strings.HasPrefix(out.Stderr, "AppArmor parser error: ") {
		t.Errorf("%+v", out)
	}
}

// TestFar checks that profiles of several namespaces are written one namespace
// after the other.
func TestFar(t *testing.T) {
	dir := files(t, policyTree)
	both := runIn(t, dir, "", "-S", "-q", "-M", "features", "other")
	own := runIn(t, dir, strings.Split(policyTree["other"], "profile :ns:")[0], "-S", "-q", "-M", "features")
	far := runIn(t, dir, "profile :ns:far { /e r, }", "-S", "-q", "-M", "features")
	if both.Status != 0 || both.Stdout != own.Stdout+far.Stdout {
		t.Errorf("status %d, %d bytes, want %d and %d\n%s", both.Status, len(both.Stdout), len(own.Stdout), len(far.Stdout), both.Stderr)
	}
}

func TestConfiguration(t *testing.T) {
	dir := files(t, map[string]string{
		"conf":   "# words\n  warn=deprecated  \n\nverbose\nInclude inc\npolicy-features\tfeatures\nOptimize=no-expr-simplify\nunheard-of\nadd\n",
		"short":  "jobs\n",
		"wrong":  "warn=nonsense\n",
		"inc/x":  "  /x r,\n",
		"policy": "/t {\n include <x>\n}\n", "features": policyTree["features"],
	})
	got := runEnv(t, Env{Dir: dir}, "policy", "-rQK", "--kernel-features=features", "--config", "conf")
	want := outcome{0, "Replacement succeeded for \"/t\".\n",
		"apparmor_parser: unknown option (unheard-of) in config file.\nWarning from policy (policy line 3): ...\n"}
	got.Stderr = elide(want.Stderr, got.Stderr)
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	for args, want := range map[string]outcome{
		"--config-file=wrong": {1, "", "apparmor_parser: Invalid --warn option nonsense\n"},
		"--config-file=short": {1, "", "apparmor_parser: option (jobs) in config file needs an argument\n"},
		// What is said about the file itself is switched by arguments.
		"--config-file=none --warn=no-config":   {0, "/t\n", ""},
		"--config-file=none -q":                 {0, "/t\n", "Warning: config file 'none' not found\n"},
		"--Werror=config --config-file none":    {1, "", "Warning converted to Error: config file 'none' not found\n"},
		"--config-file=none -- --Werror=config": {2, "/t\n", "Warning: config file 'none' not found\nFile --Werror=config not found, skipping...\n"},
	} {
		got := runEnv(t, Env{Dir: dir}, append([]string{"-I", "inc", "-N", "policy"}, strings.Fields(args)...)...)
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", args, d)
		}
	}
}

func TestPosix(t *testing.T) {
	dir := files(t, policyTree)
	got := runEnv(t, Env{Dir: dir, Environ: []string{"POSIXLY_CORRECT=1"}}, "--config-file=/dev/null", "-N", "ok", "-S")
	if want := (outcome{2, "ok\n", "File -S not found, skipping...\n"}); got != want {
		t.Errorf("%+v", got)
	}
}

// TestHelp checks that every option and word is listed with what it does, and
// the form of the version.
func TestHelp(t *testing.T) {
	help := runIn(t, "", "", "-h").Stdout
	for _, o := range optionTable() {
		name := "--" + o.Long[0]
		if o.Short != 0 {
			name = fmt.Sprintf("-%c, %s", o.Short, name)
		}
		if o.Help == "" || !strings.Contains(help, name) || !strings.Contains(help, o.Help) {
			t.Errorf("%s is not in the help", name)
		}
	}
	topics := map[string][]string{"warn": nil, "dump": nil, "optimize": nil}
	for _, w := range warningClasses {
		topics["warn"] = append(topics["warn"], w.name)
	}
	for _, w := range dumpWords {
		topics["dump"] = append(topics["dump"], w.name)
		if (w.what == dumpNothing) != (w.help == "") {
			t.Errorf("--dump=%s: help %q", w.name, w.help)
		}
	}
	for _, w := range optimizeWords {
		topics["optimize"] = append(topics["optimize"], w.name)
	}
	for topic, words := range topics {
		got := runIn(t, "", "", "--help="+topic)
		for _, word := range append(words, "show") {
			if !strings.Contains(got.Stdout, word) || got.Status != 0 {
				t.Errorf("--help=%s: %s is missing, status %d", topic, word, got.Status)
			}
		}
	}
	first, _, _ := strings.Cut(runIn(t, "", "", "-V").Stdout, "\n")
	if first != "AppArmor parser version "+version {
		t.Errorf("%q", first)
	}
}

// TestReferenceOptions holds the table against the options of version 6.0: the
// long names, the letter, and whether one is needed.
func TestReferenceOptions(t *testing.T) {
	table := optionTable()
	for takes, names := range map[getopt.Argument]string{
		getopt.None: "add/a binary/B replace/r reload/r version/V complain/C Complain/C remove/R names/N stdout/S quiet/q " +
			"skip-kernel-load/Q verbose/v readimpliesX/X skip-cache/K skip-read-cache/T write-cache/W show-cache/k preprocess/p " +
			"skip-bad-cache purge-cache create-cache-dir abort-on-error skip-bad-cache-rebuild debug-cache print-cache-dir " +
			"print-config-file print-prompt-compat",
		getopt.Needed: "base/b subdomainfs/f Include/I ofile/o match-string/m features-file/M namespace/n cache-loc/L dump/D Dump/D " +
			"optimize/O Optimize/O jobs/j warn max-jobs kernel-features policy-features compile-features override-policy-abi " +
			"config-file estimated-compile-size prompt-compat",
		getopt.Optional: "help/h debug/d zstd-compress-level/c Werror",
	} {
		for _, name := range strings.Fields(names) {
			long, letter, _ := strings.Cut(name, "/")
			opt, ok := exactLong(table, long)
			if short := strings.TrimLeft(string(rune(opt.Short)), "\x00"); !ok || opt.Takes != takes || short != letter {
				t.Errorf("--%s: known %v, letter %q, argument %d; want letter %q, argument %d", long, ok, short, opt.Takes, letter, takes)
			}
		}
	}
}

// TestOptionTable finds options that hide one another.
func TestOptionTable(t *testing.T) {
	long, short := map[string]bool{}, map[byte]bool{}
	for _, o := range optionTable() {
		for _, name := range o.Long {
			if long[name] {
				t.Errorf("--%s twice", name)
			}
			long[name] = true
		}
		if o.Short != 0 && short[o.Short] {
			t.Errorf("-%c twice", o.Short)
		}
		short[o.Short] = true
		if o.Takes != getopt.None && o.Help != "" && o.Value == "" {
			t.Errorf("--%s: its argument has no name", o.Long[0])
		}
	}
}

// TestStates holds the count of states that grant something against the
// reference's: three of files, of which two are alike for the owner only.
func TestStates(t *testing.T) {
	dir := files(t, policyTree)
	got := runIn(t, dir, "profile t { /a r, /b rw, /c r, owner /d w, }", "-QK", "-q", "-M", "features", "-D", "dfa-states", "-D", "stats")
	if d := cmp.Diff(outcome{0, "", golden(t, "states")}, got); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

func TestTooLong(t *testing.T) {
	r := &run{options: defaults(), env: Env{Stdin: bytes.NewReader(make([]byte, maxInput+1))}}
	if _, err := r.read(input{}); err == nil {
		t.Error("input over the limit: no error")
	}
}
