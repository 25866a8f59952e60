// SPDX-License-Identifier: Apache-2.0

package command

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/goarmor/apparmor/internal/wholefile"
)

// store is the directory of machines' profiles.
type store struct{ dir string }

func (s store) path(name string) string { return filepath.Join(s.dir, name) }

// empty reports whether a regular file of that name has nothing in it.
func (s store) empty(name string) bool {
	info, err := os.Stat(s.path(name))
	return err == nil && info.Mode().IsRegular() && info.Size() == 0
}

// read returns the content of a regular file.
func (s store) read(name string) ([]byte, error) {
	f, err := openFile(s.path(name))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "read", Path: s.path(name), Err: errors.New("not a regular file")}
	}
	return readLimited(f, info.Size(), s.path(name))
}

// readLimited reads what is not too long. The size is what there is likely to be,
// and the name is for errors.
func readLimited(r io.Reader, size int64, name string) ([]byte, error) {
	data, err := wholefile.Read(r, size, maxInput)
	if err == nil && len(data) > maxInput {
		err = &fs.PathError{Op: "read", Path: name, Err: errTooLong}
	}
	return data, err
}

// write replaces a file as a whole: readers find the old text or the new one,
// even after a power cut.
func (s store) write(name string, data []byte) (err error) {
	// The lock is held, so there is one writer; leftovers of a killed one are
	// overwritten.
	part := s.path(name + ".new")
	f, err := os.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|noFollow, 0o644)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(part))
		}
	}()
	_, err = f.Write(data)
	if err == nil {
		err = f.Chmod(0o644)
	}
	if err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return err
	}
	if err := os.Rename(part, s.path(name)); err != nil {
		return err
	}
	return s.sync()
}

// remove removes a file, if it is there.
func (s store) remove(name string) error {
	if err := os.Remove(s.path(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// sync makes names durable. The profile that libvirt ships for its helper does
// not let it open the directory, and then they are as durable as libvirt's own.
func (s store) sync() error {
	d, err := os.Open(s.dir)
	if errors.Is(err, fs.ErrPermission) {
		return nil
	}
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
