// SPDX-License-Identifier: Apache-2.0

//go:build linux

package vmtest

import (
	"io/fs"
	"maps"
	"path"
	"testing"

	"github.com/goarmor/apparmor/internal/debian"
	"github.com/goarmor/apparmor/internal/testenv"
	"github.com/goarmor/apparmor/internal/vmtest"
)

func run(t *testing.T, o Options) {
	t.Helper()
	c := vmtest.Config{
		Roles:   o.Roles,
		Memory:  o.Memory,
		Timeout: o.Timeout,
		Root: func(tb testing.TB, _ vmtest.Kernel) map[string]vmtest.RootFile {
			root, err := o.root(tb)
			if err != nil {
				tb.Fatal(err)
			}
			return root
		},
	}
	if o.Tests != "" {
		c.Args = []string{"-test.run=" + o.Tests}
	}
	vmtest.Run(t, c)
}

// root returns the files of the guest's root file system besides its init.
func (o Options) root(tb testing.TB) (map[string]vmtest.RootFile, error) {
	tb.Helper()
	root := map[string]vmtest.RootFile{}
	if len(o.Programs) > 0 {
		tree := testenv.Packages(tb, debian.Binary{Suite: "trixie", Names: o.Packages, Libraries: true})
		programs, err := vmtest.Programs(tree, o.Programs...)
		if err != nil {
			return nil, err
		}
		maps.Copy(root, programs)
	}
	for name, f := range o.Files {
		clean := path.Join("/", name)[1:]
		if clean == "" || clean == "init" {
			return nil, &fs.PathError{Op: "vmtest", Path: name, Err: fs.ErrInvalid}
		}
		mode := f.Mode
		if mode == 0 {
			mode = 0o644
		}
		root[clean] = vmtest.RootFile{Mode: mode, Data: f.Data}
	}
	return root, nil
}
