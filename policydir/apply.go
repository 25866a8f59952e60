// SPDX-License-Identifier: Apache-2.0

// Package policydir brings a directory of policy into the kernel, such as all of
// /etc/apparmor.d when a host starts, or the profiles of a node's workloads
// whenever they change.
//
// [Apply] parses every file of the directory with what it includes, compiles
// those that changed, several at a time, and loads those that the kernel does
// not hold. What changed is decided by content, never by the times of files: a
// file is compiled unless the cache has the policy of just this text, these
// features and these options (see compile/cache), and loaded unless the kernel
// shows the digest of just this policy under all of its names. Profiles that no
// file defines any more are retired, if their names have a prefix that the
// caller owns, and never under a living process.
//
// A file that is wrong does not keep the others from being loaded. What is in
// force for it stays in force. The [Report] says what became of each file.
//
//	kernel, err := loader.Open(loader.Options{})
//	...
//	report, err := policydir.Apply(ctx, policydir.Options{
//		Kernel: kernel, CacheDirs: []string{"/var/cache/agent"}, Prefix: "agent-",
//	})
//
// The directory decides what is enforced on the host. Apply does not look who
// may write to it.
package policydir

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/compile/cache"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/loader"
	"github.com/goarmor/apparmor/parser"
	"github.com/goarmor/apparmor/policy"
)

// Kernel is what Apply does with a kernel: *loader.Kernel, or in tests that of
// loader/loadertest.
type Kernel interface {
	// Features returns what the kernel can enforce.
	Features(ctx context.Context) (*features.Set, error)
	// Profiles lists what is loaded, children and hats too.
	Profiles(ctx context.Context) ([]loader.Profile, error)
	// Holds reports whether the kernel holds just this policy.
	Holds(ctx context.Context, p *blob.Policy) (bool, error)
	// EnsureWith loads the policy unless the kernel holds it already.
	EnsureWith(ctx context.Context, p *blob.Policy, a loader.Accept) (changed bool, err error)
	// Retire removes a profile once nothing runs under it.
	Retire(ctx context.Context, name string, o loader.RetireOptions) error
}

var _ Kernel = (*loader.Kernel)(nil)

// Options are the options of Apply. Those with a Kernel and nothing else bring
// /etc/apparmor.d into it.
type Options struct {
	// Kernel is where policy is loaded. Nil: it is only compiled, and kept in
	// the cache; Features are needed then.
	Kernel Kernel
	// Features are what policy is compiled for; nil: Kernel is asked.
	Features *features.Set
	// Dir is the directory, as parser.Config.ParseDir takes it: a path below
	// the Roots of Parser, or in its Abs if it begins with a slash. Empty: the
	// Roots themselves.
	Dir string
	// Parser says where files and what they include are, and bounds them.
	// Without Roots and Abs they are /etc/apparmor.d and the root directory.
	Parser parser.Config
	// Default is the feature set of policy that names none; see package policy.
	Default *features.Set
	// Compile are the options of compiling. Its Kernel is not looked at. Profiles
	// of two files that attach to one program equally well are an error of the
	// later file if Degrade is compile.Strict, otherwise a warning; see
	// compile.Attachments.
	Compile compile.Options
	// CacheDirs are the directories of the cache; see compile/cache. Without
	// one, every file is compiled.
	CacheDirs []string
	// Fresh compiles every file, as if the cache had none, and writes the cache.
	// What a kernel does not enforce is only found by compiling.
	Fresh bool
	// Workers is how many files are compiled at a time; 0: as many as there are
	// CPUs for Go.
	Workers int
	// DryRun changes nothing in the kernel. The report says what would be
	// loaded and removed.
	DryRun bool
	// Accept says which modes of the kernel as a whole are taken for
	// enforcement; see loader.Kernel.EnsureWith.
	Accept loader.Accept
	// Prefix is what the names of profiles begin with that are the caller's:
	// loaded ones that no file defines are retired. Empty: none are. Profiles of
	// namespaces below the kernel's are left alone.
	Prefix string
	// Retire says how it is made sure that nothing runs under them. The zero
	// value ends no process; profiles in use stay.
	Retire loader.RetireOptions
	// Progress, if not nil, is called after each file, in the order in which
	// they are done, by the goroutine that called Apply. The File must not be
	// changed.
	Progress func(done, total int, f *File)
}

// State is what became of a file.
type State string

// The states.
const (
	Loaded    State = "loaded"    // it was not in the kernel
	Unchanged State = "unchanged" // the kernel held just this
	Changed   State = "changed"   // with DryRun: it would be loaded
	Compiled  State = "compiled"  // there is no kernel to load it into
	Disabled  State = "disabled"  // it has a namesake in the directory "disable"
	Failed    State = "failed"    // Err says why
)

