// SPDX-License-Identifier: Apache-2.0

package ast

import (
	"strings"

	"github.com/goarmor/apparmor/internal/linux"
)

// IsErrno reports whether name is an error code that the flag error= takes, in
// any case: the names of Linux's <asm-generic/errno.h>.
func IsErrno(name string) bool {
	for e := range Errnos().All() {
		if strings.EqualFold(e, name) {
			return true
		}
	}
	return false
}

// Errnos returns the error codes that the flag error= takes, in the order of
// their numbers, other names of the same last; see IsErrno.
func Errnos() Vocabulary { return Vocabulary{words: linux.Errnos, more: errnoAliases} }

// errnoAliases are what policy also calls EAGAIN, EDEADLK and EOPNOTSUPP.
var errnoAliases = []string{"EWOULDBLOCK", "EDEADLOCK", "ENOTSUP"}

// FlagsExclude reports whether a profile cannot have both flags: two modes, an
// opposite, or one flag with two values.
func FlagsExclude(a, b Flag) bool {
	switch {
	case a.Name == b.Name:
		return a.Value != b.Value && a.Value != "" && b.Value != "" && !(a.Name == "error" && strings.EqualFold(a.Value, b.Value))
	case isMode(a.Name) && isMode(b.Name):
		return true
	}
	return flagExcludes(a.Name, b.Name) || flagExcludes(b.Name, a.Name)
}

func flagExcludes(a, b string) bool {
	switch a {
	case "mediate_deleted":
		return b == "delegate_deleted"
	case "no_attach_disconnected":
		return b == "attach_disconnected" || b == "attach_disconnected.ipc" || b == "attach_disconnected.path"
	case "chroot_relative":
		return b == "namespace_relative"
	case "chroot_attach":
		return b == "chroot_no_attach"
	}
	return false
}

func isMode(flag string) bool {
	switch flag {
	case "enforce", "complain", "kill", "unconfined", "prompt", "default_allow":
		return true
	}
	return false
}

// MountFlagsExclude reports whether one mount option is the opposite of the
// other, in any of their spellings. Such options cannot stand in one list.
func MountFlagsExclude(a, b string) bool {
	a, b = mountFlag(a), mountFlag(b)
	return a != "" && isNo(b, a) || b != "" && isNo(a, b)
}

// isNo reports whether a is "no" and b, one behind the other.
func isNo(a, b string) bool { return len(a) == len(b)+2 && a[:2] == "no" && a[2:] == b }

// mountFlag maps the spellings of a mount option to one name, such that the
// opposite of x is nox, and to nothing when it has no opposite.
func mountFlag(name string) string {
	switch name {
	case "ro", "r", "read-only":
		return "nowrite"
	case "rw", "w":
		return "write"
	case "async":
		return "nosync"
	case "loud", "verbose":
		return "nosilent"
	case "bind", "B", "move", "M", "rbind", "R", "remount", "dirsync":
		return ""
	}
	for _, propagation := range [...]string{"bindable", "private", "slave", "shared"} {
		if strings.Contains(name, propagation) {
			return ""
		}
	}
	return name
}
