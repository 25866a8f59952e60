// SPDX-License-Identifier: Apache-2.0

package svirt

import (
	"errors"
	"io"
	"io/fs"
	"strings"
	"syscall"

	"github.com/goarmor/apparmor/ast"
)

// maxLinks is how many symbolic links one path may go through, as in Linux.
const maxLinks = 40

var (
	errLoop    = errors.New("too many symbolic links")
	errTooLong = errors.New("file name too long")
	errNotDir  = errors.New("not a directory")

	errMagicLink = errors.New("a link of the kernel's own making")
)

// lookup answers questions about a file system whose paths are absolute. It
// remembers where directories really are, so it is made for one derivation.
type lookup struct {
	tree   tree
	dirs   map[string]string // directory as written -> its real path
	header []byte            // buffer for image headers
}

// tree is a file system. Paths are absolute and real: what they go through has
// been looked at, and no symbolic link is in them but possibly at their end.
type tree interface {
	lstat(path string) (info, error)
	readLink(path string) (string, error)
	// open opens a regular file or a block device, and nothing else.
	open(path string) (io.ReadCloser, error)
	readDir(path string) ([]string, error)
	// usedBy says what of the host uses a block device; empty: nothing is
	// known to.
	usedBy(device uint64) string
	close()
}

// info is what is known of a file.
type info struct {
	mode   fs.FileMode
	links  uint64 // hard links; 0 when it is not known
	device uint64 // the number of a device
}

// holder is a file system that has a better tree than its methods are.
type holder interface{ hold() (tree, error) }

// newLookup returns a lookup. The caller closes it.
func newLookup(fsys fs.ReadLinkFS) (*lookup, error) {
	l := &lookup{tree: fsTree{fsys}, dirs: make(map[string]string)}
	if h, ok := fsys.(holder); ok {
		var err error
		if l.tree, err = h.hold(); err != nil {
			return nil, err
		}
	}
	return l, nil
}

func (l *lookup) close() { l.tree.close() }

// usedBy says what of the host uses a block device.
func (l *lookup) usedBy(device uint64) string { return l.tree.usedBy(device) }

// fsTree is a tree over any file system, by names.
type fsTree struct{ fsys fs.ReadLinkFS }

// name turns an absolute path into a name of io/fs.
func name(path string) string {
	if path == "/" {
		return "."
	}
	return path[1:]
}

func (t fsTree) lstat(path string) (info, error) {
	i, err := t.fsys.Lstat(name(path))
	if err != nil {
		return info{}, err
	}
	links, device := numbers(i)
	return info{mode: i.Mode(), links: links, device: device}, nil
}

func (t fsTree) readLink(path string) (string, error) { return t.fsys.ReadLink(name(path)) }

func (t fsTree) open(path string) (io.ReadCloser, error) {
	i, err := t.fsys.Lstat(name(path))
	if err == nil && typeOf(i.Mode())&(typeFile|typeBlock) == 0 {
		err = errNotRegular
	}
	if err != nil {
		return nil, err
	}
	return t.fsys.Open(name(path))
}

func (t fsTree) readDir(path string) ([]string, error) {
	entries, err := fs.ReadDir(t.fsys, name(path))
	if err != nil {
		return nil, err
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names, nil
}

func (fsTree) usedBy(uint64) string { return "" }
func (fsTree) close()               {}

// real returns the path with every symbolic link in it followed and every
// empty, `.` and `..` component gone, as realpath(3) does. A missing file
// is an error.
func (l *lookup) real(path string) (string, error) {
	real, _, err := l.find(path)
	return real, err
}

// find is real, and says what is there.
func (l *lookup) find(path string) (string, info, error) {
	if path != "" && path[0] != '/' {
		return "", info{}, &fs.PathError{Op: "find", Path: path, Err: fs.ErrNotExist}
	}
	links := 0
	return l.resolve(path, &links)
}

func (l *lookup) resolve(path string, links *int) (string, info, error) {
	fail := func(err error) (string, info, error) { return "", info{}, err }
	if path == "" || path == "/" {
		return "/", info{mode: fs.ModeDir}, nil
	}
	if len(path) > ast.MaxPath {
		return fail(errTooLong)
	}
	slash := strings.LastIndexByte(path, '/')
	written, base := path[:slash], path[slash+1:]
	dir, ok := l.dirs[written]
	if !ok {
		var err error
		if dir, _, err = l.resolve(written, links); err != nil {
			return fail(err)
		}
		l.dirs[written] = dir
	}
	if base == "" || base == "." || base == ".." {
		at, err := l.tree.lstat(dir)
		if err != nil {
			return fail(err)
		}
		if !at.mode.IsDir() {
			return fail(errNotDir)
		}
		if base == ".." {
			return dir[:max(1, strings.LastIndexByte(dir, '/'))], at, nil
		}
		return dir, at, nil
	}
	full := path
	if dir != written || dir == "/" {
		full = join(dir, base)
	}
	at, err := l.tree.lstat(full)
	if err != nil {
		return fail(err)
	}
	if at.mode&fs.ModeSymlink == 0 {
		return full, at, nil
	}
	if within(full, "/proc") {
		// The target depends on who asks, and may not be a path at all.
		return fail(errMagicLink)
	}
	if *links++; *links > maxLinks {
		return fail(errLoop)
	}
	target, err := l.tree.readLink(full)
	if err != nil {
		return fail(err)
	}
	if target == "" {
		return fail(fs.ErrNotExist)
	}
	if target[0] != '/' {
		target = join(dir, target)
	}
	return l.resolve(target, links)
}

func join(dir, base string) string {
	if dir == "/" {
		return "/" + base
	}
	return dir + "/" + base
}

// exists reports whether path leads to something.
func (l *lookup) exists(path string) bool {
	_, err := l.real(path)
	return err == nil
}

// readFile returns the start of a small file, up to max bytes.
func (l *lookup) readFile(path string, max int) ([]byte, error) {
	real, err := l.real(path)
	if err != nil {
		return nil, err
	}
	f, err := l.tree.open(real)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, int64(max)))
}

// readDir returns the names in a directory, sorted.
func (l *lookup) readDir(path string) ([]string, error) {
	real, err := l.real(path)
	if err != nil {
		return nil, err
	}
	return l.tree.readDir(real)
}

// isNotExist reports whether a lookup failed because the path leads nowhere.
func isNotExist(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, errNotDir) || errors.Is(err, syscall.ENOTDIR)
}
