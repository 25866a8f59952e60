// SPDX-License-Identifier: Apache-2.0

package parser

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"syscall"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/internal/lang"
)

// ParseFS parses a file and everything that it includes. The name is looked up
// like that of an include: in Roots, or in Abs if it begins with a slash.
//
// An error is a diag.List, or what ctx says; there is a unit beside it only if
// Recover is set. A file is read and parsed once, however often it is
// included, and includes may form loops: package policy decides what a
// repetition means.
func (c Config) ParseFS(ctx context.Context, name string) (*ast.Unit, error) {
	c.Limits = c.Limits.withDefaults()
	return newLoader(ctx, c, newFiles(&c, nil)).file(name)
}

// ParseTree is ParseFS for a main file whose text the caller has. The name is
// used in positions.
func (c Config) ParseTree(ctx context.Context, name, src string) (*ast.Unit, error) {
	c.Limits = c.Limits.withDefaults()
	l := newLoader(ctx, c, newFiles(&c, nil))
	if err := l.count(len(src)); err != nil {
		return nil, diag.List{cannotRead("", ast.Position{File: name}, nil, err)}
	}
	return l.unit(name, src)
}

// FollowIncludes is ParseTree for a main file that has been parsed already.
// The tree becomes part of the unit.
func (c Config) FollowIncludes(ctx context.Context, main *ast.File) (*ast.Unit, error) {
	c.Limits = c.Limits.withDefaults()
	l := newLoader(ctx, c, newFiles(&c, nil))
	if err := l.count(len(main.Src)); err != nil {
		return nil, diag.List{cannotRead("", ast.Position{File: main.Name}, nil, err)}
	}
	return l.unitOf(main.Name, func(Context) *ast.File { return main })
}

// loader reads the files of one unit.
type loader struct {
	ctx      context.Context
	config   Config
	files    files
	included map[*ast.Include][]*ast.File
	parsed   map[fileKey]*ast.File // nil for what cannot be read
	followed map[*ast.File]bool    // of Config.Trees
	reads    int
	bytes    int64
	errs     diag.List
	stopped  bool
}

// files is where includes are looked up.
type files struct {
	roots []*source
	abs   *source // nil: nowhere
}

func newFiles(c *Config, budget *budget) files {
	f := files{abs: newSource(c.Abs, c.Limits, budget)}
	for _, root := range c.Roots {
		f.roots = append(f.roots, newSource(root, c.Limits, budget))
	}
	return f
}

// fileKey is a file in a context: what is a profile in one may be a rule in
// the other.
type fileKey struct {
	name    string
	context Context
}

// place is where an include leads.
type place struct {
	*item
	src  *source
	path string // in src
	name string // for people
}

// chain is how a file came to be read: the include statement that names it, and
// the chain of the file with that statement. Nil is that of a main file.
type chain struct {
	file  *ast.File
	stmt  *ast.Include
	up    *chain
	depth int
}

// position is that of the include statement.
func (c *chain) position() ast.Position { return c.file.Position(c.stmt.Pos()) }

// positions are those of all include statements, the innermost first.
func (c *chain) positions() []ast.Position {
	var list []ast.Position
	for ; c != nil; c = c.up {
		list = append(list, c.position())
	}
	return list
}

// within returns the place of an entry of a directory.
func (p place) within(entry string) place {
	at := place{src: p.src, path: path.Join(p.path, entry), name: path.Join(p.name, entry)}
	at.item = p.src.open(at.path)
	return at
}

// newLoader makes a loader from a Config whose limits are set.
func newLoader(ctx context.Context, c Config, files files) *loader {
	return &loader{
		ctx: ctx, config: c, files: files,
		included: map[*ast.Include][]*ast.File{}, parsed: map[fileKey]*ast.File{},
		followed: map[*ast.File]bool{},
	}
}

// file loads the unit of a main file that is looked up like an include.
func (l *loader) file(name string) (*ast.Unit, error) {
	inc := &ast.Include{Path: name}
	if strings.HasPrefix(name, "/") {
		inc.Kind = ast.IncludeQuoted
	}
	at, err := l.find(inc)
	if err == nil && at.dir {
		err = fmt.Errorf("%s is a directory", at.name)
	}
	if err != nil {
		return nil, diag.List{{
			Code: diag.CodeInclude, Pos: ast.Position{File: name}, Message: "the file cannot be read", Text: name, Err: err,
		}}
	}
	return l.main(at)
}

