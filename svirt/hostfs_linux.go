// SPDX-License-Identifier: Apache-2.0

package svirt

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// HostFS returns the file system of this machine for Options.FS. Nothing is
// opened before it is known to be a regular file, a directory or a block
// device, and no open or read waits for another process, so that a pipe or a
// device in the place of an image does no harm.
func HostFS() fs.ReadLinkFS { return hostFS{} }

// HostFSBy is HostFS with every look at the file system made within run, such as
// on a thread that has the credentials of a user: then nothing is found out
// that the user could not. Run must call the function that it gets once, or
// return an error and not call it, then or later. It may be called by several
// goroutines at the same time; nil is HostFS. What uses a block device is told as
// root sees it.
func HostFSBy(run func(look func()) error) fs.ReadLinkFS {
	if run == nil {
		return HostFS()
	}
	return hostFS{&caller{run}}
}

// hostFS can be compared, as what HostFS returned always could.
type hostFS struct{ at *caller }

// caller is who makes the calls; nil is whoever asks.
type caller struct{ run func(func()) error }

var _ holder = hostFS{}

// by has f called.
func by[T any](at *caller, f func() (T, error)) (v T, err error) {
	if at == nil {
		return f()
	}
	if rerr := at.run(func() { v, err = f() }); rerr != nil {
		var none T
		return none, rerr
	}
	return v, err
}

func hostPath(op, n string) (string, error) {
	switch {
	case n == ".":
		return "/", nil
	case n == "" || n[0] == '/':
		return "", &fs.PathError{Op: op, Path: n, Err: fs.ErrInvalid}
	}
	return "/" + n, nil
}

// Open implements fs.FS.
func (h hostFS) Open(n string) (fs.File, error) {
	path, err := hostPath("open", n)
	if err != nil {
		return nil, err
	}
	fd, err := by(h.at, func() (int, error) {
		return reopen(unix.AT_FDCWD, path, 0, typeFile|typeBlock|typeDirectory, "")
	})
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: n, Err: err}
	}
	return os.NewFile(uintptr(fd), path), nil
}

// Lstat implements fs.ReadLinkFS.
func (h hostFS) Lstat(n string) (fs.FileInfo, error) {
	path, err := hostPath("lstat", n)
	if err != nil {
		return nil, err
	}
	return by(h.at, func() (fs.FileInfo, error) { return os.Lstat(path) })
}

// ReadLink implements fs.ReadLinkFS.
func (h hostFS) ReadLink(n string) (string, error) {
	path, err := hostPath("readlink", n)
	if err != nil {
		return "", err
	}
	return by(h.at, func() (string, error) { return os.Readlink(path) })
}

