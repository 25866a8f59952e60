// SPDX-License-Identifier: Apache-2.0

package svirt

import (
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"time"
)

// Part is a file of policy that is a value: a *Template, an *Abstraction, a
// *MachineProfile.
type Part interface {
	Name() string // path in the tree of policy, as fs.ValidPath wants it
	Text() string // all of the file
}

// Layout returns parts as a tree of policy in the layout of /etc/apparmor.d,
// to look up what is included. Of parts with the same name the last one
// counts. Files can be opened by their names; directories cannot.
func Layout(parts ...Part) fs.FS {
	l := layout{}
	for _, p := range parts {
		l[p.Name()] = p.Text()
	}
	return l
}

// layout is a file system of texts by their names.
type layout map[string]string

var _ fs.GlobFS = layout{}

// Open implements fs.FS.
func (l layout) Open(name string) (fs.File, error) {
	text, ok := l[name]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return &openFile{name, strings.NewReader(text)}, nil
}

// Glob implements fs.GlobFS.
func (l layout) Glob(pattern string) ([]string, error) {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(l)) {
		ok, err := path.Match(pattern, name)
		if err != nil {
			return nil, err
		}
		if ok {
			out = append(out, name)
		}
	}
	return out, nil
}

// without returns file systems that do not have a file.
func without(roots []fs.FS, name string) []fs.FS {
	out := make([]fs.FS, len(roots))
	for i, root := range roots {
		out[i] = lacking{root, name}
	}
	return out
}

type lacking struct {
	fs.FS
	name string
}

// Open implements fs.FS.
func (l lacking) Open(name string) (fs.File, error) {
	if name == l.name {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return l.FS.Open(name)
}

// openFile is a text that is open for reading.
type openFile struct {
	name string
	*strings.Reader
}

func (f *openFile) Stat() (fs.FileInfo, error) { return f, nil }
func (f *openFile) Close() error               { return nil }
func (f *openFile) Name() string               { return path.Base(f.name) }
func (f *openFile) Mode() fs.FileMode          { return 0o444 }
func (f *openFile) ModTime() time.Time         { return time.Time{} }
func (f *openFile) IsDir() bool                { return false }
func (f *openFile) Sys() any                   { return nil }
