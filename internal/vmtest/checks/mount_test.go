// SPDX-License-Identifier: Apache-2.0

//go:build linux

package checks

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/goarmor/apparmor/loader"
)

// mounts is rules for everything that mount(2) and its kin do, below
// /srv/mounts.
const mounts = `abi <kernel>,
profile mounter {` + base + `
	capability sys_admin,
	capability sys_chroot,

	mount fstype=tmpfs -> /srv/mounts/type/,
	mount fstype=tmpfs options=(ro, noexec) -> /srv/mounts/exact/,
	mount fstype=tmpfs options in (ro, nodev) -> /srv/mounts/some/,
	mount fstype=(tmpfs, proc) probe -> /srv/mounts/source/,
	mount options=(bind) /srv/mounts/from/ -> /srv/mounts/bind/,
	mount options=(rbind) /srv/mounts/from/ -> /srv/mounts/rbind/,
	mount options=(move) /srv/mounts/mine/ -> /srv/mounts/moved/,
	mount options=(make-private) -> /srv/mounts/kept/,
	mount options=(make-rslave) -> /srv/mounts/kept/,
	remount options=(ro, bind) /srv/mounts/kept/,
	remount options=(ro) /srv/mounts/kept/,
	mount -> /srv/mounts/denied/,
	deny mount fstype=tmpfs -> /srv/mounts/denied/,
	umount /srv/mounts/{type,source}/,
	pivot_root oldroot=/srv/mounts/root/new/old/ /srv/mounts/root/new/,
	mount detached -> /srv/mounts/detached/,
}
profile amount {` + base + `
	capability,
}
`

// TestMounts mounts, moves, changes and unmounts file systems.
func TestMounts(t *testing.T) {
	k := kernel(t)
	dir := fresh(t, "/srv/mounts")
	loadText(t, k, mounts)
	subject, none, free := confine(t, k, "mounter"), confine(t, k, "amount"), unconfined(t)
	for _, name := range []string{
		"type", "exact", "some", "source", "from", "bind", "rbind", "mine", "moved", "kept", "denied", "root", "detached", "elsewhere",
	} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	const ro, noexec, nodev, nosuid = unix.MS_RDONLY, unix.MS_NOEXEC, unix.MS_NODEV, unix.MS_NOSUID
	mount := func(want syscall.Errno, source, target, fstype string, flag uintptr) {
		t.Helper()
		tryMount(t, subject, free, want, source, filepath.Join(dir, target), fstype, flag)
		// Nothing of this without a rule.
		none.want(t, syscall.EACCES, "mount with", source, filepath.Join(dir, target), fstype, flags(flag), "")
	}
	const no = syscall.EACCES
	t.Run("new", func(t *testing.T) {
		mount(0, "any", "type", "tmpfs", nosuid|nodev)
		mount(no, "any", "type", "ramfs", nosuid|nodev)
		mount(0, "any", "exact", "tmpfs", ro|noexec)
		mount(no, "any", "exact", "tmpfs", 0)
		mount(no, "any", "exact", "tmpfs", ro)
		mount(no, "any", "exact", "tmpfs", ro|noexec|nosuid)
		mount(0, "any", "some", "tmpfs", 0)
		mount(0, "any", "some", "tmpfs", ro)
		mount(0, "any", "some", "tmpfs", ro|nodev)
		mount(no, "any", "some", "tmpfs", ro|nosuid)
		mount(0, "probe", "source", "tmpfs", 0)
		mount(0, "probe", "source", "proc", 0)
		mount(no, "other", "source", "tmpfs", 0)
		mount(no, "probe", "source", "ramfs", 0)
		mount(0, "any", "denied", "ramfs", 0)
		mount(no, "any", "denied", "tmpfs", 0)
		mount(no, "any", "elsewhere", "tmpfs", 0)
	})
	t.Run("bind", func(t *testing.T) {
		from := filepath.Join(dir, "from")
		mount(0, from, "bind", "", unix.MS_BIND)
		mount(no, from, "bind", "", unix.MS_BIND|unix.MS_REC)
		mount(0, from, "rbind", "", unix.MS_BIND|unix.MS_REC)
		mount(no, from, "rbind", "", unix.MS_BIND)
		mount(no, filepath.Join(dir, "mine"), "bind", "", unix.MS_BIND)
		mount(no, from, "elsewhere", "", unix.MS_BIND)
	})
	t.Run("move", func(t *testing.T) {
		mine, moved, elsewhere := filepath.Join(dir, "mine"), filepath.Join(dir, "moved"), filepath.Join(dir, "elsewhere")
		free.want(t, 0, "mount", mine)
		move := func(p *probe, want syscall.Errno, from, to string) {
			t.Helper()
			p.want(t, want, "mount with", from, to, "", flags(unix.MS_MOVE), "")
		}
		move(subject, no, mine, elsewhere)
		move(none, no, mine, moved)
		move(subject, 0, mine, moved)
		move(subject, no, moved, mine)
		move(free, 0, moved, elsewhere)
		free.want(t, 0, "umount", elsewhere)
	})
	t.Run("change", func(t *testing.T) {
		kept := filepath.Join(dir, "kept")
		free.want(t, 0, "mount", kept)
		change := func(want syscall.Errno, flag uintptr) {
			t.Helper()
			subject.want(t, want, "mount with", "", kept, "", flags(flag), "")
			if want != 0 {
				free.want(t, 0, "mount with", "", kept, "", flags(flag), "")
			}
			none.want(t, no, "mount with", "", kept, "", flags(flag), "")
		}
		change(0, unix.MS_PRIVATE)
		change(no, unix.MS_PRIVATE|unix.MS_REC)
		change(no, unix.MS_SHARED)
		change(no, unix.MS_SLAVE)
		change(0, unix.MS_SLAVE|unix.MS_REC)
		change(no, unix.MS_UNBINDABLE)
		change(0, unix.MS_REMOUNT|ro)
		change(no, unix.MS_REMOUNT)
		change(no, unix.MS_REMOUNT|ro|noexec)
		change(0, unix.MS_REMOUNT|unix.MS_BIND|ro)
		change(no, unix.MS_REMOUNT|unix.MS_BIND)
		free.want(t, 0, "umount", kept)
	})
	t.Run("unmount", func(t *testing.T) {
		for name, want := range map[string]syscall.Errno{"type": 0, "source": 0, "some": no} {
			path := filepath.Join(dir, name)
			free.want(t, 0, "mount", path)
			none.want(t, no, "umount", path)
			subject.want(t, want, "umount", path)
			if want != 0 {
				free.want(t, 0, "umount", path)
			}
		}
	})
	t.Run("pivot_root", func(t *testing.T) { tryPivot(t, subject, none, free, filepath.Join(dir, "root")) })
	t.Run("detached", func(t *testing.T) { tryDetached(t, k, subject, none, free, dir) })
}

