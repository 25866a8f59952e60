// SPDX-License-Identifier: Apache-2.0

package loader

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/goarmor/apparmor/blob"
)

// Load loads a set of profiles. None of them may be loaded already (ErrExist).
func (k *Kernel) Load(ctx context.Context, p *blob.Policy) error {
	return k.put(ctx, OpLoad, ".load", p)
}

// Replace loads a set of profiles, replacing those that are loaded. The new
// ones apply to processes from their next system call on. Open descriptors are
// not taken away: reading, writing and mapping them still works, on all
// kernels, even for files that the new profile does not allow; only opening
// such files again and truncating them fail. Children that are loaded but not
// in the set stay.
func (k *Kernel) Replace(ctx context.Context, p *blob.Policy) error {
	return k.put(ctx, OpReplace, ".replace", p)
}

// Ensure replaces the set unless exactly these bytes are already loaded under
// every name in the set, and reports whether it wrote anything. If the kernel
// does not show what is loaded, it always writes.
//
// If the kernel as a whole enforces nothing, the error matches ErrMode and
// nothing is written; see EnsureWith. The modes of profiles are those in p.
func (k *Kernel) Ensure(ctx context.Context, p *blob.Policy) (changed bool, err error) {
	return k.EnsureWith(ctx, p, Accept{})
}

// EnsureWith is Ensure that also accepts a kernel in a mode that a accepts.
// With Accept.Unverified it accepts one whose mode the caller may not read.
func (k *Kernel) EnsureWith(ctx context.Context, p *blob.Policy, a Accept) (changed bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.verify(ctx, p); err != nil {
		return false, k.fail(OpEnsure, names(p), err)
	}
	if err := k.kernelMode(ctx, a); err != nil {
		return false, k.fail(OpEnsure, names(p), err)
	}
	same, err := k.holds(ctx, FingerprintOf(p))
	if err != nil && !errors.Is(err, ErrNoDigest) {
		return false, k.fail(OpEnsure, names(p), err)
	}
	if same {
		return false, nil
	}
	if err := k.writePolicy(".replace", p); err != nil {
		return false, k.fail(OpEnsure, names(p), err)
	}
	return true, nil
}

func (k *Kernel) put(ctx context.Context, op Op, file string, p *blob.Policy) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.verify(ctx, p); err != nil {
		return k.fail(op, names(p), err)
	}
	if err := k.writePolicy(file, p); err != nil {
		return k.fail(op, names(p), err)
	}
	return nil
}

// Remove removes a profile with its children and hats. Processes under it are
// unconfined afterwards; Remove does not look whether there are any, Retire
// does. The name is that of a profile in this namespace, or :ns:profile for
// one in a namespace below, as Qualify writes it. A profile is not looked for
// anywhere else, so one whose policy names its namespace itself is not found
// under its bare name (ErrNotExist). Only RemoveNamespace removes a whole
// namespace.
func (k *Kernel) Remove(ctx context.Context, name string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	ns, profile, err := removable(name)
	if err == nil {
		err = k.allowed(qualify(join(k.ns, ns), profile))
	}
	if err != nil {
		return k.fail(OpRemove, name, err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.write(".remove", []byte(qualify(ns, profile))); err != nil {
		return k.fail(OpRemove, name, err)
	}
	return nil
}

// removable splits the name of a profile that may be removed. A namespace with
// no profile after it would be removed with everything in it.
func removable(name string) (ns, profile string, err error) {
	ns, profile = splitNamespace(name)
	if strings.HasPrefix(profile, ":") || profile == "" && ns != "" {
		return "", "", fmt.Errorf("%w: use RemoveNamespace for all of a namespace", ErrName)
	}
	if ns != "" {
		for part := range strings.SplitSeq(ns, "//") {
			if err := checkNamespace(part); err != nil {
				return "", "", err
			}
		}
	}
	return ns, profile, checkName(profile)
}

var errEmpty = errors.New("there are no profiles in the policy")

// verify refuses what must not be written.
func (k *Kernel) verify(ctx context.Context, p *blob.Policy) error {
	if p == nil || p.Len() == 0 {
		return errEmpty
	}
	if err := p.Check(k.limits); err != nil {
		return err
	}
	own := streamNamespace(p)
	for _, q := range p.Heads() {
		_, name := splitNamespace(q.Name)
		for _, n := range []string{name, q.Rename} {
			if n == "" {
				continue // no rename
			}
			if err := checkProfile(n); err != nil {
				return fmt.Errorf("%w: %q", err, n)
			}
			if err := k.allowed(qualify(join(k.ns, own), n)); err != nil {
				return err
			}
		}
	}
	for _, n := range p.Needs() {
		dir, err := k.find(ctx, own, n)
		if err != nil {
			return err
		}
		if dir == "" {
			return fmt.Errorf("%w: %q", ErrParent, n)
		}
	}
	return nil
}

// names lists the profiles of a policy for messages.
func names(p *blob.Policy) string {
	if p == nil {
		return ""
	}
	const show = 3
	list := p.Names()
	if n := len(list); n > show {
		return fmt.Sprintf("%s and %d more", strings.Join(list[:show], ", "), n-show)
	}
	return strings.Join(list, ", ")
}
