// SPDX-License-Identifier: Apache-2.0

package main

import "golang.org/x/sys/unix"

// smallPages keeps the kernel from giving this program more memory in pages of 2 MB
// than it has before main: the second one is used in part, and is cleared as a whole
// before the first byte is used. In an emulated machine that is a tenth of a call.
// On hardware it is 40 µs, as much as the faults of some dozens of small pages, and
// this program needs no more of them. Where it is not possible nothing is lost but
// that time.
func smallPages() { _ = unix.Prctl(unix.PR_SET_THP_DISABLE, 1, 0, 0, 0) }
