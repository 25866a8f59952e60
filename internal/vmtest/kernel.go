// SPDX-License-Identifier: Apache-2.0

//go:build linux

package vmtest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/goarmor/apparmor/internal/debian"
	"github.com/goarmor/apparmor/internal/testenv"
)

// Kernel is a kernel of Debian's that guests boot.
type Kernel struct {
	// Roles are the places in the archive that have the kernel, see
	// debian.Roles.
	Roles    []string
	Release  string // "6.12.118+deb13-cloud-amd64"
	Image    string // its file
	Features string // what it shows of AppArmor's, as apparmor_parser reads it

	arch arch
}

// scenarioRoles are the kernels that scenarios run on unless everything is
// asked for: what most machines run, and what comes next.
var scenarioRoles = []string{"trixie", "sid"}

// arch is an architecture of guests.
type arch struct {
	name        string // Go's and Debian's
	qemu        string
	qemuPackage string
	machine     []string // options of QEMU
	console     string   // of the kernel
	port        string   // for frames
	generic     bool     // whether its kernel is the one for any machine
}

var amd64 = arch{
	name: "amd64", qemu: "qemu-system-x86_64", qemuPackage: "qemu-system-x86",
	// Without cx16, because 6.12 panics at random around cmpxchg16b under TCG.
	machine: []string{"-cpu", "max,-cx16"},
	console: "ttyS0", port: "ttyS1",
}

// The pl011 of the machine is its only serial port that needs no module.
var arm64 = arch{
	name: "arm64", qemu: "qemu-system-aarch64", qemuPackage: "qemu-system-arm",
	machine: []string{"-machine", "virt", "-cpu", "cortex-a72"},
	console: "ttyAMA0", port: "ttyAMA0",
}

// arches are the architectures of guests, by Go's name.
var arches = map[string]arch{"": amd64, "amd64": amd64, "arm64": arm64}

// Kernels returns the kernels that the roles have, each once: nil for all of
// Debian's. A kernel that is not to be had is left out; the error says which, and
// why.
func Kernels(tb testing.TB, roles []string) ([]Kernel, error) {
	tb.Helper()
	return kernels(tb, amd64, roles)
}

func kernels(tb testing.TB, a arch, roles []string) ([]Kernel, error) {
	tb.Helper()
	cache, err := debian.CacheDir()
	if err != nil {
		return nil, err
	}
	all := debian.Roles()
	if roles != nil {
		all = slices.DeleteFunc(append(all, debian.UbuntuRoles()...), func(r debian.Role) bool { return !slices.Contains(roles, r.Name) })
	}
	if roles != nil && len(all) != len(roles) {
		tb.Fatalf("roles %q: some are not known", roles)
	}
	images := make([]debian.Kernel, len(all))
	errs := make([]error, len(all))
	var wg sync.WaitGroup
	for i, r := range all {
		r.Generic = a.generic
		wg.Go(func() {
			images[i], errs[i] = debian.FetchKernel(tb.Context(), cache, a.name, r)
		})
	}
	wg.Wait()
	var out []Kernel
	for i, r := range all {
		if errs[i] != nil {
			continue
		}
		if j := slices.IndexFunc(out, func(k Kernel) bool { return k.Release == images[i].Release }); j >= 0 {
			out[j].Roles = append(out[j].Roles, r.Name)
			continue
		}
		k := Kernel{Roles: []string{r.Name}, Release: images[i].Release, Image: images[i].Path, arch: a}
		if k.Features, err = shownBy(tb, cache, k); err != nil {
			tb.Error(err)
		}
		out = append(out, k)
	}
	out = slices.DeleteFunc(out, func(k Kernel) bool { return k.Features == "" })
	return out, errors.Join(errs...)
}

// Each runs a test for each kernel of the roles, in parallel, as a subtest of
// the name of the role that has it first. A role without a kernel skips.
func Each(t *testing.T, roles []string, test func(*testing.T, Kernel)) {
	t.Helper()
	each(t, amd64, roles, test)
}

func each(t *testing.T, a arch, roles []string, test func(*testing.T, Kernel)) {
	t.Helper()
	found, err := kernels(t, a, roles)
	if err != nil {
		t.Run("missing", func(t *testing.T) {
			testenv.Missing(t, err.Error(), "tests fetch kernels with apt from Debian's mirror")
		})
	}
	for _, k := range found {
		t.Run(k.Roles[0], func(t *testing.T) {
			t.Parallel()
			t.Logf("kernel %s, of %s", k.Release, strings.Join(k.Roles, " and "))
			test(t, k)
		})
	}
}

// shownBy returns the features that a kernel shows. It is booted for them
// once; they are kept by its release.
func shownBy(tb testing.TB, cache string, k Kernel) (string, error) {
	tb.Helper()
	name := filepath.Join(cache, "features", k.Release)
	if data, err := os.ReadFile(name); err == nil {
		return string(data), nil
	}
	c := Config{Args: []string{"-test.run=^$"}}
	r, err := c.boot(tb, k, build(tb, "github.com/goarmor/apparmor/internal/vmtest/selftest", k.arch))
	if err != nil {
		return "", fmt.Errorf("the features of kernel %s: %w\n%s", k.Release, err, tail(r.console, 60))
	}
	if r.release != k.Release {
		return "", fmt.Errorf("the kernel calls itself %s, and its package %s", r.release, k.Release)
	}
	if r.shown == "" {
		return "", fmt.Errorf("kernel %s shows no features of AppArmor", k.Release)
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return "", err
	}
	part := fmt.Sprintf("%s.%d", name, os.Getpid()) // another process may do the same
	if err := os.WriteFile(part, []byte(r.shown), 0o644); err != nil {
		return "", err
	}
	return r.shown, os.Rename(part, name)
}

// BuiltIn returns the name, of those that features.Kernels lists, of the
// feature set that is made for a kernel: its role, or the newest version that
// is not newer than the kernel. Empty: all are.
func BuiltIn(names []string, k Kernel) string {
	for _, role := range k.Roles {
		if slices.Contains(names, role) {
			return role
		}
	}
	best, bx, by := "", 0, 0
	x, y := debian.Version(k.Release)
	for _, name := range names {
		nx, ny := debian.Version(name)
		if nx == 0 || nx > x || nx == x && ny > y {
			continue
		}
		if best == "" || nx > bx || nx == bx && ny > by {
			best, bx, by = name, nx, ny
		}
	}
	return best
}
