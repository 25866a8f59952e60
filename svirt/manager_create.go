// SPDX-License-Identifier: Apache-2.0

package svirt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/loader"
)

// hasFiles reports whether machines of a type have rules of their own.
func hasFiles(virtType string) bool { return virtType != "lxc" && virtType != "oci" }

// Create is CreateWith for a kernel that must enforce.
func (m *Manager) Create(ctx context.Context, d *Domain) error {
	return m.CreateWith(ctx, d, loader.Accept{})
}

// CreateWith derives the rules of a new machine, writes its files and puts its
// profile in force. One that is there already, with its profile and its rules,
// is ErrExists; a profile alone, such as one that Remove has left because an
// administrator had changed it, is taken. A profile that is in force and has no
// file here belongs to others: ErrForeign.
//
// A kernel that as a whole does not enforce, so that no profile confines
// anything, is an error that matches loader.ErrMode unless it is accepted for
// the machine. This Manager then accepts it for the machine's Update and
// Reconcile too, until the machine is unloaded or removed. Start does not: each
// accepts it for its own process.
//
// The domain is not kept and not changed.
func (m *Manager) CreateWith(ctx context.Context, d *Domain, a loader.Accept) error {
	return m.make(ctx, d, false, a)
}

// Replace is ReplaceWith for a kernel that must enforce.
func (m *Manager) Replace(ctx context.Context, d *Domain) error {
	return m.ReplaceWith(ctx, d, loader.Accept{})
}

// ReplaceWith derives the rules of a machine that is there from a whole new
// description, and puts them in the place of the old ones. One that is not
// there is ErrNotFound. A chain of backing files in an image that has changed
// since is refused; see ForgetChains. It accepts the same as CreateWith.
func (m *Manager) ReplaceWith(ctx context.Context, d *Domain, a loader.Accept) error {
	return m.make(ctx, d, true, a)
}

// make is CreateWith, or ReplaceWith if the machine must be there.
func (m *Manager) make(ctx context.Context, d *Domain, there bool, a loader.Accept) error {
	g, unlock, err := m.lock(ctx, d.UUID)
	if err != nil {
		return err
	}
	defer unlock()
	if !slices.Contains(m.options.Types, d.Type) {
		return &IdentityError{What: "type", Value: d.Type, Reason: "ManagerOptions.Types does not have it"}
	}
	if err := checkIDs(&d.Devices); err != nil {
		return err
	}
	if err := m.options.Derive.checkCompanions(d.Companions, m.options.Companions); err != nil {
		return err
	}
	own := part{member: d.UUID, noFiles: !hasFiles(d.Type)}
	if own.profile, own.before, err = m.profile(ctx, d.UUID, d.Type); err != nil {
		return err
	}
	before, err := m.rulesText(d.UUID)
	if err != nil {
		return err
	}
	switch is := own.before == profileKept && (before != nil || !hasFiles(d.Type)); {
	case there && own.before != profileKept && before == nil:
		return fmt.Errorf("%s: %w", d.UUID, ErrNotFound)
	case !there && is:
		return fmt.Errorf("%s: %w", d.UUID, ErrExists)
	case !there && own.before != profileKept && before == nil:
		if err := m.checkForeign(ctx, d.UUID); err != nil {
			return err
		}
	}
	if own.rules, err = m.rulesOf(ctx, g, d, before); err != nil {
		return m.refuse(ctx, d.UUID, err)
	}
	c := change{uuid: d.UUID, state: g, load: true, accept: a, parts: []part{own}}
	if err := m.companions(ctx, &c, d, d.Companions); err != nil {
		return m.refuse(ctx, d.UUID, err)
	}
	if c.drop, err = m.dropped(d); err != nil {
		return err
	}
	if err := m.apply(ctx, c); err != nil {
		return err
	}
	if m.options.Derive.Method != Strict {
		g.domain, g.rules = d.with(Change{}), nil
		if own.rules != nil {
			g.rules = own.rules.List()
		}
	}
	for _, p := range c.parts {
		m.warn(ctx, d.UUID, p.rules)
	}
	m.log.InfoContext(ctx, "machine created", "uuid", d.UUID, "name", d.Name, "driver", m.driver.Name(), "replaced", there)
	return nil
}

