// SPDX-License-Identifier: Apache-2.0

package apparmor_test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// TestDependencies holds what a program gets that imports these packages: the
// standard library, this module and golang.org/x/sys.
func TestDependencies(t *testing.T) {
	const module = "github.com/goarmor/apparmor"
	packages := []string{
		"ast", "blob", "compile", "diag", "features", "loader", "parser", "policy", "query", "query/explain", "render",
		"svirt", "svirt/libvirtxml",
	}
	for _, goos := range []string{"linux", "darwin", "windows"} {
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
		deps := strings.Fields(string(out))
		for _, p := range packages {
			if !slices.Contains(deps, module+"/"+p) {
				t.Errorf("%s: go list does not name %s", goos, p)
			}
		}
		for _, dep := range deps {
			if !strings.HasPrefix(dep, module+"/") && !strings.HasPrefix(dep, "golang.org/x/sys/") || strings.HasSuffix(dep, "/parser/grammar") {
				t.Errorf("%s: a program gets %s", goos, dep)
			}
		}
	}
}
