// SPDX-License-Identifier: Apache-2.0

package loader

import (
	"context"
	"errors"
	"io/fs"
	"strings"
)

// What is loaded is read from the directories that the kernel has for each
// profile, policy/profiles/NAME.N, with files for its name and its mode, not
// from its list of profiles, which is text: a name there may hold a newline,
// or read like another name and its mode.

// Profiles lists what is loaded in the namespace and in those below it, sorted
// by namespace and name. Profiles that are loaded or removed meanwhile may or
// may not be listed.
func (k *Kernel) Profiles(ctx context.Context) ([]Profile, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	list, err := k.list(ctx, nil, "", ".")
	if err != nil {
		return nil, k.fail(OpList, "", err)
	}
	sortProfiles(list)
	return list, nil
}

// Profile returns one profile that is loaded; Namespace and Name are as in
// Profiles, name as in Remove. The error matches ErrNotExist if there is none.
func (k *Kernel) Profile(ctx context.Context, name string) (Profile, error) {
	if err := ctx.Err(); err != nil {
		return Profile{}, err
	}
	p, _, err := k.lookup(ctx, name)
	if err != nil {
		return Profile{}, k.fail(OpList, name, err)
	}
	return p, nil
}

// lookup finds a profile by the name that Remove takes, and its directory.
func (k *Kernel) lookup(ctx context.Context, name string) (Profile, string, error) {
	ns, profile, err := removable(name)
	if err != nil {
		return Profile{}, "", err
	}
	dir, err := k.find(ctx, ns, profile)
	if err == nil && dir == "" {
		err = fs.ErrNotExist
	}
	if err != nil {
		return Profile{}, "", err
	}
	mode, err := k.policy.readLine(dir + "/mode")
	return Profile{Name: profile, Namespace: ns, Mode: Mode(mode)}, dir, err
}

// list appends the profiles of a namespace, whose directory is base, and of
// those below it.
func (k *Kernel) list(ctx context.Context, list []Profile, ns, base string) ([]Profile, error) {
	err := k.each(ctx, base, "", func(name, dir string) error {
		mode, err := k.policy.readLine(dir + "/mode")
		if err == nil {
			list = append(list, Profile{Name: name, Namespace: ns, Mode: Mode(mode)})
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	below, err := k.policy.names(base + "/namespaces")
	if err := vanished(err); err != nil {
		return nil, err
	}
	for _, n := range below {
		if list, err = k.list(ctx, list, join(ns, n), base+"/namespaces/"+n); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// each calls f with every profile below a directory of a namespace or of a
// profile, parents before their children, which are parent//child. Those that
// are removed meanwhile are left out.
func (k *Kernel) each(ctx context.Context, base, parent string, f func(name, dir string) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	entries, err := k.policy.names(base + "/profiles")
	if err := vanished(err); err != nil {
		return err
	}
	for _, e := range entries {
		dir := base + "/profiles/" + e
		name, err := k.policy.readLine(dir + "/name")
		if err == nil {
			if parent != "" {
				name = parent + "//" + name
			}
			if err = f(name, dir); err == nil {
				err = k.each(ctx, dir, name, f)
			}
		}
		if err := vanished(err); err != nil {
			return err
		}
	}
	return nil
}

// vanished drops the error of something that does not exist, or no longer
// exists.
func vanished(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// find returns the directory of a profile of a namespace, "" if there is
// none.
func (k *Kernel) find(ctx context.Context, ns, name string) (string, error) {
	dir := "."
	if ns != "" {
		dir = "namespaces/" + strings.ReplaceAll(ns, "//", "/namespaces/")
	}
	for component := range strings.SplitSeq(name, "//") {
		if err := ctx.Err(); err != nil {
			return "", err
		}
		entries, err := k.policy.names(dir + "/profiles")
		if err != nil {
			return "", vanished(err)
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

// mayBe reports whether a directory, NAME.N, may be that of a profile, by the
// letters and digits of the two names.
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
