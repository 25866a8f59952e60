// SPDX-License-Identifier: Apache-2.0

// Package policyfiles reads files and directories of policy for programs that
// judge it: with what they include, resolved and compiled for any kernel.
package policyfiles

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/internal/wholefile"
	"github.com/goarmor/apparmor/parser"
	"github.com/goarmor/apparmor/policy"
	"github.com/goarmor/apparmor/query/explain"
)

// The limits of one call of Load.
const (
	MaxFiles = 10000     // files of policy
	MaxBytes = 256 << 20 // of all files of policy together, without what they include
)

// Options say how policy is read.
type Options struct {
	// Include are the directories of `include <path>`, the first of which that
	// has a file wins. Without any it is the directory of each file.
	Include []string
}

// File is one file of policy.
type File struct {
	Name     string // as in positions
	Unit     *ast.Unit
	Warnings diag.List // of parsing

	roots []fs.FS
}

// Load reads the files of policy that are named, and those in the directories
// that are named: regular files, and links to them, that parser.Skip does not
// leave out, that do not end in .expect or .files, and do not begin with
// TEMPLATE, as those of machines do that are not profiles. The error joins what
// is wrong with any of them.
func Load(ctx context.Context, names []string, o Options) ([]*File, error) {
	files, total := []*File{}, int64(0)
	cache := &parser.Cache{}
	var errs []error
	for _, name := range names {
		dir, entries, err := list(name)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		for _, entry := range entries {
			if len(files) >= MaxFiles {
				return nil, &diag.LimitError{What: "files of policy", Limit: MaxFiles, Got: MaxFiles + 1}
			}
			text, err := Read(entry, MaxBytes-total)
			if err != nil {
				errs = append(errs, err)
				continue
			}
			total += int64(len(text))
			include := o.Include
			if len(include) == 0 {
				include = []string{dir}
			}
			file, err := parse(ctx, entry, text, include, cache)
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			if err != nil {
				errs = append(errs, err)
				continue
			}
			files = append(files, file)
		}
	}
	return files, errors.Join(errs...)
}

// list returns a file, or those of a directory, and the directory.
func list(name string) (dir string, files []string, err error) {
	info, err := os.Stat(name)
	if err != nil {
		return "", nil, err
	}
	if !info.IsDir() {
		return filepath.Dir(name), []string{name}, nil
	}
	entries, err := os.ReadDir(name)
	if err != nil {
		return "", nil, err
	}
	for _, e := range entries {
		base := e.Name()
		if parser.Skip(base) || strings.HasSuffix(base, ".expect") || strings.HasSuffix(base, ".files") || strings.HasPrefix(base, "TEMPLATE") {
			continue
		}
		full := filepath.Join(name, base)
		if info, err := os.Stat(full); err == nil && info.Mode().IsRegular() {
			files = append(files, full)
		}
	}
	return name, files, nil
}

// Read reads a regular file of no more than so many bytes.
func Read(name string, most int64) (text string, err error) {
	info, err := os.Stat(name)
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() {
		return "", &fs.PathError{Op: "read", Path: name, Err: errors.New("not a regular file")}
	}
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer func() { err = cmp.Or(err, f.Close()) }()
	data, err := wholefile.Read(f, info.Size(), most)
	if err != nil {
		return "", err
	}
	if int64(len(data)) > most {
		return "", fmt.Errorf("%s: %w", name, &diag.LimitError{What: "bytes of files", Limit: most, Got: most + 1})
	}
	return string(data), nil
}

func parse(ctx context.Context, name, text string, include []string, cache *parser.Cache) (*File, error) {
	c, file := config(include), &File{Name: name}
	c.Cache, c.Warn = cache, func(d *diag.Diagnostic) { file.Warnings = append(file.Warnings, d) }
	var err error
	file.roots = c.Roots
	file.Unit, err = c.ParseTree(ctx, name, text)
	return file, err
}

func config(include []string) parser.Config {
	c := parser.Config{Abs: os.DirFS("/"), RootNames: include}
	for _, dir := range include {
		c.Roots = append(c.Roots, os.DirFS(dir))
	}
	return c
}

// Compiled is a file compiled for a kernel.
type Compiled struct {
	Set *policy.Set
	// Policies has one for each namespace.
	Policies []*explain.Policy
	// Degraded are the rules that the kernel does not enforce as written, and
	// Warnings those of resolving and compiling.
	Degraded []compile.Degradation
	Warnings diag.List
}

// Compile compiles a file for a kernel. What the kernel cannot enforce is left
// out and listed. A file without profiles has no policies.
func (f *File) Compile(ctx context.Context, kernel *features.Set) (*Compiled, error) {
	return f.CompileWith(ctx, kernel, func(*policy.Set) {})
}

// CompileWith is Compile that changes the resolved profiles first.
func (f *File) CompileWith(ctx context.Context, kernel *features.Set, change func(*policy.Set)) (*Compiled, error) {
	set, err := policy.Resolve(ctx, f.Unit, policy.Options{Kernel: kernel, Roots: f.roots, Abs: os.DirFS("/")})
	if err != nil {
		return nil, err
	}
	change(set)
	c := &Compiled{Set: set, Warnings: slices.Clone(set.Warnings)}
	if len(set.Profiles) == 0 {
		return c, nil
	}
	for _, part := range compile.ByNamespace(set) {
		p, err := explain.Open(ctx, part, compile.Options{Kernel: kernel, Degrade: compile.Report})
		if err != nil {
			return nil, err
		}
		c.Policies = append(c.Policies, p)
		c.Degraded = append(c.Degraded, p.Compiled().Degraded...)
		c.Warnings = append(c.Warnings, p.Compiled().Warnings...)
	}
	return c, nil
}
