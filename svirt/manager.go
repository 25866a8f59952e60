// SPDX-License-Identifier: Apache-2.0

package svirt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// Templates says where templates, and what they include, come from.
type Templates uint8

// The places of templates.
const (
	// TemplatesHost takes the host's files where they are, and this
	// package's for what the host does not have.
	TemplatesHost Templates = iota
	// TemplatesOwn takes this package's files, whatever the host has.
	TemplatesOwn
	// TemplatesHostOnly takes the host's files and fails without them.
	TemplatesHostOnly
)

// ManagerOptions are the options of a Manager. The zero value manages the
// machines of this host, strictly.
type ManagerOptions struct {
	// Dir is the tree of policy, /etc/apparmor.d when empty. What belongs to
	// machines is in its directory libvirt.
	Dir string
	// Driver is what machines are confined with; nil: the AppArmor of the
	// running kernel, and an error if there is none.
	Driver Driver
	// Derive says how rules are derived. A nil FS stands for HostFS.
	Derive Options
	// Templates says where templates come from.
	Templates Templates
	// Parts are templates, abstractions and other files of policy that count
	// before all that Templates names. They are not written to Dir; Install
	// does that.
	Parts []Part
	// Logger is told what happens; nil: nobody is.
	Logger *slog.Logger
}

// Manager keeps the profiles of machines, on disk and in force. It is safe for
// concurrent use; what is done to one machine is done one after the other.
// Several managers, or a manager and libvirtd, must not share a directory.
//
// Of a machine there are two files: libvirt-UUID, the profile, is made from
// the template when there is none and never touched again, so an administrator
// may change it. libvirt-UUID.files has the machine's rules and is always
// written by the Manager.
//
// When a method returns an error, the files are what they were before, and so
// is what is in force; only Remove may stop halfway. Where that could not be
// brought about the error matches ErrInconsistent.
type Manager struct {
	options ManagerOptions
	driver  Driver
	store   store
	roots   []fs.FS
	log     *slog.Logger
	close   func() error

	mu     sync.Mutex
	guests map[string]*guest
}

// guest is what a Manager remembers of a machine. Its lock is a channel, so
// that waiting for it ends with a context.
type guest struct {
	lock   chan struct{}
	users  int     // who have the lock or wait for it; under Manager.mu
	domain *Domain // under Compat, as last derived; nil when it is not known
}

// The errors of a Manager, beside those of its parts.
var (
	// ErrNotFound: there is no such machine.
	ErrNotFound = fmt.Errorf("no such machine: %w", fs.ErrNotExist)
	// ErrInUse: a process runs under the profile, which without it would run
	// unconfined.
	ErrInUse = errors.New("a process runs under the profile")
	// ErrNotLoaded: the machine's profile is not in force.
	ErrNotLoaded = errors.New("the profile is not loaded")
	// ErrInconsistent: what failed could not be undone.
	ErrInconsistent = errors.New("the files could not be brought back")
)

// New returns a Manager. The caller closes it.
func New(ctx context.Context, o ManagerOptions) (*Manager, error) {
	m := &Manager{options: o, driver: o.Driver, log: o.Logger, close: func() error { return nil }, guests: map[string]*guest{}}
	if m.log == nil {
		m.log = slog.New(slog.DiscardHandler)
	}
	if m.options.Dir == "" {
		m.options.Dir = "/etc/apparmor.d"
	}
	if m.options.Derive.FS == nil {
		m.options.Derive.FS = HostFS()
	}
	host := os.DirFS(m.options.Dir)
	switch o.Templates {
	case TemplatesOwn:
		m.roots = []fs.FS{PolicyFS(), host}
	case TemplatesHostOnly:
		m.roots = []fs.FS{host}
	default:
		m.roots = []fs.FS{host, PolicyFS()}
	}
	if len(o.Parts) > 0 {
		m.roots = append([]fs.FS{Layout(o.Parts...)}, m.roots...)
	}
	if m.driver == nil {
		driver, err := OpenAppArmor(ctx)
		if err != nil {
			return nil, err
		}
		driver.Logger = m.log
		m.driver, m.close = driver, driver.Kernel.Close
	}
	store, err := openStore(filepath.Join(m.options.Dir, "libvirt"))
	if err != nil {
		return nil, errors.Join(err, m.close())
	}
	m.store = store
	return m, nil
}

// Close gives back what the Manager holds open. Machines stay as they are.
func (m *Manager) Close() error {
	err := m.close()
	if s, ok := m.store.(*dirStore); ok {
		err = errors.Join(err, s.root.Close())
	}
	return err
}

