// SPDX-License-Identifier: Apache-2.0

package svirt

import (
	"io/fs"
	"strings"
	"time"
)

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
