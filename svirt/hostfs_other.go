// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package svirt

import (
	"io/fs"
	"os"
)

// HostFS returns the file system of this machine for Options.FS.
func HostFS() fs.ReadLinkFS { return os.DirFS("/").(fs.ReadLinkFS) }

// numbers returns the number of hard links of a file and the number of a
// device, 0 for what is not known.
func numbers(fs.FileInfo) (links, device uint64) { return 0, 0 }
