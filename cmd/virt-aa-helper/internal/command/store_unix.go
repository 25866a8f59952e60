// SPDX-License-Identifier: Apache-2.0

//go:build unix

package command

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"syscall"
	"time"
)

const noFollow = syscall.O_NOFOLLOW

// openFile opens a file for reading and never blocks.
func openFile(name string) (*os.File, error) {
	return os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
}

// lock keeps other helpers from working on the same machine until the function
// that it returns is called. Waiting for it ends with the context. The lock is
// the kernel's and ends with the process; its holder removes its file.
//
// The profile that libvirt ships for its helper allows no locks. Where one is
// denied there is none: libvirtd, who made the directory for this, runs one
// helper at a time for a machine.
func (s store) lock(ctx context.Context, profile string) (func(), error) {
	name := s.path(profile + ".lock")
	for wait := time.Millisecond; ; wait = min(2*wait, 50*time.Millisecond) {
		f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|noFollow, 0o600)
		if err != nil {
			return nil, err
		}
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil && sameFile(f, name) || errors.Is(err, fs.ErrPermission) {
			return func() {
				// A file that stays is taken by who comes next, and the lock
				// is given back, whatever this returns (close(2)).
				_ = os.Remove(name)
				_ = f.Close()
			}, nil
		}
		if closed := f.Close(); closed != nil {
			return nil, closed
		}
		if err != nil && !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			return nil, &os.PathError{Op: "flock", Path: name, Err: err}
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(wait):
		}
	}
}

// sameFile reports whether an open file is still the one of that name: the
// previous holder of the lock may have removed it.
func sameFile(f *os.File, name string) bool {
	a, err := f.Stat()
	if err != nil {
		return false
	}
	b, err := os.Lstat(name)
	return err == nil && os.SameFile(a, b)
}

// readOwn returns the content of a regular file that belongs to the user whom
// this program runs as, or to root, and that nobody else may write.
func (s store) readOwn(name string) ([]byte, bool) {
	f, err := os.OpenFile(s.path(name), os.O_RDONLY|syscall.O_NONBLOCK|noFollow, 0)
	if err != nil {
		return nil, false
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Mode().Perm()&0o022 != 0 {
		return nil, false
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok || owner.Uid != 0 && int(owner.Uid) != os.Geteuid() || info.Size() > maxInput {
		return nil, false
	}
	data := make([]byte, info.Size())
	_, err = io.ReadFull(f, data)
	return data, err == nil
}

// retry repeats a system call that signals interrupt.
func retry(call func() (int, error)) (int, error) {
	for {
		if n, err := call(); err != syscall.EINTR { //nolint:errorlint // an errno, not wrapped
			return n, err
		}
	}
}

// nothing reports whether there is nothing at a path.
func nothing(path string) bool {
	var info syscall.Stat_t
	_, err := retry(func() (int, error) { return 0, syscall.Stat(path, &info) })
	return errors.Is(err, fs.ErrNotExist)
}

// has reports whether there is a regular file at a path with this content and
// nothing else. There are some forty for a machine, and what package os does for
// a file beside opening and reading it takes longer than that.
func (c *comparer) has(path string, text []byte) bool {
	fd, err := retry(func() (int, error) {
		return syscall.Open(path, syscall.O_RDONLY|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	})
	if err != nil {
		return false
	}
	defer func() { _ = syscall.Close(fd) }() // of a file that was only read
	var info syscall.Stat_t
	_, err = retry(func() (int, error) { return 0, syscall.Fstat(fd, &info) })
	if err != nil || info.Mode&syscall.S_IFMT != syscall.S_IFREG || info.Size != int64(len(text)) {
		return false
	}
	// The byte after the text is asked for with it, and is there if the file grew.
	buf, n := c.room(text), 0
	for n < len(text) {
		m, err := retry(func() (int, error) { return syscall.Read(fd, buf[n:]) })
		if err != nil {
			return false
		}
		if m == 0 {
			break
		}
		n += m
	}
	return bytes.Equal(buf[:n], text)
}
