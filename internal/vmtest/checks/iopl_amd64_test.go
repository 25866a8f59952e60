// SPDX-License-Identifier: Apache-2.0

//go:build linux

package checks

import "golang.org/x/sys/unix"

// iopl asks for access to ports.
func iopl(level uintptr) unix.Errno {
	_, _, errno := unix.Syscall(unix.SYS_IOPL, level, 0, 0)
	return errno
}
