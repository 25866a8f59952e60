// SPDX-License-Identifier: Apache-2.0

package loader

import "time"

// RetireOptions tell how Retire makes sure that nothing runs under a profile.
// The zero value looks for processes and ends none.
type RetireOptions struct {
	// Cgroup is the directory of the cgroup (version 2) that every process was
	// put into that ever ran under the profile, such as
	// /sys/fs/cgroup/machine.slice/NAME.scope; empty: there is none. That
	// nothing is left in it or below it proves that nothing is left under the
	// profile, of what never had the right to write cgroup.procs elsewhere. A
	// directory that is gone proves as much as none.
	Cgroup string
	// Kill ends what runs under the profile: all of the cgroup, if there is
	// one, by cgroup.kill, which what forks without an end does not outrun;
	// and by SIGKILL the processes that are found under the profile, and those
	// that try what the profile no longer allows. The caller's own process is
	// never killed.
	Kill bool
	// Timeout bounds the time that processes have to end, besides the context;
	// zero: DefaultRetireTimeout.
	Timeout time.Duration
	// Unverified takes it for granted that nobody else has replaced the
	// profile meanwhile, on a kernel that shows no digest.
	Unverified bool
}

// DefaultRetireTimeout is how long Retire waits for processes to end, and looks
// for them: a busy host takes its time over that.
const DefaultRetireTimeout = 30 * time.Second

func (o RetireOptions) timeout() time.Duration {
	if o.Timeout <= 0 {
		return DefaultRetireTimeout
	}
	return o.Timeout
}
