// SPDX-License-Identifier: Apache-2.0

package debian

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Tree is what was fetched, unpacked on disk.
type Tree struct {
	// Dir is the folder that it is in: for packages the root of their files,
	// for a source the folder that has upstream's name and version.
	Dir string
	// Packages are what it was made of, those that were asked for first.
	Packages []Package
}

// Package is a package at a version.
type Package struct {
	Name    string
	Version string // "5.0.2-5"
}

// String returns the name and version, as "apparmor 5.0.2-5".
func (p Package) String() string { return p.Name + " " + p.Version }

// Version returns the version of the first package.
func (t Tree) Version() string {
	if len(t.Packages) == 0 {
		return ""
	}
	return t.Packages[0].Version
}

// Source is a source package of a suite.
type Source struct {
	Name  string
	Suite string // "trixie"
}

// Binary is packages of a suite for amd64.
type Binary struct {
	Suite string
	Names []string
	// Libraries adds the packages of section "libs" that they depend on,
	// directly or not, so that Tree.Command can run their programs.
	Libraries bool
	// Base is the suite that has what Suite does not, as a release has the C
	// library of its backports; empty: Suite has all.
	Base string
}

// Fetch returns upstream's release of the source package, without Debian's
// changes. A suite may list more than one; the newest that the archive still
// has is taken.
func (s Source) Fetch(ctx context.Context, cache string) (Tree, error) {
	t, err := fetchTree(ctx, cache, s.key(), []string{s.Suite}, func(ctx context.Context, a *apt, dir string) ([]Package, error) {
		return a.source(ctx, s.Name, dir)
	})
	if err != nil {
		return Tree{}, fmt.Errorf("source of %s from Debian %s: %w", s.Name, s.Suite, err)
	}
	return t.below(), nil
}

// Cached returns what Fetch would, if it is in the cache.
func (s Source) Cached(cache string) (Tree, bool) {
	t, ok := cachedTree(filepath.Join(cache, "packages", s.Suite, s.key()))
	return t.below(), ok
}

func (s Source) key() string { return "source-" + s.Name }

// below returns the folder of upstream's tarball, which has everything in one.
func (t Tree) below() Tree {
	if top, err := os.ReadDir(t.Dir); err == nil && len(top) == 1 && top[0].IsDir() {
		t.Dir = filepath.Join(t.Dir, top[0].Name())
	}
	return t
}

// Fetch returns the files of the packages, put together in one root.
func (b Binary) Fetch(ctx context.Context, cache string) (Tree, error) {
	suites := []string{b.Suite}
	if b.Base != "" {
		suites = append(suites, b.Base)
	}
	t, err := fetchTree(ctx, cache, b.key(), suites, func(ctx context.Context, a *apt, dir string) ([]Package, error) {
		return a.binary(ctx, b, dir)
	})
	if err != nil {
		return Tree{}, fmt.Errorf("%s from Debian %s: %w", strings.Join(b.Names, ", "), b.Suite, err)
	}
	return t, nil
}

// Cached returns what Fetch would, if it is in the cache.
func (b Binary) Cached(cache string) (Tree, bool) {
	return cachedTree(filepath.Join(cache, "packages", b.Suite, b.key()))
}

func (b Binary) key() string {
	key := strings.Join(b.Names, "+")
	if b.Libraries {
		key += "+libs"
	}
	if b.Base != "" {
		key += "+base-" + b.Base
	}
	if len(key) > maxKey {
		key = fmt.Sprintf("%s+%x", b.Names[0], sha256.Sum256([]byte(key)))
	}
	return key
}

// maxKey is the length of a key up to which it is one file's name.
const maxKey = 200

// listsAge is for how long the lists of a suite are good enough. A package
// that they name and the archive no longer has makes them be fetched again
// before that.
const listsAge = 6 * time.Hour

