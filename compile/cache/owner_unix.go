// SPDX-License-Identifier: Apache-2.0

//go:build unix

package cache

import (
	"io/fs"
	"os"
	"syscall"
)

// openOwn opens a file of the cache. Links are refused because others may have
// written their target, and pipes because they block.
func openOwn(name string) (*os.File, error) {
	return os.OpenFile(name, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
}

// own reports whether only root and the user that this program runs as may
// write to a file or directory.
func own(info fs.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || info.Mode().Perm()&0o022 != 0 {
		return false
	}
	return st.Uid == 0 || int(st.Uid) == os.Geteuid()
}
