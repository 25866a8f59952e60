// SPDX-License-Identifier: Apache-2.0

package svirt

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os/exec"
	"sync/atomic"

	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/loader"
	"github.com/goarmor/apparmor/parser"
)

// AppArmor is the driver of the kernel's AppArmor. Its fields must not be
// changed once it is in use.
//
// It compiles what machines have in common once, for as many texts of profiles as
// docs/limits.md says, and after that what a machine has of its own. The same
// document lists what is compiled as a whole each time.
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
	// Logger is told of what is not enforced; nil: the logger of the first
	// Manager that uses the driver. What this package's own templates have of
	// that is told once, at the level Debug.
	Logger *slog.Logger

	handed   atomic.Pointer[slog.Logger] // by a Manager
	degraded degradations
	cache    parser.Cache
	bases    bases
}

var _ Driver = (*AppArmor)(nil)

// OpenAppArmor returns the driver of the running kernel, which leaves out and
// logs what the kernel cannot enforce. The caller closes its Kernel.
func OpenAppArmor(ctx context.Context) (*AppArmor, error) { return openAppArmor(ctx, libvirtNames) }

func openAppArmor(ctx context.Context, n names) (*AppArmor, error) {
	k, err := loader.Open(loader.Options{OnlyNames: n.owns})
	if err != nil {
		return nil, err
	}
	set, err := k.Features(ctx)
	if err != nil {
		return nil, errors.Join(err, k.Close())
	}
	return &AppArmor{Kernel: k, Features: set, Degrade: compile.Report}, nil
}

// Name implements Driver.
func (*AppArmor) Name() string { return "apparmor" }

func (a *AppArmor) logger() *slog.Logger {
	return cmp.Or(a.Logger, a.handed.Load(), discard)
}

var errNoKernel = errors.New("the driver has no kernel")

// Load implements Driver. It does not load what is loaded already. A kernel
// that enforces nothing as a whole is an error that matches loader.ErrMode
// unless it is accepted.
func (a *AppArmor) Load(ctx context.Context, c Compiled, accept loader.Accept) error {
	p, ok := c.(*blob.Policy)
	if !ok || a.Kernel == nil {
		return errNoKernel
	}
	_, err := a.Kernel.EnsureWith(ctx, p, accept)
	return err
}

// Mark implements Driver; it is a loader.Fingerprint.
func (a *AppArmor) Mark(c Compiled) Mark {
	p, ok := c.(*blob.Policy)
	if !ok {
		return nil
	}
	return loader.FingerprintOf(p)
}

// Unload implements Driver; see loader.Kernel.Retire.
func (a *AppArmor) Unload(ctx context.Context, profile string, o loader.RetireOptions) error {
	if a.Kernel == nil {
		return errNoKernel
	}
	return a.Kernel.Retire(ctx, profile, o)
}

// Sealed implements Driver. Where the kernel does not show what a profile was
// loaded from it is not known.
func (a *AppArmor) Sealed(ctx context.Context, profile string) (bool, error) {
	if a.Kernel == nil {
		return false, errNoKernel
	}
	sealed, err := a.Kernel.Sealed(ctx, profile)
	if errors.Is(err, loader.ErrNoDigest) || errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return sealed, err
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

// InUse implements Driver. It looks at every thread of every process.
func (a *AppArmor) InUse(ctx context.Context, profile string) (bool, error) {
	if a.Kernel == nil {
		return false, errNoKernel
	}
	users, err := a.Kernel.Users(ctx, profile)
	return len(users) > 0, err
}

// Files implements Driver.
func (a *AppArmor) Files(ctx context.Context, profile string, want func(loader.File) bool) ([]loader.File, error) {
	if a.Kernel == nil {
		return nil, errNoKernel
	}
	return a.Kernel.Files(ctx, profile, want)
}

// InForce implements Driver.
func (a *AppArmor) InForce(ctx context.Context, c Confinement) (bool, error) {
	if a.Kernel == nil {
		return false, errNoKernel
	}
	print, err := content(c)
	if err == nil {
		err = a.Kernel.Confines(ctx, print, loader.Accept{Complain: true, Unconfined: true, Prompt: true})
	}
	if errors.Is(err, loader.ErrContent) || errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// ChangeProfile implements Driver. The calling goroutine must be locked to its
// thread and must never unlock it. If it returns an error that matches
// loader.ErrMode or loader.ErrContent, others have changed the profile
// meanwhile; the thread may be under it, and should end.
func (a *AppArmor) ChangeProfile(ctx context.Context, c Confinement, accept loader.Accept) error {
	if a.Kernel == nil {
		return errNoKernel
	}
	print, err := content(c)
	if err == nil {
		err = a.Kernel.Confines(ctx, print, accept)
	}
	if err == nil {
		err = a.Kernel.ChangeProfile(a.Kernel.Qualify(c.Profile))
	}
	if err == nil {
		// On another thread: this one may not look any more.
		after := make(chan error)
		go func() { after <- a.Kernel.Confines(ctx, print, accept) }()
		err = <-after
	}
	return a.notLoaded(ctx, c.Profile, err)
}

// Start implements Driver; see loader.Kernel.StartWith. For want of the profile
// the error matches ErrNotLoaded.
func (a *AppArmor) Start(ctx context.Context, cmd *exec.Cmd, c Confinement, o StartOptions) error {
	if a.Kernel == nil {
		return errNoKernel
	}
	print, err := content(c)
	if err == nil {
		err = a.Kernel.StartWith(ctx, cmd, a.Kernel.Qualify(c.Profile), loader.StartOptions{
			Accept: o.Accept, Content: print, KeepFiles: o.KeepFiles, KeepEnv: o.KeepEnv, NoNewPrivs: o.NoNewPrivs, Started: o.Started,
		})
	}
	return a.notLoaded(ctx, c.Profile, err)
}

// content returns what must be loaded.
func content(c Confinement) (loader.Fingerprint, error) {
	print, ok := c.Mark.(loader.Fingerprint)
	if !ok {
		return print, fmt.Errorf("%s: it is not known what the profile should be", c.Profile)
	}
	return print, nil
}

// notLoaded makes an error for want of the profile match ErrNotLoaded. It may
// be the program that is not there.
func (a *AppArmor) notLoaded(ctx context.Context, profile string, err error) error {
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if _, perr := a.Kernel.Profile(ctx, profile); !errors.Is(perr, fs.ErrNotExist) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrNotLoaded, err)
}