// lock waits for its turn with a machine. The caller unlocks.
func (m *Manager) lock(ctx context.Context, uuid string) (g *guest, unlock func(), err error) {
	if err := CheckUUID(uuid); err != nil {
		return nil, nil, err
	}
	m.mu.Lock()
	g = m.guests[uuid]
	if g == nil {
		g = &guest{lock: make(chan struct{}, 1)}
		m.guests[uuid] = g
	}
	g.users++
	m.mu.Unlock()
	leave := func() {
		m.mu.Lock()
		if g.users--; g.users == 0 && g.domain == nil {
			delete(m.guests, uuid)
		}
		m.mu.Unlock()
	}
	if err := ctx.Err(); err != nil {
		leave()
		return nil, nil, err
	}
	select {
	case g.lock <- struct{}{}:
		return g, func() { <-g.lock; leave() }, nil
	case <-ctx.Done():
		leave()
		return nil, nil, ctx.Err()
	}
}

// hasFiles reports whether machines of a type have rules of their own.
func hasFiles(virtType string) bool { return virtType != "lxc" }

// Create derives the rules of a machine, writes its files and puts its profile
// in force. A machine that is there already gets the new rules; so Create is
// also how a machine is brought up to date as a whole.
//
// The domain is not kept and not changed.
func (m *Manager) Create(ctx context.Context, d *Domain) error {
	g, unlock, err := m.lock(ctx, d.UUID)
	if err != nil {
		return err
	}
	defer unlock()
	if err := checkIDs(&d.Devices); err != nil {
		return err
	}
	var rules *Rules
	if hasFiles(d.Type) {
		rules, err = Derive(d, m.options.Derive)
	} else {
		err = checkName(d.Name, m.options.Derive.Policy == Strict)
	}
	if err != nil {
		return err
	}
	c := change{uuid: d.UUID, rules: rules, load: true}
	if c.text, c.profile, err = m.profile(ctx, d); err != nil {
		return err
	}
	if err := m.apply(ctx, c); err != nil {
		return err
	}
	if m.options.Derive.Policy != Strict {
		g.domain = d.with(Change{})
	}
	m.log.InfoContext(ctx, "machine created", "uuid", d.UUID, "name", d.Name, "driver", m.driver.Name())
	return nil
}

// onDisk is the state of a machine's profile before a change.
type onDisk uint8

const (
	profileKept    onDisk = iota // it is there and stays
	profileMissing               // it is to be written
	profileEmpty                 // it is to be written in the place of an empty file
)

// profile returns the text of a machine's profile: the one on disk, or one from
// the template.
func (m *Manager) profile(ctx context.Context, d *Domain) (string, onDisk, error) {
	data, err := m.store.read(profilePrefix + d.UUID)
	if err == nil && len(data) > 0 {
		return string(data), profileKept, m.checkProfile(ctx, d.UUID, string(data))
	}
	state := profileEmpty
	if errors.Is(err, fs.ErrNotExist) {
		state = profileMissing
	} else if err != nil {
		return "", 0, err
	}
	text, err := m.instantiate(ctx, d.UUID, d.Type)
	return text, state, err
}

func (m *Manager) instantiate(ctx context.Context, uuid, virtType string) (string, error) {
	name, err := TemplateFor(virtType)
	if err != nil {
		return "", err
	}
	if m.options.Derive.Policy != Strict {
		text, err := readPolicy(m.roots, name)
		if err != nil {
			return "", err
		}
		return InstantiateCompat(m.options.Derive.Policy, name, text, uuid, hasFiles(virtType))
	}
	t, err := ReadTemplate(ctx, m.roots, name)
	if err != nil {
		return "", err
	}
	p, err := t.Instantiate(ctx, uuid, hasFiles(virtType))
	if err != nil {
		return "", err
	}
	return p.Text(), nil
}

// change is one step from a state of a machine to the next.
type change struct {
	uuid    string
	text    string // of the profile
	profile onDisk
	rules   *Rules // nil: no `.files`
	load    bool   // put in force
}

// apply makes a change whole or not at all: what can fail without a trace is
// done first, the files are written next, and the kernel comes last, since
// that is one step that either happens or not.
func (m *Manager) apply(ctx context.Context, c change) error {
	profile := profilePrefix + c.uuid
	files := profile + ".files"
	compiled, err := m.driver.Compile(ctx, &Source{
		Profile: profile, Name: filepath.Join(m.options.Dir, "libvirt", profile), Text: c.text,
		Files: filesPath(profile), Rules: c.rules, Roots: m.roots,
	})
	if err != nil {
		return err
	}
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
	switch c.profile {
	case profileMissing:
		if err := m.store.create(profile, []byte(c.text)); err != nil {
			return fail(err)
		}
		undo = append(undo, func() error { return gone(m.store.remove(profile)) })
	case profileEmpty:
		undo = append(undo, func() error { return m.store.replace(profile, nil) })
		if err := m.store.replace(profile, []byte(c.text)); err != nil {
			return fail(err)
		}
	}
	if c.load {
		if err := m.driver.Load(ctx, compiled); err != nil {
			return fail(err)
		}
	}
	return nil
}

