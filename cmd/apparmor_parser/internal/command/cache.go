package command

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/diag"
)

// The cache holds compiled policy, a file for each profile file and of its
// name, in one directory for each feature set, so that whoever loads all of
// such a directory finds nothing else in it. Beside each there is a key, in a
// hidden file: a digest of every text and option that went into the policy,
// and one of the policy. Times of files play no part: policy is used exactly
// if compiling anew would be work on the same input.

// cacheFormat is hashed into every key. It changes with the meaning of what
// this program writes.
const cacheFormat = "goarmor apparmor policy cache 1\n"

// featuresFile says for which features a directory of the cache is.
const featuresFile = ".features"

// cacheDir returns the directory for the features of this run below one of the
// cache's directories.
func (r *run) cacheDir(base string) string {
	id := r.features.ID()
	return filepath.Join(base, hex.EncodeToString(id[:4])+".0")
}

// cacheEntry is the place of one input in the cache.
type cacheEntry struct {
	dirs     []string // the first is written to
	name     string
	key      [sha256.Size]byte
	features string
}

// entry returns where the policy of a unit belongs in the cache.
func (r *run) entry(unit *ast.Unit, in input, complain bool) (*cacheEntry, error) {
	h := keyHash{sha256.New()}
	h.text(cacheFormat)
	h.text(r.features.String())
	h.text(r.defaults.String())
	h.flag(r.defaults != nil)
	h.text(r.override.String())
	h.flag(r.override != nil)
	h.text(r.options.namespace)
	h.flag(complain)
	h.flag(r.options.readMmaps)
	// What would be refused for a warning must not be found.
	h.number(int(r.options.werror))
	if err := r.hashFile(h, unit, unit.Main, map[*ast.File]int{}); err != nil {
		return nil, err
	}
	e := &cacheEntry{name: in.base(), features: r.features.String()}
	h.Sum(e.key[:0])
	for _, base := range r.options.cacheDirs {
		e.dirs = append(e.dirs, r.path(r.cacheDir(base)))
	}
	return e, nil
}

// hashFile hashes a file, what it includes and the abi files that it names.
func (r *run) hashFile(h keyHash, unit *ast.Unit, file *ast.File, seen map[*ast.File]int) error {
	if n, ok := seen[file]; ok {
		h.number(n)
		return nil
	}
	seen[file] = len(seen) + 1
	h.number(0)
	// Includes are kept apart by name: of two names for one text each is
	// read, of one name only the first is.
	h.text(file.Name)
	h.text(file.Src)
	for n := range ast.All(file) {
		switch n := n.(type) {
		case *ast.Include:
			files := unit.Included[n]
			h.number(len(files))
			for _, f := range files {
				if err := r.hashFile(h, unit, f, seen); err != nil {
					return err
				}
			}
		case *ast.ABI:
			if n.Kind == ast.IncludeMagic && (n.Path == "kernel" || n.Path == "default") {
				continue
			}
			set, err := r.abi(n, file)
			if err != nil {
				return &diag.Diagnostic{
					Code: "abi-not-found", Pos: file.Position(n.Pos()), Text: n.Path,
					Message: "abi is not available", Err: err,
				}
			}
			h.text(set.String())
		}
	}
	return nil
}

// keyHash hashes values so that no two sequences of them look alike.
type keyHash struct{ hash.Hash }

func (h keyHash) number(n int) {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], uint64(n))
	h.Write(b[:])
}

func (h keyHash) text(s string) {
	h.number(len(s))
	h.Write([]byte(s))
}

func (h keyHash) flag(b bool) {
	n := 0
	if b {
		n = 1
	}
	h.number(n)
}

// keyFile returns the file with the key for the policy in dir.
func (e *cacheEntry) keyFile(dir string) string { return filepath.Join(dir, "."+e.name+".key") }

// keyText is what the key file holds for a policy.
func (e *cacheEntry) keyText(policy [sha256.Size]byte) string {
	return fmt.Sprintf("%x %x\n", e.key, policy)
}

// lookup returns the policy of an entry and the file that it is in, or nil
// where the cache has none for this very input.
func (r *run) lookup(e *cacheEntry) (*blob.Policy, string) {
	if r.options.skipReadCache {
		return nil, ""
	}
	for _, dir := range e.dirs {
		file := filepath.Join(dir, e.name)
		if !e.fits(dir) {
			continue
		}
		data, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		key, err := os.ReadFile(e.keyFile(dir))
		if err != nil || string(key) != e.keyText(sha256.Sum256(data)) {
			continue
		}
		if p, err := blob.Inspect(data); err == nil {
			return p, file
		}
	}
	return nil, ""
}

// fits reports whether a directory is for the features of the entry.
func (e *cacheEntry) fits(dir string) bool {
	have, err := os.ReadFile(filepath.Join(dir, featuresFile))
	return err == nil && string(have) == e.features
}

var errBadCache = errors.New("the directory is for other features")

// write puts policy into the cache and returns the file that it is in. A
// reader finds the old policy, the new one or none, never half of one: a key
// that does not fit the policy is a miss. A directory that is for other
// features, by a collision of digests or by damage, is emptied first, unless
// keep says not to.
func (e *cacheEntry) write(p *blob.Policy, keep bool) (file string, err error) {
	dir := e.dirs[0]
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	if !e.fits(dir) {
		entries, err := os.ReadDir(dir)
		switch {
		case err != nil:
			return "", err
		case len(entries) > 0 && keep:
			return "", errBadCache
		case len(entries) > 0:
			if err := emptyDir(dir); err != nil {
				return "", err
			}
		}
	}
	file = filepath.Join(dir, e.name)
	data := p.Bytes()
	for _, f := range []struct {
		name string
		data []byte
	}{
		{filepath.Join(dir, featuresFile), []byte(e.features)},
		{file, data},
		{e.keyFile(dir), []byte(e.keyText(sha256.Sum256(data)))},
	} {
		if err := writeFileAtomic(f.name, f.data, 0o600); err != nil {
			return "", err
		}
	}
	return file, nil
}

// writeFileAtomic writes a file that is either there as a whole or not at all.
func writeFileAtomic(name string, data []byte, mode fs.FileMode) (err error) {
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".tmp")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	if _, err = f.Write(data); err != nil {
		f.Close()
		return err
	}
	if err = f.Chmod(mode); err != nil {
		f.Close()
		return err
	}
	if err = f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}

// purge removes what the cache that is written to holds for these features.
func (r *run) purge() error {
	dir := r.path(r.cacheDir(r.options.cacheDirs[0]))
	err := emptyDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		// It stays if it holds directories.
		_ = os.Remove(dir)
	}
	return err
}

// emptyDir removes the files of a directory. Directories in it are not the
// cache's and stay.
func emptyDir(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !e.IsDir() {
			if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// showCache tells whether policy came from the cache, if that is asked for.
func (r *run) showCache(res *result) {
	if !r.options.showCache || !r.cacheable {
		return
	}
	if res.cached != "" {
		r.report.plain(diag.Warning, classCache, "Cache hit: "+res.cached)
		return
	}
	r.report.plain(diag.Warning, classCache, "Cache miss: "+res.in.shown())
}
