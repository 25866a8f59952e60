// SPDX-License-Identifier: Apache-2.0

//go:build unix

package svirt

import (
	"io/fs"
	"os"
	"syscall"
)

// HostFS returns the file system of this machine for Options.FS. Files are
// opened for reading without waiting, so a pipe in the place of an image does
// no harm.
func HostFS() fs.ReadLinkFS { return hostFS{} }

type hostFS struct{}

func hostPath(op, n string) (string, error) {
	switch {
	case n == ".":
		return "/", nil
	case n == "" || n[0] == '/':
		return "", &fs.PathError{Op: op, Path: n, Err: fs.ErrInvalid}
	}
	return "/" + n, nil
}

func (hostFS) Open(n string) (fs.File, error) {
	path, err := hostPath("open", n)
	if err != nil {
		return nil, err
	}
	return os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
}

func (hostFS) Lstat(n string) (fs.FileInfo, error) {
	path, err := hostPath("lstat", n)
	if err != nil {
		return nil, err
	}
	return os.Lstat(path)
}

func (hostFS) ReadLink(n string) (string, error) {
	path, err := hostPath("readlink", n)
	if err != nil {
		return "", err
	}
	return os.Readlink(path)
}
