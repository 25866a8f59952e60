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
	"runtime"
	"sync"

	"github.com/goarmor/apparmor/loader"
)

// Templates says where templates, and what they include, come from.
type Templates uint8

// The places of templates.
const (
	// TemplatesDefault is TemplatesOwn under Strict, since the host's may grant
	// all machines what none of them needs, and TemplatesHost under Compat.
	TemplatesDefault Templates = iota
	// TemplatesHost takes the host's files where they are, and this
	// package's for what the host does not have.
	TemplatesHost
	// TemplatesOwn takes this package's files, whatever the host has.
	TemplatesOwn
	// TemplatesHostOnly takes the host's files and fails without them.
	TemplatesHostOnly
)

// ManagerOptions are the options of a Manager. The zero value manages the
// machines of this host, strictly.
type ManagerOptions struct {
	// Dir is the tree of policy, /etc/apparmor.d if empty. Its directory libvirt
	// holds the files of machines. Both must belong to root or the own user, and
	// no other user may be able to write to them. No machine gets anything of
	// them.
	Dir string
	// AncestorsChecked says that CheckDirectory, called where all users are seen,
	// found nothing wrong with Dir. In a user namespace most users are not seen,
	// root and others look the same, and directories above Dir that belong to one
	// of them are refused without it (ErrUnsafeDir). See
	// loader.Tasks.StartInNamespace.
	AncestorsChecked bool
	// Prefix is what the names of profiles begin with, and before its last
	// dash the directory in Dir: libvirt- when empty. Prefix and Dir are what
	// makes a machine this Manager's: profiles of other names, and loaded ones
	// without a file here, are never listed as its own nor removed. Compat
	// takes libvirt's only.
	Prefix string
	// Types are the types of machines that this manager starts; nil: kvm, qemu
	// and the empty one. A description of another type is refused, since the
	// type decides which template a machine gets: that of a container allows
	// nearly everything.
	Types []string
	// Companions are the kinds of companions that machines may have; nil: those
	// that this package has templates for. The kind decides which template a
	// companion gets.
	Companions []CompanionKind
	// Shared lets other processes with Shared set use the directory at the
	// same time, such as helpers that live for one change: they wait for each
	// other for one machine, and give up with the context. Otherwise a Manager
	// has the directory for itself until it is closed.
	Shared bool
	// Driver is what machines are confined with; nil: the AppArmor of the
	// running kernel, and an error if there is none.
	Driver Driver
	// Derive says how rules are derived. A nil FS means HostFS.
	Derive Options
	// Templates says where templates come from.
	Templates Templates
	// Parts are templates, abstractions and other files of policy that count
	// before all that Templates names. They are not written to Dir; Install
	// does that.
	Parts []Part
	// Grant, if not nil, is asked before anything is changed whether a machine
	// may have all the rules that it, or a companion of it, would get: those that
	// it has already among them. Its error is that of the call. The rules must
	// not be changed.
	Grant func(ctx context.Context, uuid string, rules []Rule) error
	// Warn is called after a machine was created, replaced or updated, if it may
	// need something that it is not granted. The Logger is told in any case.
	Warn func(uuid string, warnings []Warning)
	// Logger gets messages about what happens; nil means none. Drivers of this
	// package that have no logger of their own get it too. Attributes are named
	// in lower case, without blanks.
	Logger *slog.Logger
	// Metrics, if not nil, are told what is done, how long it took, and how much
	// it was.
	Metrics Metrics
}

