// SPDX-License-Identifier: Apache-2.0

package svirt

import (
	"context"
	"errors"
	"iter"
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
	member string // whose it is
	name   string
	short  string // empty: the machine has no number
	// files are images and logs by their paths, trees directories with all in
	// them.
	files map[string]access
	trees map[string]access
}

// machine is the UUID of the machine whose member it is.
func (c *claim) machine() string {
	machine, _ := cutMember(c.member)
	return machine
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
	c.member = member
	if _, id := cutMember(member); id != "" {
		c.name = ""
	}
	return c
}

// had reports whether a machine had a path already, and wrote it if it shall.
func had(m map[string]access, path string, write bool) bool {
	a, ok := m[path]
	return ok && (a.write || !write)
}

// claims are those of all machines of a Manager: what they have on disk, and what
// changes under way will put there.
type claims struct {
	mu   sync.Mutex
	read bool              // the directory has been read
	of   map[string]*claim // on disk, by member

	// What is on disk or under way, by what is claimed: whose something is costs
	// the same however many machines there are.
	names, shorts map[string][]*claim
	files         map[string]*holders
	trees         map[string]*holders
}

// holders are those who claim a path.
type holders struct {
	list   []*claim
	writes int // how many of them write it
}

// removed returns a list without an element, in any order.
func removed(list []*claim, c *claim) []*claim {
	if i := slices.Index(list, c); i >= 0 {
		last := len(list) - 1
		list[i], list[last] = list[last], nil
		list = list[:last]
	}
	return list
}

// clear forgets all.
func (s *claims) clear() {
	s.of = map[string]*claim{}
	s.names, s.shorts = map[string][]*claim{}, map[string][]*claim{}
	s.files, s.trees = map[string]*holders{}, map[string]*holders{}
}

// add enters a claim, and drop removes one that was entered.
func (s *claims) add(c *claim) {
	if c.name != "" {
		s.names[c.name] = append(s.names[c.name], c)
	}
	if c.short != "" {
		s.shorts[c.short] = append(s.shorts[c.short], c)
	}
	addPaths(s.files, c, c.files)
	addPaths(s.trees, c, c.trees)
}

func addPaths(to map[string]*holders, c *claim, paths map[string]access) {
	for path, a := range paths {
		h := to[path]
		if h == nil {
			h = &holders{}
			to[path] = h
		}
		h.list = append(h.list, c)
		if a.write {
			h.writes++
		}
	}
}

func (s *claims) drop(c *claim) {
	dropName(s.names, c.name, c)
	dropName(s.shorts, c.short, c)
	dropPaths(s.files, c, c.files)
	dropPaths(s.trees, c, c.trees)
}

func dropName(from map[string][]*claim, name string, c *claim) {
	if list := removed(from[name], c); len(list) > 0 {
		from[name] = list
	} else {
		delete(from, name)
	}
}

func dropPaths(from map[string]*holders, c *claim, paths map[string]access) {
	for path, a := range paths {
		h := from[path]
		if h.list = removed(h.list, c); len(h.list) == 0 {
			delete(from, path)
		}
		if a.write {
			h.writes--
		}
	}
}

// put makes a claim that of its member on disk, in place of the one before. One
// that add has entered stays entered.
func (s *claims) put(c *claim) {
	s.delete(c.member)
	s.of[c.member] = c
}

// delete forgets what a member has on disk.
func (s *claims) delete(member string) {
	if old := s.of[member]; old != nil {
		s.drop(old)
		delete(s.of, member)
	}
}

