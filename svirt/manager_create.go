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

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/loader"
)

// hasFiles reports whether machines of a type have rules of their own.
func hasFiles(virtType string) bool { return virtType != "lxc" }

// Create is CreateWith for a kernel that must enforce.
func (m *Manager) Create(ctx context.Context, d *Domain) error {
	return m.CreateWith(ctx, d, loader.Accept{})
}

// CreateWith derives the rules of a new machine, writes its files and puts its
// profile in force. One that is there already, with its profile and its rules,
// is ErrExists; a profile alone, such as one that Remove has left because an
// administrator had changed it, is taken. A profile that is in force and has no
// file here is somebody else's: ErrForeign.
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
// since is refused; see ForgetChains. What is accepted is as with CreateWith.
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
	c := change{uuid: d.UUID, state: g, load: true, accept: a, noFiles: !hasFiles(d.Type)}
	if c.profile, c.before, err = m.profile(ctx, d); err != nil {
		return err
	}
	before, err := m.rulesText(d.UUID)
	if err != nil {
		return err
	}
	switch is := c.before == profileKept && (before != nil || !hasFiles(d.Type)); {
	case there && c.before != profileKept && before == nil:
		return fmt.Errorf("%s: %w", d.UUID, ErrNotFound)
	case !there && is:
		return fmt.Errorf("%s: %w", d.UUID, ErrExists)
	case !there && c.before != profileKept && before == nil:
		if err := m.checkForeign(ctx, d.UUID); err != nil {
			return err
		}
	}
	if c.rules, err = m.rulesOf(ctx, g, d, before); err != nil {
		return err
	}
	if err := m.apply(ctx, c); err != nil {
		return err
	}
	if m.options.Derive.Method != Strict {
		g.domain, g.rules = d.with(Change{}), nil
		if c.rules != nil {
			g.rules = c.rules.List()
		}
	}
	m.warn(ctx, d.UUID, c.rules)
	m.log.InfoContext(ctx, "machine created", "uuid", d.UUID, "name", d.Name, "driver", m.driver.Name(), "replaced", there)
	return nil
}

// rulesOf derives the rules of a machine, given the text of those that it has.
// A container has none.
func (m *Manager) rulesOf(ctx context.Context, g *machineState, d *Domain, before []byte) (*Rules, error) {
	if !hasFiles(d.Type) {
		return nil, m.options.Derive.checkName(d.Name)
	}
	var chains map[Device]chain
	if before != nil && m.options.Derive.Method == Strict {
		// What Strict did not write remembers nothing.
		if rules, err := ParseRules(ctx, m.names.files(d.UUID), before); err == nil {
			chains = rules.remembered()
		}
	}
	return m.derive(ctx, g, d, chains)
}

