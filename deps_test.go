// SPDX-License-Identifier: Apache-2.0

package apparmor_test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// TestDependencies checks what a program that imports these packages links:
// only the standard library, this module, golang.org/x/sys and the zstd of
// klauspost/compress, and with svirt/libvirtxml the one package of libvirt's Go
// form of descriptions.
func TestDependencies(t *testing.T) {
	const module = "github.com/goarmor/apparmor"
	packages := []string{
		"ast", "blob", "compile", "compile/cache", "diag", "features", "loader", "parser", "policy", "policydir", "query", "query/explain", "render",
		"svirt", "svirt/broker", "svirt/libvirtxml",
	}
	for _, goos := range []string{"linux", "darwin", "windows"} {
		list := func(packages ...string) []string {
			args := []string{"list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}"}
			for _, p := range packages {
				args = append(args, module+"/"+p)
			}
			cmd := exec.CommandContext(t.Context(), "go", args...)
			cmd.Env = append(cmd.Environ(), "GOOS="+goos, "CGO_ENABLED=0")
			out, err := cmd.Output()
			if err != nil {
				t.Fatal(err)
			}
			return strings.Fields(string(out))
		}
		deps := list(packages...)
		const descriptions, reader = "libvirt.org/go/libvirtxml", "svirt/libvirtxml"
		if with := list(reader); !slices.Contains(with, descriptions) {
			t.Errorf("%s: %s does without %s", goos, reader, descriptions)
		}
		without := slices.DeleteFunc(slices.Clone(packages), func(p string) bool { return p == reader })
		if slices.Contains(list(without...), descriptions) {
			t.Errorf("%s: a program gets %s without %s", goos, descriptions, reader)
		}
		deps = slices.DeleteFunc(deps, func(dep string) bool { return dep == descriptions })
		for _, p := range packages {
			if !slices.Contains(deps, module+"/"+p) {
				t.Errorf("%s: go list does not name %s", goos, p)
			}
		}
		for _, dep := range deps {
			if !strings.HasPrefix(dep, module+"/") && !strings.HasPrefix(dep, "golang.org/x/sys/") && !strings.HasPrefix(dep+"/", "github.com/klauspost/compress/") || strings.HasSuffix(dep, "/parser/grammar") {
				t.Errorf("%s: a program gets %s", goos, dep)
			}
		}
	}
}
