package parser

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/diag"
)

// ParseFS parses a file and everything that it includes. The name is looked up
// like that of an include: in Roots, or in Abs if it begins with a slash.
//
// An error is a diag.List, or what ctx says; there is a unit beside it only if
// Recover is set. A file is read and parsed once, however often it is
// included, and includes may form loops: what is to be made of a repetition is
// for package policy.
func (c Config) ParseFS(ctx context.Context, name string) (*ast.Unit, error) {
	l := newLoader(ctx, c)
	inc := &ast.Include{Path: name}
	if strings.HasPrefix(name, "/") {
		inc.Kind = ast.IncludeQuoted
	}
	at, err := l.find(inc)
	if err == nil && at.dir {
		err = fmt.Errorf("%s is a directory", at.name)
	}
	var src string
	if err == nil {
		src, err = l.read(at.fsys, at.path, ast.Position{File: at.name}, nil)
	}
	if err != nil {
		var d *diag.Diagnostic
		if !errors.As(err, &d) {
			d = &diag.Diagnostic{Code: CodeInclude, Pos: ast.Position{File: name}, Message: "the file cannot be read", Text: name, Err: err}
		}
		return nil, diag.List{d}
	}
	return l.unit(at.name, src)
}

// ParseTree is ParseFS for a main file whose text is at hand. The name is used
// in positions.
func (c Config) ParseTree(ctx context.Context, name, src string) (*ast.Unit, error) {
	return newLoader(ctx, c).unit(name, src)
}

// loader reads the files of one unit.
type loader struct {
	ctx      context.Context
	config   Config
	included map[*ast.Include][]*ast.File
	files    map[fileKey]*ast.File // nil for what cannot be read
	reads    int
	bytes    int64
	errs     diag.List
	stopped  bool
}

// fileKey is a file in a context: what is a profile in one may be a rule in
// the other.
type fileKey struct {
	name    string
	context Context
}

// place is where an include leads.
type place struct {
	fsys fs.FS
	path string // in fsys
	name string // for people
	dir  bool
}

func newLoader(ctx context.Context, c Config) *loader {
	c.Limits = c.Limits.withDefaults()
	return &loader{ctx: ctx, config: c, included: map[*ast.Include][]*ast.File{}, files: map[fileKey]*ast.File{}}
}

func (l *loader) unit(name, src string) (*ast.Unit, error) {
	if err := l.ctx.Err(); err != nil {
		return nil, err
	}
	where := l.config.Context
	if where == ContextAuto {
		where = ContextFile
	}
	l.bytes += int64(len(src))
	main := l.parse(name, src, where, nil)
	if main != nil && !l.stopped {
		l.files[fileKey{name, where}] = main
		l.follow(main, main.Stmts, where, nil)
	}
	if err := l.ctx.Err(); err != nil {
		return nil, err
	}
	unit := &ast.Unit{Main: main, Included: l.included}
	if len(l.errs) > 0 {
		if l.config.Recover <= 0 {
			unit = nil
		}
		return unit, l.errs
	}
	return unit, nil
}

// parse parses one file and takes over what it has to say.
func (l *loader) parse(name, src string, where Context, via []ast.Position) *ast.File {
	c := l.config
	c.Recover = max(0, c.Recover-len(l.errs))
	file, errs, warnings := c.parse(l.ctx, name, src, where)
	for _, d := range errs {
		d.Via = via
		l.fail(d)
	}
	l.warn(warnings, via)
	return file
}

func (l *loader) warn(warnings diag.List, via []ast.Position) {
	if l.config.Warn == nil {
		return
	}
	for _, w := range warnings {
		w := *w // it may be shared through a Cache
		w.Via = via
		l.config.Warn(&w)
	}
}

func (l *loader) fail(d *diag.Diagnostic) {
	l.errs = append(l.errs, d)
	if len(l.errs) >= max(l.config.Recover, 1) {
		l.stopped = true
	}
	var limit *diag.LimitError
	if errors.As(d.Err, &limit) {
		l.stopped = true
	}
}