// rulesOf derives the rules of a machine, given the text of those that it has.
// A container has none.
func (m *Manager) rulesOf(ctx context.Context, g *machineState, d *Domain, before []byte) (*Rules, error) {
	if !hasFiles(d.Type) {
		return nil, m.options.Derive.checkName(d.Name)
	}
	return m.derive(ctx, g, d, surroundings{chains: m.chains(ctx, d.UUID, before)})
}

// chains returns what the text of a member's rules remembers.
func (m *Manager) chains(ctx context.Context, member string, before []byte) map[Device]chain {
	if before == nil || m.options.Derive.Method != Strict {
		return nil
	}
	rules, err := ParseRules(ctx, m.names.files(member), before)
	if err != nil {
		return nil // what Strict did not write remembers nothing
	}
	return rules.remembered()
}

// derive derives rules. A file system that does not answer holds up this
// machine, and no other.
func (m *Manager) derive(ctx context.Context, g *machineState, d *Domain, in surroundings) (*Rules, error) {
	if g.left != nil {
		select {
		case <-g.left:
			g.left = nil
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %w", ErrNoAnswer, ctx.Err())
		}
	}
	in.managed, in.private = true, m.private
	rules, left, err := derive(ctx, d, &m.options.Derive, in)
	g.left = left
	if rules != nil && m.names != libvirtNames {
		rules.owner = m.names.dir()
	}
	return rules, err
}

// warn reports what a machine may need beyond its rules.
func (m *Manager) warn(ctx context.Context, uuid string, r *Rules) {
	if r == nil || len(r.warnings) == 0 {
		return
	}
	for _, w := range r.warnings {
		m.log.WarnContext(ctx, "machine may need more", "uuid", uuid, "code", string(w.Code), "warning", w.String())
	}
	if m.options.Warn != nil {
		m.options.Warn(uuid, slices.Clone(r.warnings))
	}
}

// rulesText returns the text of a member's rules, nil for none.
func (m *Manager) rulesText(member string) ([]byte, error) {
	data, err := m.store.read(m.names.profile(member) + ".files")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil && data == nil {
		data = []byte{}
	}
	return data, err
}

// checkForeign refuses a machine whose profile is in force, but that has no
// files here.
func (m *Manager) checkForeign(ctx context.Context, uuid string) error {
	loaded, err := m.driver.List(ctx)
	if err != nil {
		return err
	}
	profile := m.names.profile(uuid)
	if slices.ContainsFunc(loaded, func(l Loaded) bool { return l.Name == profile }) {
		return fmt.Errorf("%s is in force and has no file in %s: %w", profile, filepath.Join(m.options.Dir, m.names.dir()), ErrForeign)
	}
	return nil
}

// ForgetChains forgets which backing files were found in the images of disks of
// a machine and its companions, all of them if none is named, so that the next Replace or Update
// takes those that it finds then: after a snapshot or a commit. Until then the
// grants stay as they are.
func (m *Manager) ForgetChains(ctx context.Context, uuid string, disks ...Device) error {
	_, unlock, err := m.lock(ctx, uuid)
	if err != nil {
		return err
	}
	defer unlock()
	members, err := m.members(uuid)
	if err != nil {
		return err
	}
	var undo undoing
	for _, member := range append([]string{uuid}, members...) {
		text, err := m.rulesText(member)
		if err == nil && text == nil && member == uuid {
			err = fmt.Errorf("%s: %w", uuid, ErrNotFound)
		}
		if err != nil {
			return undo.fail(err)
		}
		if text == nil {
			continue
		}
		rules, err := ParseRules(ctx, m.names.files(member), text)
		if err != nil {
			return undo.fail(err)
		}
		maps.DeleteFunc(rules.chains, func(d Device, _ chain) bool { return len(disks) == 0 || slices.Contains(disks, d) })
		if next := rules.AppendFile(nil); !bytes.Equal(next, text) {
			files := m.names.profile(member) + ".files"
			undo.add(func() error { return m.store.replace(files, text) })
			if err := m.store.replace(files, next); err != nil {
				return undo.fail(err)
			}
		}
	}
	return nil
}