// File is what became of one file.
type File struct {
	Name  string `json:"name"`  // as in positions
	State State  `json:"state"` // what became of it
	// Profiles are the names of what the file defines, with those of children
	// and hats, in the form :ns:name for other namespaces; empty for files that
	// are wrong or disabled.
	Profiles []string `json:"profiles"`
	// Cached says that the policy came from the cache. Degraded and Warnings
	// are known only for files that were compiled, but for warnings about two
	// files.
	Cached bool `json:"cached"`
	// Complain says that the file has a namesake in "force-complain".
	Complain bool                  `json:"complain"`
	Degraded []compile.Degradation `json:"degraded"`
	Warnings diag.List             `json:"warnings"`
	// CacheErr is why the cache was not used or not written, if it was not for
	// want of an entry.
	CacheErr error `json:"-"`
	Err      error `json:"-"` // a *FileError
}

// Removed is what became of a profile that no file defines.
type Removed struct {
	Name string `json:"name"` // of the profile, as in File.Profiles
	// Err is why it is still there; it matches loader.ErrInUse while something
	// runs under it. With DryRun it is nil and the profile is still there.
	Err error `json:"-"` // a *RemoveError
}

// Report is what Apply did.
type Report struct {
	Files   []File    `json:"files"`   // by name
	Removed []Removed `json:"removed"` // by name
	// Incomplete says that profiles were not looked for that no file defines,
	// because some files failed and may define them.
	Incomplete bool `json:"incomplete"`
}

// FileError says what is wrong with one file.
type FileError struct {
	File string // its name, as in positions
	Err  error  // of the parser, of policy, compile or the kernel; or a *DuplicateError
}

// Error implements error.
func (e *FileError) Error() string { return e.File + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *FileError) Unwrap() error { return e.Err }

// DuplicateError says that a file defines a profile that another one defines,
// whose name comes first. Only that other one is loaded.
type DuplicateError struct {
	Profile string // its name
	First   string // the file that is loaded
}

// Error implements error.
func (e *DuplicateError) Error() string {
	return fmt.Sprintf("profile %s is defined in %s already; remove or rename one of the two", e.Profile, e.First)
}

// RemoveError says why a profile that no file defines is still there.
type RemoveError struct {
	Profile string // its name
	Err     error  // of the kernel
}

// Error implements error.
func (e *RemoveError) Error() string { return "profile " + e.Profile + " stays: " + e.Err.Error() }

// Unwrap returns the cause.
func (e *RemoveError) Unwrap() error { return e.Err }

// Errors of the options.
var (
	// ErrNoFeatures: neither a kernel nor features are given.
	ErrNoFeatures = errors.New("policydir: neither a kernel nor features are given")
	// ErrPrefix: there is a prefix, but no kernel to remove profiles from.
	ErrPrefix = errors.New("policydir: a prefix needs a kernel")
)

// Apply brings the directory into the kernel and says what it did. The report is
// there unless nothing could be done, as for want of the directory. The error
// joins a *FileError for each file that failed and a *RemoveError for each
// profile that stays, or is the context's; errors.As finds each, and what is
// below it.
//
// Files are loaded in the order of their names; one with children or hats of
// profiles of another file follows the others. Two calls at the same time for
// one kernel do no harm, but each may undo what the other did.
func Apply(ctx context.Context, o Options) (*Report, error) {
	a := &applier{Options: o, defined: map[string]string{}, needed: map[string]bool{}}
	if err := a.setup(ctx); err != nil {
		return nil, err
	}
	dir := o.Dir
	if dir == "" {
		dir = "."
	}
	parsed, err := a.Parser.ParseDir(ctx, dir)
	if parsed == nil && err != nil {
		return nil, err
	}
	if err := a.files(ctx, parsed); err != nil {
		a.abandon(err)
		return &a.report, err
	}
	err = a.failures()
	if o.Prefix != "" {
		err = errors.Join(err, a.retire(ctx))
	}
	return &a.report, errors.Join(err, ctx.Err(), a.trim())
}

// applier is one run of Apply.
type applier struct {
	Options
	resolve policy.Options
	cache   *cache.Cache
	// disabled and complain are the names of files in these directories.
	disabled, complain map[string]bool

	report      Report
	attachments compile.Attachments // of the files before

	defined map[string]string // file by profile
	needed  map[string]bool   // these, and those above them
	later   []*work           // files that need parents of others
	done    int
}

