// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// lastRelease builds the command of this module's last release, in a folder that
// it makes: of the last tag or, in a clone without tags, of the commit that CI
// compares exported names with.
func lastRelease(dir string) (p program, err error) {
	top, err := git(".", "rev-parse", "--show-toplevel")
	if err != nil {
		return program{}, err
	}
	commit, err := git(top, "describe", "--tags", "--abbrev=0", "--match", "v[0-9]*", "HEAD")
	if err != nil {
		data, err := os.ReadFile(filepath.Join(top, ".ci", "api-base"))
		if err != nil {
			return program{}, err
		}
		commit, _, _ = strings.Cut(string(data), "\n")
	}
	if _, err := git(top, "worktree", "add", "-q", "--detach", dir, commit); err != nil {
		return program{}, err
	}
	defer func() {
		_, rm := git(top, "worktree", "remove", "--force", dir)
		err = errors.Join(err, rm)
	}()
	path := dir + ".parser"
	if _, err := execute("", "go", "build", "-C", dir, "-trimpath", "-o", path, "./cmd/apparmor_parser"); err != nil {
		return program{}, err
	}
	return program{"ours of " + commit, []string{path}}, nil
}

// git runs git in a folder and returns what it prints.
func git(dir string, args ...string) (string, error) {
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("git %s: %w: %s", args[0], err, strings.TrimSpace(said.String()))
	}
	return strings.TrimSpace(string(out)), nil
}
