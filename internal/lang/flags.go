// SPDX-License-Identifier: Apache-2.0

package lang

import "strings"

// FlagsExclude reports whether a profile cannot have both flags, given by name
// and value: two modes, opposites, or one flag with two values.
func FlagsExclude(a, aValue, b, bValue string) bool {
	switch {
	case a == b:
		return aValue != bValue && aValue != "" && bValue != "" && !(a == "error" && strings.EqualFold(aValue, bValue))
	case isMode(a) && isMode(b):
		return true
	}
	return flagExcludes(a, b) || flagExcludes(b, a)
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
