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

// A machine has members: the VMM itself, which goes by the machine's UUID, and
// its companions, which go by UUID-ID. Each has a profile and files of its own.

// uuidLen is the length of a UUID.
const uuidLen = 36

// memberOf names a companion of a machine, or without an ID the machine itself.
func memberOf(uuid, id string) string {
	if id == "" {
		return uuid
	}
	return uuid + "-" + id
}

// cutMember is the inverse of memberOf.
func cutMember(member string) (uuid, id string) {
	if len(member) > uuidLen+1 && member[uuidLen] == '-' {
		return member[:uuidLen], member[uuidLen+1:]
	}
	return member, ""
}

// checkMember reports whether a name is one of a member.
func checkMember(member string) error {
	uuid, id := cutMember(member)
	if err := CheckUUID(uuid); err != nil || id == "" {
		return err
	}
	return checkCompanionID(id)
}

// profile is the name of a member's profile, and of its file.
func (n names) profile(member string) string { return n.prefix + member }

// files is the path in the tree of policy of a member's rules.
func (n names) files(member string) string { return n.dir() + "/" + n.profile(member) + ".files" }

// member is the inverse of profile; other names belong to others.
func (n names) member(profile string) (member string, ok bool) {
	member, ok = strings.CutPrefix(profile, n.prefix)
	return member, ok && checkMember(member) == nil
}

// machine returns the machine of a profile, and the companion if it is that of
// one; other names belong to others.
func (n names) machine(profile string) (uuid, id string, ok bool) {
	member, ok := n.member(profile)
	uuid, id = cutMember(member)
	return uuid, id, ok
}

// file is machine for the name of a file, of a profile or of rules.
func (n names) file(name string) (uuid, id string, ok bool) {
	return n.machine(strings.TrimSuffix(name, ".files"))
}

// owns reports whether name is that of a machine's profile, of a companion's,
// or of a child of one, so that nothing else is ever loaded or removed.
func (n names) owns(name string) bool {
	name, _, _ = strings.Cut(name, "//")
	_, ok := n.member(name)
	return ok
}

// litter reports whether a file is what a run that was killed left of a file of
// a machine or of a companion of it; see dirStore.temporary.
func (n names) litter(file string) (uuid string, ok bool) {
	const random = 26 // bytes of rand.Text
	rest, ok := strings.CutPrefix(file, ".")
	if !ok || len(rest) < random+1 || rest[len(rest)-random-1] != '.' || strings.Trim(rest[len(rest)-random:], "abcdefghijklmnopqrstuvwxyz234567") != "" {
		return "", false
	}
	uuid, _, ok = n.file(rest[:len(rest)-random-1])
	return uuid, ok
}
