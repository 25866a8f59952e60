// SPDX-License-Identifier: Apache-2.0

package svirt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/goarmor/apparmor/ast"
)

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
		rules, err = Derive(ctx, d, m.options.Derive)
	} else {
		err = checkName(d.Name, m.options.Derive.Method == Strict)
	}
	if err != nil {
		return err
	}
	c := change{uuid: d.UUID, state: g, rules: rules, load: true}
	if c.profile, c.before, err = m.profile(ctx, d); err != nil {
		return err
	}
	if err := m.apply(ctx, c); err != nil {
		return err
	}
	if m.options.Derive.Method != Strict {
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

// profile returns a machine's profile: the one on disk, or one from the
// template.
func (m *Manager) profile(ctx context.Context, d *Domain) (*ast.File, onDisk, error) {
	data, err := m.store.read(profilePrefix + d.UUID)
	if err == nil && len(data) > 0 {
		file, err := m.parseProfile(ctx, d.UUID, string(data))
		return file, profileKept, err
	}
	state := profileEmpty
	if errors.Is(err, fs.ErrNotExist) {
		state = profileMissing
	} else if err != nil {
		return nil, 0, err
	}
	text, err := m.instantiate(ctx, d.UUID, d.Type)
	if err != nil {
		return nil, 0, err
	}
	file, err := m.parseProfile(ctx, d.UUID, text)
	return file, state, err
}

// instantiate returns the text of a machine's profile from the template.
func (m *Manager) instantiate(ctx context.Context, uuid, virtType string) (string, error) {
	name, err := TemplateFor(virtType)
	if err != nil {
		return "", err
	}
	if m.options.Derive.Method != Strict {
		text, err := readPolicy(m.roots, name)
		if err != nil {
			return "", err
		}
		return InstantiateCompat(m.options.Derive.Method, name, text, uuid, hasFiles(virtType))
	}
	t, err := m.template(ctx, name)
	if err != nil {
		return "", err
	}
	return t.instantiate(uuid, hasFiles(virtType))
}

// template reads a template. One that has not changed is parsed once.
func (m *Manager) template(ctx context.Context, name string) (*Template, error) {
	text, err := readPolicy(m.roots, name)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	t := m.templates[name]
	m.mu.Unlock()
	if t != nil && t.text == text {
		return t, nil
	}
	if t, err = ParseTemplate(ctx, name, text); err != nil {
		return nil, err
	}
	m.mu.Lock()
	m.templates[name] = t
	m.mu.Unlock()
	return t, nil
}

// change is one step from a state of a machine to the next.
type change struct {
	uuid    string
	state   *machineState
	profile *ast.File
	before  onDisk
	rules   *Rules // nil: no `.files`
	load    bool   // put in force
}

// apply makes a change whole or not at all: what can fail without a trace is
// done first, the files are written next, and the kernel comes last, since
// that is one step that either happens or not.
func (m *Manager) apply(ctx context.Context, c change) error {
	profile := profilePrefix + c.uuid
	files := profile + ".files"
	src := &Source{Profile: profile, File: c.profile, Roots: m.roots}
	if c.rules != nil {
		var err error
		if src.Rules, err = c.rules.File(ctx, filesPath(profile)); err != nil {
			return err
		}
	}
	compiled, err := m.driver.Compile(ctx, src)
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
	switch c.before {
	case profileMissing:
		if err := m.store.create(profile, []byte(c.profile.Src)); err != nil {
			return fail(err)
		}
		undo = append(undo, func() error { return gone(m.store.remove(profile)) })
	case profileEmpty:
		undo = append(undo, func() error { return m.store.replace(profile, nil) })
		if err := m.store.replace(profile, []byte(c.profile.Src)); err != nil {
			return fail(err)
		}
	}
	if c.load {
		if err := m.driver.Load(ctx, compiled); err != nil {
			return fail(err)
		}
		c.state.mark = m.driver.Mark(compiled)
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