// tryMount mounts and unmounts.
func tryMount(t *testing.T, subject, free *probe, want syscall.Errno, source, target, fstype string, flag uintptr) {
	t.Helper()
	subject.want(t, want, "mount with", source, target, fstype, flags(flag), "")
	if want != 0 {
		free.want(t, 0, "mount with", source, target, fstype, flags(flag), "")
	}
	free.want(t, 0, "umount", target)
}

// tryPivot changes the root to a directory in the mount at root.
func tryPivot(t *testing.T, subject, none, free *probe, root string) {
	free.want(t, 0, "mount", root)
	defer free.want(t, 0, "umount", root)
	for _, name := range []string{"new", "more"} {
		path := filepath.Join(root, name)
		free.want(t, 0, "mkdir", path)
		free.want(t, 0, "mount", path)
		defer free.want(t, 0, "umount", path)
		for _, old := range []string{"old", "other"} {
			free.want(t, 0, "mkdir", filepath.Join(path, old))
		}
	}
	for _, c := range []struct {
		new, old string
		want     syscall.Errno
	}{
		{"/new", "/new/old", 0},
		{"/new", "/new/other", syscall.EACCES},
		{"/more", "/more/old", syscall.EACCES},
	} {
		subject.want(t, c.want, "pivot", root, c.new, c.old)
		none.want(t, syscall.EACCES, "pivot", root, c.new, c.old)
		free.want(t, 0, "pivot", root, c.new, c.old)
	}
}

// tryDetached puts a mount into the tree that was made apart from it.
func tryDetached(t *testing.T, k *loader.Kernel, subject, none, free *probe, dir string) {
	set, err := k.Features(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	denied := syscall.EACCES
	if !set.Supports("mount/move_mount") {
		denied = 0 // such kernels do not ask AppArmor
	}
	for _, c := range []struct {
		probe  *probe
		target string
		want   syscall.Errno
	}{
		{subject, "detached", 0},
		{subject, "elsewhere", denied},
		{none, "detached", denied},
		{free, "elsewhere", 0},
	} {
		target := filepath.Join(dir, c.target)
		c.probe.want(t, c.want, "move mount", "tmpfs", target)
		if c.want == 0 {
			free.want(t, 0, "umount", target)
		}
	}
}
