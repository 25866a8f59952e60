// SPDX-License-Identifier: Apache-2.0

package loader

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/goarmor/apparmor/blob"
)

// Load loads a set of profiles none of which may be loaded (ErrExist).
func (k *Kernel) Load(ctx context.Context, p *blob.Policy) error {
	return k.put(ctx, OpLoad, ".load", p)
}

// Replace loads a set of profiles and takes the place of those that are
// loaded. Processes under them are confined by the new ones from their next
// system call on. Children that are loaded but not in the set stay.
func (k *Kernel) Replace(ctx context.Context, p *blob.Policy) error {
	return k.put(ctx, OpReplace, ".replace", p)
}

// Ensure replaces the set unless just these bytes are loaded already, under
// every name in the set. It reports whether it wrote anything.
func (k *Kernel) Ensure(ctx context.Context, p *blob.Policy) (changed bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.verify(ctx, p); err != nil {
		return false, k.fail(OpEnsure, names(p), err)
	}
	same, err := k.current(p)
	if err != nil {
		return false, k.fail(OpEnsure, names(p), err)
	}
	if same {
		return false, nil
	}
	if err := k.write(k.policy, ".replace", p.Bytes()); err != nil {
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
	if err := k.write(k.policy, file, p.Bytes()); err != nil {
		return k.fail(op, names(p), err)
	}
	return nil
}

// Remove removes a profile with its children and hats. Processes under it are
// unconfined from then on. The name is that of a profile in this namespace, or
// :ns:profile for one in a namespace below, as Qualify writes it; a profile is
// not looked for anywhere else, so that one whose policy names its namespace
// itself is not found under its bare name (ErrNotExist). A whole namespace is
// removed by RemoveNamespace only.
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
	if err := k.write(k.policy, ".remove", []byte(qualify(ns, profile))); err != nil {
		return k.fail(OpRemove, name, err)
	}
	return nil
}

// removable splits the name of a profile that may be removed. A namespace with
// no profile behind it would go with all that is in it.
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
	for _, q := range p.Profiles() {
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
	needs := p.Needs()
	if len(needs) == 0 {
		return nil
	}
	loaded, err := k.Profiles(ctx)
	if err != nil {
		return err
	}
	have := map[string]bool{}
	for _, l := range loaded {
		if l.Namespace == own {
			have[l.Name] = true
		}
	}
	for _, n := range needs {
		if !have[n] {
			return fmt.Errorf("%w: %q", ErrParent, n)
		}
	}
	return nil
}

// streamNamespace returns the namespace, relative to the one that is written
// to, that a policy says it is for. It is the same for all of its profiles.
func streamNamespace(p *blob.Policy) string {
	for _, q := range p.Profiles() {
		if q.Namespace != "" {
			return q.Namespace
		}
		if ns, _ := splitNamespace(q.Name); ns != "" {
			return ns
		}
	}
	return ""
}

// join returns the name of namespace below within another.
func join(outer, inner string) string {
	if outer == "" || inner == "" {
		return outer + inner
	}
	return outer + "//" + inner
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

// current reports whether the bytes of p are what each of its profiles was
// loaded from.
func (k *Kernel) current(p *blob.Policy) (bool, error) {
	base := "."
	if own := streamNamespace(p); own != "" {
		base = "namespaces/" + own
	}
	for _, q := range p.Profiles() {
		_, name := splitNamespace(q.Name)
		dir, err := k.find(base, name)
		if err != nil || dir == "" {
			return false, err
		}
		same, err := k.loadedFrom(dir, p)
		if err != nil || !same {
			return false, err
		}
	}
	return true, nil
}

// loadedFrom compares what the profile in a directory was loaded from with p:
// by digest, or byte by byte on kernels without that digest.
func (k *Kernel) loadedFrom(dir string, p *blob.Policy) (bool, error) {
	sum, err := k.policy.readLine(dir + "/raw_sha256")
	if err == nil {
		want := p.Digest()
		return sum == hex.EncodeToString(want[:]), nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	raw, err := k.policy.read(dir + "/raw_data")
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil // the kernel keeps no copies
	}
	return err == nil && bytes.Equal(raw, p.Bytes()), err
}

// find returns the directory of a profile below base, "" if there is none.
func (k *Kernel) find(base, name string) (string, error) {
	dir := base
	for component := range strings.SplitSeq(name, "//") {
		entries, err := k.policy.names(dir + "/profiles")
		if errors.Is(err, fs.ErrNotExist) {
			return "", nil
		}
		if err != nil {
			return "", err
		}
		found := ""
		for _, e := range entries {
			if !mayBe(e, component) {
				continue
			}
			sub := dir + "/profiles/" + e
			got, err := k.policy.readLine(sub + "/name")
			if errors.Is(err, fs.ErrNotExist) {
				continue // removed since
			}
			if err != nil {
				return "", err
			}
			if got == component || got == name {
				found = sub
				break
			}
		}
		if found == "" {
			return "", nil
		}
		dir = found
	}
	return dir, nil
}

// mayBe reports whether a directory, NAME.N, may be that of a profile: its
// name is made of the letters, digits and dots of the profile's, among others.
func mayBe(entry, profile string) bool {
	i := strings.LastIndexByte(entry, '.')
	return i > 0 && plain(entry[:i]) == plain(profile)
}

// plain keeps the letters and digits, which the kernel leaves as they are when
// it makes the name of a directory.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9':
			return r
		}
		return -1
	}, s)
}
