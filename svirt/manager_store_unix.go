// SPDX-License-Identifier: Apache-2.0

//go:build unix

package svirt

import "syscall"

// openFlags keep an open from following a symbolic link and from waiting.
const openFlags = syscall.O_NOFOLLOW | syscall.O_NONBLOCK
