// SPDX-License-Identifier: Apache-2.0

//go:build !unix

package svirt

import (
	"io/fs"
	"os"
)

// HostFS returns the file system of this machine for Options.FS.
func HostFS() fs.ReadLinkFS { return os.DirFS("/").(fs.ReadLinkFS) }