// derive derives rules. A file system that does not answer holds up this
// machine, and no other.
func (m *Manager) derive(ctx context.Context, g *machineState, d *Domain, chains map[Device]chain) (*Rules, error) {
	if g.left != nil {
		select {
		case <-g.left:
			g.left = nil
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %w", ErrNoAnswer, ctx.Err())
		}
	}
	rules, left, err := derive(ctx, d, &m.options.Derive, surroundings{managed: true, private: m.private, chains: chains})
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

// rulesText returns the text of a machine's rules, nil for none.
func (m *Manager) rulesText(uuid string) ([]byte, error) {
	data, err := m.store.read(m.names.profile(uuid) + ".files")
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
// a machine, all of them if none is named, so that the next Replace or Update
// takes what it finds then: after a snapshot or a commit. What is granted stays
// as it is until then.
func (m *Manager) ForgetChains(ctx context.Context, uuid string, disks ...Device) error {
	_, unlock, err := m.lock(ctx, uuid)
	if err != nil {
		return err
	}
	defer unlock()
	text, err := m.rulesText(uuid)
	if err != nil {
		return err
	}
	if text == nil {
		return fmt.Errorf("%s: %w", uuid, ErrNotFound)
	}
	rules, err := ParseRules(ctx, m.names.files(uuid), text)
	if err != nil {
		return err
	}
	maps.DeleteFunc(rules.chains, func(d Device, _ chain) bool { return len(disks) == 0 || slices.Contains(disks, d) })
	files := m.names.profile(uuid) + ".files"
	if err := m.store.replace(files, rules.AppendFile(nil)); err != nil {
		if uerr := m.store.replace(files, text); uerr != nil {
			err = errors.Join(err, fmt.Errorf("%w: %w", ErrInconsistent, uerr))
		}
		return err
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

// profile returns a machine's profile: the one on disk, or one from the
// template.
func (m *Manager) profile(ctx context.Context, d *Domain) (*ast.File, onDisk, error) {
	data, err := m.store.read(m.names.profile(d.UUID))
	if err == nil && len(data) > 0 {
		file, err := m.parseProfile(ctx, d.UUID, string(data))
		return file, profileKept, err
	}
	state := profileEmpty
	if errors.Is(err, fs.ErrNotExist) {
		state = profileMissing
	} else if err != nil {
		return nil, 0, err
	}
	text, err := m.instantiate(ctx, d.UUID, d.Type)
	if err != nil {
		return nil, 0, err
	}
	file, err := m.parseProfile(ctx, d.UUID, text)
	return file, state, err
}

// instantiate returns the text of a machine's profile from the template.
func (m *Manager) instantiate(ctx context.Context, uuid, virtType string) (string, error) {
	name, err := TemplateFor(virtType)
	if err != nil {
		return "", err
	}
	if m.options.Derive.Method != Strict {
		text, err := readPolicy(m.roots, name)
		if err != nil {
			return "", err
		}
		return InstantiateCompat(m.options.Derive.Method, name, text, uuid, hasFiles(virtType))
	}
	t, err := m.template(ctx, name)
	if err != nil {
		return "", err
	}
	return t.instantiate(m.names, uuid, hasFiles(virtType))
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
	uuid    string
	state   *machineState
	profile *ast.File
	before  onDisk
	rules   *Rules // nil: no `.files`
	load    bool   // put in force
	accept  loader.Accept
	// noFiles removes the rules of a machine that has none any more.
	noFiles bool
}

// apply makes a change whole or not at all: what can fail without a trace is
// done first, the files are written next, and the kernel comes last, since
// that is one step that either happens or not.
func (m *Manager) apply(ctx context.Context, c change) error {
	profile := m.names.profile(c.uuid)
	files := profile + ".files"
	src := &Source{Profile: profile, File: c.profile, Roots: m.roots}
	if c.noFiles {
		// The profile may include rules that are about to go.
		src.Roots = without(m.roots, m.names.files(c.uuid))
	}
	if c.rules != nil {
		var err error
		if src.Rules, err = c.rules.File(ctx, m.names.files(c.uuid)); err != nil {
			return err
		}
	}
	compiled, err := m.driver.Compile(ctx, src)
	if err != nil {
		return err
	}
	done := false
	release, err := m.claim(ctx, c.uuid, c.rules)
	if err != nil {
		return err
	}
	defer func() { release(done) }()
	old, err := m.store.read(files)
	had := err == nil
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	// undo brings the files back, the last change first.
	var undo []func() error
	fail := func(err error) error {
		for _, f := range slices.Backward(undo) {
			if uerr := f(); uerr != nil {
				err = errors.Join(err, fmt.Errorf("%w: %w", ErrInconsistent, uerr))
			}
		}
		return err
	}
	if c.rules != nil {
		if text := c.rules.AppendFile(nil); !had || !bytes.Equal(text, old) {
			undo = append(undo, func() error {
				if had {
					return m.store.replace(files, old)
				}
				return gone(m.store.remove(files))
			})
			if err := m.store.replace(files, text); err != nil {
				return fail(err)
			}
		}
	}
	if c.noFiles && had {
		undo = append(undo, func() error { return m.store.replace(files, old) })
		if err := m.store.remove(files); err != nil {
			return fail(err)
		}
	}
	switch c.before {
	case profileMissing:
		if err := m.store.create(profile, []byte(c.profile.Src)); err != nil {
			return fail(err)
		}
		undo = append(undo, func() error { return gone(m.store.remove(profile)) })
	case profileEmpty:
		undo = append(undo, func() error { return m.store.replace(profile, nil) })
		if err := m.store.replace(profile, []byte(c.profile.Src)); err != nil {
			return fail(err)
		}
	}
	if c.load {
		if err := m.driver.Load(ctx, compiled, c.accept); err != nil {
			return fail(err)
		}
		c.state.mark, c.state.accept = m.driver.Mark(compiled), c.accept
	}
	done = true
	return nil
}

// gone removes the error that something is not there any more.
func gone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
