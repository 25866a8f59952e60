// SPDX-License-Identifier: Apache-2.0

//go:build unix

package wholefile

import (
	"io/fs"
	"os"
	"syscall"
)

// CopyOwner gives a new file the owner and group of another one.
func CopyOwner(f *os.File, like fs.FileInfo) error {
	want, ok := like.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if have, ok := info.Sys().(*syscall.Stat_t); ok && have.Uid == want.Uid && have.Gid == want.Gid {
		return nil
	}
	return f.Chown(int(want.Uid), int(want.Gid))
}
