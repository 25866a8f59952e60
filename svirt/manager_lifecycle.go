// SPDX-License-Identifier: Apache-2.0

package svirt

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
)

// Unload takes a machine's profile out of force and leaves its files. It
// returns ErrInUse while a process runs under it, and no error when the
// profile is not in force.
func (m *Manager) Unload(ctx context.Context, uuid string) error {
	_, unlock, err := m.lock(ctx, uuid)
	if err != nil {
		return err
	}
	defer unlock()
	return m.unload(ctx, uuid)
}

func (m *Manager) unload(ctx context.Context, uuid string) error {
	profile := profilePrefix + uuid
	used, err := m.driver.InUse(ctx, profile)
	if err != nil {
		return err
	}
	if used {
		return fmt.Errorf("%s: %w", profile, ErrInUse)
	}
	return gone(m.driver.Unload(ctx, profile))
}

// Remove takes a machine's profile out of force and removes what is the
// Manager's own of its files: its rules, and its profile unless it has been
// changed. It returns ErrInUse while a process runs under the profile. That
// there is nothing to remove is no error.
//
// Until the profile is out of force an error changes nothing. From then on
// files may be left, which another call removes.
func (m *Manager) Remove(ctx context.Context, uuid string) error {
	g, unlock, err := m.lock(ctx, uuid)
	if err != nil {
		return err
	}
	defer unlock()
	profile := profilePrefix + uuid
	edited, err := m.edited(ctx, uuid)
	if err != nil {
		return err
	}
	if err := m.unload(ctx, uuid); err != nil {
		return err
	}
	// From here on the machine is gone; what is left of it is only litter,
	// which a second call takes away.
	err = gone(m.store.remove(profile + ".files"))
	if !edited {
		err = errors.Join(err, gone(m.store.remove(profile)))
	}
	if err != nil {
		return err
	}
	g.domain = nil
	m.log.InfoContext(ctx, "machine removed", "uuid", uuid, "kept profile", edited)
	return nil
}

// ChangeProfile puts the calling thread under a machine's profile, for a
// program that becomes the machine's process itself or executes it next. The
// goroutine must have called runtime.LockOSThread, and must never unlock.
func (m *Manager) ChangeProfile(ctx context.Context, uuid string) error {
	_, unlock, err := m.lock(ctx, uuid)
	if err != nil {
		return err
	}
	defer unlock()
	return m.driver.ChangeProfile(profilePrefix + uuid)
}

// Start starts cmd under a machine's profile, which must be in force. When it
// returns an error no process is left.
func (m *Manager) Start(ctx context.Context, uuid string, cmd *exec.Cmd) error {
	_, unlock, err := m.lock(ctx, uuid)
	if err != nil {
		return err
	}
	defer unlock()
	return m.driver.Start(ctx, cmd, profilePrefix+uuid)
}
