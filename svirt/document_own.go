// SPDX-License-Identifier: Apache-2.0

package svirt

import (
	"embed"
	"errors"
	"io/fs"
	"path"
	"path/filepath"
)

//go:embed apparmor.d
var embedded embed.FS

// PolicyFS returns this package's own policy in the layout of
// /etc/apparmor.d: libvirt/TEMPLATE.*, and the abstractions and tunables that
// they include. It needs nothing besides.
//
// TEMPLATE.qemu covers what QEMU needs under libvirt, TEMPLATE.vmm what any
// other monitor does, TEMPLATE.lxc what a container may do; others are named after
// the program, or the kind of companion, that they are for. abi/5.0 is for
// parsers that do not have it.
func PolicyFS() fs.FS {
	sub, err := fs.Sub(embedded, "apparmor.d")
	if err != nil {
		panic(err) // the name is a constant
	}
	return sub
}

//go:embed released
var releasedTemplates embed.FS

// released returns the templates of earlier releases that differ, by which
// profiles are known that nobody has edited.
func released() []fs.FS {
	list, err := releasedTemplates.ReadDir("released")
	if err != nil {
		return nil // it is embedded
	}
	var out []fs.FS
	for _, e := range list {
		if sub, err := fs.Sub(releasedTemplates, "released/"+e.Name()); err == nil {
			out = append(out, sub)
		}
	}
	return out
}

// Install writes parts and this package's policy into a tree such as
// /etc/apparmor.d, for people and tools that look for it there. A Manager does
// not need it. Files that are there already, whoever made them, stay as they
// are; a part counts before this package's file of the same name.
func Install(dir string, parts ...Part) error {
	for _, p := range parts {
		if err := install(dir, p.Name(), p.Text()); err != nil {
			return err
		}
	}
	own := PolicyFS()
	return fs.WalkDir(own, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := fs.ReadFile(own, name)
		if err != nil {
			return err
		}
		return install(dir, name, string(text))
	})
}

// install writes one file if it is not there.
func install(dir, name, text string) error {
	if !fs.ValidPath(name) || name == "." {
		return &FileError{File: name, Err: fs.ErrInvalid}
	}
	s, err := openStore(filepath.Join(dir, filepath.FromSlash(path.Dir(name))))
	if err != nil {
		return err
	}
	err = s.create(path.Base(name), []byte(text))
	if errors.Is(err, fs.ErrExist) {
		err = nil
	}
	return errors.Join(err, s.root.Close())
}