// follow loads what the statements of a file include.
func (l *loader) follow(f *ast.File, stmts []ast.Stmt, where Context, via []ast.Position) {
	for _, s := range stmts {
		if l.stopped {
			return
		}
		switch s := s.(type) {
		case *ast.Include:
			l.include(f, s, where, via)
		case *ast.Profile:
			l.follow(f, s.Body, ContextBody, via)
		case *ast.Block:
			l.follow(f, s.Body, ContextBody, via)
		case *ast.If:
			l.follow(f, s.Then, ContextBody, via)
			l.follow(f, s.Else, ContextBody, via)
		}
	}
}

func (l *loader) include(f *ast.File, s *ast.Include, where Context, via []ast.Position) {
	if l.ctx.Err() != nil {
		l.stopped = true
		return
	}
	pos := f.Position(s.Pos())
	at, err := l.find(s)
	if err != nil {
		if s.IfExists && errors.Is(err, fs.ErrNotExist) {
			l.included[s] = nil
			return
		}
		l.fail(&diag.Diagnostic{
			Code: CodeInclude, Pos: pos, Message: "cannot include " + s.Path, Text: f.Text(s), Via: via, Err: err, Hint: l.includeHint(s),
		})
		return
	}
	via = append([]ast.Position{pos}, via...)
	if len(via) > l.config.Limits.IncludeDepth {
		d := limitDiagnostic(pos, "include depth", int64(l.config.Limits.IncludeDepth), int64(len(via)))
		d.Via = via[1:]
		l.fail(d)
		return
	}
	l.included[s] = nil
	if !at.dir {
		if file := l.load(at, where, pos, via); file != nil {
			l.included[s] = []*ast.File{file}
		}
		return
	}
	entries, err := fs.ReadDir(at.fsys, at.path)
	if err != nil {
		l.fail(&diag.Diagnostic{Code: CodeInclude, Pos: pos, Message: "cannot read the directory " + at.name, Text: f.Text(s), Via: via[1:], Err: err})
		return
	}
	for _, e := range entries {
		in := place{fsys: at.fsys, path: path.Join(at.path, e.Name()), name: path.Join(at.name, e.Name())}
		info, err := fs.Stat(at.fsys, in.path)
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		if skip, silent := skipped(e.Name()); skip {
			if !silent {
				l.warn(diag.List{{
					Severity: diag.Warning, Class: diag.ClassUnexpected, Code: WarnIgnored, Pos: pos,
					Message: "a file that looks like a leftover is not included", Text: in.name,
				}}, via[1:])
			}
			continue
		}
		if file := l.load(in, where, pos, via); file != nil {
			l.included[s] = append(l.included[s], file)
		}
		if l.stopped {
			return
		}
	}
}

// includeHint says why an include is not found, if that is plain.
func (l *loader) includeHint(s *ast.Include) string {
	switch {
	case s.Hash && s.Kind == ast.IncludeBare:
		return "is this a comment? put a blank behind the #"
	case s.Kind == ast.IncludeMagic && len(l.config.Roots) == 0:
		return "there is no search path"
	case s.Kind != ast.IncludeMagic && l.config.Abs == nil:
		return "paths without angle brackets are not looked up"
	}
	return ""
}

// load returns a file that is to be included, reading it if it is new.
func (l *loader) load(at place, where Context, pos ast.Position, via []ast.Position) *ast.File {
	key := fileKey{at.name, where}
	if file, ok := l.files[key]; ok {
		return file
	}
	l.files[key] = nil
	src, err := l.read(at.fsys, at.path, pos, via)
	if err != nil {
		var d *diag.Diagnostic
		if !errors.As(err, &d) {
			d = &diag.Diagnostic{Code: CodeInclude, Pos: pos, Message: "cannot read " + at.name, Via: via[1:], Err: err}
		}
		l.fail(d)
		return nil
	}
	file := l.parseCached(at.name, src, where, via)
	l.files[key] = file
	if !l.stopped {
		l.follow(file, file.Stmts, where, via)
	}
	return file
}

func (l *loader) parseCached(name, src string, where Context, via []ast.Position) *ast.File {
	cache := l.config.Cache
	if cache == nil {
		return l.parse(name, src, where, via)
	}
	key := newCacheKey(name, src, where, l.config.Limits.Depth)
	if hit, ok := cache.get(key); ok {
		l.warn(hit.warnings, via)
		return hit.file
	}
	file, errs, warnings := Config{Limits: l.config.Limits}.parse(l.ctx, name, src, where)
	if len(errs) > 0 || l.ctx.Err() != nil {
		return l.parse(name, src, where, via)
	}
	cache.put(key, cached{file, warnings})
	l.warn(warnings, via)
	return file
}

