// SPDX-License-Identifier: Apache-2.0

package svirt

import (
	"fmt"
	"strings"
)

// names are what a Manager calls its profiles and files.
type names struct {
	prefix string // libvirt-
}

// libvirtNames are libvirt's.
var libvirtNames = names{profilePrefix}

// check reports whether the prefix can be one.
func (n names) check() error {
	ok := len(n.prefix) > 1 && len(n.prefix) <= 64 && strings.HasSuffix(n.prefix, "-")
	for i := 0; i < len(n.prefix); i++ {
		switch c := n.prefix[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '_':
		case c == '-' || c == '.':
			ok = ok && i > 0
		default:
			ok = false
		}
	}
	if !ok {
		return fmt.Errorf("%w: the prefix %q is not made of letters, digits, `_`, `.` and `-` with a `-` at its end", ErrOptions, n.prefix)
	}
	return nil
}

// dir is the directory of the machines' files in the tree of policy.
func (n names) dir() string { return strings.TrimSuffix(n.prefix, "-") }

// profile is the name of a machine's profile, and of its file.
func (n names) profile(uuid string) string { return n.prefix + uuid }

// files is the path in the tree of policy of a machine's rules.
func (n names) files(uuid string) string { return n.dir() + "/" + n.profile(uuid) + ".files" }

// uuid is the inverse of profile; other names are somebody else's.
func (n names) uuid(profile string) (string, bool) {
	uuid, ok := strings.CutPrefix(profile, n.prefix)
	return uuid, ok && CheckUUID(uuid) == nil
}

// owns reports whether name is that of a machine's profile or of a child of it,
// so that nothing else is ever loaded or removed.
func (n names) owns(name string) bool {
	name, _, _ = strings.Cut(name, "//")
	_, ok := n.uuid(name)
	return ok
}

// litter reports whether a file is what a run that was killed left of a file of
// a machine; see dirStore.temporary.
func (n names) litter(file string) (uuid string, ok bool) {
	const random = 26 // bytes of rand.Text
	rest, ok := strings.CutPrefix(file, ".")
	if !ok || len(rest) < random+1 || rest[len(rest)-random-1] != '.' || strings.Trim(rest[len(rest)-random:], "abcdefghijklmnopqrstuvwxyz234567") != "" {
		return "", false
	}
	return n.uuid(strings.TrimSuffix(rest[:len(rest)-random-1], ".files"))
}