func (a *applier) setup(ctx context.Context) (err error) {
	if a.Features == nil {
		if a.Kernel == nil {
			return ErrNoFeatures
		}
		if a.Features, err = a.Kernel.Features(ctx); err != nil {
			return err
		}
	}
	if a.Prefix != "" && a.Kernel == nil {
		return ErrPrefix
	}
	if a.Parser.Roots == nil && a.Parser.Abs == nil {
		const base = "/etc/apparmor.d"
		a.Parser.Roots, a.Parser.RootNames, a.Parser.Abs = []fs.FS{os.DirFS(base)}, []string{base}, os.DirFS("/")
	}
	if a.Workers <= 0 {
		a.Workers = runtime.GOMAXPROCS(0)
	}
	a.Compile.Kernel = a.Features
	a.resolve = policy.Options{
		Kernel: a.Features, Default: a.Default, Roots: a.Parser.Roots, Abs: a.Parser.Abs, Dir: strings.TrimPrefix(a.Parser.Dir, "/"),
	}
	if len(a.CacheDirs) > 0 {
		a.cache = &cache.Cache{Dirs: a.CacheDirs, Features: a.Features}
	}
	if a.disabled, err = a.listed("disable"); err == nil {
		a.complain, err = a.listed("force-complain")
	}
	return err
}

