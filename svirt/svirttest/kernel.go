// SPDX-License-Identifier: Apache-2.0

// Package svirttest has a kernel in memory, for tests of programs that manage
// machines with package svirt.
//
// It is a svirt.Driver that compiles as the real one does, so that mistakes in
// templates and rules show, keeps what is loaded, and answers what a machine may
// do from the compiled bytes. A test can make any call fail, see what was asked,
// and change what is in force without the manager.
//
//	kernel := svirttest.NewKernel(nil)
//	manager, err := svirt.New(ctx, svirt.ManagerOptions{Dir: t.TempDir(), Driver: kernel})
//	...
//	allowed, err := kernel.Allows(uuid, query.File{Path: "/srv/disk.raw", Perms: query.Write})
//
// Nothing is confined: programs that are started run as they are. Tests of what
// a kernel enforces need a kernel.
package svirttest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"sync"

	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/loader"
	"github.com/goarmor/apparmor/query"
	"github.com/goarmor/apparmor/svirt"
)

// Op is a method of svirt.Driver.
type Op string

// The methods that can be seen and made to fail.
const (
	OpCompile       Op = "Compile"
	OpLoad          Op = "Load"
	OpUnload        Op = "Unload"
	OpSealed        Op = "Sealed"
	OpList          Op = "List"
	OpInUse         Op = "InUse"
	OpFiles         Op = "Files"
	OpInForce       Op = "InForce"
	OpChangeProfile Op = "ChangeProfile"
	OpStart         Op = "Start"
)

// Call is a call of the kernel.
type Call struct {
	Op      Op     // which method was called
	Profile string // empty for OpList
	// Retire is set for OpUnload, Start and Path for OpStart.
	Retire loader.RetireOptions
	Start  svirt.StartOptions
	Path   string // of the program
}

// Kernel is a kernel in memory. It is safe for concurrent use. The zero value
// is not ready: see NewKernel. The fields must not be changed while it is in use.
type Kernel struct {
	// Intercept, if not nil, is called before anything is done. Its error
	// becomes the call's, and nothing is done then.
	Intercept func(ctx context.Context, c Call) error
	// Launch starts programs; nil: (*exec.Cmd).Start, without any confinement.
	Launch func(cmd *exec.Cmd) error

	driver svirt.AppArmor // which compiles only

	mu      sync.Mutex
	calls   []Call
	loaded  map[string]*blob.Policy // by the name of the machine's or the companion's profile
	sealed  map[string]bool
	users   map[string]int // how often Use holds a profile
	files   map[string][]loader.File
	running map[string][]*exec.Cmd
}

var _ svirt.Driver = (*Kernel)(nil)

// NewKernel returns a kernel with these features; nil: those of Linux 6.12, as
// in package features. Nothing is loaded.
func NewKernel(set *features.Set) *Kernel {
	if set == nil {
		set, _ = features.Kernel("6.12")
	}
	return &Kernel{
		driver: svirt.AppArmor{Features: set, Degrade: compile.Report, Logger: slog.New(slog.DiscardHandler)},
		loaded: map[string]*blob.Policy{}, sealed: map[string]bool{}, users: map[string]int{},
		files: map[string][]loader.File{}, running: map[string][]*exec.Cmd{},
	}
}

// Calls returns what the kernel was asked since it was made, in order.
func (k *Kernel) Calls() []Call {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.calls)
}

// Allows reports whether what is in force for a machine grants the whole
// request, whatever the mode of the profile. The machine is its UUID or the name
// of its profile, a companion UUID-ID or the name of its profile. Of one that is not loaded the error matches
// svirt.ErrNotLoaded; a request that cannot be asked is an error of package query.
func (k *Kernel) Allows(machine string, r query.Request) (bool, error) {
	p := k.Policy(machine)
	if p == nil {
		return false, fmt.Errorf("%s: %w", machine, svirt.ErrNotLoaded)
	}
	k.mu.Lock()
	name, _ := k.find(machine)
	k.mu.Unlock()
	profile, ok := query.Open(p).Profile(name)
	if !ok {
		return false, fmt.Errorf("%s: %w", machine, svirt.ErrNotLoaded)
	}
	d, err := profile.Ask(r)
	return err == nil && d.Allowed(), err
}

// Policy returns what is in force for a machine: its UUID or the name of its
// profile. It is nil if nothing is, or a profile that allows nothing.
func (k *Kernel) Policy(machine string) *blob.Policy {
	k.mu.Lock()
	defer k.mu.Unlock()
	if name, ok := k.find(machine); ok && !k.sealed[name] {
		return k.loaded[name]
	}
	return nil
}

