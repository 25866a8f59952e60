// SPDX-License-Identifier: Apache-2.0

//go:build linux

package vmtest

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"

	"github.com/goarmor/apparmor/internal/debian"
)

// libraryDirs are where Debian has libraries of amd64.
var libraryDirs = []string{"usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu"}

// Programs returns programs of packages for the root of a guest, with the
// libraries that they need and the dynamic loader. A name is a path in the tree,
// of a program, a library that is loaded when it is needed, or a directory with
// all below it.
func Programs(tree debian.Tree, names ...string) (map[string]RootFile, error) {
	p := programs{tree: tree.Dir, out: map[string]RootFile{}}
	for _, name := range names {
		if err := p.add(name); err != nil {
			return nil, err
		}
	}
	return p.out, nil
}

type programs struct {
	tree string
	out  map[string]RootFile
}

// add adds a file or a directory.
func (p *programs) add(name string) error {
	if _, ok := p.out[name]; ok {
		return nil
	}
	at := filepath.Join(p.tree, filepath.FromSlash(name))
	info, err := os.Stat(at)
	if err != nil {
		return err
	}
	if info.IsDir() {
		list, err := os.ReadDir(at)
		if err != nil {
			return err
		}
		for _, e := range list {
			// What a link leads to may be in a package that was not asked for.
			if err := p.add(path.Join(name, e.Name())); err != nil && !(e.Type()&fs.ModeSymlink != 0 && errors.Is(err, fs.ErrNotExist)) {
				return err
			}
		}
		return nil
	}
	data, err := os.ReadFile(at)
	if err != nil {
		return err
	}
	p.out[name] = RootFile{info.Mode().Perm(), data}
	if !bytes.HasPrefix(data, []byte(elf.ELFMAG)) {
		return nil
	}
	return p.needs(name, data)
}

// needs adds what a program or a library is linked with.
func (p *programs) needs(name string, data []byte) error {
	f, err := elf.NewFile(bytes.NewReader(data))
	if err != nil || f.Machine != elf.EM_X86_64 {
		return nil //nolint:nilerr // firmware for another machine
	}
	libraries, err := f.ImportedLibraries()
	if err != nil {
		return nil //nolint:nilerr // linked statically
	}
	dirs := slices.Clone(libraryDirs)
	for _, tag := range []elf.DynTag{elf.DT_RPATH, elf.DT_RUNPATH} {
		paths, err := f.DynString(tag)
		if err != nil {
			continue
		}
		for _, list := range paths {
			for _, dir := range filepath.SplitList(list) {
				dirs = append(dirs, path.Clean(dir)[1:])
			}
		}
	}
	for _, library := range libraries {
		if err := p.library(library, dirs); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	for _, s := range f.Progs {
		if s.Type != elf.PT_INTERP {
			continue
		}
		// Trees have the loader where it really is, as on systems whose lib64 is a
		// link.
		loader := path.Join(libraryDirs[0], "ld-linux-x86-64.so.2")
		if err := p.add(loader); err != nil {
			return err
		}
		p.out["lib64/ld-linux-x86-64.so.2"] = p.out[loader]
	}
	return nil
}

func (p *programs) library(name string, dirs []string) error {
	for _, dir := range dirs {
		if _, err := os.Stat(filepath.Join(p.tree, dir, name)); err == nil {
			return p.add(path.Join(dir, name))
		}
	}
	return fmt.Errorf("%s: %w", name, fs.ErrNotExist)
}
