// SPDX-License-Identifier: Apache-2.0

package query_test

import (
	"testing"

	"golang.org/x/sys/unix"

	. "github.com/goarmor/apparmor/query"
)

// TestMountFlags compares the flags with those of mount(2).
func TestMountFlags(t *testing.T) {
	for want, got := range map[MountFlags]MountFlags{
		unix.MS_RDONLY: MountReadOnly, unix.MS_NOSUID: MountNoSuid, unix.MS_NODEV: MountNoDev, unix.MS_NOEXEC: MountNoExec,
		unix.MS_REMOUNT: MountRemount, unix.MS_BIND: MountBind, unix.MS_MOVE: MountMove, unix.MS_REC: MountRec,
		unix.MS_SILENT: MountSilent, unix.MS_UNBINDABLE: MountUnbindable, unix.MS_PRIVATE: MountPrivate,
		unix.MS_SLAVE: MountSlave, unix.MS_SHARED: MountShared,
	} {
		if got != want {
			t.Errorf("%#x, want %#x", got, want)
		}
	}
}
