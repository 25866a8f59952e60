// SPDX-License-Identifier: Apache-2.0

//go:build linux

package checks

import (
	"syscall"
	"testing"

	"github.com/goarmor/apparmor/internal/vmtest/guest"
)

// TestModes tries what no rule grants, and what rules deny, under profiles of
// every mode.
func TestModes(t *testing.T) {
	k := kernel(t)
	dir := fresh(t, "/srv/modes")
	for _, name := range []string{"granted", "denied", "audited", "other"} {
		writeFile(t, dir+"/"+name)
	}
	const rules = base + "/srv/modes/granted r,\ndeny /srv/modes/denied r,\naudit deny /srv/modes/audited r,\n"
	for _, c := range []struct {
		flags                           string
		shown                           string
		granted, denied, audited, other syscall.Errno
	}{
		{"enforce", "enforce", 0, syscall.EACCES, syscall.EACCES, syscall.EACCES},
		// A denial that is not logged stays one.
		{"complain", "complain", 0, syscall.EACCES, 0, 0},
		{"unconfined", "unconfined", 0, 0, 0, 0},
		{"default_allow", "unconfined", 0, 0, 0, 0},
		{"prompt", "user", 0, syscall.EACCES, syscall.EACCES, syscall.EACCES},
	} {
		t.Run(c.flags, func(t *testing.T) {
			missing := loadText(t, k, "abi <kernel>,\nprofile moded flags=("+c.flags+") {"+rules+"}")
			if c.flags == "prompt" && !guest.Since(6, 12) {
				// Which do not have the mode.
				c.shown = "enforce"
				if len(missing) == 0 {
					t.Error("the compiler does not report that the kernel lacks the mode")
				}
			}
			wantLoaded(t, k, "moded ("+c.shown+")")
			p := confine(t, k, "moded")
			p.want(t, c.granted, "read", dir+"/granted")
			p.want(t, c.denied, "read", dir+"/denied")
			p.want(t, c.audited, "read", dir+"/audited")
			p.want(t, c.other, "read", dir+"/other")
		})
	}
	t.Run("kill", func(t *testing.T) {
		loadText(t, k, "abi <kernel>,\nprofile moded flags=(kill) {"+rules+"/{proc,sys}/** r,\n}")
		for _, name := range []string{"audited", "other"} {
			t.Run(name, func(t *testing.T) {
				p := confine(t, k, "moded")
				p.want(t, 0, "read", dir+"/granted")
				p.want(t, syscall.EACCES, "read", dir+"/denied") // which is not even logged
				p.wantKilled(t, syscall.SIGKILL, "read", dir+"/"+name)
			})
		}
	})
	t.Run("kill by another signal", func(t *testing.T) {
		missing := loadText(t, k, "abi <kernel>,\nprofile moded flags=(kill kill.signal=term) {"+rules+"/{proc,sys}/** r,\n}")
		want := syscall.SIGTERM
		if len(missing) > 0 {
			want = syscall.SIGKILL
		}
		confine(t, k, "moded").wantKilled(t, want, "read", dir+"/other")
	})
}