// main loads the unit of a main file.
func (l *loader) main(at place) (*ast.Unit, error) {
	err := at.err
	if err == nil {
		err = l.take(at)
	}
	if err != nil {
		d := cannotRead("the file cannot be read", ast.Position{File: at.name}, nil, err)
		d.Text = at.name
		return nil, diag.List{d}
	}
	return l.unit(at.name, at.text)
}

func (l *loader) unit(name, src string) (*ast.Unit, error) {
	return l.unitOf(name, func(where Context) *ast.File { return l.parse(name, src, where, nil) })
}

// unitOf loads the unit of a main file, given a way to get at its tree.
func (l *loader) unitOf(name string, parse func(Context) *ast.File) (*ast.Unit, error) {
	if err := l.ctx.Err(); err != nil {
		return nil, err
	}
	where := l.config.Context
	if where == ContextAuto {
		where = ContextFile
	}
	main := parse(where)
	if main != nil && !l.stopped {
		l.parsed[fileKey{name, where}] = main
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

// parse parses one file and records what was found wrong with it.
func (l *loader) parse(name, src string, where Context, via *chain) *ast.File {
	c := l.config
	c.Recover = max(0, c.Recover-len(l.errs))
	file, errs, warnings := c.parse(l.ctx, name, src, where)
	for _, d := range errs {
		d.Via = via.positions()
		l.fail(d)
	}
	l.warn(warnings, via)
	return file
}

func (l *loader) warn(warnings diag.List, via *chain) {
	if l.config.Warn == nil {
		return
	}
	for _, w := range warnings {
		w := *w // it may be shared through a Cache
		w.Via = via.positions()
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
func (l *loader) follow(f *ast.File, stmts []ast.Stmt, where Context, via *chain) {
	for _, s := range stmts {
		if l.stopped {
			return
		}
		switch s := s.(type) {
		case *ast.Include:
			l.include(&chain{file: f, stmt: s, up: via}, where)
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

// include loads what one statement includes.
func (l *loader) include(via *chain, where Context) {
	if l.ctx.Err() != nil {
		l.stopped = true
		return
	}
	s := via.stmt
	tree := l.tree(s)
	var at place
	var err error
	if tree == nil {
		at, err = l.find(s)
	}
	if err != nil {
		if s.IfExists && isNotFound(err) {
			l.included[s] = nil
			return
		}
		l.fail(&diag.Diagnostic{
			Code: diag.CodeInclude, Pos: via.position(), Message: "cannot include " + s.Path + ": " + reason(err), Text: via.file.Text(s), Via: via.up.positions(),
			Err: err, Hint: l.includeHint(s),
		})
		return
	}
	via.depth = 1
	if via.up != nil {
		via.depth += via.up.depth
	}
	if limit := l.config.Limits.IncludeDepth; via.depth > limit {
		d := limitDiagnostic(via.position(), "include depth", int64(limit), int64(via.depth))
		d.Via = via.up.positions()
		l.fail(d)
		return
	}
	l.included[s] = nil
	switch {
	case tree != nil:
		l.included[s] = []*ast.File{tree}
		if !l.followed[tree] {
			l.followed[tree] = true
			l.follow(tree, tree.Stmts, where, via)
		}
	case at.device:
	case at.dir:
		l.included[s] = l.loadDir(at, where, via)
	default:
		if file := l.load(at, where, via); file != nil {
			l.included[s] = []*ast.File{file}
		}
	}
}

// tree returns the file that an include names if it is one of Config.Trees.
func (l *loader) tree(s *ast.Include) *ast.File {
	if s.Kind != ast.IncludeMagic || len(l.config.Trees) == 0 {
		return nil
	}
	return l.config.Trees[path.Clean(strings.TrimLeft(string(ast.Decode(s.Path)), "/"))]
}

// loadDir returns the files of a directory that is to be included. The last
// name comes first, as in the reference: the order decides which file gives a
// variable its value and which adds to it. A link that leads nowhere is an
// error, as it is there.
func (l *loader) loadDir(at place, where Context, via *chain) (files []*ast.File) {
	if at.readErr != nil {
		d := via.cannotRead("cannot read the directory "+at.name, at.readErr)
		d.Text = via.file.Text(via.stmt)
		l.fail(d)
		return nil
	}
	for _, e := range at.list {
		skip, silent := skipped(e.Name())
		if skip && !silent && at.src.isFile(path.Join(at.path, e.Name())) {
			l.warn(diag.List{ignored(via.position(), path.Join(at.name, e.Name()))}, via.up)
		}
	}
	for _, e := range slices.Backward(at.list) {
		if l.stopped {
			break
		}
		if Skip(e.Name()) {
			continue
		}
		in := at.within(e.Name())
		switch {
		case in.err != nil:
			l.fail(via.cannotRead("cannot read "+in.name, in.err))
		case in.isFile():
			if file := l.load(in, where, via); file != nil {
				files = append(files, file)
			}
		}
	}
	return files
}

// cannotRead is the error of a statement that includes what is there.
func (c *chain) cannotRead(message string, err error) *diag.Diagnostic {
	return cannotRead(message, c.position(), c.up.positions(), err)
}

// ignored is the warning of a file that is skipped.
func ignored(pos ast.Position, name string) *diag.Diagnostic {
	return &diag.Diagnostic{
		Severity: diag.Warning, Class: diag.ClassUnexpected, Code: diag.WarnIgnored, Pos: pos,
		Message: "a file that looks like a leftover is not included", Text: name,
	}
}

// cannotRead is the error of a file that is there.
func cannotRead(message string, pos ast.Position, via []ast.Position, err error) *diag.Diagnostic {
	d := &diag.Diagnostic{Code: diag.CodeInclude, Pos: pos, Message: message, Via: via, Err: err}
	if errors.Is(err, diag.ErrLimit) {
		d.Code = diag.CodeLimit
	}
	switch {
	case err == nil:
	case message == "":
		d.Message = err.Error()
	default:
		d.Message += ": " + reason(err)
	}
	return d
}

// reason is what an error says besides the path, which is in the message.
func reason(err error) string {
	var at *fs.PathError
	if errors.As(err, &at) && at.Err != nil {
		return at.Err.Error()
	}
	return err.Error()
}

// includeHint says why an include is not found, if that is plain.
func (l *loader) includeHint(s *ast.Include) string {
	switch {
	case s.Kind == ast.IncludeBare && (s.Path == "if" || s.Path == "exists"):
		return "the words are include if exists"
	case s.Hash && s.Kind == ast.IncludeBare:
		return "is this a comment? put a blank after the #"
	case s.Kind == ast.IncludeMagic && len(l.config.Roots) == 0:
		return "the search path is empty"
	case s.Kind != ast.IncludeMagic && l.config.Abs == nil:
		return "paths without angle brackets are not looked up"
	case s.Kind != ast.IncludeMagic:
		name := path.Join("/", l.config.Dir, s.Path)
		if strings.HasPrefix(s.Path, "/") {
			name = path.Clean(s.Path)
		}
		return nearName(l.files.abs, strings.TrimPrefix(name, "/"), s.Path)
	}
	rel := path.Clean(strings.TrimLeft(s.Path, "/"))
	for _, root := range l.files.roots {
		if hint := nearName(root, rel, s.Path); hint != "" {
			return hint
		}
	}
	return ""
}

// nearName is the hint that names a file whose name is close to the one that
// is not found. Written is the path as the include has it.
func nearName(src *source, name, written string) string {
	dir, base := path.Split(name)
	if !fs.ValidPath(name) {
		return ""
	}
	at, err := src.find(strings.TrimSuffix(dir, "/"), "")
	if err != nil || !at.dir {
		return ""
	}
	names := make([]string, 0, len(at.list))
	for _, e := range at.list {
		names = append(names, e.Name())
	}
	near, ok := lang.Nearest(names, base)
	if !ok || !strings.HasSuffix(written, base) {
		return ""
	}
	return didYouMean(strings.TrimSuffix(written, base) + near)
}

// load returns a file that is to be included, reading it if it is new.
func (l *loader) load(at place, where Context, via *chain) *ast.File {
	key := fileKey{at.name, where}
	if file, ok := l.parsed[key]; ok {
		return file
	}
	l.parsed[key] = nil
	if err := l.take(at); err != nil {
		l.fail(via.cannotRead("cannot read "+at.name, err))
		return nil
	}
	file := l.parseCached(at.name, at.text, where, via)
	l.parsed[key] = file
	if !l.stopped {
		l.follow(file, file.Stmts, where, via)
	}
	return file
}

// take counts a file that is going to be parsed. The error says why it cannot
// be read or what limit it exceeds.
func (l *loader) take(at place) error {
	limits := &l.config.Limits
	if l.reads++; l.reads > limits.Includes {
		return &diag.LimitError{What: "number of included files", Limit: int64(limits.Includes), Got: int64(l.reads)}
	}
	if at.readErr != nil {
		return at.readErr
	}
	return l.count(len(at.text))
}

// count counts the bytes of a file.
func (l *loader) count(n int) error {
	if l.bytes += int64(n); l.bytes > l.config.Limits.TotalBytes {
		return &diag.LimitError{What: "size of all files in bytes", Limit: l.config.Limits.TotalBytes, Got: l.bytes}
	}
	return nil
}

func (l *loader) parseCached(name, src string, where Context, via *chain) *ast.File {
	cache := l.config.Cache
	if cache == nil {
		return l.parse(name, src, where, via)
	}
	key := cacheKey{name, where, l.config.Limits.Depth, src}
	if hit, ok := cache.get(key); ok {
		l.warn(hit.warnings, via)
		return hit.file
	}
	file, errs, warnings := Config{Limits: l.config.Limits}.parse(l.ctx, name, src, where)
	if len(errs) > 0 || l.ctx.Err() != nil {
		return l.parse(name, src, where, via)
	}
	l.warn(warnings, via)
	return cache.put(key, cached{file, warnings}).file
}

// find looks up what an include names. If one root does not have it or cannot
// be read, the next is tried; the error is the first that says more than that
// nothing was found.
func (l *loader) find(s *ast.Include) (place, error) {
	c := &l.config
	name := string(ast.Decode(s.Path))
	if name == "" {
		return place{}, notFound(name)
	}
	if s.Kind != ast.IncludeMagic {
		full := name
		if !strings.HasPrefix(full, "/") {
			full = "/" + c.Dir + "/" + full
		}
		return l.files.findAbs(full)
	}
	name = strings.TrimLeft(name, "/")
	rel := path.Clean(name)
	var failed error
	for i, root := range l.files.roots {
		var at place
		var err error
		switch {
		case fs.ValidPath(rel):
			at, err = root.find(rel, c.rootName(i, rel))
		case i < len(c.RootNames) && path.IsAbs(c.RootNames[i]):
			// It leads out of the root.
			at, err = l.files.findAbs(path.Join(c.RootNames[i], name))
		default:
			err = notFound(name)
		}
		if err == nil && isDirName(name) && !at.dir {
			err = &fs.PathError{Op: "open", Path: at.name, Err: syscall.ENOTDIR}
		}
		switch {
		case err == nil:
			return at, nil
		case failed == nil && !isNotFound(err):
			failed = err
		}
	}
	if failed == nil {
		failed = notFound(name)
	}
	return place{}, failed
}

// findAbs looks up an absolute path.
func (f *files) findAbs(name string) (place, error) {
	if f.abs == nil {
		return place{}, notFound(name)
	}
	clean := path.Clean(name)
	at, err := f.abs.find(strings.TrimPrefix(clean, "/"), clean)
	if err == nil && isDirName(name) && !at.dir {
		err = &fs.PathError{Op: "open", Path: clean, Err: syscall.ENOTDIR}
	}
	return at, err
}

// isDirName reports whether a path can only be that of a directory.
func isDirName(name string) bool {
	return strings.HasSuffix(name, "/") || strings.HasSuffix(name, "/.") || strings.HasSuffix(name, "/..")
}

// isNotFound reports whether an error says that a path leads nowhere. It is
// false for something that exists but may not be read.
func isNotFound(err error) bool {
	for _, target := range [...]error{fs.ErrNotExist, fs.ErrInvalid, syscall.ENOTDIR, syscall.ELOOP, syscall.ENAMETOOLONG} {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}

func notFound(name string) error {
	return &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
}

// rootName is the name that messages give to a path in one of the Roots.
func (c *Config) rootName(root int, rel string) string {
	if root < len(c.RootNames) {
		return path.Join(c.RootNames[root], rel)
	}
	return rel
}

// find returns the place at a path; messages call it name.
func (s *source) find(rel, name string) (place, error) {
	if rel == "" {
		rel = "."
	}
	at := place{item: s.open(rel), src: s, path: rel, name: name}
	return at, at.err
}

// Skip reports whether a file of a directory is left out when the directory is
// included or loaded: hidden files, README, and what editors and package
// managers leave.
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