// gone makes no error of something that is not there any more.
func gone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Load puts a machine's profile in force as it is on disk, as after a restart
// of the host or after an administrator has changed the profile.
func (m *Manager) Load(ctx context.Context, uuid string) error {
	_, unlock, err := m.lock(ctx, uuid)
	if err != nil {
		return err
	}
	defer unlock()
	text, err := m.read(ctx, uuid)
	if err != nil {
		return err
	}
	profile := profilePrefix + uuid
	roots := m.roots
	files, err := m.store.read(profile + ".files")
	if err == nil {
		roots = append([]fs.FS{oneFile{filesPath(profile), string(files)}}, roots...)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	compiled, err := m.driver.Compile(ctx, &Source{
		Profile: profile, Name: filepath.Join(m.options.Dir, "libvirt", profile), Text: text,
		Files: filesPath(profile), Roots: roots,
	})
	if err != nil {
		return err
	}
	return m.driver.Load(ctx, compiled)
}

// read returns the text of a machine's profile on disk.
func (m *Manager) read(ctx context.Context, uuid string) (string, error) {
	data, err := m.store.read(profilePrefix + uuid)
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("%s: %w", uuid, ErrNotFound)
	}
	if err != nil {
		return "", err
	}
	return string(data), m.checkProfile(ctx, uuid, string(data))
}

// checkProfile reports whether the text on disk, which others may have edited,
// is the profile of the machine. What the reference's way of making profiles
// leads to is left to the driver.
func (m *Manager) checkProfile(ctx context.Context, uuid, text string) error {
	if m.options.Derive.Policy != Strict {
		return nil
	}
	_, err := ParseMachineProfile(ctx, uuid, text)
	return err
}

// Unload takes a machine's profile out of force and leaves its files. It
// returns ErrInUse while a process runs under it, and no error when the
// profile is not in force.
func (m *Manager) Unload(ctx context.Context, uuid string) error {
	_, unlock, err := m.lock(ctx, uuid)
	if err != nil {
		return err
	}
	defer unlock()
	return m.unload(ctx, uuid)
}

func (m *Manager) unload(ctx context.Context, uuid string) error {
	profile := profilePrefix + uuid
	used, err := m.driver.InUse(ctx, profile)
	if err != nil {
		return err
	}
	if used {
		return fmt.Errorf("%s: %w", profile, ErrInUse)
	}
	return gone(m.driver.Unload(ctx, profile))
}

// Remove takes a machine's profile out of force and removes what is the
// Manager's own of its files: its rules, and its profile unless it has been
// changed. It returns ErrInUse while a process runs under the profile. That
// there is nothing to remove is no error.
//
// Until the profile is out of force an error changes nothing. From then on
// files may be left, which another call removes.
func (m *Manager) Remove(ctx context.Context, uuid string) error {
	g, unlock, err := m.lock(ctx, uuid)
	if err != nil {
		return err
	}
	defer unlock()
	profile := profilePrefix + uuid
	edited, err := m.edited(ctx, uuid)
	if err != nil {
		return err
	}
	if err := m.unload(ctx, uuid); err != nil {
		return err
	}
	// From here on the machine is gone; what is left of it is only litter,
	// which a second call takes away.
	err = gone(m.store.remove(profile + ".files"))
	if !edited {
		err = errors.Join(err, gone(m.store.remove(profile)))
	}
	if err != nil {
		return err
	}
	g.domain = nil
	m.log.InfoContext(ctx, "machine removed", "uuid", uuid, "kept profile", edited)
	return nil
}

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

// ChangeProfile puts the calling thread under a machine's profile, for a
// program that becomes the machine's process itself or executes it next. The
// goroutine must have called runtime.LockOSThread, and must never unlock.
func (m *Manager) ChangeProfile(ctx context.Context, uuid string) error {
	_, unlock, err := m.lock(ctx, uuid)
	if err != nil {
		return err
	}
	defer unlock()
	return m.driver.ChangeProfile(profilePrefix + uuid)
}

// Start starts cmd under a machine's profile, which must be in force. When it
// returns an error no process is left.
func (m *Manager) Start(ctx context.Context, uuid string, cmd *exec.Cmd) error {
	_, unlock, err := m.lock(ctx, uuid)
	if err != nil {
		return err
	}
	defer unlock()
	return m.driver.Start(ctx, cmd, profilePrefix+uuid)
}
