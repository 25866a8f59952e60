// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/goarmor/apparmor/svirt"
)

// upgrade gives a machine, which may run, the profile that a new template makes.
// The Manager that made it from another one never does that by itself: the
// profile is an administrator's. Dir is the directory of policy.
func upgrade(ctx context.Context, manager *svirt.Manager, dir string, t *svirt.Template, uuid string) error {
	status, err := manager.Status(ctx, uuid)
	if err != nil {
		return err
	}
	if status.Edited {
		return fmt.Errorf("%s was edited: merge it by hand", status.Profile)
	}
	p, err := t.Instantiate(ctx, uuid, true)
	if err != nil {
		return err
	}
	file := filepath.Join(dir, "libvirt", status.Profile)
	old, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if err := write(file, p.Text()); err != nil {
		return err
	}
	if !status.Loaded {
		return nil
	}
	// What does not compile or load leaves the old one in force, and its file.
	if err := manager.Load(ctx, uuid); err != nil {
		return errors.Join(err, write(file, string(old)))
	}
	return nil
}

// write replaces a file as a whole or not at all.
func write(name, text string) error {
	part := name + ".new"
	if err := os.WriteFile(part, []byte(text), 0o600); err != nil {
		return err
	}
	return os.Rename(part, name)
}
