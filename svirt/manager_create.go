// SPDX-License-Identifier: Apache-2.0

package svirt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
)

// read returns the text of a machine's profile on disk.
func (m *Manager) read(ctx context.Context, uuid string) (string, error) {
	data, err := m.store.read(profilePrefix + uuid)
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("%s: %w", uuid, ErrNotFound)
	}
	if err != nil {
		return "", err
	}
	return string(data), m.checkProfile(ctx, uuid, string(data))
}

// checkProfile reports whether the text on disk, which others may have edited,
// is the profile of the machine. What the reference's way of making profiles
// leads to is left to the driver.
func (m *Manager) checkProfile(ctx context.Context, uuid, text string) error {
	if m.options.Derive.Policy != Strict {
		return nil
	}
	_, err := ParseMachineProfile(ctx, uuid, text)
	return err
}

// hasFiles reports whether machines of a type have rules of their own.
func hasFiles(virtType string) bool { return virtType != "lxc" }

// Create derives the rules of a machine, writes its files and puts its profile
// in force. A machine that is there already gets the new rules; so Create is
// also how a machine is brought up to date as a whole.
//
// The domain is not kept and not changed.
func (m *Manager) Create(ctx context.Context, d *Domain) error {
	g, unlock, err := m.lock(ctx, d.UUID)
	if err != nil {
		return err
	}
	defer unlock()
	if err := checkIDs(&d.Devices); err != nil {
		return err
	}
	var rules *Rules
	if hasFiles(d.Type) {
		rules, err = Derive(d, m.options.Derive)
	} else {
		err = checkName(d.Name, m.options.Derive.Policy == Strict)
	}
	if err != nil {
		return err
	}
	c := change{uuid: d.UUID, rules: rules, load: true}
	if c.text, c.profile, err = m.profile(ctx, d); err != nil {
		return err
	}
	if err := m.apply(ctx, c); err != nil {
		return err
	}
	if m.options.Derive.Policy != Strict {
		g.domain = d.with(Change{})
	}
	m.log.InfoContext(ctx, "machine created", "uuid", d.UUID, "name", d.Name, "driver", m.driver.Name())
	return nil
}

// onDisk is the state of a machine's profile before a change.
type onDisk uint8

const (
	profileKept    onDisk = iota // it is there and stays
	profileMissing               // it is to be written
	profileEmpty                 // it is to be written in the place of an empty file
)

// profile returns the text of a machine's profile: the one on disk, or one from
// the template.
func (m *Manager) profile(ctx context.Context, d *Domain) (string, onDisk, error) {
	data, err := m.store.read(profilePrefix + d.UUID)
	if err == nil && len(data) > 0 {
		return string(data), profileKept, m.checkProfile(ctx, d.UUID, string(data))
	}
	state := profileEmpty
	if errors.Is(err, fs.ErrNotExist) {
		state = profileMissing
	} else if err != nil {
		return "", 0, err
	}
	text, err := m.instantiate(ctx, d.UUID, d.Type)
	return text, state, err
}

func (m *Manager) instantiate(ctx context.Context, uuid, virtType string) (string, error) {
	name, err := TemplateFor(virtType)
	if err != nil {
		return "", err
	}
	if m.options.Derive.Policy != Strict {
		text, err := readPolicy(m.roots, name)
		if err != nil {
			return "", err
		}
		return InstantiateCompat(m.options.Derive.Policy, name, text, uuid, hasFiles(virtType))
	}
	t, err := ReadTemplate(ctx, m.roots, name)
	if err != nil {
		return "", err
	}
	p, err := t.Instantiate(ctx, uuid, hasFiles(virtType))
	if err != nil {
		return "", err
	}
	return p.Text(), nil
}

// change is one step from a state of a machine to the next.
type change struct {
	uuid    string
	text    string // of the profile
	profile onDisk
	rules   *Rules // nil: no `.files`
	load    bool   // put in force
}

// apply makes a change whole or not at all: what can fail without a trace is
// done first, the files are written next, and the kernel comes last, since
// that is one step that either happens or not.
func (m *Manager) apply(ctx context.Context, c change) error {
	profile := profilePrefix + c.uuid
	files := profile + ".files"
	compiled, err := m.driver.Compile(ctx, &Source{
		Profile: profile, Name: filepath.Join(m.options.Dir, "libvirt", profile), Text: c.text,
		Files: filesPath(profile), Rules: c.rules, Roots: m.roots,
	})
	if err != nil {
		return err
	}
	old, err := m.store.read(files)
	had := err == nil
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	// undo brings the files back, the last change first.
	var undo []func() error
	fail := func(err error) error {
		for _, f := range slices.Backward(undo) {
			if uerr := f(); uerr != nil {
				err = errors.Join(err, fmt.Errorf("%w: %w", ErrInconsistent, uerr))
			}
		}
		return err
	}
	if c.rules != nil {
		if text := c.rules.AppendFile(nil); !had || !bytes.Equal(text, old) {
			undo = append(undo, func() error {
				if had {
					return m.store.replace(files, old)
				}
				return gone(m.store.remove(files))
			})
			if err := m.store.replace(files, text); err != nil {
				return fail(err)
			}
		}
	}
	switch c.profile {
	case profileMissing:
		if err := m.store.create(profile, []byte(c.text)); err != nil {
			return fail(err)
		}
		undo = append(undo, func() error { return gone(m.store.remove(profile)) })
	case profileEmpty:
		undo = append(undo, func() error { return m.store.replace(profile, nil) })
		if err := m.store.replace(profile, []byte(c.text)); err != nil {
			return fail(err)
		}
	}
	if c.load {
		if err := m.driver.Load(ctx, compiled); err != nil {
			return fail(err)
		}
	}
	return nil
}

// gone makes no error of something that is not there any more.
func gone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
