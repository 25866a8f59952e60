// SPDX-License-Identifier: Apache-2.0

package svirt

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os/exec"

	"github.com/goarmor/apparmor/loader"
)

// Driver confines the machines of a Manager: AppArmor uses the kernel, None does
// nothing. A driver must be safe for concurrent use.
type Driver interface {
	// Name names the driver in logs and states.
	Name() string
	// Compile turns the policy of one machine into what Load takes. It
	// changes nothing outside of the process.
	Compile(ctx context.Context, src *Source) (Compiled, error)
	// Load makes the compiled policy the one in force, whether one of the
	// same name is loaded or not. On an error nothing in force changes. A
	// kernel that would confine nothing by it is an error unless it is
	// accepted.
	Load(ctx context.Context, c Compiled, a loader.Accept) error
	// Mark returns a small mark of compiled policy by which the driver knows it
	// again, nil if the driver compares nothing.
	Mark(c Compiled) Mark
	// Unload takes a profile out of force if nothing runs under it. An error
	// that matches ErrInUse says that something does, or may; the profile is
	// then in force, or one that allows nothing is. If the profile is not
	// loaded, the error matches fs.ErrNotExist.
	Unload(ctx context.Context, profile string, o loader.RetireOptions) error
	// Sealed reports whether the profile in force under a name allows nothing,
	// as a failed Unload leaves it. It is false if that cannot be known.
	Sealed(ctx context.Context, profile string) (bool, error)
	// List returns the profiles in force, in any order.
	List(ctx context.Context) ([]Loaded, error)
	// InUse reports whether a thread of any process runs under the profile.
	// A process that cannot be read is an error.
	InUse(ctx context.Context, profile string) (bool, error)
	// Files returns the files that processes under the profile have open and
	// for which want reports true; see loader.Kernel.Files.
	Files(ctx context.Context, profile string, want func(loader.File) bool) ([]loader.File, error)
	// InForce reports whether the right profile is in force under its name, in
	// any mode.
	InForce(ctx context.Context, c Confinement) (bool, error)
	// ChangeProfile puts the calling thread under the profile if that is in
	// force, has the right content, and is enforced or accepted.
	ChangeProfile(ctx context.Context, c Confinement, a loader.Accept) error
	// Start starts cmd under the profile on the same conditions. If it
	// returns an error no process is left.
	Start(ctx context.Context, cmd *exec.Cmd, c Confinement, o StartOptions) error
}

// Mark is a mark by which a Driver knows compiled policy again.
type Mark any

// Confinement is a profile, and what must be in force under its name.
type Confinement struct {
	Profile string // its name
	Mark    Mark   // of what must be in force
}

// StartOptions tell how a machine's process is started. The zero value is the
// strictest; see loader.StartOptions for what each of them is.
type StartOptions struct {
	// Companion is the ID of the companion that is started; empty: the VMM.
	// Only the Manager looks at it.
	Companion string
	// Accept says what counts as confinement of this process besides a profile
	// that is enforced.
	Accept loader.Accept
	// KeepFiles, KeepEnv and NoNewPrivs are those of loader.StartOptions.
	KeepFiles, KeepEnv, NoNewPrivs bool
	// Started, if not nil, is filled in before the call returns without an
	// error.
	Started *loader.Started
}

// Compiled is what a driver made of a Source.
type Compiled any

// Loaded is a profile in force.
type Loaded struct {
	Name string // of the profile
	Mode string // enforce, complain, ...
}

// None is the driver that confines nothing, for hosts without AppArmor. It says
// so in the log whenever it starts a process.
type None struct {
	Logger *slog.Logger // nil: that of the Manager; without one nothing is logged
}

var _ Driver = None{}

// discard is used if no logger is given.
var discard = slog.New(slog.DiscardHandler)

// withLogger returns a driver of this package with a logger, if it has none.
func withLogger(d Driver, log *slog.Logger) Driver {
	switch d := d.(type) {
	case None:
		return None{cmp.Or(d.Logger, log)}
	case *AppArmor:
		d.handed.CompareAndSwap(nil, log)
	case *Helper:
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.handed.CompareAndSwap(nil, log) && d.compiler != nil {
			d.compiler.handed.CompareAndSwap(nil, log)
		}
	}
	return d
}

// Name implements Driver.
func (None) Name() string { return "none" }

// Compile implements Driver; it makes nothing.
func (None) Compile(ctx context.Context, _ *Source) (Compiled, error) { return nil, ctx.Err() }

// Load implements Driver; it does nothing.
func (None) Load(ctx context.Context, _ Compiled, _ loader.Accept) error { return ctx.Err() }

// Mark implements Driver; there is nothing to compare.
func (None) Mark(Compiled) Mark { return nil }

// Unload implements Driver: nothing is ever loaded.
func (None) Unload(context.Context, string, loader.RetireOptions) error { return fs.ErrNotExist }

// Sealed implements Driver; it returns false.
func (None) Sealed(ctx context.Context, _ string) (bool, error) { return false, ctx.Err() }

// List implements Driver: nothing is ever loaded.
func (None) List(ctx context.Context) ([]Loaded, error) { return nil, ctx.Err() }

// InUse implements Driver; it returns false.
func (None) InUse(ctx context.Context, _ string) (bool, error) { return false, ctx.Err() }

// Files implements Driver: nothing runs under a profile.
func (None) Files(ctx context.Context, _ string, _ func(loader.File) bool) ([]loader.File, error) {
	return nil, ctx.Err()
}

// InForce implements Driver; it returns false.
func (None) InForce(ctx context.Context, _ Confinement) (bool, error) { return false, ctx.Err() }

// ErrUnconfined is returned if a driver cannot confine.
var ErrUnconfined = errors.New("the driver confines nothing")

// ChangeProfile implements Driver; it returns ErrUnconfined.
func (None) ChangeProfile(context.Context, Confinement, loader.Accept) error { return ErrUnconfined }

// Start implements Driver: it starts cmd unconfined, and logs that.
func (n None) Start(ctx context.Context, cmd *exec.Cmd, c Confinement, _ StartOptions) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	cmp.Or(n.Logger, discard).WarnContext(ctx, "starting a machine unconfined: there is no security driver", "profile", c.Profile, "path", cmd.Path)
	return cmd.Start()
}
