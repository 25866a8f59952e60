// SPDX-License-Identifier: Apache-2.0

package command

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"

	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/loader"
)

// Kernel is what the command does with the kernel.
type Kernel interface {
	Features(ctx context.Context) (*features.Set, error)
	Load(ctx context.Context, p *blob.Policy) error
	Replace(ctx context.Context, p *blob.Policy) error
	// Remove removes a profile of a namespace below the caller's; of the
	// caller's own if that is empty.
	Remove(ctx context.Context, namespace, name string) error
	Close() error
}

// openKernel opens the running kernel's interface. The loader accepts only the
// kernel's own file systems, so apparmorfs can only say where sysfs is
// mounted.
func openKernel(apparmorfs string) (Kernel, error) {
	sysfs := ""
	if apparmorfs != "" {
		var ok bool
		sysfs, ok = strings.CutSuffix(strings.TrimRight(apparmorfs, "/"), "/kernel/security/apparmor")
		if !ok || sysfs == "" {
			return nil, fmt.Errorf("%s: %w: it must be kernel/security/apparmor below where sysfs is mounted", apparmorfs, loader.ErrFileSystem)
		}
	}
	k, err := loader.Open(loader.Options{SysFS: sysfs})
	if err != nil {
		return nil, err
	}
	return running{k}, nil
}

// running is the kernel that runs.
type running struct{ *loader.Kernel }

func (k running) Remove(ctx context.Context, namespace, name string) error {
	if namespace == "" {
		return k.Kernel.Remove(ctx, name)
	}
	ns, err := k.Kernel.Namespace(ctx, namespace, false)
	if err != nil {
		return err
	}
	defer ns.Close()
	return ns.Remove(ctx, name)
}

// refused reports what the kernel said about a profile and returns the exit
// status, as callers of the reference know it: 256 minus the error number or,
// for compiled policy, the error number.
func (r *run) refused(res *result, err error) int {
	var errno syscall.Errno
	if !errors.As(err, &errno) || errno <= 0 || errno > 255 {
		r.report.say("%v", err)
		return statusFailed
	}
	var le *loadError
	if errors.As(err, &le) {
		r.report.say("Unable to %s \"%s\".  %s", le.verb, le.name, reason(errno, le.err))
	}
	if r.options.binary || res.cached != "" {
		return int(errno)
	}
	return 256 - int(errno)
}

// reason is what an error number of the kernel means for policy.
func reason(errno syscall.Errno, err error) string {
	text := err.Error()
	var le *loader.Error
	if errors.As(err, &le) {
		text = le.Err.Error()
		if le.Hint != "" {
			text += "; " + le.Hint
		}
	}
	switch errno {
	case syscall.ENOENT:
		return "Profile doesn't exist"
	case syscall.EEXIST:
		return "Profile already exists"
	}
	return text
}
