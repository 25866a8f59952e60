// SPDX-License-Identifier: Apache-2.0

//go:build 386 || arm

package broker

import "golang.org/x/sys/unix"

// The calls of these numbers take users and groups of 32 bits.
const (
	sysSetgroups = unix.SYS_SETGROUPS32
	sysSetfsuid  = unix.SYS_SETFSUID32
	sysSetfsgid  = unix.SYS_SETFSGID32
)
