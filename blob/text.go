// SPDX-License-Identifier: Apache-2.0

package blob

import (
	"fmt"
	"math/bits"
	"strings"
)

// String returns the name of the mode, such as complain.
func (m Mode) String() string {
	switch m {
	case Enforce:
		return "enforce"
	case Complain:
		return "complain"
	case Kill:
		return "kill"
	case Unconfined:
		return "unconfined"
	case Prompt:
		return "prompt"
	}
	return fmt.Sprintf("mode %d", uint32(m))
}

// String returns the name of the class, or its number if it has none.
func (c Class) String() string {
	switch c {
	case ClassFile:
		return "file"
	case ClassCap:
		return "capability"
	case ClassNetOld:
		return "network (old)"
	case ClassRlimits:
		return "rlimits"
	case ClassDomain:
		return "domain"
	case ClassMount:
		return "mount"
	case ClassPtrace:
		return "ptrace"
	case ClassSignal:
		return "signal"
	case ClassXMatch:
		return "xmatch"
	case ClassNet:
		return "network v8"
	case ClassNetV9:
		return "network v9"
	case ClassLabel:
		return "label"
	case ClassPosixMq:
		return "posix mqueue"
	case ClassSysVMq:
		return "sysv mqueue"
	case ClassModule:
		return "module"
	case ClassNamespaces:
		return "namespaces"
	case ClassIOUring:
		return "io_uring"
	case ClassNetSkb:
		return "network skb"
	case ClassX:
		return "x"
	case ClassDBus:
		return "dbus"
	}
	return fmt.Sprintf("class %#02x", byte(c))
}

// permNames are the names of the kernel's permission bits, by bit.
var permNames = [32]string{
	0: "exec", 1: "write", 2: "read", 3: "append", 4: "create", 5: "delete", 6: "open", 7: "rename",
	8: "setattr", 9: "getattr", 10: "setcred", 11: "getcred", 12: "chmod", 13: "chown", 14: "chgrp", 15: "lock",
	16: "mmap", 17: "mprot", 18: "link", 19: "snapshot", 20: "accept", 21: "bind", 22: "listen",
	24: "setopt", 25: "getopt", 27: "continue", 28: "stack", 29: "onexec", 30: "change_profile", 31: "change_hat",
}

// PermNames returns the names of the bits of a permission set, separated by
// bars: "read|open|getattr"; "none" for none. Classes give some bits other
// names.
func PermNames(perms uint32) string {
	if perms == 0 {
		return "none"
	}
	var names []string
	for rest := perms; rest != 0; rest &= rest - 1 {
		i := bits.TrailingZeros32(rest)
		name := permNames[i]
		if name == "" {
			name = fmt.Sprintf("bit%d", i)
		}
		names = append(names, name)
	}
	return strings.Join(names, "|")
}

// String lists what is set, such as "allow read|open|getattr (0x244); quiet
// write (0x2)"; "nothing" when nothing is.
func (e Effective) String() string {
	var parts []string
	for _, f := range [...]struct {
		name string
		bits uint32
	}{
		{"allow", e.Allow}, {"deny", e.Deny}, {"prompt", e.Prompt}, {"audit", e.Audit}, {"quiet", e.Quiet},
		{"complain", e.Complain}, {"kill", e.Kill}, {"hide", e.Hide}, {"subtree", e.Subtree}, {"cond", e.Cond},
	} {
		if f.bits != 0 {
			parts = append(parts, fmt.Sprintf("%s %s (%#x)", f.name, PermNames(f.bits), f.bits))
		}
	}
	if !e.Exec.IsZero() {
		parts = append(parts, "exec "+e.Exec.String())
	}
	if e.Tag != 0 || e.Label != 0 {
		parts = append(parts, fmt.Sprintf("tag %d label %d", e.Tag, e.Label))
	}
	if len(parts) == 0 {
		return "nothing"
	}
	return strings.Join(parts, "; ")
}