// listed returns the names in a directory of the roots. Links may lead nowhere.
func (a *applier) listed(dir string) (map[string]bool, error) {
	names := map[string]bool{}
	for _, root := range a.Parser.Roots {
		list, err := fs.ReadDir(root, dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		for _, e := range list {
			names[e.Name()] = true
		}
	}
	return names, nil
}

// work is one file on its way.
type work struct {
	file     *File
	unit     *ast.Unit
	policies []*blob.Policy // one for each namespace
	err      error
}

// files brings all files into the kernel.
func (a *applier) files(ctx context.Context, parsed []parser.DirFile) error {
	a.report.Files = make([]File, len(parsed))
	for i := range parsed {
		a.report.Files[i].Name = parsed[i].Name
	}
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	// Results are taken in order. No more files are begun than there are
	// workers, and as many results wait at most.
	slots := make(chan struct{}, a.Workers)
	queue := make(chan chan *work, a.Workers)
	wg.Go(func() {
		defer close(queue)
		for i := range parsed {
			select {
			case slots <- struct{}{}:
			case <-ctx.Done():
				return
			}
			done := make(chan *work, 1)
			select {
			case queue <- done:
			case <-ctx.Done():
				return
			}
			wg.Go(func() {
				defer func() { <-slots }()
				w := &work{file: &a.report.Files[i]}
				w.err = a.prepare(ctx, w, &parsed[i])
				done <- w
			})
		}
	})
	for done := range queue {
		w := <-done
		if err := ctx.Err(); err != nil {
			return err
		}
		a.finish(ctx, w, false)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	// A parent has fewer components than what is below it.
	slices.SortStableFunc(a.later, func(x, y *work) int { return depth(x) - depth(y) })
	for _, w := range a.later {
		if err := ctx.Err(); err != nil {
			return err
		}
		a.finish(ctx, w, true)
	}
	return ctx.Err()
}

// abandon says that files were not done.
func (a *applier) abandon(err error) {
	for i := range a.report.Files {
		if f := &a.report.Files[i]; f.State == "" {
			f.State, f.Err = Failed, &FileError{f.Name, err}
		}
	}
}

// depth is how deep the parents are that a file needs.
func depth(w *work) int {
	n := 0
	for _, p := range w.policies {
		for _, need := range p.Needs() {
			n = max(n, 1+strings.Count(need, "//"))
		}
	}
	return n
}

// prepare does what does not depend on other files: it finds the policy of a
// file in the cache, or compiles it.
func (a *applier) prepare(ctx context.Context, w *work, d *parser.DirFile) error {
	f, base := w.file, path.Base(d.Name)
	if a.disabled[base] {
		f.State = Disabled
		return nil
	}
	if d.Err != nil {
		return d.Err
	}
	f.Complain = a.complain[base]
	w.unit = d.Unit
	var key cache.Key
	if a.cache != nil {
		var err error
		if key, err = cache.KeyOf(d.Unit, a.resolve, a.Compile, fmt.Sprint("complain ", f.Complain)); err != nil {
			return err
		}
		if !a.Fresh {
			list, _, err := a.cache.Get(base, key)
			if err == nil {
				w.policies, f.Cached = list, true
				return nil
			}
			if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, cache.ErrOther) {
				f.CacheErr = err
			}
		}
	}
	set, err := policy.Resolve(ctx, d.Unit, a.resolve)
	if err != nil {
		return err
	}
	f.Warnings = slices.Clone(set.Warnings)
	if f.Complain {
		for _, p := range set.Profiles {
			p.Flags.Mode = policy.Complain
		}
	}
	outs, err := compile.CompileAll(ctx, set, a.Compile)
	if err != nil {
		return err
	}
	for _, out := range outs {
		w.policies = append(w.policies, out.Policy)
		f.Degraded = append(f.Degraded, out.Degraded...)
		f.Warnings = append(f.Warnings, out.Warnings...)
	}
	if a.cache != nil {
		if _, err := a.cache.Put(base, key, w.policies, cache.PutOptions{}); err != nil {
			f.CacheErr = err
		}
	}
	return nil
}

// finish loads a file. One that needs a parent waits for the others, unless it
// is last.
func (a *applier) finish(ctx context.Context, w *work, last bool) {
	f := w.file
	if w.err == nil && !last && depth(w) > 0 {
		a.later = append(a.later, w)
		return
	}
	if w.err == nil && f.State != Disabled {
		w.err = a.load(ctx, w)
	}
	if w.err != nil {
		f.State, f.Err = Failed, &FileError{f.Name, w.err}
	}
	a.done++
	if a.Progress != nil {
		a.Progress(a.done, len(a.report.Files), f)
	}
}

// load loads what a file has, if the kernel does not hold it.
func (a *applier) load(ctx context.Context, w *work) error {
	f := w.file
	var names []string
	for _, p := range w.policies {
		for _, q := range p.Heads() {
			names = append(names, strings.TrimPrefix(q.FullName(), "::"))
		}
	}
	f.Profiles = names
	for _, n := range names {
		if first, ok := a.defined[n]; ok {
			return &DuplicateError{n, first}
		}
	}
	if err := a.rivals(ctx, w); err != nil {
		return err
	}
	for _, n := range names {
		a.defined[n] = f.Name
		for up := n; !a.needed[up]; up = up[:strings.LastIndex(up, "//")] {
			a.needed[up] = true
			if !strings.Contains(up, "//") {
				break
			}
		}
	}
	f.State = Unchanged
	if a.Kernel == nil {
		f.State = Compiled
		return nil
	}
	for _, p := range w.policies {
		if a.DryRun {
			same, err := a.Kernel.Holds(ctx, p)
			if err != nil && !errors.Is(err, loader.ErrNoDigest) {
				return err
			}
			if !same {
				f.State = Changed
			}
			continue
		}
		wrote, err := a.Kernel.EnsureWith(ctx, p, a.Accept)
		if err != nil {
			return err
		}
		if wrote {
			f.State = Loaded
		}
	}
	return nil
}

// failures joins the errors of all files.
func (a *applier) failures() (err error) {
	for i := range a.report.Files {
		err = errors.Join(err, a.report.Files[i].Err)
	}
	return err
}

// retire removes profiles that no file defines.
func (a *applier) retire(ctx context.Context) error {
	for _, f := range a.report.Files {
		if f.State == Failed && len(f.Profiles) == 0 {
			a.report.Incomplete = true
			return nil
		}
	}
	loaded, err := a.Kernel.Profiles(ctx)
	if err != nil {
		return err
	}
	stale := map[string]bool{}
	for _, p := range loaded {
		if p.Namespace == "" && strings.HasPrefix(p.Name, a.Prefix) && !a.needed[p.Name] {
			stale[p.Name] = true
		}
	}
	var all error
	for _, p := range loaded { // sorted
		if p.Namespace != "" || !stale[p.Name] || below(stale, p.Name) {
			continue
		}
		r := Removed{Name: p.Name}
		if !a.DryRun {
			if err := a.Kernel.Retire(ctx, p.Name, a.Retire); err != nil && !errors.Is(err, loader.ErrNotExist) {
				r.Err = &RemoveError{p.Name, err}
				all = errors.Join(all, r.Err)
			}
		}
		a.report.Removed = append(a.report.Removed, r)
	}
	return all
}

// below reports whether a profile goes with one above it.
func below(stale map[string]bool, name string) bool {
	for {
		i := strings.LastIndex(name, "//")
		if i < 0 {
			return false
		}
		if name = name[:i]; stale[name] {
			return true
		}
	}
}

// trim bounds the cache.
func (a *applier) trim() error {
	if a.cache == nil {
		return nil
	}
	names := map[string]bool{}
	for _, f := range a.report.Files {
		names[path.Base(f.Name)] = true
	}
	_, err := a.cache.Trim(func(name string) bool { return names[name] })
	return err
}
