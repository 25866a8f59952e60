// SPDX-License-Identifier: Apache-2.0

package svirt

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/internal/wholefile"
	"github.com/goarmor/apparmor/parser"
	"github.com/goarmor/apparmor/render"
)

// maxFile is the size of the largest policy file that is read, as in the
// reference.
const maxFile = 10 << 20

// FileError says that a file of policy, such as a template, cannot be used.
type FileError struct {
	File string // its path, mostly in the tree of policy, as libvirt/TEMPLATE.qemu
	Err  error  // a diag.List if the text is wrong, fs.ErrNotExist, a *diag.LimitError, ...
}

// Error implements error. It does not repeat the name of the file before a
// cause that begins with it.
func (e *FileError) Error() string {
	s := e.Err.Error()
	if strings.HasPrefix(s, e.File+":") {
		return s
	}
	return e.File + ": " + s
}

// Unwrap returns the cause.
func (e *FileError) Unwrap() error { return e.Err }

// document is a file of policy: its text, and the syntax tree of it. The text
// is that of the file; a change leaves every byte that it is not about. Documents
// are never changed, so they can be shared.
type document struct {
	name string
	text string
	file *ast.File
}

// Name returns the file's path in the tree of policy.
func (d *document) Name() string { return d.name }

// Text returns the file's content. A file that was read keeps its text.
func (d *document) Text() string { return d.text }

// File returns the file's syntax tree, with the preamble. It must not be
// changed.
func (d *document) File() *ast.File { return d.file }

// errNoText is the error of zero values.
var errNoText = errors.New("it was not read and not made")

// fail wraps an error of the document.
func (d *document) fail(err error) error { return &FileError{File: d.name, Err: err} }

// parseDocument parses the text of a file.
func parseDocument(ctx context.Context, name, text string, where parser.Context) (document, error) {
	d := document{name: name, text: text}
	if !fs.ValidPath(name) {
		return document{}, d.fail(errors.New("the name is not a path in a tree"))
	}
	if err := checkSize(int64(len(text))); err != nil {
		return document{}, d.fail(err)
	}
	file, err := parser.Config{Context: where}.Parse(ctx, name, text)
	if err != nil {
		return document{}, d.fail(err)
	}
	d.file = file
	return d, nil
}

func checkSize(n int64) error {
	if n > maxFile {
		return &diag.LimitError{What: "size of the file in bytes", Limit: maxFile, Got: n}
	}
	return nil
}

// readPolicy returns the text of a file from the first of the roots that has
// it. The error is a *FileError.
func readPolicy(roots []fs.FS, name string) (string, error) {
	for _, root := range roots {
		text, err := readLimited(root, name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return "", &FileError{File: name, Err: err}
		}
		return text, nil
	}
	return "", &FileError{File: name, Err: fs.ErrNotExist}
}

// readLimited reads a file, but none that is larger than maxFile.
func readLimited(root fs.FS, name string) (string, error) {
	f, err := root.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	if err := checkSize(info.Size()); err != nil {
		return "", err
	}
	text, err := wholefile.Read(f, info.Size(), maxFile)
	if err == nil {
		err = checkSize(int64(len(text)))
	}
	return string(text), err
}

// appended returns the text of the document with statements at the end of one
// of its bodies.
func (d *document) appended(in ast.Node, list []ast.Stmt) (string, error) {
	if d.file == nil {
		return "", d.fail(errNoText)
	}
	e := render.NewEditor(d.file)
	if err := e.Append(in, list...); err != nil {
		return "", d.fail(err)
	}
	return string(e.Bytes()), nil
}

// removed returns the text of the document without the statements of a body
// that say the same as those of the list. Each must be there.
func (d *document) removed(body, list []ast.Stmt) (string, error) {
	if d.file == nil {
		return "", d.fail(errNoText)
	}
	said := make([]string, len(body))
	for i, s := range body {
		text, err := render.Append(nil, s)
		if err != nil {
			return "", d.fail(err)
		}
		said[i] = string(text)
	}
	e := render.NewEditor(d.file)
	gone := make([]bool, len(body))
	for _, s := range list {
		text, err := render.Append(nil, s)
		if err != nil {
			return "", d.fail(err)
		}
		found := false
		for i := range body {
			if said[i] != string(text) {
				continue
			}
			found = true
			if gone[i] {
				continue
			}
			gone[i] = true
			if err := e.Remove(body[i]); err != nil {
				return "", d.fail(err)
			}
		}
		if !found {
			return "", d.fail(fmt.Errorf("it does not have %q: %w", text, ErrNotFound))
		}
	}
	return string(e.Bytes()), nil
}

// includesOf returns the includes of a body.
func includesOf(body []ast.Stmt) []*ast.Include {
	var out []*ast.Include
	for _, s := range body {
		if i, ok := s.(*ast.Include); ok {
			out = append(out, i)
		}
	}
	return out
}

// rulesOf returns the rules of a body.
func rulesOf(body []ast.Stmt) []ast.Rule {
	var out []ast.Rule
	for _, s := range body {
		if r, ok := s.(ast.Rule); ok {
			out = append(out, r)
		}
	}
	return out
}
