// SPDX-License-Identifier: Apache-2.0

package loader

import (
	"slices"
	"strings"
)

// StartOptions say how a process is started. The zero value is the strictest.
type StartOptions struct {
	// Accept says what counts as confinement.
	Accept Accept
	// Content, if set, is the policy that the profile must have been loaded
	// from. It is verified before the process is started and again afterwards;
	// see Kernel.Confines. It needs a Kernel.
	Content Fingerprint
	// KeepFiles leaves the descriptors above 2 as they are. Otherwise all
	// those of the caller's process are made close-on-exec, permanently, so
	// that the process gets only cmd.Stdin, Stdout, Stderr and ExtraFiles.
	KeepFiles bool
	// KeepEnv leaves the environment as it is. Otherwise variables that make
	// the dynamic linker and the C library load or write other files are
	// removed, which the kernel does not do if the caller has no profile: LD_*
	// and the variables that ld.so(8) names for secure-execution mode, except
	// TMPDIR.
	KeepEnv bool
	// NoNewPrivs sets no_new_privs for the process. The label is then stacked on
	// the caller's, if it has one.
	NoNewPrivs bool
	// Started, if not nil, is filled in before the call returns without an
	// error.
	Started *Started
}

// Started says how a process was started. Without Options.Trace, the process
// may have run for a moment before it was checked.
type Started struct {
	Label Label // as read back
	// Stacked says that the label was stacked on the caller's.
	Stacked bool
	// NoNewPrivs says that the process has no_new_privs: programs that it
	// executes get no privileges, and its label can only be stacked.
	NoNewPrivs bool
	// Ignored and Blocked are the signals that it ignores and blocks; bit n-1
	// is signal n. Both are inherited from the caller.
	Ignored, Blocked uint64
	// Environment are the names of the variables that were removed.
	Environment []string
}

// cleanEnv returns the environment without the variables that KeepEnv would
// keep, and the names of those removed.
func cleanEnv(env []string) (clean, removed []string) {
	for _, e := range env {
		name, _, _ := strings.Cut(e, "=")
		if strings.HasPrefix(name, "LD_") || slices.Contains(linkerEnv, name) {
			removed = append(removed, name)
		} else {
			clean = append(clean, e)
		}
	}
	if clean == nil {
		clean = []string{} // nil would be the caller's own
	}
	return clean, removed
}

// linkerEnv are the variables besides LD_* that glibc ignores or removes in
// secure-execution mode (ld.so(8) of man-pages 6.9), except TMPDIR, which
// programs need and which names no code.
var linkerEnv = []string{
	"GCONV_PATH", "GETCONF_DIR", "GLIBC_TUNABLES", "HOSTALIASES", "LOCALDOMAIN", "LOCPATH", "MALLOC_CHECK_",
	"MALLOC_TRACE", "NIS_PATH", "NLSPATH", "RESOLV_HOST_CONF", "RES_OPTIONS", "TZDIR",
}
