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

// Driver is what a Manager confines machines with: AppArmor is the kernel's,
// None does nothing. A driver must be safe for concurrent use.
type Driver interface {
	// Name names the driver in logs and states.
	Name() string
	// Compile turns the policy of one machine into what Load takes. It
	// changes nothing outside of the process.
	Compile(ctx context.Context, src *Source) (Compiled, error)
	// Load makes the compiled policy the one in force, whether one of the
	// same name is loaded or not. On an error what was in force still is. A
	// kernel that would confine nothing by it is an error unless it is
	// accepted.
	Load(ctx context.Context, c Compiled, a loader.Accept) error
	// Mark returns what is kept of compiled policy to know it again: it is
	// small, and nil if the driver compares nothing.
	Mark(c Compiled) Mark
	// Unload takes a profile out of force once nothing runs under it. An error
	// that matches ErrInUse says that something does, or that the contrary
	// could not be shown; the profile is then in force, or one that allows
	// nothing. One that is not loaded is an error that matches fs.ErrNotExist.
	Unload(ctx context.Context, profile string, o loader.RetireOptions) error
	// Sealed reports whether what is in force under a name is the profile that
	// allows nothing which a failed Unload has left. Where that cannot be known
	// it is false.
	Sealed(ctx context.Context, profile string) (bool, error)
	// List returns the profiles in force, in any order.
	List(ctx context.Context) ([]Loaded, error)
	// InUse reports whether a thread of any process runs under the profile.
	// What cannot be read is an error.
	InUse(ctx context.Context, profile string) (bool, error)
	// Files returns what processes under the profile have open, of that which
	// want reports true for; see loader.Kernel.Files.
	Files(ctx context.Context, profile string, want func(loader.File) bool) ([]loader.File, error)
	// InForce reports whether what is in force under a name is what should be,
	// in whatever mode.
	InForce(ctx context.Context, c Confinement) (bool, error)
	// ChangeProfile puts the calling thread under the profile, if that is in
	// force, with the content that it should have, and enforced or accepted.
	ChangeProfile(ctx context.Context, c Confinement, a loader.Accept) error
	// Start starts cmd under the profile, on the same conditions. When it
	// returns an error no process is left.
	Start(ctx context.Context, cmd *exec.Cmd, c Confinement, o StartOptions) error
}

// Mark is what a Driver keeps of compiled policy to know it again.
type Mark any

// Confinement is a profile, and what must be in force under its name.
type Confinement struct {
	Profile string // its name
	Mark    Mark   // of what must be in force
}

// StartOptions tell how a machine's process is started. The zero value is the
// strictest; see loader.StartOptions for what each of them is.
type StartOptions struct {
	// Companion is the ID of the companion that is started; empty: the VMM. The
	// Manager looks at it, drivers do not.
	Companion string
	// Accept says what is taken for confinement besides a profile that is
	// enforced: of this process, and of no other.
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

// None is the driver that confines nothing, for hosts without AppArmor where
// that is wanted. It says so in the log whenever it starts a process.
type None struct {
	Logger *slog.Logger // nil: that of the Manager; without one nobody is told
}

var _ Driver = None{}

// discard is the logger of those who have none.
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

// Sealed implements Driver: nothing ever is.
func (None) Sealed(ctx context.Context, _ string) (bool, error) { return false, ctx.Err() }

// List implements Driver: nothing is ever loaded.
func (None) List(ctx context.Context) ([]Loaded, error) { return nil, ctx.Err() }

// InUse implements Driver: nothing ever is.
func (None) InUse(ctx context.Context, _ string) (bool, error) { return false, ctx.Err() }

// Files implements Driver: nothing runs under a profile.
func (None) Files(ctx context.Context, _ string, _ func(loader.File) bool) ([]loader.File, error) {
	return nil, ctx.Err()
}

// InForce implements Driver: nothing ever is.
func (None) InForce(ctx context.Context, _ Confinement) (bool, error) { return false, ctx.Err() }

// ErrUnconfined is returned where a driver cannot confine what it is asked to.
var ErrUnconfined = errors.New("the driver confines nothing")

// ChangeProfile implements Driver; it returns ErrUnconfined.
func (None) ChangeProfile(context.Context, Confinement, loader.Accept) error { return ErrUnconfined }

// Start implements Driver: it starts cmd as it is, and says so.
func (n None) Start(ctx context.Context, cmd *exec.Cmd, c Confinement, _ StartOptions) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	cmp.Or(n.Logger, discard).WarnContext(ctx, "starting a machine unconfined: there is no security driver", "profile", c.Profile, "path", cmd.Path)
	return cmd.Start()
}
