// SPDX-License-Identifier: Apache-2.0

package parser

import (
	"cmp"
	"errors"
	"io"
	"io/fs"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/goarmor/apparmor/diag"
)

// source is a file system as it was when it was first looked at: every file
// and directory in it is read once, however many includes lead there. It is
// safe for concurrent use.
type source struct {
	fsys   fs.FS
	limits Limits
	budget *budget // nil: no bound

	mu      sync.Mutex
	items   map[string]*item
	scratch []byte // for reading; nil while somebody uses it
}

// item is what a source found at one path.
type item struct {
	once sync.Once
	err  error // the path does not lead to anything
	dir  bool
	// device is set for devices such as /dev/null, which mask files: they
	// count as empty.
	device bool

	text    string        // of a file
	list    []fs.DirEntry // of a directory, by name
	readErr error         // it is there, but cannot be read
}

// budget bounds the text that several sources together may read.
type budget struct {
	left  atomic.Int64
	spent func() // called when there is nothing left, maybe more than once
}

func (b *budget) take(n int) {
	if b != nil && b.left.Add(-int64(n)) < 0 {
		b.spent()
	}
}

func newSource(fsys fs.FS, limits Limits, budget *budget) *source {
	if fsys == nil {
		return nil
	}
	return &source{fsys: fsys, limits: limits, budget: budget, items: map[string]*item{}}
}

var errNotRegular = errors.New("not a regular file")

// open returns what is at a path, which must be valid.
func (s *source) open(name string) *item {
	s.mu.Lock()
	it := s.items[name]
	if it == nil {
		it = &item{}
		s.items[name] = it
	}
	s.mu.Unlock()
	it.once.Do(func() { s.fill(it, name) })
	return it
}

// isFile reports whether there is a regular file, even one that cannot be
// read.
func (it *item) isFile() bool {
	return it.err == nil && !it.dir && !it.device && !errors.Is(it.readErr, errNotRegular)
}

// isFile reports whether a regular file is at a path, without reading it.
func (s *source) isFile(name string) bool {
	info, err := fs.Stat(s.fsys, name)
	return err == nil && info.Mode().IsRegular()
}

func (s *source) fill(it *item, name string) {
	// Looking before opening leaves pipes and devices alone: opening them can
	// have effects, or block forever.
	info, err := fs.Stat(s.fsys, name)
	switch {
	case err != nil:
		it.err = err
	case info.IsDir():
		it.dir = true
		it.list, it.readErr = readDir(s.fsys, name, s.limits.DirEntries)
	case info.Mode()&fs.ModeDevice != 0:
		it.device = true
	case !info.Mode().IsRegular():
		it.readErr = errNotRegular
	default:
		it.text, it.readErr = s.read(name, info.Size())
		s.budget.take(len(it.text))
	}
}

// read reads a file that is said to be of that size.
func (s *source) read(name string, size int64) (string, error) {
	limit := s.limits.Bytes
	if size > limit {
		return "", &diag.LimitError{What: fileSize, Limit: limit, Got: size}
	}
	f, err := s.fsys.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	s.mu.Lock()
	buf := s.scratch
	s.scratch = nil
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.scratch = buf
		s.mu.Unlock()
	}()
	// One byte more than the size shows whether the file has grown.
	if int64(len(buf)) <= size {
		buf = make([]byte, size+1)
	}
	for n := 0; ; {
		m, err := f.Read(buf[n:])
		n += m
		switch {
		case errors.Is(err, io.EOF), err == nil && m > 0 && int64(n) == size:
			return string(buf[:n]), nil
		case err != nil:
			return "", err
		case int64(n) > limit:
			return "", &diag.LimitError{What: fileSize, Limit: limit, Got: int64(n)}
		case n == len(buf):
			buf = append(buf, make([]byte, min(int64(n), limit+1-int64(n)))...)
		}
	}
}

// readDir is fs.ReadDir with a limit.
func readDir(fsys fs.FS, name string, limit int) ([]fs.DirEntry, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var list []fs.DirEntry
	if dir, ok := f.(fs.ReadDirFile); ok {
		for len(list) <= limit && err == nil {
			const some = 1024
			var part []fs.DirEntry
			part, err = dir.ReadDir(some)
			list = append(list, part...)
		}
	} else {
		list, err = fs.ReadDir(fsys, name)
	}
	switch {
	case err != nil && !errors.Is(err, io.EOF):
		return nil, err
	case len(list) > limit:
		return nil, tooManyEntries(limit, len(list))
	}
	slices.SortFunc(list, func(a, b fs.DirEntry) int { return cmp.Compare(a.Name(), b.Name()) })
	return list, nil
}

func tooManyEntries(limit, got int) error {
	return &diag.LimitError{What: "directory entries", Limit: int64(limit), Got: int64(got)}
}
