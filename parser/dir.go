// SPDX-License-Identifier: Apache-2.0

package parser

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/diag"
)

// DirFile is one file of a directory that ParseDir has parsed.
type DirFile struct {
	// Name of the file as it is in positions.
	Name string
	// Unit is the file with what it includes. Where Err is set it is nil, or,
	// with Config.Recover, what could be parsed of it.
	Unit *ast.Unit
	// Err is what is wrong with the file or with what it includes, a
	// diag.List.
	Err error
}

// ParseDir parses every file of profiles in a directory, such as all of
// /etc/apparmor.d, as ParseFS does with one, several at a time. A name that
// begins with a slash is looked up in Abs. Another one is looked up in all of
// Roots, "." being the Roots themselves: a name in an earlier root hides the
// same name in later ones.
//
// What counts as a file of profiles is what the reference takes when it is
// given a directory: regular files, and links to them, except those that Skip
// reports. Directories in it are not visited. Files with a namesake in a
// directory "disable" are parsed like others; the caller decides not to load
// them.
//
// The files come in order of their names. One that is wrong does not keep the
// others from being parsed. The error is a diag.List with what is wrong with
// any of them, in the same order, each place once, also when several files
// include it. If the directory does not exist or exceeds Limits.DirEntries or
// Limits.DirBytes, or ctx is done, there are no files, only an error.
//
// Every file is read once for all that include it, so that the units agree on
// what it holds, and they share trees: none of them must be changed. What is
// returned, and the order in which Warn is called, once per place, do not
// depend on how the work was shared out. Warn is called by the goroutine that
// called ParseDir; the Roots and Abs are read by several ones.
func (c Config) ParseDir(ctx context.Context, dir string) ([]DirFile, error) {
	c.Limits = c.Limits.withDefaults()
	if c.Cache == nil {
		c.Cache = &Cache{}
	}
	all := ctx
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	limits := &c.Limits
	budget := &budget{spent: func() {
		err := &diag.LimitError{What: "size of all files of a directory in bytes", Limit: limits.DirBytes, Got: limits.DirBytes + 1}
		cancel(diag.List{cannotRead("", ast.Position{File: dir}, nil, err)})
	}}
	budget.left.Store(limits.DirBytes)
	d := dirLoader{config: c, files: newFiles(&c, budget)}
	if err := d.list(dir); err != nil {
		return nil, diag.List{err}
	}
	d.parseAll(ctx)
	if err := all.Err(); err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return d.results()
}

// dirLoader parses the files of one directory.
type dirLoader struct {
	config   Config
	files    files
	ignored  diag.List
	places   []entry // by name
	parsed   []DirFile
	warnings []diag.List // of each of parsed
}

// entry is a file of a directory.
type entry struct {
	dir  place
	name string
}

// list finds the files to be parsed.
func (d *dirLoader) list(dir string) *diag.Diagnostic {
	fail := func(err error) *diag.Diagnostic {
		return cannotRead("cannot read the directory "+dir, ast.Position{File: dir}, nil, err)
	}
	dirs, err := d.lookup(dir)
	if err != nil {
		return fail(err)
	}
	seen := map[string]bool{}
	for _, at := range dirs {
		switch {
		case !at.dir:
			return fail(&fs.PathError{Op: "readdir", Path: at.name, Err: errors.New("not a directory")})
		case at.readErr != nil:
			return fail(at.readErr)
		}
		for _, e := range at.list {
			if seen[e.Name()] {
				continue
			}
			seen[e.Name()] = true
			skip, silent := skipped(e.Name())
			switch {
			case silent || !mayBeFile(at, e):
			case skip:
				d.ignored = append(d.ignored, ignored(ast.Position{File: at.name}, path.Join(at.name, e.Name())))
			default:
				d.places = append(d.places, entry{at, e.Name()})
			}
		}
	}
	if n := len(d.places); n > d.config.Limits.DirEntries {
		return fail(tooManyEntries(d.config.Limits.DirEntries, n))
	}
	slices.SortFunc(d.places, func(a, b entry) int { return strings.Compare(a.name, b.name) })
	return nil
}

// lookup returns the directories of that name.
func (d *dirLoader) lookup(dir string) ([]place, error) {
	if strings.HasPrefix(dir, "/") {
		at, err := d.files.findAbs(dir)
		return []place{at}, err
	}
	rel := path.Clean(dir)
	var dirs []place
	for i, root := range d.files.roots {
		at, err := root.find(rel, d.config.rootName(i, rel))
		switch {
		case err == nil:
			dirs = append(dirs, at)
		case !errors.Is(err, fs.ErrNotExist):
			return nil, err
		}
	}
	if len(dirs) == 0 {
		return nil, notFound(dir)
	}
	return dirs, nil
}

// mayBeFile reports whether a directory's entry is a regular file or a link to
// one. A link that leads nowhere is an error when it is parsed.
func mayBeFile(dir place, e fs.DirEntry) bool {
	if e.Type()&fs.ModeSymlink == 0 {
		return e.Type().IsRegular()
	}
	info, err := fs.Stat(dir.src.fsys, path.Join(dir.path, e.Name()))
	return err != nil || info.Mode().IsRegular()
}

// parseAll parses the files until ctx is done.
func (d *dirLoader) parseAll(ctx context.Context) {
	d.parsed = make([]DirFile, len(d.places))
	d.warnings = make([]diag.List, len(d.places))
	workers := d.config.Workers
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	var (
		next atomic.Int64
		wg   sync.WaitGroup
	)
	for range min(workers, len(d.places)) {
		wg.Go(func() {
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= len(d.places) {
					return
				}
				d.parse(ctx, i)
			}
		})
	}
	wg.Wait()
}

func (d *dirLoader) parse(ctx context.Context, i int) {
	c := d.config
	if c.Warn != nil {
		c.Warn = func(w *diag.Diagnostic) { d.warnings[i] = append(d.warnings[i], w) }
	}
	at := d.places[i].dir.within(d.places[i].name)
	f := &d.parsed[i]
	f.Name = at.name
	f.Unit, f.Err = newLoader(ctx, c, d.files).main(at)
}

// results passes on what was found, each finding once.
func (d *dirLoader) results() ([]DirFile, error) {
	type finding struct {
		code    diag.Code
		pos     ast.Position
		message string
	}
	seen := map[finding]bool{}
	isNew := func(d *diag.Diagnostic) bool {
		f := finding{d.Code, d.Pos, d.Message}
		again := seen[f]
		seen[f] = true
		return !again
	}
	if d.config.Warn != nil {
		for _, w := range d.ignored {
			d.config.Warn(w)
		}
	}
	var errs diag.List
	for i, f := range d.parsed {
		var list diag.List
		_ = errors.As(f.Err, &list)
		for _, e := range list {
			if isNew(e) {
				errs = append(errs, e)
			}
		}
		for _, w := range d.warnings[i] {
			if isNew(w) {
				d.config.Warn(w)
			}
		}
	}
	return d.parsed, errs.Err()
}
