// SPDX-License-Identifier: Apache-2.0

package svirt

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/goarmor/apparmor/internal/linux"
)

// lockFile is a file in the directory of machines' files whose bytes are locked
// one by one, by managers that share the directory. It stays empty.
const lockFile = ".lock"

// claimsByte is the byte of the lock on what machines claim; those of machines
// are above it.
const claimsByte = 0

// lock locks the directory: against all others, or for those that share it.
func (s *dirStore) lock(shared bool) error {
	f, err := s.root.Open(".")
	if err != nil {
		return err
	}
	how := unix.LOCK_EX
	if shared {
		how = unix.LOCK_SH
	}
	_, err = again(func() (int, error) { return 0, unix.Flock(int(f.Fd()), how|unix.LOCK_NB) })
	if err != nil {
		err = errors.Join(err, f.Close())
		if errors.Is(err, unix.EWOULDBLOCK) {
			return fmt.Errorf("%s: %w", s.root.Name(), ErrLocked)
		}
		return &fs.PathError{Op: "flock", Path: s.root.Name(), Err: err}
	}
	s.held = f
	if !shared {
		return nil
	}
	s.bytes, err = s.root.OpenFile(lockFile, os.O_RDWR|os.O_CREATE|openFlags, 0o600)
	return err
}

// unlock gives the locks back.
func (s *dirStore) unlock() error {
	var errs []error
	for _, f := range []*os.File{s.bytes, s.held} {
		if f != nil {
			errs = append(errs, closeFile(f))
		}
	}
	return errors.Join(errs...)
}

// lockMachine waits for its turn with a machine among those that share the
// directory.
func (s *dirStore) lockMachine(ctx context.Context, uuid string) (free func(), err error) {
	sum, err := hex.DecodeString(strings.ReplaceAll(uuid, "-", ""))
	if err != nil {
		return nil, err
	}
	at := int64(0)
	for i := range 8 {
		// Half of a UUID has room in an offset; another machine with the same
		// half only waits without need.
		at = at<<8 | int64(sum[i]^sum[i+8])
	}
	return s.lockByte(ctx, max(at&(1<<62-1), claimsByte+1))
}

// lockClaims waits for its turn with what machines claim.
func (s *dirStore) lockClaims(ctx context.Context) (free func(), err error) {
	return s.lockByte(ctx, claimsByte)
}

// lockByte waits for a byte of the lock file. The lock belongs to an open file
// of its own, so that it counts within the process as well.
func (s *dirStore) lockByte(ctx context.Context, at int64) (func(), error) {
	f, err := s.root.OpenFile(lockFile, os.O_RDWR|openFlags, 0)
	if err != nil {
		return nil, err
	}
	lock := unix.Flock_t{Type: unix.F_WRLCK, Whence: 0, Start: at, Len: 1}
	for wait := time.Millisecond; ; wait = min(2*wait, 50*time.Millisecond) {
		_, err := again(func() (int, error) { return 0, unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &lock) })
		if err == nil {
			// This gives the lock back, whatever it returns (close(2)).
			return func() { _ = f.Close() }, nil
		}
		if !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EACCES) {
			return nil, errors.Join(&fs.PathError{Op: "lock", Path: lockFile, Err: err}, f.Close())
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, errors.Join(fmt.Errorf("%w: %w", ErrLocked, ctx.Err()), f.Close())
		}
	}
}

// CheckDirectory reports whether others than root and the own user could change
// what is in a directory, which is an absolute path, or put another one in its
// place. The error matches ErrUnsafeDir. It is what New does with
// ManagerOptions.Dir.
func CheckDirectory(dir string) error { return checkDirectory(dir, false) }

// overflowUID is whom the kernel names for users that a user namespace does not
// have, see user_namespaces(7).
const overflowUID = 65534

// usersHidden reports whether the process is in a user namespace that does not
// have all users.
func usersHidden() bool {
	text, err := os.ReadFile("/proc/self/uid_map")
	return err == nil && !linux.AllUsers(string(text))
}

// checkDirectory is CheckDirectory. In a user namespace it takes directories above
// of users who are not seen there if they have been checked.
func checkDirectory(dir string, checked bool) error {
	checked = checked && usersHidden()
	refuse := func(at, why string) error {
		return &fs.PathError{Op: "use", Path: at, Err: fmt.Errorf("%w: %s", ErrUnsafeDir, why)}
	}
	for at := dir; ; {
		var info fs.FileInfo
		err := retry(func() (err error) { info, err = os.Lstat(at); return err })
		if err != nil {
			return err
		}
		st, ok := info.Sys().(*syscall.Stat_t)
		if !ok {
			return refuse(at, "its owner is not known")
		}
		last := at == dir
		mode := info.Mode()
		switch {
		case last && !info.IsDir():
			return refuse(at, "it is not a directory")
		case checked && !last && st.Uid == overflowUID:
		case st.Uid != 0 && int(st.Uid) != os.Geteuid():
			return refuse(at, fmt.Sprintf("it belongs to user %d", st.Uid))
		case mode&fs.ModeSymlink != 0:
		case mode.Perm()&0o002 != 0 && (last || mode&fs.ModeSticky == 0):
			return refuse(at, "everybody may write to it")
		case mode.Perm()&0o020 != 0 && st.Gid != 0 && int(st.Gid) != os.Getegid() && (last || mode&fs.ModeSticky == 0):
			return refuse(at, fmt.Sprintf("group %d may write to it", st.Gid))
		}
		if at == "/" {
			return nil
		}
		at, _ = split(at)
	}
}