// read reads a file within the limits. What exceeds them is a
// *diag.Diagnostic at pos.
func (l *loader) read(fsys fs.FS, name string, pos ast.Position, via []ast.Position) (string, error) {
	fail := func(what string, limit, got int64) (string, error) {
		d := limitDiagnostic(pos, what, limit, got)
		if len(via) > 0 {
			d.Via = via[1:]
		}
		return "", d
	}
	if l.reads++; l.reads > l.config.Limits.Includes {
		return fail("number of included files", int64(l.config.Limits.Includes), int64(l.reads))
	}
	f, err := fsys.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	limit := l.config.Limits.Bytes
	info, err := f.Stat()
	switch {
	case err != nil:
		return "", err
	case !info.Mode().IsRegular():
		return "", &fs.PathError{Op: "read", Path: name, Err: errors.New("not a regular file")}
	case info.Size() > limit:
		return fail("file size in bytes", limit, info.Size())
	}
	// One byte more than the size shows whether the file has grown.
	buf := make([]byte, info.Size()+1)
	n := 0
	for n < len(buf) {
		m, err := f.Read(buf[n:])
		n += m
		if err == io.EOF {
			break
		}
		if err != nil {
			return "", err
		}
		if n == len(buf) {
			if int64(n) > limit {
				return fail("file size in bytes", limit, int64(n))
			}
			buf = append(buf, make([]byte, min(int64(n), limit+1-int64(n)))...)
		}
	}
	if l.bytes += int64(n); l.bytes > l.config.Limits.TotalBytes {
		return fail("size of all files in bytes", l.config.Limits.TotalBytes, l.bytes)
	}
	return string(buf[:n]), nil
}

// find looks up what an include names.
func (l *loader) find(s *ast.Include) (place, error) {
	c := &l.config
	notFound := &fs.PathError{Op: "open", Path: s.Path, Err: fs.ErrNotExist}
	if s.Kind != ast.IncludeMagic {
		full := s.Path
		if !strings.HasPrefix(full, "/") {
			full = path.Join("/", c.Dir, full)
		}
		full = path.Clean(full)
		if c.Abs == nil {
			return place{}, notFound
		}
		return stat(c.Abs, strings.TrimPrefix(full, "/"), full)
	}
	rel := path.Clean(strings.TrimLeft(s.Path, "/"))
	if !fs.ValidPath(rel) {
		return place{}, notFound
	}
	for i, root := range c.Roots {
		name := rel
		if i < len(c.RootNames) {
			name = path.Join(c.RootNames[i], rel)
		}
		at, err := stat(root, rel, name)
		if err == nil || !errors.Is(err, fs.ErrNotExist) {
			return at, err
		}
	}
	return place{}, notFound
}

func stat(fsys fs.FS, rel, name string) (place, error) {
	if rel == "" {
		rel = "."
	}
	info, err := fs.Stat(fsys, rel)
	if err != nil {
		return place{}, err
	}
	return place{fsys: fsys, path: rel, name: name, dir: info.IsDir()}, nil
}

// Skip reports whether a file of a directory is left out when the directory is
// included or loaded: hidden files, README, and what editors and package
// managers leave behind.
func Skip(name string) bool {
	skip, _ := skipped(name)
	return skip
}

// skipped is Skip; silent tells whether the reference says nothing about it.
func skipped(name string) (skip, silent bool) {
	if strings.HasPrefix(name, ".") || name == "README" {
		return true, true
	}
	if slices.ContainsFunc(silentSuffixes[:], func(s string) bool { return strings.HasSuffix(name, s) }) {
		return true, true
	}
	return slices.ContainsFunc(leftoverSuffixes[:], func(s string) bool { return strings.HasSuffix(name, s) }), false
}

var silentSuffixes = [...]string{
	".dpkg-new", ".dpkg-old", ".dpkg-dist", ".dpkg-bak", ".dpkg-remove", ".pacsave", ".pacnew",
}

var leftoverSuffixes = [...]string{".rpmnew", ".rpmsave", ".orig", ".rej", "~"}
