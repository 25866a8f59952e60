// SPDX-License-Identifier: Apache-2.0

package svirt

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"

	"github.com/goarmor/apparmor/loader"
)

// RemoveOptions tell how a machine is removed. The zero value is that of Remove.
type RemoveOptions struct {
	// Retire says how Remove makes sure that no process of the machine is
	// left: by the cgroup that all of them were started in, if there is one,
	// and whether those that are left are killed.
	Retire loader.RetireOptions
	// KeepFiles leaves the machine's files, as Unload does.
	KeepFiles bool
}

// Unload takes a machine's profile out of force and leaves its files. It is not
// an error if the profile is not in force. Processes that are left are treated as
// by Remove.
func (m *Manager) Unload(ctx context.Context, uuid string) error {
	return m.RemoveWith(ctx, uuid, RemoveOptions{KeepFiles: true})
}

func (m *Manager) unload(ctx context.Context, g *machineState, uuid string, members []string, o loader.RetireOptions) error {
	switch here, err := m.hasFile(uuid); {
	case err != nil:
		return err
	case !here && len(members) == 0:
		// A profile that is in force nevertheless is not this Manager's.
		return m.checkForeign(ctx, uuid)
	}
	if err := m.unloadAll(ctx, uuid, members, o); err != nil {
		return err
	}
	g.mark, g.accept = nil, loader.Accept{}
	m.log.InfoContext(ctx, "machine unloaded", "uuid", uuid, "profile", m.names.profile(uuid))
	return nil
}

// Remove is RemoveWith without options: a machine whose processes have ended.
func (m *Manager) Remove(ctx context.Context, uuid string) error {
	return m.RemoveWith(ctx, uuid, RemoveOptions{})
}

// RemoveWith takes a machine's profile and those of its companions out of force
// and removes the files that the Manager wrote: the rules, and a profile unless
// it has been changed. It is not an error if there is nothing to remove.
//
// It returns ErrInUse and changes nothing while a process is seen under one of
// the profiles, unless it is to kill what is left. Otherwise the profile is
// replaced by one that allows nothing, and is removed once it is certain that
// nothing runs under it: a process that forks and ends without a pause would
// be unconfined if it were missed. When that cannot be shown in time, or what
// runs cannot be read, the error matches ErrInUse or says so, and the profile
// that allows nothing stays in force; another call continues from there, and
// Load or Replace put the machine's own back.
//
// Until the profile is out of force an error leaves the files as they are. From
// then on files may be left, which another call removes. The profiles of
// companions go after the machine's, one by one; an error may leave some of
// them in force, and another call goes on from there.
func (m *Manager) RemoveWith(ctx context.Context, uuid string, o RemoveOptions) error {
	g, unlock, err := m.lock(ctx, uuid)
	if err != nil {
		return err
	}
	defer unlock()
	members, err := m.members(uuid)
	if err != nil {
		return err
	}
	if o.KeepFiles {
		return m.unload(ctx, g, uuid, members, o.Retire)
	}
	all := append(slices.Clone(members), uuid)
	edited := map[string]bool{}
	for _, member := range all {
		if edited[member], err = m.edited(ctx, member); err != nil {
			return err
		}
	}
	if err := m.unload(ctx, g, uuid, members, o.Retire); err != nil {
		return err
	}
	// From here on the machine is gone; only litter is left of it, which a
	// second call takes away.
	for _, member := range all {
		profile := m.names.profile(member)
		err = errors.Join(err, gone(m.store.remove(profile+".files")))
		if !edited[member] {
			err = errors.Join(err, gone(m.store.remove(profile)))
		}
	}
	if err != nil {
		return err
	}
	g.domain, g.rules = nil, nil
	m.unclaim(all)
	m.log.InfoContext(ctx, "machine removed", "uuid", uuid, "kept_profile", edited[uuid])
	return nil
}

// ChangeProfile is ChangeProfileWith for a profile that must be enforced.
func (m *Manager) ChangeProfile(ctx context.Context, uuid string) error {
	return m.ChangeProfileWith(ctx, uuid, loader.Accept{})
}

// ChangeProfileWith puts the calling thread under a machine's profile, for a
// program that becomes the machine's process itself or executes it next. The
// goroutine must have called runtime.LockOSThread, and must never unlock. What
// must be in force is as with StartWith; a says what else is accepted.
func (m *Manager) ChangeProfileWith(ctx context.Context, uuid string, a loader.Accept) error {
	g, unlock, err := m.lock(ctx, uuid)
	if err != nil {
		return err
	}
	defer unlock()
	c, err := m.confinement(ctx, g, uuid, "")
	if err != nil {
		return err
	}
	return m.driver.ChangeProfile(ctx, c, a)
}

// Start is StartWith without options.
func (m *Manager) Start(ctx context.Context, uuid string, cmd *exec.Cmd) error {
	return m.StartWith(ctx, uuid, cmd, StartOptions{})
}

// StartWith starts cmd under a machine's profile, or under that of one of its
// companions. The profile in force must be the one that this Manager put in force
// last, or that of the machine's files if this Manager put none in force: another
// profile of the name is an error that matches loader.ErrContent, none is
// ErrNotLoaded. And it must be enforced, by its own mode and by that of the kernel
// as a whole; otherwise the error matches loader.ErrMode, unless
// StartOptions.Accept takes it. If StartWith returns an error, no process is left.
func (m *Manager) StartWith(ctx context.Context, uuid string, cmd *exec.Cmd, o StartOptions) error {
	g, unlock, err := m.lock(ctx, uuid)
	if err != nil {
		return err
	}
	defer unlock()
	c, err := m.confinement(ctx, g, uuid, o.Companion)
	if err != nil {
		return err
	}
	if err := m.driver.Start(ctx, cmd, c, o); err != nil {
		return err
	}
	m.log.InfoContext(ctx, "machine started", "uuid", uuid, "profile", c.Profile)
	return nil
}

// confinement returns what must be in force for a machine, or for a companion
// of it.
func (m *Manager) confinement(ctx context.Context, g *machineState, uuid, companion string) (Confinement, error) {
	member := memberOf(uuid, companion)
	c := Confinement{Profile: m.names.profile(member), Mark: g.mark}
	if companion != "" {
		members, err := m.members(uuid)
		if err != nil {
			return c, err
		}
		if !slices.Contains(members, member) {
			return c, fmt.Errorf("%s: companion %s: %w", uuid, companion, ErrNotFound)
		}
	}
	if c.Mark != nil {
		return c, nil
	}
	compiled, err := m.compile(ctx, uuid)
	if errors.Is(err, ErrNotFound) {
		return c, fmt.Errorf("%w: %w", ErrNotLoaded, err)
	}
	if err != nil {
		return c, err
	}
	c.Mark = m.driver.Mark(compiled)
	return c, nil
}
