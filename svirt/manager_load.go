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
// of the host or after an administrator has changed the profile. It
// accepts the same as CreateWith.
func (m *Manager) LoadWith(ctx context.Context, uuid string, a loader.Accept) error {
	g, unlock, err := m.lock(ctx, uuid)
	if err != nil {
		return err
	}
	defer unlock()
	end, err := m.begin(ctx)
	if err != nil {
		return err
	}
	defer end()
	compiled, err := m.compile(ctx, uuid)
	if err != nil {
		return err
	}
	if err := m.driver.Load(ctx, compiled, a); err != nil {
		return err
	}
	g.mark, g.accept = m.driver.Mark(compiled), a
	m.log.InfoContext(ctx, "machine loaded", "uuid", uuid, "profile", m.names.profile(uuid))
	return nil
}

// compile compiles the profiles of a machine and its companions as they are on
// disk.
func (m *Manager) compile(ctx context.Context, uuid string) (Compiled, error) {
	src, err := m.onDisk(ctx, uuid)
	if err != nil {
		return nil, err
	}
	members, err := m.members(uuid)
	if err != nil {
		return nil, err
	}
	for _, member := range members {
		c, err := m.onDisk(ctx, member)
		if err != nil {
			return nil, err
		}
		src.Companions = append(src.Companions, c)
	}
	return m.driver.Compile(ctx, src)
}

// onDisk returns the policy of a member of a machine as it is on disk.
func (m *Manager) onDisk(ctx context.Context, member string) (*Source, error) {
	file, err := m.read(ctx, member)
	if err != nil {
		return nil, err
	}
	profile := m.names.profile(member)
	src := &Source{Profile: profile, File: file, Roots: m.roots}
	rules, err := m.store.read(profile + ".files")
	switch {
	case err == nil:
		src.Rules, err = parser.Config{Context: parser.ContextBody}.Parse(ctx, m.names.files(member), string(rules))
		if err != nil {
			return nil, err
		}
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	return src, nil
}

// read returns the profile of a member of a machine as it is on disk.
func (m *Manager) read(ctx context.Context, member string) (*ast.File, error) {
	data, err := m.store.read(m.names.profile(member))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", member, ErrNotFound)
	}
	if err != nil {
		return nil, err
	}
	return m.parseProfile(ctx, member, string(data))
}

// parseProfile parses the profile of a member of a machine, which others may have edited. Under
// Strict it must be the profile of the machine; what the reference's way of
// making profiles leads to is left to the driver. In messages the file has its
// whole path.
func (m *Manager) parseProfile(ctx context.Context, member, text string) (*ast.File, error) {
	path := filepath.Join(m.options.Dir, m.names.dir(), m.names.profile(member))
	if m.options.Derive.Method != Strict {
		return parser.Config{Context: parser.ContextFile}.Parse(ctx, path, text)
	}
	p, err := parseMachineProfile(ctx, m.names, member, text)
	if err != nil {
		return nil, err
	}
	return &ast.File{Name: path, Src: p.file.Src, Stmts: p.file.Stmts}, nil
}
