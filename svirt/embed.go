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
// other monitor does, TEMPLATE.lxc what a container may do.
func PolicyFS() fs.FS {
	sub, err := fs.Sub(embedded, "apparmor.d")
	if err != nil {
		panic(err) // the name is a constant
	}
	return sub
}

// Install writes this package's policy into a tree such as /etc/apparmor.d,
// for people and tools that look for it there. A Manager does not need it.
// Files that are there already, whoever made them, stay as they are.
func Install(dir string) error {
	own := PolicyFS()
	return fs.WalkDir(own, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := fs.ReadFile(own, name)
		if err != nil {
			return err
		}
		s, err := openStore(filepath.Join(dir, filepath.FromSlash(path.Dir(name))))
		if err != nil {
			return err
		}
		err = s.create(path.Base(name), text)
		if errors.Is(err, fs.ErrExist) {
			err = nil
		}
		return errors.Join(err, s.root.Close())
	})
}
