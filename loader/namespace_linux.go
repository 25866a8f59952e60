// SPDX-License-Identifier: Apache-2.0

package loader

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// Namespace returns the namespace of that name below k's; if it does not exist
// and create is set, it is made. Close it after use. Nested namespaces are
// opened one after another.
func (k *Kernel) Namespace(ctx context.Context, name string, create bool) (*Kernel, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := checkNamespace(name); err != nil {
		return nil, k.fail(OpNamespace, name, err)
	}
	if create {
		err := k.policy.with(func(fd int) error { return unix.Mkdirat(fd, "namespaces/"+name, 0o755) })
		if err != nil && !errors.Is(err, unix.EEXIST) {
			return nil, k.fail(OpCreateNamespace, name, os.NewSyscallError("mkdirat", err))
		}
	}
	n := &Kernel{sys: k.sys, ns: join(k.ns, name), only: k.only, features: k.features, limits: k.limits, mu: k.mu}
	var err error
	if n.policy, err = k.policy.sub("namespaces/" + name); err != nil {
		return nil, k.fail(OpNamespace, name, err)
	}
	if n.root, err = k.root.dup(); err == nil {
		if n.params, err = k.params.dup(); err == nil {
			n.Tasks, err = k.Tasks.dup()
		}
	}
	if err != nil {
		_ = n.Close() // of directories; what went wrong before is the reason
		return nil, k.fail(OpNamespace, name, err)
	}
	return n, nil
}

// RemoveNamespace removes the namespace of that name below k's, with all
// profiles and namespaces in it. Processes in it are unconfined afterwards.
func (k *Kernel) RemoveNamespace(ctx context.Context, name string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	err := checkNamespace(name)
	if err == nil {
		err = k.allowed(":" + join(k.ns, name) + ":")
	}
	if err != nil {
		return k.fail(OpRemoveNamespace, name, err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	err = k.policy.with(func(fd int) error { return unix.Unlinkat(fd, "namespaces/"+name, unix.AT_REMOVEDIR) })
	if err != nil {
		return k.fail(OpRemoveNamespace, name, os.NewSyscallError("unlinkat", err))
	}
	return nil
}

// Namespaces returns the names of the namespaces directly below k's, sorted.
func (k *Kernel) Namespaces(ctx context.Context) ([]string, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	names, err := k.policy.names("namespaces")
	if err != nil {
		return nil, k.fail(OpList, "", fmt.Errorf("namespaces: %w", err))
	}
	slices.Sort(names)
	return names, nil
}