// Manager keeps the profiles of machines, on disk and in force. It is safe for
// concurrent use; operations on one machine are done one after another. A
// second one of a directory is refused with ErrLocked, unless both are Shared;
// libvirtd, which knows of no lock, must not share it.
//
// Any number of goroutines may use a Manager. Of those that change machines or
// load them, it lets four for each processor, and 16 at least, compile and put in force at
// the same time, which bounds the memory; others wait, or give up with the context.
//
// Names, numbers, and images and logs that are written have one owner among the
// machines of a directory; see ReasonShared and Disk.Shareable. What a change under
// way takes or gives back belongs to its machine until the change is done. The Manager
// remembers which backing files it found in an image when the machine was
// created, and refuses to see others later; see ForgetChains.
//
// Of a machine there are two files: libvirt-UUID, the profile, is made from
// the template when there is none and never touched again, so an administrator
// may change it. libvirt-UUID.files has the machine's rules and is always
// written by the Manager. Each of its companions has two files of its own,
// libvirt-UUID-ID and libvirt-UUID-ID.files.
//
// If a method returns an error, the files are as they were before, and so is the
// policy in force; only Remove may stop halfway. If that could not be achieved,
// the error matches ErrInconsistent.
type Manager struct {
	options ManagerOptions
	driver  Driver
	store   store
	roots   []fs.FS
	log     *slog.Logger
	close   func() error
	closing sync.Once
	closed  error
	names   names
	dir     *dirStore
	private []string // more of Options.Private
	claims  claims
	places  chan struct{} // one for each machine that may be worked on

	mu        sync.Mutex
	machines  map[string]*machineState
	templates map[string]*Template // by name, as last read
	// accompanied has the machines that have, or had, files of companions; nil
	// if others change the directory, too. So nobody looks through the directory
	// for companions of a machine that never had any.
	accompanied map[string]bool
}

// machineState is what a Manager remembers of a machine. Its lock is a channel, so
// that waiting for it ends with a context.
type machineState struct {
	lock   chan struct{}
	users  int     // who have the lock or wait for it; under Manager.mu
	domain *Domain // under Compat, as last derived; nil when it is not known
	rules  []Rule  // of domain
	// mark is of the policy that this Manager put in force last; nil if that is
	// unknown.
	mark Mark
	// accept is what is accepted of the kernel for the machine.
	accept loader.Accept
	// left is closed when a file system has answered that a derivation for the
	// machine was left waiting for; nil if there is none.
	left <-chan struct{}
}

// The errors of a Manager, besides those of its parts.
var (
	// ErrNotFound: the machine does not exist.
	ErrNotFound = fmt.Errorf("no such machine: %w", fs.ErrNotExist)
	// ErrInUse: a process runs under the profile, which without it would run
	// unconfined, or it could not be shown that none does. It is that of the
	// loader, whose ErrMode and ErrContent say that the profile in force is not
	// enforced, or is another one than the machine's.
	ErrInUse = loader.ErrInUse
	// ErrNotLoaded: the machine's profile is not in force.
	ErrNotLoaded = errors.New("the profile is not loaded")
	// ErrRemoving: a Remove or Unload has put a profile that allows nothing in
	// force and has not come to its end. Another one goes on from there; Load
	// and Replace put the machine's own profile back.
	ErrRemoving = errors.New("the machine is being removed")
	// ErrExists: there is such a machine already. Replace and Update change it.
	ErrExists = fmt.Errorf("the machine is there already: %w", fs.ErrExist)
	// ErrLocked: another Manager has the directory, or another helper the
	// machine.
	ErrLocked = errors.New("another manager has it")
	// ErrUnsafeDir: others could change the directory of the machines' files.
	ErrUnsafeDir = errors.New("the directory is not safe")
	// ErrInconsistent: what failed could not be undone.
	ErrInconsistent = errors.New("the files could not be brought back")
)

// New returns a Manager. The caller closes it.
func New(ctx context.Context, o ManagerOptions) (*Manager, error) {
	m := &Manager{options: o, driver: o.Driver, log: o.Logger, close: func() error { return nil }, machines: map[string]*machineState{}, templates: map[string]*Template{}, places: make(chan struct{}, maxInHand())}
	if m.log == nil {
		m.log = discard
	}
	m.driver = withLogger(m.driver, m.log)
	if m.options.Dir == "" {
		m.options.Dir = "/etc/apparmor.d"
	}
	if m.options.Derive.FS == nil {
		m.options.Derive.FS = HostFS()
	}
	if m.options.Prefix == "" {
		m.options.Prefix = profilePrefix
	}
	if m.options.Types == nil {
		m.options.Types = []string{"", "kvm", "qemu"}
	}
	if m.options.Companions == nil {
		m.options.Companions = companionKinds
	}
	m.names = names{m.options.Prefix}
	if err := errors.Join(m.names.check(), m.options.Derive.check()); err != nil {
		return nil, err
	}
	if o.Derive.Method != Strict && m.names != libvirtNames {
		return nil, fmt.Errorf("%w: the method %s takes the prefix %s", ErrOptions, o.Derive.Method, profilePrefix)
	}
	dir, err := filepath.Abs(m.options.Dir)
	if err != nil {
		return nil, err
	}
	m.options.Dir = dir
	if o.Templates == TemplatesDefault && o.Derive.Method == Strict {
		o.Templates = TemplatesOwn
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
		driver, err := openAppArmor(ctx, m.names)
		if err != nil {
			return nil, err
		}
		driver.Logger = m.log
		m.driver, m.close = driver, driver.Kernel.Close
	}
	if o.Metrics != nil {
		m.driver = &measuring{m.driver, m}
	}
	if err := m.open(ctx); err != nil {
		return nil, errors.Join(err, m.close())
	}
	return m, nil
}