// find returns the profile of a machine.
func (k *Kernel) find(machine string) (string, bool) {
	if k.loaded[machine] != nil {
		return machine, true
	}
	for _, name := range slices.Sorted(maps.Keys(k.loaded)) {
		if strings.HasSuffix(name, "-"+machine) && machine != "" {
			return name, true
		}
	}
	return "", false
}

// Put loads a policy as others would: of a foreign profile, or over that
// of a machine. The name is that of its first profile.
func (k *Kernel) Put(p *blob.Policy) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, name := range tops(p) {
		k.loaded[name] = p
		delete(k.sealed, name)
	}
}

// tops returns the names of the profiles of a policy that are not below others.
func tops(p *blob.Policy) []string {
	return slices.DeleteFunc(p.Names(), func(name string) bool { return strings.Contains(name, "//") })
}

// Drop removes a profile as others would.
func (k *Kernel) Drop(profile string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.loaded, profile)
	delete(k.sealed, profile)
}

// Use lets the profile have a process until the function that it returns is
// called, which has an effect once. The process survives Unload with Kill if
// that does not name a cgroup: it is one that was not found.
func (k *Kernel) Use(profile string) (release func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.users[profile]++
	return sync.OnceFunc(func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.users[profile]--
	})
}

// SetFiles says what processes under the profile have open.
func (k *Kernel) SetFiles(profile string, files ...loader.File) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.files[profile] = slices.Clone(files)
}