// fetchTree returns what fill puts into a folder, from the cache if it is
// there. The folder is cache/packages/SUITE/KEY for the first of the suites,
// whose packages count before those of the others.
func fetchTree(ctx context.Context, cache, key string, suites []string, fill func(ctx context.Context, a *apt, dir string) ([]Package, error)) (Tree, error) {
	base := filepath.Join(cache, "packages", suites[0])
	dir := filepath.Join(base, key)
	if t, ok := cachedTree(dir); ok {
		return t, nil
	}
	if err := os.MkdirAll(base, 0o755); err != nil {
		return Tree{}, err
	}
	// One at a time in a suite: they share apt's lists.
	held, err := lock(filepath.Join(base, "lock"))
	if err != nil {
		return Tree{}, err
	}
	defer held.Close()
	if t, ok := cachedTree(dir); ok {
		return t, nil
	}
	from, err := debianArchive(ctx)
	if err != nil {
		return Tree{}, err
	}
	lists := strings.Join(append([]string{"apt"}, suites[1:]...), "-")
	a, err := newApt(filepath.Join(base, lists), from, "amd64", suites, "deb", "deb-src")
	if err != nil {
		return Tree{}, err
	}
	if len(suites) > 1 {
		a.prefer = suites[0]
	}
	fresh, err := a.update(ctx, listsAge)
	if err != nil {
		return Tree{}, err
	}
	t, err := a.tree(ctx, base, dir, fill)
	if err != nil && !fresh && ctx.Err() == nil {
		if _, err := a.update(ctx, 0); err != nil {
			return Tree{}, err
		}
		t, err = a.tree(ctx, base, dir, fill)
	}
	return t, err
}

// versionsFile names the packages of a tree, beside its root.
const versionsFile = "versions"

func cachedTree(dir string) (Tree, bool) {
	data, err := os.ReadFile(filepath.Join(dir, versionsFile))
	if err != nil {
		return Tree{}, false
	}
	t := Tree{Dir: filepath.Join(dir, "root")}
	for line := range strings.Lines(string(data)) {
		if name, version, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
			t.Packages = append(t.Packages, Package{name, version})
		}
	}
	return t, len(t.Packages) > 0
}

// tree has fill write into a folder of another name, and then renames it.
func (a *apt) tree(ctx context.Context, base, dir string, fill func(ctx context.Context, a *apt, dir string) ([]Package, error)) (_ Tree, err error) {
	tmp, err := os.MkdirTemp(base, "part-")
	if err != nil {
		return Tree{}, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(tmp)) }()
	root := filepath.Join(tmp, "root")
	if err := os.Mkdir(root, 0o755); err != nil {
		return Tree{}, err
	}
	packages, err := fill(ctx, a, root)
	if err != nil {
		return Tree{}, err
	}
	var text strings.Builder
	for _, p := range packages {
		fmt.Fprintf(&text, "%s\n", p)
	}
	if err := os.WriteFile(filepath.Join(tmp, versionsFile), []byte(text.String()), 0o644); err != nil {
		return Tree{}, err
	}
	if err := os.Chmod(tmp, 0o755); err != nil {
		return Tree{}, err
	}
	if err := os.RemoveAll(dir); err != nil { // one without its versions
		return Tree{}, err
	}
	if err := os.Rename(tmp, dir); err != nil {
		return Tree{}, err
	}
	t, ok := cachedTree(dir)
	if !ok {
		return Tree{}, errors.New("nothing was fetched")
	}
	return t, nil
}

// update fetches the lists of the suite unless they are younger than age. It
// reports whether it did.
func (a *apt) update(ctx context.Context, age time.Duration) (bool, error) {
	stamp := filepath.Join(a.dir, "updated")
	if fi, err := os.Stat(stamp); err == nil && time.Since(fi.ModTime()) < age {
		return false, nil
	}
	if _, err := a.run(ctx, "apt-get", "--error-on=any", "update"); err != nil {
		return false, err
	}
	return true, os.WriteFile(stamp, nil, 0o644)
}

