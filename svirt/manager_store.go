// SPDX-License-Identifier: Apache-2.0

package svirt

import (
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// store keeps the files of one directory. A file is never there in part: what
// is written goes to a file beside, is synced, and takes its place. Symbolic
// links are not followed.
type store interface {
	read(name string) ([]byte, error)
	// replace writes a file, whether there is one or not. After an error it
	// may have the old content or the new one.
	replace(name string, data []byte) error
	// create writes a file that must not be there. After an error it is not.
	create(name string, data []byte) error
	remove(name string) error
	list() ([]string, error)
}

// fileMode is that of libvirt's own files: apparmor_parser and administrators
// read them.
const fileMode = 0o644

// dirStore is a store in the file system.
type dirStore struct {
	root  *os.Root
	held  *os.File // of the lock on the directory
	bytes *os.File // whose bytes are locked by those that share it
}

// retry does something again that a signal has interrupted, where package os
// does not: what a disk in the network was asked may be.
func retry(f func() error) error {
	for {
		if err := f(); !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}

// closeFile closes a file that was synced, or is only read. That a signal has
// interrupted it is not an error: the descriptor is gone, and nothing is left to be
// written.
func closeFile(f *os.File) error {
	if err := f.Close(); !errors.Is(err, syscall.EINTR) {
		return err
	}
	return nil
}

// close gives back the locks and the directory.
func (s *dirStore) close() error { return errors.Join(s.unlock(), s.root.Close()) }

// makeDirectory makes a directory that is not there, and those above it. Unlike
// os.MkdirAll it does not take one that cannot be looked at for a missing one.
func makeDirectory(dir string) error {
	err := retry(func() error { _, err := os.Stat(dir); return err })
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if above := filepath.Dir(dir); above != dir {
		if err := makeDirectory(above); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o755); !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil // another has made it meanwhile
}

// openStore opens the directory, which it makes if it is not there.
func openStore(dir string) (*dirStore, error) {
	if err := makeDirectory(dir); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	return &dirStore{root: root}, nil
}

// errExchanged says that a file is not the one that was looked at.
var errExchanged = errors.New("other files take its place again and again")

// maxExchanges is how often a file may be exchanged while it is opened.
const maxExchanges = 16

func (s *dirStore) read(name string) ([]byte, error) {
	f, err := s.open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = &fs.PathError{Op: "read", Path: name, Err: checkSize(int64(len(data)))}
	}
	return data, err
}

// open opens a regular file. os.Root follows a symbolic link to another file of
// the directory, so what was opened must be what was looked at before.
func (s *dirStore) open(name string) (*os.File, error) {
	for range maxExchanges {
		var info fs.FileInfo
		if err := retry(func() (err error) { info, err = s.root.Lstat(name); return err }); err != nil {
			return nil, err
		}
		if !info.Mode().IsRegular() {
			return nil, &fs.PathError{Op: "read", Path: name, Err: errors.New("not a regular file")}
		}
		f, err := s.root.OpenFile(name, os.O_RDONLY|openFlags, 0)
		if err != nil {
			return nil, err
		}
		opened, err := f.Stat()
		if err == nil && os.SameFile(info, opened) {
			return f, nil
		}
		if err = errors.Join(err, f.Close()); err != nil {
			return nil, err
		}
	}
	return nil, &fs.PathError{Op: "read", Path: name, Err: errExchanged}
}

// temporary writes data to a new file and returns its name.
func (s *dirStore) temporary(name string, data []byte) (string, error) {
	// A dot file is in no directory include.
	temp := "." + name + "." + strings.ToLower(rand.Text())
	f, err := s.root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL|openFlags, 0o600)
	if err != nil {
		return "", err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Chmod(fileMode)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, closeFile(f)); err != nil {
		return "", errors.Join(err, s.root.Remove(temp))
	}
	return temp, nil
}

func (s *dirStore) replace(name string, data []byte) error {
	temp, err := s.temporary(name, data)
	if err != nil {
		return err
	}
	if err := retry(func() error { return s.root.Rename(temp, name) }); err != nil {
		return errors.Join(err, s.root.Remove(temp))
	}
	return s.sync()
}

func (s *dirStore) create(name string, data []byte) error {
	temp, err := s.temporary(name, data)
	if err != nil {
		return err
	}
	// A link, unlike a rename, fails if something is there.
	if err := retry(func() error { return s.root.Link(temp, name) }); err != nil {
		return errors.Join(err, s.root.Remove(temp))
	}
	if err := errors.Join(s.root.Remove(temp), s.sync()); err != nil {
		return errors.Join(err, s.root.Remove(name))
	}
	return nil
}

func (s *dirStore) remove(name string) error {
	if err := s.root.Remove(name); err != nil {
		return err
	}
	return s.sync()
}

// sync makes the names in the directory durable.
func (s *dirStore) sync() error {
	f, err := s.root.Open(".")
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), closeFile(f))
}

func (s *dirStore) list() ([]string, error) {
	f, err := s.root.Open(".")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.Readdirnames(-1)
}
