// SPDX-License-Identifier: Apache-2.0

package svirt

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/goarmor/apparmor/ast"
)

// claim is what a machine has that no other machine of the Manager may have:
// its name, by which libvirt's log and pid files go, its short name, by which
// directories do, and the images that it writes. It is read off the machine's
// rules.
type claim struct {
	name  string
	short string // empty: the machine has no number
	// files are images and logs by their paths, trees directories with all in
	// them.
	files map[string]access
	trees map[string]access
}

// access is how a machine has a file.
type access struct {
	device Device
	write  bool
	shared bool // the description says that others may have it, too
}

// claimOf returns the claim in the rules of a machine.
func claimOf(r *Rules) *claim {
	c := &claim{name: r.identity.name, files: map[string]access{}, trees: map[string]access{}}
	if r.identity.number >= 0 {
		d := r.identity.domain("", Devices{})
		c.short = d.shortName()
	}
	for i := range r.list {
		rule := &r.list[i]
		path := string(rule.Path)
		a := access{rule.Device, rule.Perms&(ast.FileWrite|ast.FileAppend) != 0, r.shared[rule.Device]}
		switch rule.Device.Kind {
		case DeviceDisk:
		case DeviceBoot, DeviceMemory, DevicePStore:
			if strings.HasPrefix(path, "/dev/") {
				continue
			}
		case DeviceSerial, DeviceConsole, DeviceParallel, DeviceChannel, DeviceChardev:
			if rule.Perms != permW {
				continue // a socket or a device
			}
		case DeviceFilesystem:
			if dir, ok := strings.CutSuffix(path, "/**"); ok {
				c.trees[dir] = a
			}
			continue
		default:
			continue
		}
		if dir, ok := strings.CutSuffix(path, "/**"); ok {
			c.trees[dir] = a
			continue
		}
		if old, ok := c.files[path]; ok {
			a.write = a.write || old.write
			a.shared = a.shared && old.shared
		}
		c.files[path] = a
	}
	return c
}

// claimFor is claimOf for a member of a machine: the name is the machine's.
func claimFor(member string, r *Rules) *claim {
	c := claimOf(r)
	if _, id := cutMember(member); id != "" {
		c.name = ""
	}
	return c
}

// conflicts reports the parts of a claim that another machine has. It does not
// ask again for the parts that the machine had before, in old.
func (c *claim) conflicts(old *claim, uuid string, other *claim) error {
	var errs []error
	by := errors.New("machine " + uuid)
	if c.name == other.name && c.name != "" && (old == nil || old.name != c.name) {
		errs = append(errs, &IdentityError{What: "name", Value: c.name, Reason: "the " + by.Error() + " has it"})
	}
	if c.short != "" && c.short == other.short && (old == nil || old.short != c.short) {
		errs = append(errs, &IdentityError{What: "number", Value: c.short, Reason: "the " + by.Error() + " has it, with a name that is the same as far as libvirt looks"})
	}
	had := func(m map[string]access, path string, write bool) bool {
		a, ok := m[path]
		return ok && (a.write || !write)
	}
	refuse := func(path string, a access) {
		name, _ := ast.Pattern(path).Unescape()
		errs = append(errs, &PathError{Device: a.device, Path: name, Reason: ReasonShared, Err: by})
	}
	for path, a := range c.files {
		if old != nil && had(old.files, path, a.write) {
			continue
		}
		if b, ok := other.files[path]; ok && (a.write || b.write) && !(a.shared && b.shared) {
			refuse(path, a)
			continue
		}
		for dir, b := range other.trees {
			if (a.write || b.write) && within(path, dir) {
				refuse(path, a)
			}
		}
	}
	for dir, a := range c.trees {
		if old != nil && had(old.trees, dir, a.write) {
			continue
		}
		for path, b := range other.files {
			if (a.write || b.write) && within(path, dir) {
				refuse(dir, a)
			}
		}
	}
	return errors.Join(errs...)
}

// claims are those of all machines of a Manager.
type claims struct {
	mu   sync.Mutex
	read bool // the directory has been read
	of   map[string]*claim
}

// claim takes everything that the rules of a machine and its companions claim,
// if no other machine has it. The caller calls release with whether the rules
// were put in force and on disk. Until then other claims wait.
func (m *Manager) claim(ctx context.Context, c *change) (release func(done bool), err error) {
	next := map[string]*claim{}
	for i := range c.parts {
		if r := c.parts[i].rules; r != nil && r.method == Strict {
			next[c.parts[i].member] = claimFor(c.parts[i].member, r)
		}
	}
	if len(next) == 0 {
		return func(bool) {}, nil
	}
	m.claims.mu.Lock()
	unlock := m.claims.mu.Unlock
	if m.options.Shared {
		// Others change the directory, too.
		m.claims.read = false
		free, err := m.dir.lockClaims(ctx)
		if err != nil {
			unlock()
			return nil, err
		}
		unlock = func() { free(); m.claims.mu.Unlock() }
	}
	if err := m.readClaims(ctx); err != nil {
		unlock()
		return nil, err
	}
	var errs []error
	members := slices.Sorted(maps.Keys(next))
	for other, theirs := range m.claims.of {
		if machine, _ := cutMember(other); machine != c.uuid {
			for _, member := range members {
				errs = append(errs, next[member].conflicts(m.claims.of[member], machine, theirs))
			}
		}
	}
	if err := errors.Join(errs...); err != nil {
		unlock()
		return nil, err
	}
	return func(done bool) {
		if done {
			maps.Copy(m.claims.of, next)
			for _, member := range c.drop {
				delete(m.claims.of, member)
			}
		}
		unlock()
	}, nil
}

// readClaims reads the claims of all machines in the directory.
func (m *Manager) readClaims(ctx context.Context) error {
	if m.claims.read {
		return nil
	}
	names, err := m.store.list()
	if err != nil {
		return err
	}
	of := map[string]*claim{}
	for _, n := range names {
		profile, ok := strings.CutSuffix(n, ".files")
		if !ok {
			continue
		}
		member, ok := m.names.member(profile)
		if !ok {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		data, err := m.store.read(n)
		if err != nil {
			m.log.WarnContext(ctx, "what a machine has cannot be read", "machine", member, "error", err)
			continue
		}
		// Rules that Strict did not write claim nothing.
		if rules, err := ParseRules(ctx, n, data); err == nil {
			of[member] = claimFor(member, rules)
		}
	}
	m.claims.of, m.claims.read = of, true
	return nil
}

// unclaim gives back what a machine has that is gone.
func (m *Manager) unclaim(uuid string) {
	m.claims.mu.Lock()
	defer m.claims.mu.Unlock()
	maps.DeleteFunc(m.claims.of, func(member string, _ *claim) bool {
		machine, _ := cutMember(member)
		return machine == uuid
	})
}
