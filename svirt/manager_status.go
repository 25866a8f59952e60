// SPDX-License-Identifier: Apache-2.0

package svirt

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

// edited reports whether the profile on disk is other than what any template
// makes. One that is not there is not edited.
func (m *Manager) edited(ctx context.Context, uuid string) (bool, error) {
	data, err := m.store.read(profilePrefix + uuid)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	names := map[string]bool{}
	for _, root := range m.roots {
		found, err := fs.Glob(root, "libvirt/TEMPLATE.*")
		if err != nil {
			return false, err
		}
		for _, name := range found {
			names[name] = true
		}
	}
	for name := range names {
		virtType := strings.TrimPrefix(name, "libvirt/TEMPLATE.")
		if virtType == "vmm" {
			virtType = ""
		}
		if text, err := m.instantiate(ctx, uuid, virtType); err == nil && text == string(data) {
			return false, nil
		}
		if err := ctx.Err(); err != nil {
			return false, err
		}
	}
	return len(data) > 0, nil
}

// Status is the state of a machine.
type Status struct {
	UUID    string `json:"uuid"`
	Profile string `json:"profile"` // name
	Driver  string `json:"driver"`
	// HasProfile and HasFiles say which of the files are there, Edited that
	// the profile is other than the template makes it.
	HasProfile bool `json:"has_profile"`
	HasFiles   bool `json:"has_files"`
	Edited     bool `json:"edited"`
	// Loaded says that the profile is in force, and Mode how: enforce,
	// complain, ...
	Loaded bool   `json:"loaded"`
	Mode   string `json:"mode,omitempty"`
}

// Status returns the state of a machine. One that there is no trace of is
// ErrNotFound.
func (m *Manager) Status(ctx context.Context, uuid string) (Status, error) {
	_, unlock, err := m.lock(ctx, uuid)
	if err != nil {
		return Status{}, err
	}
	defer unlock()
	names, err := m.store.list()
	if err != nil {
		return Status{}, err
	}
	loaded, err := m.driver.List(ctx)
	if err != nil {
		return Status{}, err
	}
	s := m.status(uuid, names, loaded)
	if s == (Status{UUID: uuid, Profile: profilePrefix + uuid, Driver: m.driver.Name()}) {
		return Status{}, fmt.Errorf("%s: %w", uuid, ErrNotFound)
	}
	s.Edited, err = m.edited(ctx, uuid)
	return s, err
}

func (m *Manager) status(uuid string, names []string, loaded []Loaded) Status {
	s := Status{UUID: uuid, Profile: profilePrefix + uuid, Driver: m.driver.Name()}
	s.HasProfile = slices.Contains(names, s.Profile)
	s.HasFiles = slices.Contains(names, s.Profile+".files")
	for _, l := range loaded {
		if l.Name == s.Profile {
			s.Loaded, s.Mode = true, l.Mode
		}
	}
	return s
}

// List returns the states of all machines that have a file or a profile in
// force, sorted by UUID. Edited is not filled in.
func (m *Manager) List(ctx context.Context) ([]Status, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	names, err := m.store.list()
	if err != nil {
		return nil, err
	}
	loaded, err := m.driver.List(ctx)
	if err != nil {
		return nil, err
	}
	byID := map[string]*Status{}
	get := func(name string) *Status {
		uuid, ok := strings.CutPrefix(name, profilePrefix)
		if !ok || CheckUUID(uuid) != nil {
			return &Status{} // somebody else's
		}
		if byID[uuid] == nil {
			byID[uuid] = &Status{UUID: uuid, Profile: name, Driver: m.driver.Name()}
		}
		return byID[uuid]
	}
	for _, n := range names {
		if base, ok := strings.CutSuffix(n, ".files"); ok {
			get(base).HasFiles = true
		} else {
			get(n).HasProfile = true
		}
	}
	for _, l := range loaded {
		s := get(l.Name)
		s.Loaded, s.Mode = true, l.Mode
	}
	out := make([]Status, 0, len(byID))
	for _, s := range byID {
		out = append(out, *s)
	}
	slices.SortFunc(out, func(a, b Status) int { return strings.Compare(a.UUID, b.UUID) })
	return out, nil
}
