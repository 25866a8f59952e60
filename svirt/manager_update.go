// SPDX-License-Identifier: Apache-2.0

package svirt

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
)

// Change is a change of a machine's devices.
type Change struct {
	// Remove are devices that the machine loses. One that it does not have is
	// not an error.
	Remove []Device
	// RemoveCompanions are the IDs of companions that the machine loses, once
	// nothing runs under their profiles. One that it does not have is not an
	// error.
	RemoveCompanions []string
	// AddCompanions are companions that the machine gets, or that take the
	// place of those with their IDs. The devices that they serve must be in Add.
	AddCompanions []Companion
	// Add are devices that the machine gets. Each must have an ID; one with
	// the ID of a device that the machine has takes its place, so this is
	// also how a device gets other permissions.
	Add Devices
}

// Changed is what an Update has changed.
type Changed struct {
	// Added and Removed are the rules that the machine has now and did not
	// have before, and the other way round. One that grants more or less than
	// before is in both, as it is and as it was. They are in the order of
	// Rules.List.
	Added, Removed []Rule
	// Holders are what processes under the profile still have open of that
	// which was removed; see Manager.Holders. HoldersErr is why that could not
	// be found out, or not all of it: then a process may have any of it open.
	// The update itself was still made.
	Holders    []Holder
	HoldersErr error
}

// Holder is a process that has a file open that its profile no longer allows.
type Holder struct {
	PID    int    // as procfs numbers it
	Path   string // of the file, as the kernel names it
	Device Device // the first whose removed rule was for the path
	// Read and Write say what it can still do.
	Read, Write bool
}

// Update changes the devices of a machine, all at once: it removes the rules of
// removed devices, except for paths that other devices need, derives the rules
// of added ones, and replaces the profile if it is in force.
//
// That takes nothing from a process that has a file of the device open: it
// goes on to read, write and map what is open, but cannot open it again.
// Changed.Holders says who does. Have the machine close a device before it is
// removed, wait until Holders returns none, or end the machine.
//
// After a failed Remove or Unload that left a profile in force, Update returns
// ErrRemoving and changes nothing.
//
// Under Strict the machine's other rules stay as they are, also in
// a Manager that did not create them. Under Compat all rules are derived anew,
// which takes the Manager that created the machine.
func (m *Manager) Update(ctx context.Context, uuid string, c Change) (Changed, error) {
	g, unlock, err := m.lock(ctx, uuid)
	if err != nil {
		return Changed{}, err
	}
	defer unlock()
	if err := errors.Join(checkAdded(&c.Add), checkRemoved(c.Remove)); err != nil {
		return Changed{}, err
	}
	file, err := m.read(ctx, uuid)
	if err != nil {
		return Changed{}, err
	}
	if err := m.options.Derive.checkCompanions(c.AddCompanions, m.options.Companions); err != nil {
		return Changed{}, err
	}
	var rules *Rules
	var next *Domain
	before := g.rules
	switch {
	case m.options.Derive.Method == Strict:
		rules, before, err = m.updated(ctx, g, uuid, c)
	case g.domain == nil:
		err = fmt.Errorf("%s: another Manager created it by the method %s: %w", uuid, m.options.Derive.Method, ErrNotFound)
	default:
		next = g.domain.with(c)
		rules, err = m.derive(ctx, g, next, surroundings{})
	}
	if err != nil {
		return Changed{}, m.refuse(ctx, uuid, err)
	}
	loaded, err := m.driver.List(ctx)
	if err != nil {
		return Changed{}, err
	}
	profile := m.names.profile(uuid)
	inForce := slices.ContainsFunc(loaded, func(l Loaded) bool { return l.Name == profile })
	if inForce {
		// A process that is to end must not get its rights back by the way.
		switch sealed, err := m.driver.Sealed(ctx, profile); {
		case err != nil:
			return Changed{}, err
		case sealed:
			return Changed{}, fmt.Errorf("%s: %w", uuid, ErrRemoving)
		}
	}
	step := change{uuid: uuid, state: g, parts: []part{{member: uuid, profile: file, rules: rules}}, load: inForce, accept: g.accept}
	if err := m.changeCompanions(ctx, &step, rules, c); err != nil {
		return Changed{}, err
	}
	if err := m.apply(ctx, step); err != nil {
		return Changed{}, err
	}
	if next != nil {
		g.domain, g.rules = next, rules.List()
	}
	for _, p := range step.parts {
		m.warn(ctx, uuid, p.rules)
	}
	done := Changed{Added: missingIn(before, rules.List()), Removed: missingIn(rules.List(), before)}
	if inForce {
		done.Holders, done.HoldersErr = m.holders(ctx, profile, done.Removed, rules.List())
	}
	m.log.InfoContext(ctx, "machine updated", "uuid", uuid, "loaded", inForce, "holders", len(done.Holders))
	return done, nil
}