// begin notes a call. The lock is held when it returns no error.
func (k *Kernel) begin(ctx context.Context, c Call) error {
	k.mu.Lock()
	k.calls = append(k.calls, c)
	k.mu.Unlock()
	if k.Intercept != nil {
		if err := k.Intercept(ctx, c); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	k.mu.Lock()
	return nil
}

// Name implements svirt.Driver.
func (k *Kernel) Name() string { return "apparmor" }

// Compile implements svirt.Driver; what it returns is a *blob.Policy.
func (k *Kernel) Compile(ctx context.Context, src *svirt.Source) (svirt.Compiled, error) {
	if err := k.begin(ctx, Call{Op: OpCompile, Profile: src.Profile}); err != nil {
		return nil, err
	}
	k.mu.Unlock() // compiling takes long
	return k.driver.Compile(ctx, src)
}

// Load implements svirt.Driver. This kernel always enforces.
func (k *Kernel) Load(ctx context.Context, c svirt.Compiled, _ loader.Accept) error {
	p, ok := c.(*blob.Policy)
	if !ok {
		return fmt.Errorf("svirttest: %T is not policy of this kernel", c)
	}
	name := p.Names()[0]
	if err := k.begin(ctx, Call{Op: OpLoad, Profile: name}); err != nil {
		return err
	}
	defer k.mu.Unlock()
	for _, name := range tops(p) {
		k.loaded[name] = p
		delete(k.sealed, name)
	}
	return nil
}

// Mark implements svirt.Driver; it is a loader.Fingerprint.
func (k *Kernel) Mark(c svirt.Compiled) svirt.Mark { return k.driver.Mark(c) }

// Unload implements svirt.Driver. A profile in use stays, and allows nothing
// from then on if it was to be killed.
func (k *Kernel) Unload(ctx context.Context, profile string, o loader.RetireOptions) error {
	if err := k.begin(ctx, Call{Op: OpUnload, Profile: profile, Retire: o}); err != nil {
		return err
	}
	defer k.mu.Unlock()
	if k.loaded[profile] == nil {
		return fmt.Errorf("%s: %w", profile, fs.ErrNotExist)
	}
	if o.Kill {
		for _, cmd := range k.alive(profile) {
			_ = cmd.Process.Kill() // it may have ended meanwhile
		}
		delete(k.running, profile)
		if o.Cgroup != "" {
			k.users[profile] = 0
		}
	}
	if k.used(profile) {
		k.sealed[profile] = k.sealed[profile] || o.Kill
		return fmt.Errorf("%s: %w", profile, svirt.ErrInUse)
	}
	delete(k.loaded, profile)
	delete(k.sealed, profile)
	return nil
}

// alive returns the programs under a profile that run, and forgets the others.
func (k *Kernel) alive(profile string) []*exec.Cmd {
	k.running[profile] = slices.DeleteFunc(k.running[profile], func(cmd *exec.Cmd) bool { return !runs(cmd.Process) })
	return k.running[profile]
}

func (k *Kernel) used(profile string) bool { return k.users[profile] > 0 || len(k.alive(profile)) > 0 }

// Sealed implements svirt.Driver.
func (k *Kernel) Sealed(ctx context.Context, profile string) (bool, error) {
	if err := k.begin(ctx, Call{Op: OpSealed, Profile: profile}); err != nil {
		return false, err
	}
	defer k.mu.Unlock()
	return k.sealed[profile], nil
}

// List implements svirt.Driver; it is sorted.
func (k *Kernel) List(ctx context.Context) ([]svirt.Loaded, error) {
	if err := k.begin(ctx, Call{Op: OpList}); err != nil {
		return nil, err
	}
	defer k.mu.Unlock()
	var all []svirt.Loaded
	for _, name := range slices.Sorted(maps.Keys(k.loaded)) {
		for _, p := range k.loaded[name].Heads() {
			if p.Name == name || strings.HasPrefix(p.Name, name+"//") {
				all = append(all, svirt.Loaded{Name: p.Name, Mode: p.EffectiveMode().String()})
			}
		}
	}
	return all, nil
}

// InUse implements svirt.Driver.
func (k *Kernel) InUse(ctx context.Context, profile string) (bool, error) {
	if err := k.begin(ctx, Call{Op: OpInUse, Profile: profile}); err != nil {
		return false, err
	}
	defer k.mu.Unlock()
	return k.used(profile), nil
}

// Files implements svirt.Driver.
func (k *Kernel) Files(ctx context.Context, profile string, want func(loader.File) bool) ([]loader.File, error) {
	if err := k.begin(ctx, Call{Op: OpFiles, Profile: profile}); err != nil {
		return nil, err
	}
	defer k.mu.Unlock()
	var found []loader.File
	for _, f := range k.files[profile] {
		if want(f) {
			found = append(found, f)
		}
	}
	return found, nil
}

// InForce implements svirt.Driver.
func (k *Kernel) InForce(ctx context.Context, c svirt.Confinement) (bool, error) {
	if err := k.begin(ctx, Call{Op: OpInForce, Profile: c.Profile}); err != nil {
		return false, err
	}
	defer k.mu.Unlock()
	return k.loaded[c.Profile] != nil && k.holds(c) == nil, nil
}

// holds checks that what is in force has the content that it should have.
func (k *Kernel) holds(c svirt.Confinement) error {
	p := k.loaded[c.Profile]
	switch {
	case p == nil:
		return fmt.Errorf("%s: %w", c.Profile, svirt.ErrNotLoaded)
	case k.sealed[c.Profile] || svirt.Mark(loader.FingerprintOf(p)) != c.Mark:
		return fmt.Errorf("%s: %w", c.Profile, loader.ErrContent)
	}
	for _, name := range tops(p) {
		switch {
		case k.loaded[name] == nil:
			return fmt.Errorf("%s: %w", name, svirt.ErrNotLoaded)
		case k.sealed[name] || svirt.Mark(loader.FingerprintOf(k.loaded[name])) != c.Mark:
			return fmt.Errorf("%s: %w", name, loader.ErrContent)
		}
	}
	return nil
}

// mode returns that of a profile that is loaded.
func (k *Kernel) mode(profile string) blob.Mode {
	for _, p := range k.loaded[profile].Heads() {
		if p.Name == profile {
			return p.EffectiveMode()
		}
	}
	return blob.Enforce
}

// confines checks content and mode.
func (k *Kernel) confines(c svirt.Confinement, a loader.Accept) error {
	if err := k.holds(c); err != nil {
		return err
	}
	mode := k.mode(c.Profile)
	switch {
	case mode == blob.Complain && !a.Complain, mode == blob.Unconfined && !a.Unconfined, mode == blob.Prompt && !a.Prompt:
		return fmt.Errorf("%s is in mode %v: %w", c.Profile, mode, loader.ErrMode)
	}
	return nil
}

// ChangeProfile implements svirt.Driver. The calling thread goes on as it is.
func (k *Kernel) ChangeProfile(ctx context.Context, c svirt.Confinement, a loader.Accept) error {
	if err := k.begin(ctx, Call{Op: OpChangeProfile, Profile: c.Profile}); err != nil {
		return err
	}
	defer k.mu.Unlock()
	return k.confines(c, a)
}

// Start implements svirt.Driver. The program runs unconfined, and counts as one
// under the profile until it has ended.
func (k *Kernel) Start(ctx context.Context, cmd *exec.Cmd, c svirt.Confinement, o svirt.StartOptions) error {
	if cmd == nil {
		return errors.New("svirttest: no command")
	}
	if err := k.begin(ctx, Call{Op: OpStart, Profile: c.Profile, Start: o, Path: cmd.Path}); err != nil {
		return err
	}
	defer k.mu.Unlock()
	if err := k.confines(c, o.Accept); err != nil {
		return err
	}
	launch := k.Launch
	if launch == nil {
		launch = (*exec.Cmd).Start
	}
	if err := launch(cmd); err != nil {
		return err
	}
	if cmd.Process != nil {
		k.running[c.Profile] = append(k.running[c.Profile], cmd)
	}
	if o.Started != nil {
		*o.Started = loader.Started{}
	}
	return nil
}
