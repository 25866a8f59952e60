// SPDX-License-Identifier: Apache-2.0

package command

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/goarmor/apparmor/diag"
)

// errPseudo refuses files through which a kernel shows or does something.
var errPseudo = errors.New("the kernel's own files (procfs, sysfs and the like) are not read as policy")

// policyFS is a directory that includes are read from. Whoever writes policy
// chooses the paths in it, so opening never blocks, and files on a pseudo file
// system of the kernel are not read: reading there can block, and can take
// messages away from others.
type policyFS struct {
	dir string
	// below keeps names, and links, from leading out of the directory.
	below bool
}

// Open implements fs.FS.
func (p policyFS) Open(name string) (fs.File, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid}
	}
	f, err := p.open(name)
	if err != nil {
		return nil, err
	}
	if err := notPseudo(f); err != nil {
		return nil, errors.Join(&fs.PathError{Op: "open", Path: name, Err: err}, f.Close())
	}
	return f, nil
}

func (p policyFS) open(name string) (*os.File, error) {
	if !p.below {
		return os.OpenFile(filepath.Join(p.dir, filepath.FromSlash(name)), openPolicy, 0)
	}
	root, err := os.OpenRoot(p.dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	return root.OpenFile(filepath.FromSlash(name), openPolicy, 0)
}

// Stat implements fs.StatFS.
func (p policyFS) Stat(name string) (fs.FileInfo, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "stat", Path: name, Err: fs.ErrInvalid}
	}
	if !p.below {
		return os.Stat(filepath.Join(p.dir, filepath.FromSlash(name)))
	}
	root, err := os.OpenRoot(p.dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	return root.Stat(filepath.FromSlash(name))
}

// includeDirs are the directories that <includes> are searched in.
func (r *run) includeDirs() []string {
	return append(r.options.includes[:len(r.options.includes):len(r.options.includes)], r.options.base)
}

// absolute is where includes by path are looked up: nowhere, if includes are
// confined.
func (r *run) absolute() fs.FS {
	if r.options.confine {
		return nil
	}
	return policyFS{dir: "/"}
}

// readPolicy returns the content of an input.
func readPolicy(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if err := notPseudo(f); err != nil {
		return nil, &fs.PathError{Op: "read", Path: name, Err: err}
	}
	return readAll(f)
}

// hide returns a finding without the text of its file, if policy included that
// file and it is not below a directory of includes. A mistake in it would show
// the file's first words to whoever reads the messages, and they may be a
// secret that only the user of this program can read.
func (r *run) hide(in input, d *diag.Diagnostic) *diag.Diagnostic {
	file := d.Pos.File
	if file == "" || file == in.shown() || d.Code == diag.CodeInclude || r.below(file) {
		return d
	}
	return &diag.Diagnostic{
		Severity: d.Severity, Class: d.Class, Code: d.Code, Pos: d.Pos, Via: d.Via,
		Message: "the file has a mistake; its text is not shown because the file is not below a directory of includes",
	}
}

// below reports whether a file is in one of the directories of includes, by
// its name and by where it really is.
func (r *run) below(file string) bool {
	real, err := filepath.EvalSymlinks(r.path(file))
	if err != nil {
		return false
	}
	for _, dir := range r.includeDirs() {
		if dir, err := filepath.EvalSymlinks(r.path(dir)); err == nil && within(dir, real) {
			return true
		}
	}
	return false
}

// within reports whether a file is below a directory. Both are absolute, or
// relative to the same directory.
func within(dir, file string) bool {
	rel, err := filepath.Rel(dir, file)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
}
