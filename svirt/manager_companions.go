// SPDX-License-Identifier: Apache-2.0

package svirt

import (
	"context"
	"fmt"
	"slices"

	"github.com/goarmor/apparmor/loader"
)

// CompanionStatus is the state of a companion of a machine.
type CompanionStatus struct {
	// ID is the companion's, and Profile the name of its profile.
	ID      string `json:"id"`
	Profile string `json:"profile"`
	// HasProfile and HasFiles say which of its files are there, Edited that the
	// profile is other than the template makes it.
	HasProfile bool `json:"has_profile"`
	HasFiles   bool `json:"has_files"`
	Edited     bool `json:"edited"`
	// Loaded says that its profile is in force, and Mode how.
	Loaded bool   `json:"loaded"`
	Mode   string `json:"mode,omitempty"`
}

// members returns the companions that a machine has files of, sorted.
func (m *Manager) members(uuid string) ([]string, error) {
	m.mu.Lock()
	alone := m.accompanied != nil && !m.accompanied[uuid]
	m.mu.Unlock()
	if alone {
		return nil, nil
	}
	list, err := m.store.list()
	if err != nil {
		return nil, err
	}
	var out []string
	for _, n := range list {
		of, id, ok := m.names.file(n)
		if member := memberOf(uuid, id); ok && of == uuid && id != "" && !slices.Contains(out, member) {
			out = append(out, member)
		}
	}
	slices.Sort(out)
	return out, nil
}

// accompany remembers that a machine may have files of companions from now on.
func (m *Manager) accompany(uuid string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.accompanied != nil {
		m.accompanied[uuid] = true
	}
}

// companions adds companions of a machine to a change of it.
func (m *Manager) companions(ctx context.Context, c *change, d *Domain, list []Companion) error {
	for i := range list {
		of := &list[i]
		p := part{member: memberOf(c.uuid, of.id())}
		own, err := of.domain(d)
		if err != nil {
			return err
		}
		if p.profile, p.before, err = m.profile(ctx, p.member, string(of.Kind)); err != nil {
			return ofCompanion(of.id(), err)
		}
		text, err := m.rulesText(p.member)
		if err != nil {
			return err
		}
		if p.rules, err = m.derive(ctx, c.state, own, surroundings{companion: true, locked: of.locked(d), chains: m.chains(ctx, p.member, text)}); err != nil {
			return ofCompanion(of.id(), err)
		}
		c.parts = append(c.parts, p)
	}
	return nil
}

// dropped returns the companions of a machine that have files and are not in
// its description any more.
func (m *Manager) dropped(d *Domain) ([]string, error) {
	members, err := m.members(d.UUID)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(members, func(member string) bool {
		_, id := cutMember(member)
		return slices.ContainsFunc(d.Companions, func(c Companion) bool { return c.id() == id })
	}), nil
}

// unused returns an error that matches ErrInUse if a process runs under the
// profile of one of the members.
func (m *Manager) unused(ctx context.Context, members []string) error {
	for _, member := range members {
		used, err := m.driver.InUse(ctx, m.names.profile(member))
		if err != nil {
			return err
		}
		if used {
			return fmt.Errorf("%s: %w", m.names.profile(member), ErrInUse)
		}
	}
	return nil
}

// discard removes the files of a member; its profile stays if it was edited.
func (m *Manager) discard(ctx context.Context, member string, undo *undoing) error {
	edited, err := m.edited(ctx, member)
	if err != nil {
		return err
	}
	profile := m.names.profile(member)
	for _, name := range []string{profile + ".files", profile} {
		if name == profile && edited {
			continue
		}
		old, err := m.store.read(name)
		if gone(err) != nil {
			return err
		}
		if err != nil {
			continue // it is not there
		}
		undo.add(func() error { return m.store.replace(name, old) })
		if err := m.store.remove(name); gone(err) != nil {
			return err
		}
	}
	return nil
}

// unloadAll takes the profiles of a machine and its companions out of force.
// Unless processes are to be killed nothing changes while any of them has one.
func (m *Manager) unloadAll(ctx context.Context, uuid string, members []string, o loader.RetireOptions) error {
	if len(members) > 0 && !o.Kill {
		if err := m.unused(ctx, append([]string{uuid}, members...)); err != nil {
			return err
		}
	}
	for _, member := range append([]string{uuid}, members...) {
		profile := m.names.profile(member)
		if err := gone(m.driver.Unload(ctx, profile, o)); err != nil {
			return fmt.Errorf("%s: %w", profile, err)
		}
	}
	return nil
}

// changeCompanions adds to a change of a machine what happens to its companions,
// and those that stay.
func (m *Manager) changeCompanions(ctx context.Context, step *change, rules *Rules, c Change) error {
	members, err := m.members(step.uuid)
	if err != nil {
		return err
	}
	comes := map[string]bool{}
	for i := range c.AddCompanions {
		comes[memberOf(step.uuid, c.AddCompanions[i].id())] = true
	}
	for _, member := range members {
		switch _, id := cutMember(member); {
		case comes[member]:
		case slices.Contains(c.RemoveCompanions, id):
			step.drop = append(step.drop, member)
		default:
			kept, err := m.onDisk(ctx, member)
			if err != nil {
				return err
			}
			step.kept = append(step.kept, kept)
		}
	}
	if len(c.AddCompanions) == 0 {
		return nil
	}
	return m.companions(ctx, step, rules.identity.domain(step.uuid, c.Add), c.AddCompanions)
}