// open opens and locks the directory of the machines' files.
func (m *Manager) open(ctx context.Context) error {
	at := filepath.Join(m.options.Dir, m.names.dir())
	store, err := openStore(at)
	if err != nil {
		return err
	}
	err = errors.Join(checkDirectory(m.options.Dir, m.options.AncestorsChecked), checkDirectory(at, m.options.AncestorsChecked))
	if err == nil {
		err = store.lock(m.options.Shared)
	}
	if err == nil && !m.options.Shared {
		err = m.survey(store)
	}
	if err != nil {
		return errors.Join(err, store.close())
	}
	m.store, m.dir = store, store
	m.private = []string{m.options.Dir, "/etc/apparmor.d", "/var/cache/apparmor"}
	if real, err := filepath.EvalSymlinks(m.options.Dir); err == nil {
		m.private = append(m.private, real)
	}
	return nil
}

// survey looks through a directory that no other Manager has.
func (m *Manager) survey(s store) error {
	list, err := s.list()
	if err != nil {
		return err
	}
	m.accompanied = map[string]bool{}
	for _, n := range list {
		if uuid, id, ok := m.names.file(n); ok && id != "" {
			m.accompanied[uuid] = true
		}
	}
	// No other run is active, so unfinished work was left by a run that was
	// killed.
	return m.removeLitter(s, list, "")
}

// removeLitter removes the files in a list that were being written for a
// machine, or for any, when a run was killed.
func (m *Manager) removeLitter(s store, list []string, uuid string) (err error) {
	for _, n := range list {
		if of, ok := m.names.litter(n); ok && (uuid == "" || uuid == of) {
			err = errors.Join(err, gone(s.remove(n)))
		}
	}
	return err
}

// Close gives back what the Manager holds open, and the directory. Machines stay
// as they are.
func (m *Manager) Close() error {
	m.closing.Do(func() { m.closed = errors.Join(m.close(), m.dir.close()) })
	return m.closed
}

// maxInHand is how many machines are compiled, written and put in force at the
// same time. Compiled policy is kept until it is in force, so that more of them
// would take memory and, as the kernel takes one at a time, save no time.
func maxInHand() int { return max(16, 4*runtime.GOMAXPROCS(0)) }

// begin waits until a machine may be compiled to be put in force. The caller ends
// that. Nobody who has a place waits for another machine's lock.
func (m *Manager) begin(ctx context.Context) (end func(), err error) {
	select {
	case m.places <- struct{}{}:
		return func() { <-m.places }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
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
		if g.users--; g.users == 0 && g.domain == nil && g.mark == nil && g.left == nil && g.accept == (loader.Accept{}) {
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
	case <-ctx.Done():
		leave()
		return nil, nil, ctx.Err()
	}
	turn := func() { <-g.lock; leave() }
	if !m.options.Shared {
		return g, turn, nil
	}
	free, err := m.dir.lockMachine(ctx, uuid)
	if err == nil {
		var list []string
		if list, err = m.store.list(); err == nil {
			err = m.removeLitter(m.store, list, uuid)
		}
		if err != nil {
			free()
		}
	}
	if err != nil {
		turn()
		return nil, nil, err
	}
	// Others may have put something else in force since.
	g.mark = nil
	return g, func() { free(); turn() }, nil
}
