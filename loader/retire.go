// SPDX-License-Identifier: Apache-2.0

package loader

import "time"

// RetireOptions say how Retire makes sure that nothing runs under a profile.
// With the zero value it looks for processes and ends none.
type RetireOptions struct {
	// Cgroup is the directory of the cgroup (version 2) into which every
	// process was put that ever ran under the profile, such as
	// /sys/fs/cgroup/machine.slice/NAME.scope; empty if there is none. If
	// nothing is left in it or below it, nothing is left under the profile,
	// except processes that had the right to write cgroup.procs elsewhere. A
	// directory that is gone proves nothing.
	Cgroup string
	// Kill ends what runs under the profile: the whole cgroup, if there is
	// one, by cgroup.kill, which endless forking cannot escape; and by SIGKILL
	// the processes that are found under the profile, and those that try what
	// the profile no longer allows. The caller's own process is never killed.
	Kill bool
	// Timeout bounds the time that processes have to end, as the context does;
	// zero means DefaultRetireTimeout.
	Timeout time.Duration
	// Unverified assumes that nobody else has replaced the profile meanwhile,
	// on a kernel that shows no digest.
	Unverified bool
}

// DefaultRetireTimeout is how long Retire looks for processes and waits for
// them to end, which takes long on a busy host.
const DefaultRetireTimeout = 30 * time.Second

func (o RetireOptions) timeout() time.Duration {
	if o.Timeout <= 0 {
		return DefaultRetireTimeout
	}
	return o.Timeout
}