func (h hostFS) hold() (tree, error) {
	t := &hostTree{dirs: map[string]int{}, at: h.at}
	fd, err := again(func() (int, error) { return unix.Open("/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0) })
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: "/", Err: err}
	}
	t.dirs["/"] = fd
	return t, nil
}

// numbers returns the number of hard links of a file and the number of a
// device, 0 for what is not known.
func numbers(i fs.FileInfo) (links, device uint64) {
	if st, ok := i.Sys().(*syscall.Stat_t); ok {
		return uint64(st.Nlink), uint64(st.Rdev)
	}
	return 0, 0
}

// maxHeld is how many directories a hostTree keeps open at a time.
const maxHeld = 64

// hostTree is the file system of this machine, by descriptors of directories
// that are held. Every component is opened by its name in the directory before
// it, and is not a symbolic link.
type hostTree struct {
	dirs map[string]int // real path -> descriptor
	at   *caller
}

// again repeats a call that a signal has interrupted.
func again[T any](f func() (T, error)) (T, error) {
	for {
		v, err := f()
		if !errors.Is(err, unix.EINTR) {
			return v, err
		}
	}
}

// dir returns the descriptor of a directory.
func (t *hostTree) dir(real string) (int, error) {
	if fd, ok := t.dirs[real]; ok {
		return fd, nil
	}
	if len(t.dirs) >= maxHeld {
		for name, fd := range t.dirs {
			if name != "/" {
				unix.Close(fd)
				delete(t.dirs, name)
			}
		}
	}
	// From the nearest directory that is open, hand over hand.
	above, rest := real, ""
	for t.dirs[above] == 0 {
		dir, base := split(above)
		above, rest = dir, base+"/"+rest
	}
	fd := t.dirs[above]
	for passed := false; rest != ""; passed = true {
		base, more, _ := strings.Cut(rest, "/")
		next, err := again(func() (int, error) {
			return unix.Openat(fd, base, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		})
		if passed {
			unix.Close(fd)
		}
		if err != nil {
			return -1, &fs.PathError{Op: "open", Path: real, Err: err}
		}
		fd, rest = next, more
	}
	t.dirs[real] = fd
	return fd, nil
}

func split(real string) (dir, base string) {
	dir, base = path.Split(real)
	if len(dir) > 1 {
		dir = dir[:len(dir)-1]
	}
	return dir, base
}

func (t *hostTree) lstat(real string) (info, error) {
	return by(t.at, func() (info, error) { return t.lstatHere(real) })
}

func (t *hostTree) lstatHere(real string) (info, error) {
	dir, base := split(real)
	fd, err := t.dir(dir)
	if err != nil {
		return info{}, err
	}
	var st unix.Stat_t
	flags := unix.AT_SYMLINK_NOFOLLOW
	if base == "" {
		flags |= unix.AT_EMPTY_PATH
	}
	if _, err := again(func() (int, error) { return 0, unix.Fstatat(fd, base, &st, flags) }); err != nil {
		return info{}, &fs.PathError{Op: "lstat", Path: real, Err: err}
	}
	return infoOf(&st), nil
}

// infoOf says what a file is.
func infoOf(st *unix.Stat_t) info {
	i := info{links: uint64(st.Nlink), device: uint64(st.Rdev)}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		i.mode = fs.ModeDir
	case unix.S_IFLNK:
		i.mode = fs.ModeSymlink
	case unix.S_IFSOCK:
		i.mode = fs.ModeSocket
	case unix.S_IFIFO:
		i.mode = fs.ModeNamedPipe
	case unix.S_IFBLK:
		i.mode = fs.ModeDevice
	case unix.S_IFCHR:
		i.mode = fs.ModeDevice | fs.ModeCharDevice
	case unix.S_IFREG:
	default:
		i.mode = fs.ModeIrregular
	}
	return i
}

func (t *hostTree) readLink(real string) (string, error) {
	return by(t.at, func() (string, error) { return t.readLinkHere(real) })
}

func (t *hostTree) readLinkHere(real string) (string, error) {
	dir, base := split(real)
	fd, err := t.dir(dir)
	if err != nil {
		return "", err
	}
	buf := make([]byte, unix.PathMax)
	n, err := again(func() (int, error) { return unix.Readlinkat(fd, base, buf) })
	if err != nil {
		return "", &fs.PathError{Op: "readlink", Path: real, Err: err}
	}
	return string(buf[:n]), nil
}

var (
	errMoved  = errors.New("it was moved while it was looked at")
	errNoProc = errors.New("/proc does not say what was opened")
)

// reopen opens a file for reading in two steps: the first can do no harm, the
// second opens just what the first has found, if it is of one of the types. If
// real is not empty it must be the file's path.
func reopen(dir int, name string, flags int, types fileTypes, real string) (int, error) {
	held, err := again(func() (int, error) { return unix.Openat(dir, name, unix.O_PATH|unix.O_CLOEXEC|flags, 0) })
	if err != nil {
		return -1, err
	}
	defer unix.Close(held)
	var st unix.Stat_t
	if _, err := again(func() (int, error) { return 0, unix.Fstat(held, &st) }); err != nil {
		return -1, err
	}
	if typeOf(infoOf(&st).mode)&types == 0 {
		return -1, errNotRegular
	}
	self := "/proc/self/fd/" + strconv.Itoa(held)
	if real != "" {
		switch at, err := os.Readlink(self); {
		case err != nil:
			return -1, fmt.Errorf("%w: %w", errNoProc, err)
		case at != real:
			return -1, errMoved
		}
	}
	return again(func() (int, error) {
		return unix.Open(self, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	})
}

func (t *hostTree) open(real string) (io.ReadCloser, error) {
	return by(t.at, func() (io.ReadCloser, error) { return t.openHere(real) })
}

func (t *hostTree) openHere(real string) (io.ReadCloser, error) {
	dir, base := split(real)
	in, err := t.dir(dir)
	if err != nil {
		return nil, err
	}
	fd, err := reopen(in, base, unix.O_NOFOLLOW, typeFile|typeBlock, real)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: real, Err: err}
	}
	return rawFile(fd), nil
}

