// SPDX-License-Identifier: Apache-2.0

package command

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/diag"
)

// The cache holds compiled policy, one file for each profile file and with its
// name, in one directory for each feature set, so that programs that load all
// of such a directory find nothing else in it. For each there is a key, in a
// directory of the same name below keysDir: a digest of every text and option
// that went into the policy, and one of the policy. Policy is used if and only
// if compiling again would have the same input. The times of files do not
// matter; the policy has that of the newest text, as other programs that read
// the cache expect.
//
// Keys are not secrets. Whoever can write to the cache decides what is loaded,
// so a directory or a file that others may write is not used.

// featuresFile has the features of a directory of the cache.
const featuresFile = ".features"

// cacheDir returns the directory for the features of this run below one of the
// cache's directories.
func (r *run) cacheDir(base string) string {
	return filepath.Join(base, fmt.Sprintf("%08x.0", featuresID(r.features)))
}

// cacheEntry is the place of one input in the cache.
type cacheEntry struct {
	dirs     []string // the first is written to
	name     string
	key      cacheKey
	features string
}

// keysDir is where, below a directory of the cache, the keys are. Programs that
// load all policy of a directory do not look there.
const keysDir = ".goarmor"

// entry returns where the policy of a unit belongs in the cache.
func (r *run) entry(unit *ast.Unit, in input) (e *cacheEntry, err error) {
	e = &cacheEntry{name: in.base(), features: r.features.String()}
	if e.key, err = r.key(unit); err != nil {
		return nil, err
	}
	for _, base := range r.options.cacheDirs {
		dir := r.path(r.cacheDir(base))
		if abs, err := filepath.Abs(dir); err == nil {
			dir = abs
		}
		e.dirs = append(e.dirs, dir)
	}
	return e, nil
}

// keyFile returns the file with the key for the policy in dir.
func (e *cacheEntry) keyFile(dir string) string {
	return filepath.Join(filepath.Dir(dir), keysDir, filepath.Base(dir), e.name)
}

// keyText is what the key file holds for a policy.
func (e *cacheEntry) keyText(policy []byte) string {
	return fmt.Sprintf("%x %x\n", e.key.digest, sha256.Sum256(policy))
}

// lookup returns the policy of an entry and the file that holds it, or why no
// directory has it.
func (e *cacheEntry) lookup() (p *blob.Policy, file string, why diag.List) {
	for _, dir := range e.dirs {
		p, err := e.read(dir)
		if err == nil {
			return p, filepath.Join(dir, e.name), nil
		}
		class := classDebugCache
		if errors.Is(err, errForeign) {
			class = classCache // on by default: somebody has to look into it
		}
		why = append(why, &diag.Diagnostic{
			Severity: diag.Warning, Class: class,
			Message: fmt.Sprintf("the cache has nothing usable for %s: %v", e.name, err), Err: err,
		})
	}
	return nil, "", why
}

// Why a directory or an entry of the cache is not used.
var (
	errNoDirectory = errors.New("there is no such directory")
	errFeatures    = errors.New("the directory is for other features")
	errLink        = errors.New("the directory is a symbolic link")
	errForeign     = errors.New("others besides root and this user may write there; remove it, or name another cache with -L")
	errOther       = errors.New("the policy is from other text, features or options, or is damaged")
)

// read returns the policy of an entry from one directory.
func (e *cacheEntry) read(dir string) (*blob.Policy, error) {
	if err := e.fits(dir); err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	file := filepath.Join(dir, e.name)
	data, err := readOwn(file)
	if err != nil {
		return nil, err
	}
	if err := realKeys(filepath.Dir(e.keyFile(dir))); err != nil {
		return nil, err
	}
	key, err := readOwn(e.keyFile(dir))
	if err != nil {
		return nil, err
	}
	if string(key) != e.keyText(data) {
		return nil, fmt.Errorf("%s: %w", file, errOther)
	}
	return blob.Inspect(data)
}

// fits returns why a directory is not the one for the features of the entry,
// if it is not.
func (e *cacheEntry) fits(dir string) error {
	if err := realDirectory(dir); err != nil {
		return err
	}
	switch have, err := readOwn(filepath.Join(dir, featuresFile)); {
	case errors.Is(err, errForeign):
		return err
	case err != nil || string(have) != e.features:
		return errFeatures
	}
	return nil
}

// readOwn returns the content of a file of the cache, if nobody else may have
// written it.
func readOwn(name string) ([]byte, error) {
	f, err := openOwn(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, &fs.PathError{Op: "read", Path: name, Err: errors.New("not a regular file")}
	case !own(info):
		return nil, &fs.PathError{Op: "read", Path: name, Err: errForeign}
	}
	return readAll(f)
}

// realKeys checks a directory of keys and the one that it is in.
func realKeys(keys string) error {
	for _, d := range []string{filepath.Dir(keys), keys} {
		if err := realDirectory(d); err != nil {
			return fmt.Errorf("%s: %w", d, err)
		}
	}
	return nil
}

