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
	Text() string
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
	return oneFile{name, text}.Open(name)
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

// oneFile is a file system that has one file.
type oneFile struct {
	name string
	data string
}

// Open implements fs.FS.
func (f oneFile) Open(name string) (fs.File, error) {
	if name != f.name {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return &openFile{f, strings.NewReader(f.data)}, nil
}

type openFile struct {
	file oneFile
	*strings.Reader
}

func (f *openFile) Stat() (fs.FileInfo, error) { return f, nil }
func (f *openFile) Close() error               { return nil }
func (f *openFile) Name() string               { return f.file.name[strings.LastIndexByte(f.file.name, '/')+1:] }
func (f *openFile) Size() int64                { return int64(len(f.file.data)) }
func (f *openFile) Mode() fs.FileMode          { return 0o444 }
func (f *openFile) ModTime() time.Time         { return time.Time{} }
func (f *openFile) IsDir() bool                { return false }
func (f *openFile) Sys() any                   { return nil }
