// SPDX-License-Identifier: Apache-2.0

//go:build unix

package svirt

import "syscall"

// openFlags keep an open from waiting, and from following a symbolic link where
// a file is made.
const openFlags = syscall.O_NOFOLLOW | syscall.O_NONBLOCK
