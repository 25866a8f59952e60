// SPDX-License-Identifier: Apache-2.0

package svirt

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/loader"
	"github.com/goarmor/apparmor/parser"
)

// Load is LoadWith for a kernel that must enforce.
func (m *Manager) Load(ctx context.Context, uuid string) error {
	return m.LoadWith(ctx, uuid, loader.Accept{})
}

// LoadWith puts a machine's profile in force as it is on disk, as after a restart
// of the host or after an administrator has changed the profile. What is
// accepted is as with CreateWith.
func (m *Manager) LoadWith(ctx context.Context, uuid string, a loader.Accept) error {
	g, unlock, err := m.lock(ctx, uuid)
	if err != nil {
		return err
	}
	defer unlock()
	compiled, err := m.compile(ctx, uuid)
	if err != nil {
		return err
	}
	if err := m.driver.Load(ctx, compiled, a); err != nil {
		return err
	}
	g.mark, g.accept = m.driver.Mark(compiled), a
	return nil
}

// compile compiles a machine's profile as it is on disk.
func (m *Manager) compile(ctx context.Context, uuid string) (Compiled, error) {
	file, err := m.read(ctx, uuid)
	if err != nil {
		return nil, err
	}
	profile := m.names.profile(uuid)
	src := &Source{Profile: profile, File: file, Roots: m.roots}
	rules, err := m.store.read(profile + ".files")
	switch {
	case err == nil:
		src.Rules, err = parser.Config{Context: parser.ContextBody}.Parse(ctx, m.names.files(uuid), string(rules))
		if err != nil {
			return nil, err
		}
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	return m.driver.Compile(ctx, src)
}

// read returns a machine's profile as it is on disk.
func (m *Manager) read(ctx context.Context, uuid string) (*ast.File, error) {
	data, err := m.store.read(m.names.profile(uuid))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", uuid, ErrNotFound)
	}
	if err != nil {
		return nil, err
	}
	return m.parseProfile(ctx, uuid, string(data))
}

// parseProfile parses a machine's profile, which others may have edited. Under
// Strict it must be the profile of the machine; what the reference's way of
// making profiles leads to is left to the driver. In messages the file has its
// whole path.
func (m *Manager) parseProfile(ctx context.Context, uuid, text string) (*ast.File, error) {
	path := filepath.Join(m.options.Dir, m.names.dir(), m.names.profile(uuid))
	if m.options.Derive.Method != Strict {
		return parser.Config{Context: parser.ContextFile}.Parse(ctx, path, text)
	}
	p, err := parseMachineProfile(ctx, m.names, uuid, text)
	if err != nil {
		return nil, err
	}
	return &ast.File{Name: path, Src: p.file.Src, Stmts: p.file.Stmts}, nil
}
