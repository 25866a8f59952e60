// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"io/fs"
	"os/exec"

	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/loader"
	"github.com/goarmor/apparmor/svirt"
)

// dryRun is a driver that compiles for a named kernel and keeps the result. A
// VMM uses svirt.OpenAppArmor instead.
type dryRun struct {
	svirt.None
	kernel *features.Set
	output *compile.Output
}

// Compile implements svirt.Driver.
func (d *dryRun) Compile(ctx context.Context, src *svirt.Source) (svirt.Compiled, error) {
	set, err := src.Resolve(ctx, d.kernel, nil)
	if err != nil {
		return nil, err
	}
	return compile.Compile(ctx, set, compile.Options{
		Kernel: d.kernel,
		// The abstractions are written for every kernel, so each kernel finds
		// something in them that it cannot enforce.
		Degrade: compile.Report,
	})
}

// Load implements svirt.Driver.
func (d *dryRun) Load(_ context.Context, c svirt.Compiled, _ loader.Accept) error {
	d.output = c.(*compile.Output)
	return nil
}

// Start implements svirt.Driver: nothing is loaded, so nothing is started.
func (d *dryRun) Start(context.Context, *exec.Cmd, svirt.Confinement, svirt.StartOptions) error {
	return fs.ErrInvalid
}
