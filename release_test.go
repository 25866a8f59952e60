// SPDX-License-Identifier: Apache-2.0

package apparmor_test

import (
	"archive/zip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goarmor/apparmor/internal/testenv"
)

// TestRelease makes a release of this work tree and of its nested modules, as
// docs/release-checklist.md says, puts it where Go looks for modules, and does
// what a user does: `go install` of a command, and a program that imports a
// package.
func TestRelease(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles everything once more")
	}
	for _, name := range []string{"bash", "git"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Skipf("missing: %s; install it", name)
		}
	}
	const path, version = "github.com/goarmor/apparmor", "v0.987.6"
	cache, err := exec.CommandContext(t.Context(), "go", "env", "GOMODCACHE").Output()
	if err != nil {
		t.Fatal(err)
	}
	before, err := exec.CommandContext(t.Context(), "go", "env", "GOPROXY").Output()
	if err != nil {
		t.Fatal(err)
	}
	proxy, clone, gobin := t.TempDir(), t.TempDir(), t.TempDir()
	env := append(os.Environ(),
		// What has been downloaded is a proxy, too.
		"GOPROXY=file://"+proxy+",file://"+strings.TrimSpace(string(cache))+"/cache/download,"+strings.TrimSpace(string(before)),
		"GOMODCACHE="+t.TempDir(), "GOFLAGS=-modcacherw -trimpath", "GONOSUMDB="+path, "GOWORK=off", "GOBIN="+gobin, "GOPRIVATE=")
	run := func(dir, name string, args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), name, args...)
		cmd.Dir, cmd.Env = dir, env
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
		}
		return string(out)
	}
	testenv.CopySources(t, ".", clone)
	// Before, the command cannot be installed by its version: this is what the
	// step is for.
	publish(t, proxy, clone, path, version)
	publish(t, proxy, filepath.Join(clone, "cmd", "aapolicy"), path+"/cmd/aapolicy", version+"-before")
	cmd := exec.CommandContext(t.Context(), "go", "install", path+"/cmd/aapolicy@"+version+"-before")
	cmd.Dir, cmd.Env = t.TempDir(), env
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "replace") {
		t.Errorf("a module with replace: %v\n%s", err, out)
	}

	if said := run(clone, ".ci/release-modules", version); !strings.HasSuffix(said, "cmd/aapolicy/"+version+"\nvmtest/"+version+"\n") {
		t.Errorf("the modules are %s", said)
	}
	for _, dir := range []string{"cmd/aapolicy", "vmtest"} {
		publish(t, proxy, filepath.Join(clone, dir), path+"/"+dir, version)
	}
	run(t.TempDir(), "go", "install", path+"/cmd/aapolicy@"+version)
	policy := filepath.Join(t.TempDir(), "p")
	if err := os.WriteFile(policy, []byte("abi <kernel>,\nprofile p {\n/a r,\n}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	run(".", filepath.Join(gobin, "aapolicy"), "lint", policy)
	// Commands of the root module.
	run(t.TempDir(), "go", "install", path+"/cmd/apparmor_parser@"+version)

	// Somebody's module with tests on kernels.
	user := t.TempDir()
	source := "package user\n\nimport (\n\t_ \"" + path + "/svirt\"\n\t_ \"" + path + "/vmtest\"\n)\n"
	if err := os.WriteFile(filepath.Join(user, "user.go"), []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	run(user, "go", "mod", "init", "example.com/user")
	run(user, "go", "get", path+"@"+version, path+"/vmtest@"+version)
	run(user, "go", "mod", "tidy")
	run(user, "go", "build", "./...")
	if mod, err := os.ReadFile(filepath.Join(user, "go.mod")); err != nil || strings.Contains(string(mod), "cobra") || strings.Contains(string(mod), "gopter") {
		t.Errorf("a user gets %s, %v", mod, err)
	}

	// The script itself.
	for _, bad := range []string{"", "0.3.0", "v1", "latest", "v1.2.3; true"} {
		cmd := exec.CommandContext(t.Context(), ".ci/release-modules", bad)
		cmd.Dir, cmd.Env = clone, env
		if out, err := cmd.CombinedOutput(); err == nil {
			t.Errorf("%q is taken: %s", bad, out)
		}
	}
}

// publish puts a version of the module in a folder where a proxy has it, see
// https://go.dev/ref/mod#goproxy-protocol and #zip-files: without the modules in it.
func publish(t *testing.T, proxy, dir, path, version string) {
	t.Helper()
	at := filepath.Join(proxy, filepath.FromSlash(path), "@v")
	if err := os.MkdirAll(at, 0o755); err != nil {
		t.Fatal(err)
	}
	mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(filepath.Join(at, version+".zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := zip.NewWriter(f)
	err = filepath.WalkDir(dir, func(name string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if _, err := os.Stat(filepath.Join(name, "go.mod")); err == nil && name != dir {
				return filepath.SkipDir
			}
			return nil
		}
		rel, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		entry, err := w.Create(path + "@" + version + "/" + filepath.ToSlash(rel))
		if err == nil {
			_, err = entry.Write(data)
		}
		return err
	})
	if err == nil {
		err = w.Close()
	}
	for name, data := range map[string]string{
		"list": version + "\n", version + ".mod": string(mod), version + ".info": `{"Version":"` + version + `","Time":"2026-01-01T00:00:00Z"}`,
	} {
		if err == nil {
			err = os.WriteFile(filepath.Join(at, name), []byte(data), 0o600)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}
