// SPDX-License-Identifier: Apache-2.0

//go:build linux && !amd64

package checks

import "golang.org/x/sys/unix"

// iopl is a system call of x86.
func iopl(uintptr) unix.Errno { return unix.ENOSYS }
