// SPDX-License-Identifier: Apache-2.0

package svirt

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"

	"github.com/goarmor/apparmor/loader"
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

	mu        sync.Mutex
	machines  map[string]*machineState
	templates map[string]*Template // by name, as last read
}

// machineState is what a Manager remembers of a machine. Its lock is a channel, so
// that waiting for it ends with a context.
type machineState struct {
	lock   chan struct{}
	users  int     // who have the lock or wait for it; under Manager.mu
	domain *Domain // under Compat, as last derived; nil when it is not known
	// mark is of what was put in force last, by this Manager; nil when that is
	// not known.
	mark Mark
}

// The errors of a Manager, beside those of its parts.
var (
	// ErrNotFound: there is no such machine.
	ErrNotFound = fmt.Errorf("no such machine: %w", fs.ErrNotExist)
	// ErrInUse: a process runs under the profile, which without it would run
	// unconfined, or it could not be shown that none does. It is that of the
	// loader, whose ErrMode and ErrContent say that the profile in force is not
	// enforced, or is another one than the machine's.
	ErrInUse = loader.ErrInUse
	// ErrNotLoaded: the machine's profile is not in force.
	ErrNotLoaded = errors.New("the profile is not loaded")
	// ErrInconsistent: what failed could not be undone.
	ErrInconsistent = errors.New("the files could not be brought back")
)

// New returns a Manager. The caller closes it.
func New(ctx context.Context, o ManagerOptions) (*Manager, error) {
	m := &Manager{options: o, driver: o.Driver, log: o.Logger, close: func() error { return nil }, machines: map[string]*machineState{}, templates: map[string]*Template{}}
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
func (m *Manager) lock(ctx context.Context, uuid string) (g *machineState, unlock func(), err error) {
	if err := CheckUUID(uuid); err != nil {
		return nil, nil, err
	}
	m.mu.Lock()
	g = m.machines[uuid]
	if g == nil {
		g = &machineState{lock: make(chan struct{}, 1)}
		m.machines[uuid] = g
	}
	g.users++
	m.mu.Unlock()
	leave := func() {
		m.mu.Lock()
		if g.users--; g.users == 0 && g.domain == nil && g.mark == nil {
			delete(m.machines, uuid)
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
