// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/goarmor/apparmor/internal/debian"
	"github.com/goarmor/apparmor/internal/testenv"
	"github.com/goarmor/apparmor/svirt"
)

// suites are where the reference programs are from, by what they have.
var suites = []string{"bookworm", "trixie", "sid"} // 3.0.8, 4.1.0, 5.0.2 or later

// program is apparmor_parser, this module's or a reference.
type program struct {
	name    string // "5.0.2-5"; empty: this module's
	command []string
}

// references returns apparmor_parser of each suite, out of packages in the cache
// folder, and why one is missing.
func references(ctx context.Context) (list []program, missing error) {
	cache, err := debian.CacheDir()
	if err != nil {
		return nil, err
	}
	for _, suite := range suites {
		tree, err := debian.Binary{Suite: suite, Names: []string{"apparmor"}, Libraries: true}.Fetch(ctx, cache)
		if err != nil {
			missing = errors.Join(missing, err)
			continue
		}
		command, err := tree.Command("/sbin/apparmor_parser")
		if err != nil {
			missing = errors.Join(missing, err)
			continue
		}
		list = append(list, program{tree.Version(), command})
	}
	return list, missing
}

// newestTree makes a folder with the profiles of Debian sid, those that its
// packages install and those that they have as examples, and returns their names
// and version.
func newestTree(ctx context.Context, dir string) (names []string, version string, err error) {
	cache, err := debian.CacheDir()
	if err != nil {
		return nil, "", err
	}
	packages, err := debian.Binary{Suite: "sid", Names: []string{"apparmor", "apparmor-profiles"}}.Fetch(ctx, cache)
	if err != nil {
		return nil, "", err
	}
	// What is installed takes the place of the examples.
	for _, from := range []string{"etc/apparmor.d", "usr/share/apparmor/extra-profiles"} {
		if err := copyNew(dir, filepath.Join(packages.Dir, filepath.FromSlash(from))); err != nil {
			return nil, "", err
		}
	}
	if err := testenv.AddLocal(dir); err != nil {
		return nil, "", err
	}
	names, _, _, err = readTree(dir)
	return names, packages.Version(), err
}

// copyNew copies the regular files below a folder that are not there yet.
func copyNew(dir, from string) error {
	_, texts, _, err := readTree(from)
	if err != nil {
		return err
	}
	abis, err := filepath.Glob(filepath.Join(from, "abi", "*"))
	if err != nil {
		return err
	}
	for _, a := range abis {
		data, err := os.ReadFile(a)
		if err != nil {
			return err
		}
		texts = append(texts, text{a, string(data)})
	}
	for _, t := range texts {
		rel, err := filepath.Rel(from, t.name)
		if err != nil {
			return err
		}
		to := filepath.Join(dir, rel)
		if _, err := os.Lstat(to); err == nil || rel == "README" {
			continue
		}
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(to, []byte(t.text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// ownTree makes a folder with this module's templates and what they include,
// which every reference reads, and returns the profile of a machine.
func ownTree(dir string) (machine string, err error) {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return "", err
	}
	if err := svirt.Install(dir); err != nil {
		return "", fmt.Errorf("templates: %w", err)
	}
	return machineText(dir)
}
