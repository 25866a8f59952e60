// SPDX-License-Identifier: Apache-2.0

package svirt

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"

	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/loader"
	"github.com/goarmor/apparmor/parser"
)

// AppArmor is the driver of the kernel's AppArmor. Its fields must not be
// changed once it is in use.
type AppArmor struct {
	// Kernel is where profiles are loaded. Nil makes a driver that compiles
	// only.
	Kernel *loader.Kernel
	// Features are what the kernel can enforce; nil: Kernel is asked.
	Features *features.Set
	// Degrade tells what to do with rules that the kernel cannot enforce; see
	// package compile. Abstractions that are shared by all kernels have some
	// for any of them.
	Degrade compile.Degrade
	// Logger is told of what is not enforced; nil: slog.Default.
	Logger *slog.Logger

	cache parser.Cache
}

var _ Driver = (*AppArmor)(nil)

// OpenAppArmor returns the driver of the running kernel, which leaves out and
// logs what the kernel cannot enforce. The caller closes its Kernel.
func OpenAppArmor(ctx context.Context) (*AppArmor, error) {
	k, err := loader.Open(loader.Options{OnlyNames: isProfileName})
	if err != nil {
		return nil, err
	}
	set, err := k.Features(ctx)
	if err != nil {
		return nil, errors.Join(err, k.Close())
	}
	return &AppArmor{Kernel: k, Features: set, Degrade: compile.Report}, nil
}

// isProfileName reports whether name is that of a machine's profile or of a
// child of it, so that nothing else is ever loaded or removed.
func isProfileName(name string) bool {
	name, _, _ = strings.Cut(name, "//")
	uuid, ok := strings.CutPrefix(name, profilePrefix)
	return ok && CheckUUID(uuid) == nil
}

// Name implements Driver.
func (*AppArmor) Name() string { return "apparmor" }

func (a *AppArmor) logger() *slog.Logger {
	if a.Logger == nil {
		return slog.Default()
	}
	return a.Logger
}

var errNoKernel = errors.New("the driver has no kernel")

// Load implements Driver. What is loaded already is not loaded again.
func (a *AppArmor) Load(ctx context.Context, c Compiled) error {
	p, ok := c.(*blob.Policy)
	if !ok || a.Kernel == nil {
		return errNoKernel
	}
	_, err := a.Kernel.Ensure(ctx, p)
	return err
}

// Unload implements Driver.
func (a *AppArmor) Unload(ctx context.Context, profile string) error {
	if a.Kernel == nil {
		return errNoKernel
	}
	return a.Kernel.Remove(ctx, profile)
}

// List implements Driver.
func (a *AppArmor) List(ctx context.Context) ([]Loaded, error) {
	if a.Kernel == nil {
		return nil, errNoKernel
	}
	profiles, err := a.Kernel.Profiles(ctx)
	if err != nil {
		return nil, err
	}
	var out []Loaded
	for _, p := range profiles {
		if p.Namespace == "" {
			out = append(out, Loaded{Name: p.Name, Mode: string(p.Mode)})
		}
	}
	return out, nil
}

// InUse implements Driver. It looks at every process of /proc.
func (a *AppArmor) InUse(ctx context.Context, profile string) (bool, error) {
	if a.Kernel == nil {
		return false, errNoKernel
	}
	label := a.Kernel.Qualify(profile)
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return false, err
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if err := ctx.Err(); err != nil {
			return false, err
		}
		l, err := a.Kernel.Label(pid)
		if err != nil {
			continue // it has ended, or is a kernel's own
		}
		for _, name := range l.Profiles() {
			if name == label || strings.HasPrefix(name, label+"//") {
				return true, nil
			}
		}
	}
	return false, nil
}

// ChangeProfile implements Driver. The calling goroutine must be locked to its
// thread and must never unlock it.
func (a *AppArmor) ChangeProfile(profile string) error {
	if a.Kernel == nil {
		return errNoKernel
	}
	return a.Kernel.ChangeProfile(a.Kernel.Qualify(profile))
}

// Start implements Driver; see loader.Tasks.Start. For want of the profile the
// error matches ErrNotLoaded.
func (a *AppArmor) Start(ctx context.Context, cmd *exec.Cmd, profile string) error {
	if a.Kernel == nil {
		return errNoKernel
	}
	err := a.Kernel.Start(ctx, cmd, a.Kernel.Qualify(profile))
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	// It may be the profile that is not there, or the program.
	list, listErr := a.List(ctx)
	if listErr != nil || slices.ContainsFunc(list, func(l Loaded) bool { return l.Name == profile }) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrNotLoaded, err)
}
