// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/svirt"
)

func ownerOf(path string) (uint32, error) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, errors.ErrUnsupported
	}
	return st.Uid, nil
}

// mayHave reports whether the user whose credentials the calling thread has could
// do itself all that rules grant. The error joins a *svirt.PathError for each that
// it could not.
func mayHave(ctx context.Context, uid uint32, rules []svirt.Rule) error {
	root, err := retry(func() (int, error) { return unix.Open("/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0) })
	if err != nil {
		return &fs.PathError{Op: "open", Path: "/", Err: err}
	}
	defer unix.Close(root)
	a := access{root: root, uid: uid}
	var errs []error
	seen := map[svirt.Rule]bool{}
	for _, r := range rules {
		if err := ctx.Err(); err != nil {
			return err
		}
		same := r
		same.Device = svirt.Device{}
		if r.Deny || seen[same] {
			continue
		}
		seen[same] = true
		name, err := a.rule(r)
		if err != nil {
			errs = append(errs, &svirt.PathError{Device: r.Device, Path: name, Reason: ReasonUser, Err: err})
		}
	}
	return errors.Join(errs...)
}

// access asks the kernel what the calling thread may do.
type access struct {
	root int // descriptor of /
	uid  uint32
}

var (
	errNotOwner   = errors.New("the directory belongs to somebody else")
	errPattern    = errors.New("it matches more than what is in a directory")
	errSetID      = errors.New("the program has the right to become another user or group")
	errNoNodes    = errors.New("nodes are not opened where it is mounted")
	errAppendOnly = errors.New("it takes nothing but what is added at its end")
	errLinked     = errors.New("the file belongs to somebody else, and the rule would let it have more names")
)

// rule checks one rule, and returns the path that it is about.
func (a *access) rule(r svirt.Rule) (string, error) {
	if name, ok := r.Path.Unescape(); ok && r.Path.IsLiteral() {
		if dir, ok := strings.CutSuffix(name, "/"); ok && dir != "" {
			return name, a.directory(dir)
		}
		return name, a.file(name, r.Perms, r.Exec != 0)
	}
	for _, all := range []ast.Pattern{"/**", "/*"} {
		if dir, ok := strings.CutSuffix(string(r.Path), string(all)); ok && ast.Pattern(dir).IsLiteral() {
			if name, ok := ast.Pattern(dir).Unescape(); ok && name != "" {
				return name, a.directory(name)
			}
		}
	}
	return string(r.Path), errPattern
}

// open returns a descriptor of what is at a path that has no symbolic link in it,
// not even at its end.
func (a *access) open(name string) (int, error) {
	rel := strings.TrimPrefix(name, "/")
	if rel == "" {
		rel = "."
	}
	how := unix.OpenHow{
		Flags:   unix.O_PATH | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS | unix.RESOLVE_BENEATH,
	}
	for tries := 0; ; tries++ {
		fd, err := retry(func() (int, error) { return unix.Openat2(a.root, rel, &how) })
		// Something was renamed meanwhile.
		if !errors.Is(err, unix.EAGAIN) || tries == 3 {
			return fd, err
		}
	}
}

// may asks the kernel about a descriptor, with the credentials of the thread.
func may(fd int, mode uint32) error {
	_, err := retry(func() (int, error) {
		return 0, unix.Faccessat2(fd, "", mode, unix.AT_EACCESS|unix.AT_EMPTY_PATH)
	})
	return err
}

// file checks what is granted of one path.
func (a *access) file(name string, perms ast.FilePerm, exec bool) error {
	fd, err := a.open(name)
	if errors.Is(err, unix.ENOENT) && !exec {
		return a.missing(name)
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	var mode uint32
	if perms&(ast.FileRead|ast.FileMmap|ast.FileLock) != 0 {
		mode |= unix.R_OK
	}
	if perms&(ast.FileWrite|ast.FileAppend|ast.FileLink) != 0 {
		mode |= unix.W_OK
	}
	if perms&(ast.FileWrite|ast.FileAppend) != 0 && perms&(ast.FileRead|ast.FileMmap) == 0 {
		mode &^= unix.R_OK // a lock needs no more than the file is opened for
	}
	if exec {
		mode |= unix.X_OK
	}
	if err := may(fd, mode); err != nil {
		return err
	}
	var st unix.Statx_t
	if _, err := retry(func() (int, error) {
		return 0, unix.Statx(fd, "", unix.AT_EMPTY_PATH|unix.AT_STATX_SYNC_AS_STAT, unix.STATX_BASIC_STATS, &st)
	}); err != nil {
		return err
	}
	switch {
	case exec && st.Mode&(unix.S_ISUID|unix.S_ISGID) != 0:
		return errSetID
	case mode&unix.W_OK != 0 && st.Attributes&unix.STATX_ATTR_APPEND != 0:
		return errAppendOnly
	case perms&ast.FileLink != 0 && st.Uid != a.uid:
		return errLinked
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFBLK, unix.S_IFCHR:
		var at unix.Statfs_t
		if _, err := retry(func() (int, error) { return 0, unix.Fstatfs(fd, &at) }); err != nil {
			return err
		}
		if int64(at.Flags)&unix.ST_NODEV != 0 {
			return errNoNodes
		}
	}
	return nil
}

// missing checks a path that is not there: the user must be able to make it.
func (a *access) missing(name string) error {
	for dir := path.Dir(name); ; dir = path.Dir(dir) {
		fd, err := a.open(dir)
		if errors.Is(err, unix.ENOENT) && dir != "/" {
			continue
		}
		if err != nil {
			return err
		}
		err = may(fd, unix.W_OK|unix.X_OK)
		unix.Close(fd)
		if err != nil {
			return fmt.Errorf("it is not there, and in %s: %w", dir, err)
		}
		return nil
	}
}

// directory checks a directory that is granted with what is in it. One that is not
// there must be in a directory of the user's.
func (a *access) directory(name string) error {
	for ; ; name = path.Dir(name) {
		fd, err := a.open(name)
		if errors.Is(err, unix.ENOENT) && name != "/" {
			continue
		}
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		var st unix.Stat_t
		if _, err := retry(func() (int, error) { return 0, unix.Fstat(fd, &st) }); err != nil {
			return err
		}
		switch {
		case st.Mode&unix.S_IFMT != unix.S_IFDIR:
			return unix.ENOTDIR
		case st.Uid != a.uid:
			return errNotOwner
		}
		return may(fd, unix.R_OK|unix.W_OK|unix.X_OK)
	}
}

// retry repeats a call that a signal has interrupted.
func retry[T any](f func() (T, error)) (T, error) {
	for {
		v, err := f()
		if !errors.Is(err, unix.EINTR) {
			return v, err
		}
	}
}