// rulesOnDisk returns the rules that are on disk, of a machine under Strict.
func (m *Manager) rulesOnDisk(ctx context.Context, uuid string) (*Rules, error) {
	files := m.names.profile(uuid) + ".files"
	data, err := m.store.read(files)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s has no rules: %w", uuid, ErrNotFound)
	}
	if err != nil {
		return nil, err
	}
	return ParseRules(ctx, files, data)
}

// updated changes the rules that are on disk, and returns those that it found
// there, too.
func (m *Manager) updated(ctx context.Context, g *machineState, uuid string, c Change) (rules *Rules, before []Rule, err error) {
	rules, err = m.rulesOnDisk(ctx, uuid)
	if err != nil {
		return nil, nil, err
	}
	before = slices.Clone(rules.list)
	come := rules.identity.domain(uuid, c.Add)
	come.Monitor.Jail = rules.jail
	come.Companions = c.AddCompanions
	added, err := m.derive(ctx, g, come, surroundings{chains: rules.remembered()})
	if err != nil {
		return nil, nil, err
	}
	leaves := map[Device]bool{}
	for _, d := range c.Remove {
		leaves[d] = true
	}
	c.Add.each(func(d Device, _ *string) { leaves[d] = true })
	for d := range maps.Clone(leaves) {
		leaves[Device{DeviceJail, d.String()}] = true
	}
	rules.list = slices.DeleteFunc(rules.list, func(r Rule) bool { return leaves[r.Device] })
	rules.list = sortRules(append(rules.list, added.list...))
	rules.owner = added.owner
	for d := range leaves {
		delete(rules.chains, d)
		delete(rules.shared, d)
	}
	rules.chains = joined(rules.chains, added.chains)
	rules.shared = joined(rules.shared, added.shared)
	rules.warnings = added.warnings
	if err := checkPrograms(rules.list); err != nil {
		return nil, nil, err
	}
	return rules, before, nil
}

// checkIDs refuses devices of one kind with the same ID: one could not be
// removed without the other.
func checkIDs(d *Devices) error {
	seen := map[Device]bool{}
	var errs []error
	d.each(func(dev Device, _ *string) {
		if seen[dev] {
			errs = append(errs, &PathError{Device: dev, Reason: ReasonDuplicate})
		}
		seen[dev] = true
	})
	return errors.Join(errs...)
}

// joined returns what two maps have together.
func joined[K comparable, V any](a, b map[K]V) map[K]V {
	if len(a) == 0 {
		return b
	}
	maps.Copy(a, b)
	return a
}

// checkRemoved refuses unknown kinds of devices: a misspelled one would silently
// be removed from no machine.
func checkRemoved(list []Device) error {
	var errs []error
	for _, d := range list {
		if !slices.Contains(deviceKinds, d.Kind) {
			errs = append(errs, &PathError{Device: d, Reason: ReasonUnsupported, Err: fmt.Errorf("unknown kind of device %q", d.Kind)})
		}
	}
	return errors.Join(errs...)
}

// checkAdded demands an ID of every device.
func checkAdded(d *Devices) error {
	var errs []error
	d.each(func(dev Device, id *string) {
		if *id == "" {
			errs = append(errs, &PathError{Device: Device{Kind: dev.Kind}, Reason: ReasonNoID})
		}
	})
	return errors.Join(append(errs, checkIDs(d))...)
}