// onDisk is the state of a machine's profile before a change.
type onDisk uint8

const (
	profileKept    onDisk = iota // it is there and stays
	profileMissing               // it is to be written
	profileEmpty                 // it replaces an empty file
)

// profile returns the profile of a member of a machine: the one on disk, or one
// from the template of the type.
func (m *Manager) profile(ctx context.Context, member, virtType string) (*ast.File, onDisk, error) {
	data, err := m.store.read(m.names.profile(member))
	if err == nil && len(data) > 0 {
		file, err := m.parseProfile(ctx, member, string(data))
		return file, profileKept, err
	}
	state := profileEmpty
	if errors.Is(err, fs.ErrNotExist) {
		state = profileMissing
	} else if err != nil {
		return nil, 0, err
	}
	text, err := m.instantiate(ctx, member, virtType)
	if err != nil {
		return nil, 0, err
	}
	file, err := m.parseProfile(ctx, member, text)
	return file, state, err
}

// instantiate returns the text of a member's profile from the template.
func (m *Manager) instantiate(ctx context.Context, member, virtType string) (string, error) {
	name, err := TemplateFor(virtType)
	if err != nil {
		return "", err
	}
	if m.options.Derive.Method != Strict {
		text, err := readPolicy(m.roots, name)
		if err != nil {
			return "", err
		}
		return InstantiateCompat(m.options.Derive.Method, name, text, member, hasFiles(virtType))
	}
	t, err := m.template(ctx, name)
	if err != nil {
		return "", err
	}
	return t.instantiate(m.names, member, hasFiles(virtType))
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
	uuid   string
	state  *machineState
	parts  []part    // the machine and its companions; the machine is the first
	kept   []*Source // companions that stay as they are
	drop   []string  // members that go
	load   bool      // put in force
	accept loader.Accept
}

// part is a member of a machine as it is to be.
type part struct {
	member  string
	profile *ast.File
	before  onDisk
	rules   *Rules // nil: no `.files`
	// noFiles removes the rules of a machine that has none any more.
	noFiles bool
}

// source returns the policy of a part.
func (m *Manager) source(ctx context.Context, p *part) (src *Source, err error) {
	src = &Source{Profile: m.names.profile(p.member), File: p.profile, Roots: m.roots}
	if p.noFiles {
		// The profile may include rules that are about to go.
		src.Roots = without(m.roots, m.names.files(p.member))
	}
	if p.rules != nil {
		src.Rules, err = p.rules.File(ctx, m.names.files(p.member))
	}
	return src, err
}

// undoing collects how steps are undone.
type undoing []func() error

func (u *undoing) add(f func() error) { *u = append(*u, f) }

// fail undoes the steps, the last first, and returns the error with those of
// what could not be undone.
func (u undoing) fail(err error) error {
	for _, f := range slices.Backward(u) {
		if uerr := f(); uerr != nil {
			err = errors.Join(err, fmt.Errorf("%w: %w", ErrInconsistent, uerr))
		}
	}
	return err
}

