// SPDX-License-Identifier: Apache-2.0

//go:build linux

package checks

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/goarmor/apparmor/cmd/apparmor_parser/internal/command"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/internal/vmtest/guest"
	"github.com/goarmor/apparmor/loader"
)

func TestMain(m *testing.M) { os.Exit(guest.Main(m, nil)) }

// run runs the command and returns its status and what it said, standard
// output first.
func run(t *testing.T, stdin string, args ...string) (status int, said string) {
	t.Helper()
	var out, errs bytes.Buffer
	status = command.Run(t.Context(), append([]string{"--config-file=/dev/null"}, args...), command.Env{
		Stdin: strings.NewReader(stdin), Stdout: &out, Stderr: &errs,
	})
	return status, out.String() + errs.String()
}

// expect runs the command and checks the status.
func expect(t *testing.T, want int, stdin string, args ...string) string {
	t.Helper()
	status, said := run(t, stdin, args...)
	if status != want {
		t.Fatalf("%v: status %d, want %d: %s", args, status, want, said)
	}
	return said
}

// loaded lists the profiles of the kernel whose names have a prefix, with
// their modes.
func loaded(t *testing.T, prefix string) (names []string) {
	t.Helper()
	k, err := loader.Open(loader.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	list, err := k.Profiles(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range list {
		name := p.Name
		if p.Namespace != "" {
			name = ":" + p.Namespace + ":" + name
		}
		if strings.Contains(name, prefix) {
			names = append(names, name+" "+string(p.Mode))
		}
	}
	slices.Sort(names)
	return names
}

func wantLoaded(t *testing.T, prefix string, want ...string) {
	t.Helper()
	if d := cmp.Diff(want, loaded(t, prefix)); d != "" {
		t.Errorf("loaded (-want +got):\n%s", d)
	}
}

const text = "profile cmd_a { /a r, profile child { /b r, } ^hat { /c r, } }\nprofile cmd_b flags=(complain) { capability chown, }\n"

// TestLife adds, replaces and removes, with the statuses of what a kernel
// refuses.
func TestLife(t *testing.T) {
	file := filepath.Join(t.TempDir(), "policy")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	all := []string{"cmd_a enforce", "cmd_a//child enforce", "cmd_a//hat enforce", "cmd_b complain"}
	said := expect(t, 0, "", "-K", "-v", file)
	if !strings.Contains(said, `Addition succeeded for "cmd_b".`) {
		t.Errorf("%q", said)
	}
	wantLoaded(t, "cmd_", all...)
	if said := expect(t, 239, "", "-K", "-a", file); !strings.Contains(said, "Profile already exists") {
		t.Errorf("%q", said)
	}
	expect(t, 0, text, "-K", "-r", "-C")
	wantLoaded(t, "cmd_", "cmd_a complain", "cmd_a//child complain", "cmd_a//hat complain", "cmd_b complain")
	expect(t, 0, "", "-K", "-r", file)
	wantLoaded(t, "cmd_", all...)
	expect(t, 1, "profile cmd_a { nonsense }", "-K", "-r")
	wantLoaded(t, "cmd_", all...)
	expect(t, 0, "", "-R", file)
	wantLoaded(t, "cmd_")
	if said := expect(t, 254, "", "-R", file); !strings.Contains(said, `Unable to remove "cmd_a".  Profile doesn't exist`) {
		t.Errorf("%q", said)
	}
}

// TestCompiled loads what -S wrote, without naming features: the kernel's are
// taken.
func TestCompiled(t *testing.T) {
	file := filepath.Join(t.TempDir(), "compiled")
	expect(t, 0, text, "-o", file)
	wantLoaded(t, "cmd_")
	expect(t, 0, "", "-B", "-r", file)
	wantLoaded(t, "cmd_", "cmd_a enforce", "cmd_a//child enforce", "cmd_a//hat enforce", "cmd_b complain")
	// The status of compiled policy that is refused is the error number.
	expect(t, 17, "", "-B", "-a", file)
	expect(t, 0, "", "-B", "-R", file)
	wantLoaded(t, "cmd_")
	expect(t, 0, "", "-B", "-a", file)
	wantLoaded(t, "cmd_", "cmd_a enforce", "cmd_a//child enforce", "cmd_a//hat enforce", "cmd_b complain")
	expect(t, 0, "", "-B", "-R", file)
	wantLoaded(t, "cmd_")
}

// TestForeign compiles for the features of another kernel: what this one does
// not have is refused before it sees any of it.
func TestForeign(t *testing.T) {
	foreign, ok := features.Kernel("7.3")
	if !ok {
		t.Fatal("the features of 7.3 are unknown")
	}
	file := filepath.Join(t.TempDir(), "features")
	if err := os.WriteFile(file, []byte(foreign.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	own, err := features.FromFS(os.DirFS("/sys/kernel/security/apparmor/features"))
	if err != nil {
		t.Fatal(err)
	}
	status := 1
	if own.PermTableVersion() >= foreign.PermTableVersion() {
		status = 0
	}
	expect(t, status, text, "-K", "-q", "-r", "--kernel-features", file)
	if status != 0 {
		wantLoaded(t, "cmd_")
	}
	// The kernel's own features by name, as those of policy.
	expect(t, 0, text, "-K", "-q", "-r", "--policy-features=<kernel>", "--override-policy-abi=<kernel>")
	wantLoaded(t, "cmd_", "cmd_a enforce", "cmd_a//child enforce", "cmd_a//hat enforce", "cmd_b complain")
	expect(t, 0, text, "-R")
	wantLoaded(t, "cmd_")
}

// TestNamespace loads into a namespace that does not exist before, and two
// namespaces from one file.
func TestNamespace(t *testing.T) {
	expect(t, 0, "profile cmd_n { }", "-K", "-q", "-r", "-n", "cmdns")
	expect(t, 0, "profile cmd_o { }\nprofile :cmdns:cmd_p { }", "-K", "-r")
	wantLoaded(t, "cmd_", ":cmdns:cmd_n enforce", ":cmdns:cmd_p enforce", "cmd_o enforce")
	expect(t, 0, "profile cmd_o { }\nprofile :cmdns:cmd_p { }", "-R")
	expect(t, 0, "profile cmd_n { }", "-q", "-R", "-n", "cmdns")
	wantLoaded(t, "cmd_")
}

// TestCache loads from the cache what the first run wrote to it.
func TestCache(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "policy")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"-r", "-k", "-W", "-L", filepath.Join(dir, "cache"), file}
	if said := expect(t, 0, "", args...); !strings.Contains(said, "Cache miss: ") || !strings.Contains(said, "Wrote cache: ") {
		t.Errorf("%q", said)
	}
	expect(t, 0, "", "-R", file)
	if said := expect(t, 0, "", args...); !strings.Contains(said, "Cache hit: ") {
		t.Errorf("%q", said)
	}
	wantLoaded(t, "cmd_", "cmd_a enforce", "cmd_a//child enforce", "cmd_a//hat enforce", "cmd_b complain")
	expect(t, 0, "", "-R", file)
}

// TestDirectory names the kernel's directory and loads a directory of files,
// one of them broken.
func TestDirectory(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"a": "profile cmd_x { }\n", "b": "profile cmd_y {\n", "c": "profile cmd_z { }\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	fs := "/sys/kernel/security/apparmor"
	expect(t, 1, "", "-K", "-r", "-f", fs, dir)
	wantLoaded(t, "cmd_", "cmd_x enforce", "cmd_z enforce")
	expect(t, 0, "", "-R", filepath.Join(dir, "a"), filepath.Join(dir, "c"))
}
