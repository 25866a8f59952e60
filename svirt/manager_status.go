// SPDX-License-Identifier: Apache-2.0

package svirt

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/goarmor/apparmor/loader"
)

// edited reports whether the profile of a member on disk is other than what any
// template makes, those of earlier releases among them. One that is not there is
// not edited.
func (m *Manager) edited(ctx context.Context, uuid string) (bool, error) {
	data, err := m.store.read(m.names.profile(uuid))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	for _, root := range append(slices.Clone(m.roots), released()...) {
		found, err := fs.Glob(root, "libvirt/TEMPLATE.*")
		if err != nil {
			return false, err
		}
		for _, name := range found {
			made, err := m.madeBy(ctx, root, name, uuid, string(data))
			if made || err != nil {
				return false, err
			}
		}
	}
	return len(data) > 0, nil
}

// madeBy reports whether a template in one of the places makes the profile.
func (m *Manager) madeBy(ctx context.Context, root fs.FS, name, uuid, profile string) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	text, err := readPolicy([]fs.FS{root}, name)
	if err != nil {
		return false, nil //nolint:nilerr // a template that cannot be read makes nothing
	}
	files := hasFiles(strings.TrimPrefix(name, "libvirt/TEMPLATE."))
	if m.options.Derive.Method != Strict {
		made, err := InstantiateCompat(m.options.Derive.Method, name, text, uuid, files)
		return err == nil && made == profile, nil
	}
	t, err := ParseTemplate(ctx, name, text)
	if err != nil {
		return false, ctx.Err()
	}
	made, err := t.instantiate(m.names, uuid, files)
	return err == nil && made == profile, nil
}

// hasFile reports whether the machine has a file here.
func (m *Manager) hasFile(uuid string) (bool, error) {
	names, err := m.store.list()
	profile := m.names.profile(uuid)
	return slices.Contains(names, profile) || slices.Contains(names, profile+".files"), err
}

// Status is the state of a machine.
type Status struct {
	UUID    string `json:"uuid"`    // of the machine
	Profile string `json:"profile"` // name
	Driver  string `json:"driver"`  // name of the driver: "apparmor", "none"
	// HasProfile and HasFiles say which of the files are there, Edited that
	// the profile is other than the template makes it.
	HasProfile bool `json:"has_profile"`
	HasFiles   bool `json:"has_files"`
	Edited     bool `json:"edited"`
	// Loaded says that the profile is in force, and Mode how: enforce,
	// complain, ...
	Loaded bool   `json:"loaded"`
	Mode   string `json:"mode,omitempty"`
	// Stale says that the profile in force is not the one in the files: the
	// profile was edited, others have loaded another one, or a run was killed
	// between the two. It is about the companions, too.
	Stale bool `json:"stale"`
	// Companions are those that have a file here, sorted by ID.
	Companions []CompanionStatus `json:"companions,omitempty"`
}

// Status returns the state of a machine. One that has no file here is
// ErrNotFound, or ErrForeign if a profile of its name is in force.
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
	if !s.HasProfile && !s.HasFiles && len(s.Companions) == 0 {
		if s.Loaded {
			return Status{}, m.checkForeign(ctx, uuid)
		}
		return Status{}, fmt.Errorf("%s: %w", uuid, ErrNotFound)
	}
	if s.Edited, err = m.edited(ctx, uuid); err != nil {
		return Status{}, err
	}
	for i := range s.Companions {
		if s.Companions[i].Edited, err = m.edited(ctx, memberOf(uuid, s.Companions[i].ID)); err != nil {
			return Status{}, err
		}
	}
	if s.Loaded && s.HasProfile {
		s.Stale, err = m.stale(ctx, uuid)
	}
	return s, err
}

// stale reports whether the profile in force is not the one in the files.
func (m *Manager) stale(ctx context.Context, uuid string) (bool, error) {
	compiled, err := m.compile(ctx, uuid)
	if err != nil {
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
		return true, nil // the files are no longer policy
	}
	mark := m.driver.Mark(compiled)
	if mark == nil {
		return false, nil
	}
	same, err := m.driver.InForce(ctx, Confinement{Profile: m.names.profile(uuid), Mark: mark})
	if errors.Is(err, loader.ErrNoDigest) {
		return false, nil
	}
	return !same && err == nil, err
}

// status returns the state of one machine, of whose thousands of neighbours only
// the names are looked at.
func (m *Manager) status(uuid string, names []string, loaded []Loaded) Status {
	s := Status{UUID: uuid, Profile: m.names.profile(uuid), Driver: m.driver.Name()}
	var files []string
	for _, n := range names {
		if strings.HasPrefix(n, s.Profile) {
			files = append(files, n)
		}
	}
	var own []Loaded
	for _, l := range loaded {
		if strings.HasPrefix(l.Name, s.Profile) {
			own = append(own, l)
		}
	}
	for _, s := range m.statuses(files, own) {
		if s.UUID == uuid {
			return s
		}
	}
	for _, l := range own {
		if l.Name == s.Profile {
			s.Loaded, s.Mode = true, l.Mode
		}
	}
	return s
}

// statuses returns the states of all machines that have a file here, sorted.
func (m *Manager) statuses(names []string, loaded []Loaded) []Status {
	members := map[string]*CompanionStatus{}
	for _, n := range names {
		base, files := strings.CutSuffix(n, ".files")
		member, ok := m.names.member(base)
		if !ok {
			continue
		}
		s := members[member]
		if s == nil {
			s = &CompanionStatus{Profile: base}
			members[member] = s
		}
		s.HasFiles, s.HasProfile = s.HasFiles || files, s.HasProfile || !files
	}
	for _, l := range loaded {
		if member, ok := m.names.member(l.Name); ok && members[member] != nil {
			members[member].Loaded, members[member].Mode = true, l.Mode
		}
	}
	var out []Status
	// Sorted, a machine comes before its companions.
	for _, member := range slices.Sorted(maps.Keys(members)) {
		uuid, id := cutMember(member)
		if n := len(out); n == 0 || out[n-1].UUID != uuid {
			out = append(out, Status{UUID: uuid, Profile: m.names.profile(uuid), Driver: m.driver.Name()})
		}
		s, of := &out[len(out)-1], members[member]
		if id != "" {
			of.ID = id
			s.Companions = append(s.Companions, *of)
			continue
		}
		s.HasProfile, s.HasFiles, s.Loaded, s.Mode = of.HasProfile, of.HasFiles, of.Loaded, of.Mode
	}
	return out
}

// List returns the states of all machines that have a file here, sorted by UUID.
// Edited and Stale are not filled in. A profile in force without a file here
// belongs to others.
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
	return m.statuses(names, loaded), nil
}