// rawFile is an open file that is read by system calls alone: package os waits
// for a file that is not ready.
type rawFile int

func (f rawFile) Read(b []byte) (int, error) {
	n, err := again(func() (int, error) { return unix.Read(int(f), b) })
	if err != nil {
		return 0, err
	}
	if n == 0 && len(b) > 0 {
		return 0, io.EOF
	}
	return n, nil
}

func (f rawFile) Close() error { return unix.Close(int(f)) }

func (t *hostTree) readDir(real string) ([]string, error) {
	return by(t.at, func() ([]string, error) { return t.readDirHere(real) })
}

func (t *hostTree) readDirHere(real string) ([]string, error) {
	fd, err := t.dir(real)
	if err != nil {
		return nil, err
	}
	fd, err = again(func() (int, error) { return unix.Openat(fd, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0) })
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: real, Err: err}
	}
	f := os.NewFile(uintptr(fd), real)
	defer f.Close()
	const most = 1 << 16
	names, err := f.Readdirnames(most)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	slices.Sort(names)
	return names, nil
}

func (t *hostTree) close() {
	for _, fd := range t.dirs {
		unix.Close(fd)
	}
	t.dirs = nil
}

func (t *hostTree) usedBy(device uint64) string {
	return usedBy("/sys/dev/block", "/proc/self/mountinfo", device)
}

// usedBy looks for mounts of a block device or one of its partitions, and for
// devices that are made of it, in sysfs's directory of block devices by number
// and in a list of mounts, see proc_pid_mountinfo(5).
func usedBy(block, mountinfo string, device uint64) string {
	number := fmt.Sprintf("%d:%d", unix.Major(device), unix.Minor(device))
	sys := block + "/" + number
	numbers := []string{number}
	unknown := func(err error) string { return "what uses it cannot be read: " + err.Error() }
	entries, err := os.ReadDir(sys)
	if errors.Is(err, fs.ErrNotExist) {
		return "" // no device of the kernel's, or one that has gone
	}
	if err != nil {
		return unknown(err)
	}
	for _, e := range entries {
		switch _, err := os.Stat(sys + "/" + e.Name() + "/partition"); {
		case isNotExist(err):
			continue
		case err != nil:
			return unknown(err)
		}
		dev, err := os.ReadFile(sys + "/" + e.Name() + "/dev")
		if err != nil {
			return unknown(err)
		}
		numbers = append(numbers, strings.TrimSpace(string(dev)))
	}
	mounts, err := os.ReadFile(mountinfo)
	if err != nil {
		return unknown(err)
	}
	lines := bufio.NewScanner(bytes.NewReader(mounts))
	for lines.Scan() {
		if f := strings.Fields(lines.Text()); len(f) > 4 && slices.Contains(numbers, f[2]) {
			return "it is mounted at " + f[4]
		}
	}
	for _, n := range numbers {
		holders, err := os.ReadDir(block + "/" + n + "/holders")
		if len(holders) > 0 {
			return "it is a part of " + holders[0].Name()
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return unknown(err)
		}
	}
	return ""
}
