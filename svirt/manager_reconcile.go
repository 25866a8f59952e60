// SPDX-License-Identifier: Apache-2.0

package svirt

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/goarmor/apparmor/loader"
)

// ReconcileOptions say what Reconcile mends. The zero value mends nothing and
// only tells.
type ReconcileOptions struct {
	// Load puts the profiles in force of machines that are wanted, where what
	// is in force is not what their files say.
	Load bool
	// Replace derives the rules of machines that are wanted again, if their
	// files are missing or say something else.
	Replace bool
	// Remove removes machines that are not wanted and that no process runs
	// under.
	Remove bool
}

// Reconciled is the state of a machine as Reconcile left it.
type Reconciled struct {
	Status
	// Wanted says that the machine is one of those that were named.
	Wanted bool `json:"wanted"`
	// Differs says that the machine's description leads to other rules than
	// its files have.
	Differs bool `json:"differs"`
	// InUse says that a process runs under the profile, or under that of a
	// companion.
	InUse bool `json:"in_use"`
	// Did says what was done, by the option that asked for it.
	Did ReconcileOptions `json:"did,omitzero"`
	// Err is why something could not be found out or mended.
	Err error `json:"-"`
}

// Reconcile compares the machines that there should be with those there are: the
// files in the directory, and the profiles in force. It is for the time after a
// restart of the manager or of the host, a crash, a migration that failed, or a
// change of this package. It returns the state of each machine that is wanted or
// there, by UUID, and mends what it is asked to. A loaded profile without a file
// here belongs to others and is left alone.
//
// The error joins those of the machines; the others are still repaired.
func (m *Manager) Reconcile(ctx context.Context, domains []*Domain, o ReconcileOptions) ([]Reconciled, error) {
	wanted := map[string]*Domain{}
	for _, d := range domains {
		if err := CheckUUID(d.UUID); err != nil {
			return nil, err
		}
		wanted[d.UUID] = d
	}
	list, err := m.List(ctx)
	if err != nil {
		return nil, err
	}
	all := map[string]bool{}
	for _, s := range list {
		all[s.UUID] = true
	}
	for uuid := range wanted {
		all[uuid] = true
	}
	var out []Reconciled
	var errs []error
	for _, uuid := range slices.Sorted(maps.Keys(all)) {
		if err := ctx.Err(); err != nil {
			return out, errors.Join(append(errs, err)...)
		}
		r := m.reconcile(ctx, uuid, wanted[uuid], o)
		if r.Err != nil {
			errs = append(errs, r.Err)
		}
		out = append(out, r)
	}
	return out, errors.Join(errs...)
}

// reconcile is Reconcile for one machine, which is wanted if d is not nil.
func (m *Manager) reconcile(ctx context.Context, uuid string, d *Domain, o ReconcileOptions) Reconciled {
	r := m.look(ctx, uuid, d)
	var err error
	switch {
	case r.Err != nil && !errors.Is(r.Err, ErrForeign):
		return r
	case d == nil && o.Remove && !r.InUse:
		err = m.Remove(ctx, uuid)
		r.Did.Remove = err == nil
	case d != nil && o.Replace && (r.Differs || !r.HasProfile):
		// A run that was killed may have left the rules without the profile.
		if r.HasProfile && r.HasFiles {
			err = m.ReplaceWith(ctx, d, m.accepted(ctx, uuid))
		} else {
			err = m.CreateWith(ctx, d, m.accepted(ctx, uuid))
		}
		r.Did.Replace = err == nil
	case d != nil && o.Load && r.HasProfile && (!r.Loaded || r.Stale):
		err = m.LoadWith(ctx, uuid, m.accepted(ctx, uuid))
		r.Did.Load = err == nil
	default:
		return r
	}
	if err != nil {
		r.Err = errors.Join(r.Err, err)
		return r
	}
	did := r.Did
	if r = m.look(ctx, uuid, d); errors.Is(r.Err, ErrNotFound) && did.Remove {
		r.Err = nil
	}
	r.Did = did
	return r
}

// accepted returns what this Manager has accepted of the kernel for a machine.
func (m *Manager) accepted(ctx context.Context, uuid string) loader.Accept {
	g, unlock, err := m.lock(ctx, uuid)
	if err != nil {
		return loader.Accept{} // as will be said by what comes next
	}
	defer unlock()
	return g.accept
}

// look returns the state of a machine.
func (m *Manager) look(ctx context.Context, uuid string, d *Domain) Reconciled {
	r := Reconciled{Status: Status{UUID: uuid, Profile: m.names.profile(uuid), Driver: m.driver.Name()}, Wanted: d != nil, Differs: d != nil}
	status, err := m.Status(ctx, uuid)
	switch {
	case errors.Is(err, ErrNotFound) && d != nil:
		return r
	case err != nil:
		r.Err = err
		return r
	}
	r.Status = status
	inForce := map[string]bool{status.Profile: r.Loaded}
	for _, c := range status.Companions {
		inForce[c.Profile] = c.Loaded
	}
	for _, profile := range slices.Sorted(maps.Keys(inForce)) {
		if !inForce[profile] || r.InUse {
			continue
		}
		if r.InUse, err = m.driver.InUse(ctx, profile); err != nil {
			r.Err = err
			return r
		}
	}
	if d != nil {
		r.Differs, r.Err = m.differs(ctx, d)
	}
	return r
}

// differs reports whether the description of a machine leads to other rules
// than its files have.
func (m *Manager) differs(ctx context.Context, d *Domain) (bool, error) {
	g, unlock, err := m.lock(ctx, d.UUID)
	if err != nil {
		return false, err
	}
	defer unlock()
	before, err := m.rulesText(d.UUID)
	if err != nil {
		return false, err
	}
	rules, err := m.rulesOf(ctx, g, d, before)
	if err != nil || rules == nil {
		return false, err
	}
	if string(rules.AppendFile(nil)) != string(before) {
		return true, nil
	}
	if err := m.options.Derive.checkCompanions(d.Companions, m.options.Companions); err != nil {
		return false, err
	}
	if drop, err := m.dropped(d); err != nil || len(drop) > 0 {
		return len(drop) > 0, err
	}
	c := change{uuid: d.UUID, state: g}
	if err := m.companions(ctx, &c, d, d.Companions); err != nil {
		return false, err
	}
	for _, p := range c.parts {
		before, err := m.rulesText(p.member)
		if err != nil {
			return false, err
		}
		if p.before != profileKept || string(p.rules.AppendFile(nil)) != string(before) {
			return true, nil
		}
	}
	return false, nil
}