// conflicts reports the parts of a claim that another machine has. It does not
// ask again for the parts that the member has already.
func (s *claims) conflicts(c *claim) error {
	old := s.of[c.member]
	if old == nil {
		old = &claim{}
	}
	var errs []error
	own := c.machine()
	others := func(list []*claim, f func(machine string, other *claim)) {
		for _, other := range list {
			if machine := other.machine(); machine != own {
				f(machine, other)
			}
		}
	}
	if c.name != "" && c.name != old.name {
		others(s.names[c.name], func(machine string, _ *claim) {
			errs = append(errs, &IdentityError{What: "name", Value: c.name, Reason: "the machine " + machine + " has it"})
		})
	}
	if c.short != "" && c.short != old.short {
		others(s.shorts[c.short], func(machine string, _ *claim) {
			errs = append(errs, &IdentityError{What: "number", Value: c.short, Reason: "the machine " + machine + " has it, with a name that is the same as far as libvirt looks"})
		})
	}
	refuse := func(path string, a access, machine string) {
		name, _ := ast.Pattern(path).Unescape()
		errs = append(errs, &PathError{Device: a.device, Path: name, Reason: ReasonShared, Err: errors.New("machine " + machine)})
	}
	for path, a := range c.files {
		if had(old.files, path, a.write) {
			continue
		}
		if h := s.files[path]; h != nil && (a.write || h.writes > 0) {
			others(h.list, func(machine string, other *claim) {
				if b := other.files[path]; (a.write || b.write) && (!a.shared || !b.shared) {
					refuse(path, a, machine)
				}
			})
		}
		for dir := range above(path) {
			if h := s.trees[dir]; h != nil && (a.write || h.writes > 0) {
				others(h.list, func(machine string, other *claim) {
					if a.write || other.trees[dir].write {
						refuse(path, a, machine)
					}
				})
			}
		}
	}
	for dir, a := range c.trees {
		if had(old.trees, dir, a.write) {
			continue
		}
		for path, h := range s.files {
			if (a.write || h.writes > 0) && within(path, dir) {
				others(h.list, func(machine string, other *claim) {
					if a.write || other.files[path].write {
						refuse(dir, a, machine)
					}
				})
			}
		}
	}
	// Whatever order maps have, the same is said each time, and once.
	slices.SortFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errors.Join(slices.CompactFunc(errs, func(a, b error) bool { return a.Error() == b.Error() })...)
}

// above yields an absolute path and the directories that it is in, which are those
// for which within is true.
func above(path string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for i := len(path); i >= 0; i = strings.LastIndexByte(path[:i], '/') {
			if !yield(path[:i]) {
				return
			}
		}
		if path != "/" {
			yield("/")
		}
	}
}

// claim takes everything that the rules of a machine and its companions claim,
// if no other machine has it or is about to have it. The caller calls release
// with whether the rules were put in force and on disk. With
// ManagerOptions.Shared other claims wait until then, as other processes know
// only what is on disk.
func (m *Manager) claim(ctx context.Context, c *change) (release func(done bool), err error) {
	var next []*claim
	for i := range c.parts {
		if r := c.parts[i].rules; r != nil && r.method == Strict {
			next = append(next, claimFor(c.parts[i].member, r))
		}
	}
	if len(next) == 0 {
		return func(bool) {}, nil
	}
	s := &m.claims
	s.mu.Lock()
	unlock := s.mu.Unlock
	if m.options.Shared {
		// Others change the directory, too.
		s.read = false
		free, err := m.dir.lockClaims(ctx)
		if err != nil {
			unlock()
			return nil, err
		}
		unlock = func() { free(); s.mu.Unlock() }
	}
	if err := m.readClaims(ctx); err != nil {
		unlock()
		return nil, err
	}
	slices.SortFunc(next, func(a, b *claim) int { return strings.Compare(a.member, b.member) })
	var errs []error
	for _, n := range next {
		errs = append(errs, s.conflicts(n))
	}
	if err := errors.Join(errs...); err != nil {
		unlock()
		return nil, err
	}
	// The machine has what it had, too, until the change is done.
	for _, n := range next {
		s.add(n)
	}
	end := func(done bool) {
		for _, n := range next {
			if done {
				s.put(n)
			} else {
				s.drop(n)
			}
		}
		if done {
			for _, member := range c.drop {
				s.delete(member)
			}
		}
	}
	if m.options.Shared {
		return func(done bool) { end(done); unlock() }, nil
	}
	unlock()
	return func(done bool) {
		s.mu.Lock()
		defer s.mu.Unlock()
		end(done)
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
	m.claims.clear()
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
			c := claimFor(member, rules)
			m.claims.add(c)
			m.claims.put(c)
		}
	}
	m.claims.read = true
	return nil
}

// unclaim gives back what members have that are gone.
func (m *Manager) unclaim(members []string) {
	m.claims.mu.Lock()
	defer m.claims.mu.Unlock()
	for _, member := range members {
		m.claims.delete(member)
	}
}
