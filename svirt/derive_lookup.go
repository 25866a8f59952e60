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
)

// lookup answers questions about a file system whose paths are absolute. It
// remembers where directories really are, so it is made for one derivation.
type lookup struct {
	fsys   fs.ReadLinkFS
	dirs   map[string]string // directory as written -> its real path
	header []byte            // buffer for image headers
}

func newLookup(fsys fs.ReadLinkFS) *lookup {
	return &lookup{fsys: fsys, dirs: make(map[string]string)}
}

// name turns an absolute path into a name of io/fs.
func name(path string) string {
	if path == "/" {
		return "."
	}
	return path[1:]
}

// real returns the path with every symbolic link in it followed and every
// empty, `.` and `..` component gone, as realpath(3) does. What is not there
// is an error.
func (l *lookup) real(path string) (string, error) {
	links := 0
	return l.resolve(path, &links)
}

func (l *lookup) resolve(path string, links *int) (string, error) {
	if path == "" || path == "/" {
		return "/", nil
	}
	if len(path) > ast.MaxPath {
		return "", errTooLong
	}
	slash := strings.LastIndexByte(path, '/')
	written, base := path[:slash], path[slash+1:]
	dir, ok := l.dirs[written]
	if !ok {
		var err error
		if dir, err = l.resolve(written, links); err != nil {
			return "", err
		}
		l.dirs[written] = dir
	}
	if base == "" || base == "." || base == ".." {
		info, err := l.fsys.Lstat(name(dir))
		if err != nil {
			return "", err
		}
		if !info.IsDir() {
			return "", errNotDir
		}
		if base == ".." {
			return dir[:max(1, strings.LastIndexByte(dir, '/'))], nil
		}
		return dir, nil
	}
	full := path
	if dir != written || dir == "/" {
		full = join(dir, base)
	}
	info, err := l.fsys.Lstat(name(full))
	if err != nil {
		return "", err
	}
	if info.Mode()&fs.ModeSymlink == 0 {
		return full, nil
	}
	if *links++; *links > maxLinks {
		return "", errLoop
	}
	target, err := l.fsys.ReadLink(name(full))
	if err != nil {
		return "", err
	}
	if target == "" {
		return "", fs.ErrNotExist
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
	f, err := l.fsys.Open(name(real))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, int64(max)))
}

// readDir returns the names in a directory, in the order of the file system.
func (l *lookup) readDir(path string) ([]string, error) {
	real, err := l.real(path)
	if err != nil {
		return nil, err
	}
	entries, err := fs.ReadDir(l.fsys, name(real))
	if err != nil {
		return nil, err
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names, nil
}

// isNotExist reports whether a lookup failed because the path leads nowhere.
func isNotExist(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, errNotDir) || errors.Is(err, syscall.ENOTDIR)
}
