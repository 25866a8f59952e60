// SPDX-License-Identifier: Apache-2.0

//go:build linux

package vmtest

import (
	"bytes"
	"debug/elf"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/goarmor/apparmor/internal/debian"
	"github.com/goarmor/apparmor/internal/testenv"
)

// modules returns modules of a kernel with what they depend on, in the order in
// which they can be loaded.
func modules(tb testing.TB, k Kernel, names []string) ([][]byte, error) {
	tb.Helper()
	if len(names) == 0 {
		return nil, nil
	}
	cache, err := debian.CacheDir()
	if err != nil {
		return nil, err
	}
	roles := append(debian.Roles(), debian.UbuntuRoles()...)
	i := slices.IndexFunc(roles, func(r debian.Role) bool { return r.Name == k.Roles[0] })
	role := roles[i]
	role.Generic = k.arch.generic
	dir, err := debian.FetchModules(tb.Context(), cache, k.arch.name, role, k.Release)
	if err != nil {
		return nil, err
	}
	var out [][]byte
	seen := map[string]bool{}
	var add func(name string) error
	add = func(name string) error {
		// The kernel takes both for one; files have either.
		name = strings.ReplaceAll(name, "-", "_")
		if seen[name] {
			return nil
		}
		seen[name] = true
		data, err := readModule(tb, dir, name)
		if err != nil {
			return err
		}
		needs, err := dependsOn(data)
		if err != nil {
			return fmt.Errorf("module %s: %w", name, err)
		}
		for _, n := range needs {
			if err := add(n); err != nil {
				return err
			}
		}
		out = append(out, data)
		return nil
	}
	for _, name := range names {
		if err := add(name); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// readModule reads a module of a folder, and unpacks it.
func readModule(tb testing.TB, dir, name string) ([]byte, error) {
	tb.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range list {
		base, packed := strings.CutSuffix(e.Name(), ".xz")
		base = strings.TrimSuffix(base, ".ko")
		if strings.ReplaceAll(base, "-", "_") != name {
			continue
		}
		file := filepath.Join(dir, e.Name())
		if !packed {
			return os.ReadFile(file)
		}
		data, err := exec.CommandContext(tb.Context(), testenv.Command(tb, "xz", "xz-utils"), "--decompress", "--stdout", file).Output()
		if err != nil {
			return nil, fmt.Errorf("xz %s: %w", file, err)
		}
		return data, nil
	}
	return nil, fmt.Errorf("%s has no module %s", filepath.Base(dir), name)
}

// dependsOn returns the names of the modules that one needs.
func dependsOn(module []byte) ([]string, error) {
	f, err := elf.NewFile(bytes.NewReader(module))
	if err != nil {
		return nil, err
	}
	s := f.Section(".modinfo")
	if s == nil {
		return nil, fmt.Errorf("no section .modinfo")
	}
	info, err := s.Data()
	if err != nil {
		return nil, err
	}
	for _, field := range bytes.Split(info, []byte{0}) {
		if list, ok := bytes.CutPrefix(field, []byte("depends=")); ok && len(list) > 0 {
			return strings.Split(string(list), ","), nil
		}
	}
	return nil, nil
}
