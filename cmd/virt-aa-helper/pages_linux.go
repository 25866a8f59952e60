// SPDX-License-Identifier: Apache-2.0

package main

import "golang.org/x/sys/unix"

// smallPages keeps the kernel from giving this program memory in pages of 2 MB,
// which it clears as a whole before the first byte is used: that takes longer than
// all that is done in one of them here. Where it is not possible nothing is lost
// but that time.
func smallPages() { _ = unix.Prctl(unix.PR_SET_THP_DISABLE, 1, 0, 0, 0) }
