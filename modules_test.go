// SPDX-License-Identifier: Apache-2.0

package apparmor_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// modules returns the folders of all modules of the repository, found by their
// go.mod.
func modules(t *testing.T) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch name := d.Name(); {
		case err != nil:
			return err
		case d.IsDir() && path != "." && (name == "testdata" || strings.HasPrefix(name, ".")):
			return fs.SkipDir
		case name == "go.mod":
			out = append(out, filepath.Dir(path))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(out)
	return out
}

// TestModules compares the list of modules with the existing go.mod files.
func TestModules(t *testing.T) {
	if _, err := exec.LookPath("bash"); err != nil {
		t.Skip("no bash: install it to test the scripts")
	}
	want := modules(t)
	if len(want) < 2 {
		t.Fatalf("modules %q: the walk misses internal/proptest", want)
	}
	out, err := exec.CommandContext(t.Context(), ".ci/modules").Output()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, strings.Fields(string(out))); diff != "" {
		t.Errorf(".ci/modules misses a go.mod, or has one that is gone (is it added to the index?):\n%s", diff)
	}
	// A command that fails in one module still runs in all, and fails as a
	// whole.
	cmd := exec.CommandContext(t.Context(), ".ci/modules", "bash", "-c", `echo "ran in $PWD"; test "${PWD##*/}" = proptest`)
	out, err = cmd.Output()
	if err == nil {
		t.Error("a command that fails in a module does not fail .ci/modules")
	}
	if n := strings.Count(string(out), "ran in "); n != len(want) {
		t.Errorf("a command ran in %d modules, want %d:\n%s", n, len(want), out)
	}
}

// TestScripts runs test.sh and .ci/run with programs that only record in which
// folder they are called: vet, tests, builds and linters must reach every
// module.
func TestScripts(t *testing.T) {
	if _, err := exec.LookPath("bash"); err != nil {
		t.Skip("no bash: install it to test the scripts")
	}
	realGit, err := exec.LookPath("git")
	if err != nil {
		t.Skip("no git: install it to test the scripts")
	}
	root, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for script, want := range map[string][]string{
		"test.sh": {"go vet ./...", "go test -timeout 30m ./..."},
		".ci/run": {
			"go build ./...", "go vet ./...", "go test -timeout 30m ./...",
			"golangci-lint run --allow-serial-runners --config " + root + "/.golangci.yml ./...", "govulncheck",
		},
	} {
		t.Run(script, func(t *testing.T) {
			bin, log := t.TempDir(), filepath.Join(t.TempDir(), "calls")
			// The programs that would do the work. What `go install` should
			// have made is recorded too.
			note := "#!/bin/bash\necho \"$PWD ${0##*/} $*\" >>" + log + "\n"
			goNote := note + `
case "$1" in
install)
  name=${2%@*}
  name=${name##*/}
  cp "${0%/*}/note" "${GOBIN:?}/$name"
  ;;
build) # a command, for .ci/reproduce
  while [ "$#" -gt 0 ]; do
    if [ "$1" = -o ]; then mkdir -p "$2" && echo x >"$2/x"; fi
    shift
  done
  ;;
esac
exit 0
`
			// The clone stays as it is: no work tree is added to it.
			git := "#!/bin/bash\ncase \"$1\" in worktree) [ \"$2\" != add ] || mkdir -p \"${@: -2:1}\"; exit ;; esac\nexec " + realGit + " \"$@\"\n"
			for name, text := range map[string]string{
				"git": git, "go": goNote, "gofmt": note, "gcc": note, "apt-get": note, "sudo": note, "curl": note, "note": note,
				"dpkg-query": "#!/bin/bash\necho install ok installed\n", "qemu-system-x86_64": note, "qemu-aarch64-static": note, "qemu-s390x-static": note,
			} {
				if err := os.WriteFile(filepath.Join(bin, name), []byte(text), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			cmd := exec.CommandContext(t.Context(), "bash", script)
			cmd.Env = append(cmd.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "APPARMOR_TEST_CACHE="+t.TempDir(), "HOME="+t.TempDir(), "APPARMOR_TEST_FULL=")
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			calls, err := os.ReadFile(log)
			if err != nil {
				t.Fatal(err)
			}
			for _, module := range modules(t) {
				for _, call := range want {
					line := regexp.QuoteMeta(filepath.Join(root, module)+" ") + `\S*.*` + regexp.QuoteMeta(call)
					if !regexp.MustCompile("(?m)^" + line).Match(calls) {
						t.Errorf("%s: %q is not called in module %s", script, call, module)
					}
				}
			}
			if t.Failed() {
				t.Logf("the calls:\n%s", calls)
			}
		})
	}
}

// TestScriptWithoutNetwork runs test.sh where apt-get cannot install anything: the
// tests run all the same, and it says what is missing.
func TestScriptWithoutNetwork(t *testing.T) {
	if _, err := exec.LookPath("bash"); err != nil {
		t.Skip("no bash: install it to test the scripts")
	}
	bin, log := t.TempDir(), filepath.Join(t.TempDir(), "calls")
	for name, text := range map[string]string{
		"go": "echo \"$*\" >>" + log, "apt-get": "exit 100", "dpkg-query": "exit 1", "sudo": "exec \"${@:2}\"",
	} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/bash\n"+text+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), "bash", "test.sh", "./parser")
	cmd.Env = append(cmd.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "APPARMOR_TEST_FULL=")
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "not installed: qemu-system-x86 ") || !strings.Contains(string(out), "apt-get install qemu-system-x86 ") {
		t.Errorf("%v, %s", err, out)
	}
	if calls, err := os.ReadFile(log); err != nil || string(calls) != "test -timeout 30m ./parser\n" {
		t.Errorf("calls of go: %q, %v", calls, err)
	}
}

// TestNoPrograms looks at every file of the index: what a build leaves does not
// belong there.
func TestNoPrograms(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "git", "ls-files", "-z").Output()
	if err != nil {
		t.Skipf("not a clone, or no git: %v", err)
	}
	read := 0
	for name := range strings.SplitSeq(strings.TrimSuffix(string(out), "\x00"), "\x00") {
		data, err := os.ReadFile(name)
		if err != nil {
			continue // removed, and not yet from the index
		}
		read++
		for _, magic := range []string{"\x7fELF", "MZ", "\xcf\xfa\xed\xfe"} { // of Linux, Windows, macOS
			if strings.HasPrefix(string(data), magic) {
				t.Errorf("%s is a program", name)
			}
		}
	}
	if read == 0 {
		t.Error("no files")
	}
}
