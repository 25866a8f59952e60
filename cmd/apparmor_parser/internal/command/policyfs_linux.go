// SPDX-License-Identifier: Apache-2.0

package command

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// openPolicy are the flags for files of includes.
const openPolicy = os.O_RDONLY | syscall.O_NONBLOCK | syscall.O_NOCTTY

// pseudo are the file systems whose files are the kernel's
// (include/uapi/linux/magic.h).
var pseudo = map[int64]bool{
	unix.PROC_SUPER_MAGIC: true, unix.SYSFS_MAGIC: true, unix.SECURITYFS_MAGIC: true, unix.DEBUGFS_MAGIC: true,
	unix.TRACEFS_MAGIC: true, unix.CGROUP_SUPER_MAGIC: true, unix.CGROUP2_SUPER_MAGIC: true, unix.BPF_FS_MAGIC: true,
	unix.PSTOREFS_MAGIC: true, unix.EFIVARFS_MAGIC: true, unix.SELINUX_MAGIC: true, unix.SMACK_MAGIC: true,
	unix.DEVPTS_SUPER_MAGIC: true, unix.BINFMTFS_MAGIC: true, unix.NSFS_MAGIC: true,
}

// notPseudo refuses an open file of such a file system.
func notPseudo(f *os.File) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var st unix.Statfs_t
	var failed error
	if err := raw.Control(func(fd uintptr) { failed = unix.Fstatfs(int(fd), &st) }); err != nil {
		return err
	}
	if failed != nil {
		return os.NewSyscallError("fstatfs", failed)
	}
	if pseudo[int64(uint32(st.Type))] {
		return errPseudo
	}
	return nil
}
