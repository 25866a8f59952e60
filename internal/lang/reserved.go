// SPDX-License-Identifier: Apache-2.0

package lang

// IsReserved reports whether a bare word is a keyword of the language, which
// cannot be the path of a file rule or the name of a capability.
func IsReserved(word string) bool {
	switch word {
	case "abi", "alias", "rewrite", "all", "allow", "deny", "prompt", "audit", "owner", "user", "other", "priority",
		"capability", "change_profile", "dbus", "defined", "else", "file", "hat", "if", "in", "include", "io_uring", "link",
		"mount", "mqueue", "network", "not", "pivot_root", "profile", "ptrace", "remount", "rlimit", "safe", "unsafe",
		"set", "signal", "subset", "umount", "unmount", "unix", "userns", "read", "write", "send", "receive", "bind",
		"trace", "tracedby", "readby", "eavesdrop", "peer":
		return true
	}
	return false
}
