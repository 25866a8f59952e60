// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package svirt

import (
	"errors"
	"io/fs"
	"os"
)

// HostFS returns the file system of this machine for Options.FS.
func HostFS() fs.ReadLinkFS { return os.DirFS("/").(fs.ReadLinkFS) }

// HostFSBy is HostFS with every look at the file system made within run. On this
// system there is none: every look is an error that matches
// errors.ErrUnsupported.
func HostFSBy(func(look func()) error) fs.ReadLinkFS { return noFS{} }

type noFS struct{}

func (noFS) fail(op, n string) error {
	return &fs.PathError{Op: op, Path: n, Err: errors.ErrUnsupported}
}

func (f noFS) Open(n string) (fs.File, error)      { return nil, f.fail("open", n) }
func (f noFS) Lstat(n string) (fs.FileInfo, error) { return nil, f.fail("lstat", n) }
func (f noFS) ReadLink(n string) (string, error)   { return "", f.fail("readlink", n) }

// numbers returns the number of hard links of a file and the number of a
// device, 0 for what is not known.
func numbers(fs.FileInfo) (links, device uint64) { return 0, 0 }