// realDirectory refuses a link in place of a directory of features, because
// content of it might be removed.
func realDirectory(dir string) error {
	switch info, err := os.Lstat(dir); {
	case errors.Is(err, fs.ErrNotExist):
		return errNoDirectory
	case err != nil:
		return err
	case info.Mode()&fs.ModeSymlink != 0:
		return errLink
	case !info.IsDir():
		return &fs.PathError{Op: "open", Path: dir, Err: errors.New("not a directory")}
	case !own(info):
		return errForeign
	}
	return nil
}

// write puts policy into the cache, as data, and returns the file that it is in. A
// reader finds the old policy, the new one or none, never half of one: a key
// that does not fit the policy is a miss. A directory that is for other
// features, by a collision of digests or by damage, is emptied first unless
// keep is set.
func (e *cacheEntry) write(p *blob.Policy, data []byte, keep bool) (file string, err error) {
	dir := e.dirs[0]
	keys := filepath.Dir(e.keyFile(dir))
	for _, d := range []string{dir, keys} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return "", err
		}
	}
	if err := realKeys(keys); err != nil {
		return "", err
	}
	if err := e.fits(dir); errors.Is(err, errFeatures) {
		entries, err := os.ReadDir(dir)
		switch {
		case err != nil:
			return "", err
		case len(entries) > 0 && keep:
			return "", fmt.Errorf("%s: %w", dir, errFeatures)
		case len(entries) > 0:
			if err := emptyDir(dir); err != nil {
				return "", err
			}
		}
	} else if err != nil {
		return "", fmt.Errorf("%s: %w", dir, err)
	}
	file = filepath.Join(dir, e.name)
	// The features are for other programs, and are written once.
	features := filepath.Join(dir, featuresFile)
	if have, err := readOwn(features); err != nil || string(have) != e.features {
		if err := writeFileAtomic(features, []byte(e.features), newFile{mode: 0o644}); err != nil {
			return "", err
		}
	}
	// Policy of another program with the same meaning is left as it is.
	if have, ok := sameMeaning(file, p); ok {
		data = have
		if err := os.Chtimes(file, e.key.newest, e.key.newest); err != nil {
			return "", err
		}
	} else if err := writeFileAtomic(file, data, newFile{mode: 0o600, time: e.key.newest}); err != nil {
		return "", err
	}
	return file, writeFileAtomic(e.keyFile(dir), []byte(e.keyText(data)), newFile{mode: 0o600})
}

// sameMeaning returns the content of a file if it is policy with the meaning
// of p, such as that of apparmor_parser, whose cache has the same form.
func sameMeaning(file string, p *blob.Policy) ([]byte, bool) {
	data, err := readOwn(file)
	if err != nil {
		return nil, false
	}
	have, err := blob.Inspect(data)
	if err != nil {
		return nil, false
	}
	diffs, err := blob.DiffPolicy(have, p, blob.DiffOptions{})
	return data, err == nil && len(diffs) == 0
}

// purge removes what the cache that is written to holds for these features.
func (r *run) purge() error {
	dir := r.path(r.cacheDir(r.options.cacheDirs[0]))
	switch err := realDirectory(dir); {
	case errors.Is(err, errNoDirectory):
		return nil
	case err != nil:
		return fmt.Errorf("%s: %w", dir, err)
	}
	keys := filepath.Join(filepath.Dir(dir), keysDir, filepath.Base(dir))
	if err := realDirectory(keys); err == nil {
		if err := emptyDir(keys); err != nil {
			return err
		}
		_ = os.Remove(keys)
		_ = os.Remove(filepath.Dir(keys))
	}
	if err := emptyDir(dir); err != nil {
		return err
	}
	// It stays if it holds directories.
	_ = os.Remove(dir)
	return nil
}

// emptyDir removes the files of a directory. Directories in it are not the
// cache's and stay. Other processes may be doing the same.
func emptyDir(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, e := range entries {
		if !e.IsDir() {
			if err := os.Remove(filepath.Join(dir, e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	return nil
}

// store writes the result of an input to the cache, if that is wanted. Policy
// that is loaded stays loaded whatever happens to the cache.
func (r *run) store(res *result) {
	if res.place == nil || res.cached != "" || !r.options.writeCache {
		return
	}
	if len(res.policies) != 1 {
		r.report.warning(classDebugCache, "%s is not written to the cache, because it has profiles of several namespaces", res.in.shown())
		return
	}
	data, err := r.encode(res.policies[0])
	var file string
	if err == nil {
		file, err = res.place.write(res.policies[0], data, r.options.keepBadCache)
	}
	if err != nil {
		r.report.warning(classCache, "cannot write the cache: %v", err)
		return
	}
	if r.options.showCache {
		r.report.plain(diag.Warning, classCache, "Wrote cache: "+file)
	}
}