// fields are those of a paragraph of Debian's control files.
type fields map[string]string

// paragraphs splits the output of apt-cache show and showsrc. Lines that
// continue a field are joined to it.
func paragraphs(data []byte) []fields {
	var out []fields
	var current fields
	var last string
	for line := range strings.Lines(string(data)) {
		line = strings.TrimRight(line, "\n")
		switch {
		case strings.TrimSpace(line) == "":
			current = nil
			continue
		case current == nil:
			current = fields{}
			out = append(out, current)
		}
		if line[0] == ' ' || line[0] == '\t' {
			current[last] += "\n" + line
			continue
		}
		if name, value, ok := strings.Cut(line, ":"); ok {
			last = name
			current[name] = strings.TrimSpace(value)
		}
	}
	return out
}

// source unpacks upstream's tarball of a source package into dir.
func (a *apt) source(ctx context.Context, name, dir string) ([]Package, error) {
	out, err := a.run(ctx, "apt-cache", "showsrc", "--only-source", name)
	if err != nil {
		return nil, err
	}
	var versions []string
	for _, p := range paragraphs(out) {
		if v := p["Version"]; v != "" && !slices.Contains(versions, v) {
			versions = append(versions, v)
		}
	}
	if len(versions) == 0 {
		return nil, errors.New("the suite has no such source package")
	}
	slices.SortFunc(versions, func(a, b string) int { return compareNumbers(b, a) })
	var errs []error
	for _, version := range versions {
		err := a.sourceVersion(ctx, name, version, dir)
		if err == nil {
			return []Package{{name, version}}, nil
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(errs...)
}

func (a *apt) sourceVersion(ctx context.Context, name, version, dir string) (err error) {
	tmp, err := os.MkdirTemp(a.dir, "source-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(tmp)) }()
	if _, err := a.runIn(ctx, tmp, "apt-get", "source", "--download-only", "--tar-only", name+"="+version); err != nil {
		return err
	}
	tarballs, err := filepath.Glob(filepath.Join(tmp, "*.tar.*"))
	if err != nil {
		return err
	}
	if len(tarballs) != 1 {
		return fmt.Errorf("apt-get source %s=%s left %d tarballs", name, version, len(tarballs))
	}
	return command(exec.CommandContext(ctx, "tar", "-xf", tarballs[0], "-C", dir, "--no-same-owner"))
}

// binary unpacks packages into dir.
func (a *apt) binary(ctx context.Context, b Binary, dir string) (_ []Package, err error) {
	found := map[string]fields{}
	var names []string // in the order in which they were found
	for queue := b.Names; len(queue) > 0; {
		shown, err := a.show(ctx, queue)
		if err != nil {
			return nil, err
		}
		for _, name := range queue {
			p := shown[name]
			asked := slices.Contains(b.Names, name)
			if p == nil && asked {
				return nil, fmt.Errorf("the suite has no package %s", name)
			}
			if p == nil || !asked && p["Section"] != "libs" {
				p = fields{} // virtual, or of no use to a program that only runs
			} else {
				names = append(names, name)
			}
			found[name] = p
		}
		queue = nil
		if !b.Libraries {
			break
		}
		for _, name := range names {
			for _, d := range append(depends(found[name]["Pre-Depends"]), depends(found[name]["Depends"])...) {
				if _, ok := found[d]; !ok && !slices.Contains(queue, d) {
					queue = append(queue, d)
				}
			}
		}
	}
	tmp, err := os.MkdirTemp(a.dir, "debs-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(tmp)) }()
	args := []string{"download"}
	var packages []Package
	for _, name := range names {
		version := found[name]["Version"]
		args = append(args, name+"="+version)
		packages = append(packages, Package{name, version})
	}
	if _, err := a.runIn(ctx, tmp, "apt-get", args...); err != nil {
		return nil, err
	}
	debs, err := filepath.Glob(filepath.Join(tmp, "*.deb"))
	if err != nil {
		return nil, err
	}
	if len(debs) != len(names) {
		return nil, fmt.Errorf("apt-get download left %d packages of %d", len(debs), len(names))
	}
	slices.Sort(debs)
	for _, deb := range debs {
		if err := command(exec.CommandContext(ctx, "dpkg-deb", "-x", deb, dir)); err != nil {
			return nil, err
		}
	}
	return packages, nil
}

// show returns what the suite knows of packages. Names that it does not have,
// or has only as a virtual package, are absent.
func (a *apt) show(ctx context.Context, names []string) (map[string]fields, error) {
	out, err := a.run(ctx, "apt-cache", append([]string{"show", "--no-all-versions"}, names...)...)
	if err != nil && len(out) == 0 {
		return nil, err // apt-cache also fails when some are absent
	}
	m := map[string]fields{}
	for _, p := range paragraphs(out) {
		if m[p["Package"]] == nil {
			m[p["Package"]] = p
		}
	}
	return m, nil
}

// depends returns the names in a field of dependencies, of alternatives the
// first.
func depends(field string) []string {
	var names []string
	for d := range strings.SplitSeq(field, ",") {
		d, _, _ = strings.Cut(d, "|")
		d, _, _ = strings.Cut(strings.TrimSpace(d), " ")
		d, _, _ = strings.Cut(d, ":")
		if d = strings.TrimSpace(d); d != "" {
			names = append(names, d)
		}
	}
	return names
}

// command runs a command for what it does; what it says is in the error.
func command(cmd *exec.Cmd) error {
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w: %s", filepath.Base(cmd.Path), err, bytes.TrimSpace(out.Bytes()))
	}
	return nil
}

// loaders are where Debian's releases have the dynamic loader of amd64. The
// links to it in lib64 are absolute in some and would lead to the machine's.
var loaders = []string{"usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2", "lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"}

// Command returns the program and first arguments with which a program of the
// tree runs with the libraries of the tree, those of the machine untouched.
// The program is named as it would be installed, as "/sbin/apparmor_parser";
// releases that moved it to /usr are allowed for. The libraries must have
// been fetched with it.
func (t Tree) Command(program string) ([]string, error) {
	var path string
	for _, top := range []string{"", "usr"} {
		p := filepath.Join(t.Dir, top, program)
		if fi, err := os.Stat(p); err == nil && fi.Mode().IsRegular() {
			path = p
			break
		}
	}
	if path == "" {
		return nil, &fs.PathError{Op: "find", Path: filepath.Join(t.Dir, program), Err: fs.ErrNotExist}
	}
	for _, l := range loaders {
		loader := filepath.Join(t.Dir, filepath.FromSlash(l))
		if fi, err := os.Stat(loader); err != nil || !fi.Mode().IsRegular() {
			continue
		}
		var dirs []string
		for _, d := range []string{"lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu"} {
			dirs = append(dirs, filepath.Join(t.Dir, filepath.FromSlash(d)))
		}
		return []string{loader, "--library-path", strings.Join(dirs, ":"), path}, nil
	}
	return nil, fmt.Errorf("%s: no dynamic loader was fetched with it", t.Dir)
}

// Derive returns a folder of the cache with what make puts there, which is
// called with an empty folder unless that was done before. Name says what it
// is made of and how: nothing else makes it be made again.
func Derive(cache, name string, make func(dir string) error) (_ string, err error) {
	base := filepath.Join(cache, "derived")
	dir := filepath.Join(base, name)
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	if err := os.MkdirAll(base, 0o755); err != nil {
		return "", err
	}
	held, err := lock(filepath.Join(base, "lock-"+name))
	if err != nil {
		return "", err
	}
	defer held.Close()
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	tmp, err := os.MkdirTemp(base, "part-")
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(tmp)) }()
	if err := os.Chmod(tmp, 0o755); err != nil {
		return "", err
	}
	if err := make(tmp); err != nil {
		return "", err
	}
	return dir, os.Rename(tmp, dir)
}
