// SPDX-License-Identifier: Apache-2.0

package loader

// Options say where the kernel's files are, and what a Kernel may do. The zero
// value is right for almost everybody.
type Options struct {
	// SysFS and ProcFS are where these file systems are mounted; empty for
	// /sys and /proc. Open verifies that they are what they should be.
	SysFS, ProcFS string
	// OnlyNames, if set, is called before a profile is loaded, replaced,
	// renamed or removed; names for which it returns false are refused with
	// ErrNotAllowed. It gets the full name of the profile, in the form
	// :ns:name if the policy or the Kernel is for a namespace other than the
	// caller's, and :ns: for a namespace that is to be removed with everything
	// in it. It must be safe for concurrent use.
	OnlyNames func(name string) bool
	// OwnProcesses says that all processes that matter are in the PID
	// namespace of ProcFS, if that is not the machine's first, as in a
	// container: nothing outside of it ever runs under the profiles that are
	// removed. Without it, looking for processes in such a procfs fails with
	// ErrProcesses.
	OwnProcesses bool
	// OwnUserNamespace says that all processes that matter are in the caller's
	// user namespace, which is not the machine's first (ErrUserNamespace), or in
	// those below it; see StartInNamespace. There the caller is root and may read
	// the attributes of all; a process whose attributes the kernel does not
	// show, which is an error otherwise, is taken for one outside. One that
	// joined the policy namespace from outside is not seen.
	OwnUserNamespace bool
	// Trace makes Start hold the process with ptrace(2) at the end of its exec
	// until its label has been verified; see Start. The profile must allow the
	// caller to trace the process, and so must the caller's own profile. A
	// set-user-ID program does not get its privileges unless the caller has
	// CAP_SYS_PTRACE. A signal that reaches the process between fork and exec,
	// which only one to the whole process group can, stops it there for good,
	// and Start with it.
	Trace bool
}

func (o Options) sysFS() string {
	if o.SysFS == "" {
		return "/sys"
	}
	return o.SysFS
}

func (o Options) procFS() string {
	if o.ProcFS == "" {
		return "/proc"
	}
	return o.ProcFS
}

// Permissions is the kernel's answer to a query, in its permission bits (see
// package blob). All bits of Allow are set for what is not mediated.
type Permissions struct {
	// Allow is what is granted, Deny what is denied explicitly, Audit what is
	// logged if it is granted, and Quiet what is not logged if it is refused.
	Allow, Deny, Audit, Quiet uint32
}
