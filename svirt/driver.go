// SPDX-License-Identifier: Apache-2.0

package svirt

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os/exec"
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
	// same name is loaded or not. On an error what was in force still is.
	Load(ctx context.Context, c Compiled) error
	// Unload takes a profile out of force. One that is not loaded is an error
	// that matches fs.ErrNotExist.
	Unload(ctx context.Context, profile string) error
	// List returns the profiles in force, in any order.
	List(ctx context.Context) ([]Loaded, error)
	// InUse reports whether any process runs under the profile.
	InUse(ctx context.Context, profile string) (bool, error)
	// ChangeProfile puts the calling thread under the profile.
	ChangeProfile(profile string) error
	// Start starts cmd under the profile. When it returns an error no process
	// is left.
	Start(ctx context.Context, cmd *exec.Cmd, profile string) error
}

// Compiled is what a driver made of a Source.
type Compiled any

// Loaded is a profile in force.
type Loaded struct {
	Name string
	Mode string // enforce, complain, ...
}

// None is the driver that confines nothing, for hosts without AppArmor where
// that is wanted. It says so in the log whenever it starts a process.
type None struct {
	Logger *slog.Logger // nil: slog.Default
}

var _ Driver = None{}

// Name implements Driver.
func (None) Name() string { return "none" }

// Compile implements Driver; it makes nothing.
func (None) Compile(ctx context.Context, _ *Source) (Compiled, error) { return nil, ctx.Err() }

// Load implements Driver; it does nothing.
func (None) Load(ctx context.Context, _ Compiled) error { return ctx.Err() }

// Unload implements Driver: nothing is ever loaded.
func (None) Unload(context.Context, string) error { return fs.ErrNotExist }

// List implements Driver: nothing is ever loaded.
func (None) List(ctx context.Context) ([]Loaded, error) { return nil, ctx.Err() }

// InUse implements Driver: nothing ever is.
func (None) InUse(ctx context.Context, _ string) (bool, error) { return false, ctx.Err() }

// ErrUnconfined is returned where a driver cannot confine what it is asked to.
var ErrUnconfined = errors.New("the driver confines nothing")

// ChangeProfile implements Driver; it returns ErrUnconfined.
func (None) ChangeProfile(string) error { return ErrUnconfined }

// Start implements Driver: it starts cmd as it is, and says so.
func (n None) Start(ctx context.Context, cmd *exec.Cmd, profile string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	log := n.Logger
	if log == nil {
		log = slog.Default()
	}
	log.WarnContext(ctx, "starting a machine unconfined: there is no security driver", "profile", profile, "path", cmd.Path)
	return cmd.Start()
}