// granted asks ManagerOptions.Grant about every part of a change.
func (m *Manager) granted(ctx context.Context, c *change) error {
	if m.options.Grant == nil {
		return nil
	}
	for i := range c.parts {
		p := &c.parts[i]
		if p.rules == nil {
			continue
		}
		err := m.options.Grant(ctx, c.uuid, p.rules.list)
		if _, id := cutMember(p.member); id != "" {
			err = ofCompanion(id, err)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// apply makes a change whole or not at all: what can fail without a trace is
// done first, the files are written next, and the kernel comes last, since
// that is one step that either happens or not. Only the profiles of companions
// that go are taken out of force before.
func (m *Manager) apply(ctx context.Context, c change) error {
	if err := m.granted(ctx, &c); err != nil {
		return m.refuse(ctx, c.uuid, err)
	}
	end, err := m.begin(ctx)
	if err != nil {
		return err
	}
	defer end()
	src, err := m.source(ctx, &c.parts[0])
	if err != nil {
		return err
	}
	for i := range c.parts[1:] {
		of, err := m.source(ctx, &c.parts[1+i])
		if err != nil {
			return err
		}
		src.Companions = append(src.Companions, of)
	}
	src.Companions = append(src.Companions, c.kept...)
	slices.SortFunc(src.Companions, func(a, b *Source) int { return strings.Compare(a.Profile, b.Profile) })
	compiled, err := m.driver.Compile(ctx, src)
	if err != nil {
		return err
	}
	done := false
	release, err := m.claim(ctx, &c)
	if err != nil {
		return err
	}
	defer func() { release(done) }()
	var before Compiled // what is in force if a companion cannot go
	if len(c.drop) > 0 {
		if err := m.unused(ctx, c.drop); err != nil {
			return err
		}
		if before, err = m.compile(ctx, c.uuid); err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if len(c.parts) > 1 {
		m.accompany(c.uuid)
	}
	var undo undoing
	// The machine comes last: one that has its files has those of its
	// companions, even if this run is killed.
	for i := range slices.Backward(c.parts) {
		if err := m.write(&c.parts[i], &undo); err != nil {
			return undo.fail(err)
		}
	}
	if len(c.drop) > 0 && before != nil && c.load {
		undo.add(func() error {
			// The old profiles come back in one step, too, but not without
			// files, or nobody would know whose they are.
			members, err := m.members(c.uuid)
			if err != nil {
				return err
			}
			for _, member := range c.drop {
				if !slices.Contains(members, member) {
					return fmt.Errorf("%s is not put back in force: its files could not be put back", m.names.profile(member))
				}
			}
			return m.driver.Load(ctx, before, c.accept)
		})
	}
	for _, member := range c.drop {
		if err := gone(m.driver.Unload(ctx, m.names.profile(member), loader.RetireOptions{})); err != nil {
			return undo.fail(fmt.Errorf("%s: %w", m.names.profile(member), err))
		}
	}
	// As long as a profile may be in force it has its files, or nobody would
	// know whose it is.
	for _, member := range c.drop {
		if err := m.discard(ctx, member, &undo); err != nil {
			return undo.fail(err)
		}
	}
	if c.load {
		if err := m.driver.Load(ctx, compiled, c.accept); err != nil {
			return undo.fail(err)
		}
		c.state.mark, c.state.accept = m.driver.Mark(compiled), c.accept
	}
	done = true
	return nil
}

// write writes the files of a part where they differ.
func (m *Manager) write(p *part, undo *undoing) error {
	profile := m.names.profile(p.member)
	files := profile + ".files"
	old, err := m.store.read(files)
	had := err == nil
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if p.rules != nil {
		if text := p.rules.AppendFile(nil); !had || !bytes.Equal(text, old) {
			undo.add(func() error {
				if had {
					return m.store.replace(files, old)
				}
				return gone(m.store.remove(files))
			})
			if err := m.store.replace(files, text); err != nil {
				return err
			}
		}
	}
	if p.noFiles && had {
		undo.add(func() error { return m.store.replace(files, old) })
		if err := m.store.remove(files); err != nil {
			return err
		}
	}
	switch p.before {
	case profileMissing:
		if err := m.store.create(profile, []byte(p.profile.Src)); err != nil {
			return err
		}
		undo.add(func() error { return gone(m.store.remove(profile)) })
	case profileEmpty:
		undo.add(func() error { return m.store.replace(profile, nil) })
		if err := m.store.replace(profile, []byte(p.profile.Src)); err != nil {
			return err
		}
	}
	return nil
}

// gone removes the error that something is not there any more.
func gone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
