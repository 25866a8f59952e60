// SPDX-License-Identifier: Apache-2.0

package loader

// Options tell where the kernel's files are. The zero value is right for
// almost everybody.
type Options struct {
	// SysFS and ProcFS are where these file systems are mounted; empty for
	// /sys and /proc. Open verifies that they are what they should be.
	SysFS, ProcFS string
	// OnlyNames, if set, is asked before a profile is loaded, replaced,
	// renamed or removed; names that it returns false for are refused with
	// ErrNotAllowed. It gets the full name of the profile, in the form
	// :ns:name if the policy itself or the Kernel is about another namespace
	// than the caller's, and :ns: for a namespace that is to be removed with
	// all in it. It must be safe for concurrent use.
	OnlyNames func(name string) bool
	// OwnProcesses says that all processes that matter are in the PID namespace
	// of ProcFS, where that is not the machine's first, as in a container: what
	// runs under the profiles that are removed is never outside of it. Without
	// it, looking for processes in such a procfs is ErrProcesses.
	OwnProcesses bool
	// Trace makes Start hold the process with ptrace(2) at the end of its
	// exec, until its label has been verified; see Start. The profile must
	// allow that the caller traces, and a caller's own profile too. A
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
	Allow, Deny, Audit, Quiet uint32
}
