// SPDX-License-Identifier: Apache-2.0

package loader

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"os"

	"golang.org/x/sys/unix"

	"github.com/goarmor/apparmor/diag"
)

// system is what tests replace.
type system struct {
	// check verifies that fd is on a file system of the given type.
	check func(fd int, magic int64) error
	// openWrite opens a file of the kernel's below a directory for write.
	openWrite func(d dir, name string) (*os.File, error)
	// write is write(2) on a file of the kernel's.
	write func(fd int, data []byte) (int, error)
	// lsm says whether the system calls lsm_get_self_attr and
	// lsm_set_self_attr serve AppArmor.
	lsm func() bool
	// readOnce is one read(2) of a file below a directory of the kernel's.
	readOnce func(d dir, name string) (string, error)
	// closeOnExec makes all descriptors of the process above 2 close-on-exec.
	closeOnExec func() error
}

func linux() system {
	return system{
		check: checkMagic, openWrite: dir.openWrite, write: unix.Write, lsm: haveLSMCalls, readOnce: dir.readOnce,
		closeOnExec: func() error { return unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC) },
	}
}

func checkMagic(fd int, magic int64) error {
	var st unix.Statfs_t
	if _, err := retry(func() (int, error) { return 0, unix.Fstatfs(fd, &st) }); err != nil {
		return os.NewSyscallError("fstatfs", err)
	}
	if int64(st.Type) != magic {
		return fmt.Errorf("%w: type %#x instead of %#x", ErrFileSystem, int64(st.Type), magic)
	}
	return nil
}

// dir is an open directory. Its methods are safe for concurrent use, and with
// Close.
type dir struct {
	f *os.File
}

// openDir opens a directory by its path, for use as the root of lookups.
func openDir(path string) (dir, error) {
	fd, err := retry(func() (int, error) {
		return unix.Open(path, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	})
	if err != nil {
		return dir{}, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return dir{os.NewFile(uintptr(fd), path)}, nil
}

// retry repeats a system call that signals interrupt, or that lost a race
// with a rename.
func retry(call func() (int, error)) (int, error) {
	for range 100 {
		fd, err := call()
		if !errors.Is(err, unix.EINTR) && !errors.Is(err, unix.EAGAIN) {
			return fd, err
		}
	}
	return call()
}

func (d dir) close() error { return d.f.Close() }

// with calls f with the descriptor, which stays open until f returns.
func (d dir) with(f func(fd int) error) error {
	conn, err := d.f.SyscallConn()
	if err != nil {
		return err
	}
	var inner error
	if conn.Control(func(fd uintptr) { inner = f(int(fd)) }) != nil {
		return &os.PathError{Op: "use", Path: d.f.Name(), Err: os.ErrClosed}
	}
	return inner
}

// inside are the rules for every lookup below a directory of the kernel's: it
// cannot leave the directory or cross a mount. The links that the kernel
// itself has there are followed.
const inside = unix.RESOLVE_BENEATH | unix.RESOLVE_NO_MAGICLINKS | unix.RESOLVE_NO_XDEV

// open opens a file below d.
func (d dir) open(name string, flags int) (*os.File, error) {
	return d.resolve(name, flags, inside)
}

func (d dir) resolve(name string, flags int, rules uint64) (*os.File, error) {
	fd, err := d.descriptor(name, flags, rules)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), d.f.Name()+"/"+name), nil
}

// descriptor is resolve for a descriptor, which the caller closes.
func (d dir) descriptor(name string, flags int, rules uint64) (fd int, err error) {
	err = d.with(func(at int) error {
		fd, err = retry(func() (int, error) {
			return unix.Openat2(at, name, &unix.OpenHow{Flags: uint64(flags) | unix.O_CLOEXEC, Resolve: rules})
		})
		if err != nil {
			return &os.PathError{Op: "open", Path: d.f.Name() + "/" + name, Err: err}
		}
		return nil
	})
	return fd, err
}

// openWrite opens a file of the kernel's below d for writing.
func (d dir) openWrite(name string) (*os.File, error) {
	return d.open(name, unix.O_WRONLY|unix.O_NOFOLLOW)
}

// sub opens a directory below d.
func (d dir) sub(name string) (dir, error) {
	f, err := d.open(name, unix.O_PATH|unix.O_DIRECTORY)
	return dir{f}, err
}

// dup returns an independent copy.
func (d dir) dup() (dir, error) {
	var f *os.File
	err := d.with(func(fd int) error {
		n, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			return os.NewSyscallError("fcntl", err)
		}
		f = os.NewFile(uintptr(n), d.f.Name())
		return nil
	})
	return dir{f}, err
}

// names returns the names of what is in the directory name below d.
func (d dir) names(name string) ([]string, error) {
	f, err := d.open(name, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.Readdirnames(-1)
}

// maxRead bounds what is read from one file.
const maxRead = 64 << 20

var errTooLong = &diag.LimitError{What: "file size in bytes", Limit: maxRead, Got: maxRead + 1}

// read returns the content of a file below d.
func (d dir) read(name string) ([]byte, error) {
	f, err := d.open(name, unix.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxRead+1))
	if err == nil && len(data) > maxRead {
		err = &os.PathError{Op: "read", Path: f.Name(), Err: errTooLong}
	}
	return data, err
}

// readLine returns the content of a file below d without its newline.
func (d dir) readLine(name string) (string, error) {
	data, err := d.read(name)
	return string(bytes.TrimSuffix(data, []byte("\n"))), err
}

// readOnce returns what one read of a file below d gives, for files whose next
// read could show a later state.
func (d dir) readOnce(name string) (string, error) {
	f, err := d.open(name, unix.O_RDONLY)
	if err != nil {
		return "", err
	}
	defer f.Close()
	for buf := make([]byte, 512); ; buf = make([]byte, 8*len(buf)) {
		// Each from the start, with what the file says by then.
		n, err := f.ReadAt(buf, 0)
		if err == io.EOF {
			err = nil
		}
		if err != nil || n < len(buf) || n > maxRead {
			return string(buf[:n]), err
		}
	}
}

// namesAtOnce returns the names of what is in the directory name below d, from
// one system call: a directory of procfs that is read with several may lose
// entries that existed all the time.
func (d dir) namesAtOnce(name string) ([]string, error) {
	f, err := d.open(name, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	for size := 1 << 15; ; size *= 8 {
		buf := make([]byte, size)
		n, more := 0, 0
		err := dir{f}.with(func(fd int) (err error) {
			if _, err = unix.Seek(fd, 0, io.SeekStart); err == nil {
				n, err = retry(func() (int, error) { return unix.ReadDirent(fd, buf) })
			}
			if err == nil && n > 0 {
				var rest [1 << 12]byte
				more, err = retry(func() (int, error) { return unix.ReadDirent(fd, rest[:]) })
			}
			return err
		})
		if err != nil {
			return nil, &os.PathError{Op: "read", Path: f.Name(), Err: err}
		}
		if more == 0 {
			_, _, list := unix.ParseDirent(buf[:n], -1, nil)
			return list, nil
		}
		if size > maxRead {
			return nil, &os.PathError{Op: "read", Path: f.Name(), Err: errTooLong}
		}
	}
}
