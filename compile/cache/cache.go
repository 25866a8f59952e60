// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math/bits"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/internal/wholefile"
)

const (
	// MaxPolicy is the greatest length of a file of policy, in bytes.
	MaxPolicy = 64 << 20
	// DefaultMaxBytes is the default of Cache.MaxBytes.
	DefaultMaxBytes = 1 << 30
)

// What errors of this package match with errors.Is.
var (
	// ErrMiss: no directory has usable policy of that name.
	ErrMiss = errors.New("the cache does not have the policy")
	// ErrOther: there is policy of that name, of other text, features or
	// options, or it is damaged.
	ErrOther = errors.New("the policy is from other text, features or options, or is damaged")
	// ErrFeatures: the directory is for other features.
	ErrFeatures = errors.New("the directory is for other features")
	// ErrForeign: others than root and the caller may write there.
	ErrForeign = errors.New("others besides root and this user may write there; remove it, or name another cache")
	// ErrLink: there is a symbolic link in the place of a directory.
	ErrLink = errors.New("the directory is a symbolic link")
	// ErrName: the name cannot be that of an entry.
	ErrName = errors.New("not a name for a file of the cache")
)

// featuresFile has the features of a directory of the cache.
const featuresFile = ".features"

// keysDir is where, below a directory of the cache, the keys are.
const keysDir = ".goarmor"

// Cache is compiled policy in files, for one feature set. It is safe for
// concurrent use, by several processes too: a reader finds the old policy, the
// new one or none. The fields must not be changed while it is in use.
type Cache struct {
	// Dirs are the directories of the cache, such as /var/cache/apparmor.
	// Policy is looked for in all of them, in order, and written to the first,
	// which is made if it is not there. There must be one.
	Dirs []string
	// Features are those of the kernel that the policy is for.
	Features *features.Set
	// KeepForeign lets Put fail if its directory is for other features, which a
	// collision of names or damage can cause. Otherwise Put empties it.
	KeepForeign bool
	// MaxBytes is how much policy Trim leaves; zero means DefaultMaxBytes.
	MaxBytes int64
}

// MissError says why no directory has usable policy of a name. It matches
// ErrMiss, and what the reasons match.
type MissError struct {
	Name    string  // that Get was asked for
	Reasons []error // one for each directory
}

// Error implements error.
func (e *MissError) Error() string {
	return fmt.Sprintf("the cache has nothing usable for %s: %v", e.Name, errors.Join(e.Reasons...))
}

// Is reports whether target is ErrMiss.
func (e *MissError) Is(target error) bool { return target == ErrMiss }

// Unwrap returns the reasons.
func (e *MissError) Unwrap() []error { return e.Reasons }

// Dir returns the directory for the features of the cache below one of Dirs. Its
// name has the hash of the features that libapparmor makes, so that programs
// with that library find the directory of a kernel.
func (c *Cache) Dir(base string) string {
	return filepath.Join(base, fmt.Sprintf("%08x.0", featuresID(c.Features)))
}

// Get returns the policies of a name, one for each namespace, if they were stored
// under the key, and the file that has them. Otherwise the error is a *MissError.
func (c *Cache) Get(name string, key Key) (list []*blob.Policy, file string, err error) {
	if err := checkName(name); err != nil {
		return nil, "", &MissError{name, []error{err}}
	}
	e := entry{name: name, key: key, features: c.Features.String()}
	miss := &MissError{Name: name}
	for _, base := range c.Dirs {
		dir := c.Dir(base)
		list, err := e.read(dir)
		if err == nil {
			return list, filepath.Join(dir, name), nil
		}
		miss.Reasons = append(miss.Reasons, err)
	}
	return nil, "", miss
}

// PutOptions are the options of Put. The zero value stores plain policy with the
// present time.
type PutOptions struct {
	// Data is the policies as they are to be stored, such as compressed; nil: as
	// they are, one after the other.
	Data []byte
	// Time is that of the file: the time of the newest text, which programs
	// with libapparmor look at; zero: the present.
	Time time.Time
}

// Put stores policies under a name and a key and returns the file that has them.
// They are what a file of text defines, one for each namespace, as a kernel takes
// the profiles of one at a time. The name is that of the file of text, without a
// directory; it must not begin with a dot. Policy of another program that means
// the same is left as it is, and used from then on.
func (c *Cache) Put(name string, key Key, list []*blob.Policy, o PutOptions) (file string, err error) {
	if err := checkName(name); err != nil {
		return "", err
	}
	if len(c.Dirs) == 0 {
		return "", errors.New("the cache has no directory")
	}
	if len(list) == 0 {
		return "", errors.New("there is no policy to store")
	}
	data := o.Data
	if data == nil {
		for _, p := range list {
			data = append(data, p.Bytes()...)
		}
	}
	e := entry{name: name, key: key, features: c.Features.String()}
	return e.write(c.Dir(c.Dirs[0]), list, data, o.Time, c.KeepForeign)
}

// Trim removes policy from the first of Dirs until MaxBytes are left: first
// policy for whose name keep returns false, then the oldest. Below that bound
// it removes nothing. It returns the names that it removed.
func (c *Cache) Trim(keep func(name string) bool) (removed []string, err error) {
	if len(c.Dirs) == 0 {
		return nil, nil
	}
	dir := c.Dir(c.Dirs[0])
	if err := realDirectory(dir); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		return nil, err
	}
	list, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	type file struct {
		name string
		size int64
		kept bool
		time time.Time
	}
	var files []file
	var total int64
	for _, e := range list {
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() || checkName(e.Name()) != nil {
			continue // gone meanwhile, or not policy
		}
		files = append(files, file{e.Name(), info.Size(), keep == nil || keep(e.Name()), info.ModTime()})
		total += info.Size()
	}
	slices.SortStableFunc(files, func(a, b file) int {
		if a.kept != b.kept {
			if b.kept {
				return -1
			}
			return 1
		}
		return a.time.Compare(b.time)
	})
	for _, f := range files {
		if total <= cmp.Or(c.MaxBytes, DefaultMaxBytes) {
			break
		}
		if err := errors.Join(gone(os.Remove(filepath.Join(dir, f.name))), gone(os.Remove(keyFile(dir, f.name)))); err != nil {
			return removed, err
		}
		total -= f.size
		removed = append(removed, f.name)
	}
	return removed, nil
}

// Purge removes what the first of Dirs holds for the features. Directories in it
// are not the cache's and stay.
func (c *Cache) Purge() error {
	if len(c.Dirs) == 0 {
		return nil
	}
	dir := c.Dir(c.Dirs[0])
	switch err := realDirectory(dir); {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("%s: %w", dir, err)
	}
	keys := filepath.Dir(keyFile(dir, ""))
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

// checkName refuses names that lead elsewhere or are the cache's own.
func checkName(name string) error {
	if name == "" || name[0] == '.' || len(name) > 255 || strings.ContainsAny(name, "/\x00") || name != filepath.Base(name) {
		return fmt.Errorf("%w: %q", ErrName, name)
	}
	return nil
}

// keyFile returns the file with the key for the policy of a name in dir.
func keyFile(dir, name string) string {
	return filepath.Join(filepath.Dir(dir), keysDir, filepath.Base(dir)) + string(filepath.Separator) + name
}

// entry is what a name has in the cache.
type entry struct {
	name     string
	key      Key
	features string
}

// keyText is what the key file holds for a policy.
func (e entry) keyText(policy []byte) string {
	return fmt.Sprintf("%s %x\n", e.key, sha256.Sum256(policy))
}

// read returns the policies of an entry from one directory.
func (e entry) read(dir string) ([]*blob.Policy, error) {
	if err := e.fits(dir); err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	file := filepath.Join(dir, e.name)
	data, err := readOwn(file, MaxPolicy)
	if err != nil {
		return nil, err
	}
	if err := realKeys(dir); err != nil {
		return nil, err
	}
	key, err := readOwn(keyFile(dir, e.name), maxKey)
	if err != nil {
		return nil, err
	}
	if string(key) != e.keyText(data) {
		return nil, fmt.Errorf("%s: %w", file, ErrOther)
	}
	return blob.InspectAll(data)
}

// fits returns why a directory is not the one for the features of the entry,
// if it is not.
func (e entry) fits(dir string) error {
	if err := realDirectory(dir); err != nil {
		return err
	}
	switch have, err := readOwn(filepath.Join(dir, featuresFile), features.MaxSize); {
	case errors.Is(err, ErrForeign):
		return err
	case err != nil || string(have) != e.features:
		return ErrFeatures
	}
	return nil
}

// write puts policy into a directory, as data. A key that does not fit the
// policy is a miss, so the order of the two does not matter.
func (e entry) write(dir string, list []*blob.Policy, data []byte, when time.Time, keep bool) (file string, err error) {
	if err := os.MkdirAll(filepath.Dir(keyFile(dir, e.name)), 0o700); err != nil {
		return "", err
	}
	if err := realKeys(dir); err != nil {
		return "", err
	}
	if err := e.prepare(dir, keep); err != nil {
		return "", err
	}
	file = filepath.Join(dir, e.name)
	if have, ok := sameMeaning(file, list); ok {
		data = have
		if !when.IsZero() {
			if err := os.Chtimes(file, when, when); err != nil {
				return "", err
			}
		}
	} else if err := wholefile.Write(file, data, wholefile.Options{Mode: 0o600, Time: when}); err != nil {
		return "", err
	}
	return file, wholefile.Write(keyFile(dir, e.name), []byte(e.keyText(data)), wholefile.Options{Mode: 0o600})
}

// prepare makes a directory one for the features of the entry.
func (e entry) prepare(dir string, keep bool) error {
	err := e.fits(dir)
	if errors.Is(err, fs.ErrNotExist) {
		if err := e.create(dir); err != nil {
			return err
		}
		err = e.fits(dir)
	}
	if err != nil && !errors.Is(err, ErrFeatures) {
		return fmt.Errorf("%s: %w", dir, err)
	}
	if err == nil {
		return nil
	}
	entries, err := os.ReadDir(dir)
	switch {
	case err != nil:
		return err
	case len(entries) > 0 && keep:
		return fmt.Errorf("%s: %w", dir, ErrFeatures)
	}
	if err := emptyDir(dir); err != nil {
		return err
	}
	return e.writeFeatures(dir)
}

// create makes a directory with the features in it, in one step, as others may
// look at it meanwhile and must not take it for that of other features. Another
// one that is there already stays.
func (e entry) create(dir string) error {
	made, err := os.MkdirTemp(filepath.Dir(filepath.Dir(keyFile(dir, ""))), "new")
	if err != nil {
		return err
	}
	err = e.writeFeatures(made)
	if err == nil {
		err = os.Rename(made, dir)
		if _, there := os.Lstat(dir); err != nil && there == nil {
			err = nil // others were first
		}
	}
	return errors.Join(err, os.RemoveAll(made))
}

// writeFeatures writes the features, which are for other programs, too.
func (e entry) writeFeatures(dir string) error {
	return wholefile.Write(filepath.Join(dir, featuresFile), []byte(e.features), wholefile.Options{Mode: 0o644})
}

// sameMeaning returns the content of a file if it is policy with the meaning of
// the list, such as that of apparmor_parser, whose cache has the same form.
func sameMeaning(file string, list []*blob.Policy) ([]byte, bool) {
	data, err := readOwn(file, MaxPolicy)
	if err != nil {
		return nil, false
	}
	have, err := blob.InspectAll(data)
	if err != nil || len(have) != len(list) {
		return nil, false
	}
	diffs, err := blob.DiffAll(have, list, blob.DiffOptions{})
	return data, err == nil && len(diffs) == 0
}

// featuresID is the 32-bit MurmurHash3 with libapparmor's seed of the text of
// the features.
func featuresID(set *features.Set) uint32 {
	const c1, c2 = 0xcc9e2d51, 0x1b873593
	text := []byte(set.String())
	mix := func(k uint32) uint32 { return bits.RotateLeft32(k*c1, 15) * c2 }
	hash := uint32(5381)
	rest := text
	for ; len(rest) >= 4; rest = rest[4:] {
		hash = bits.RotateLeft32(hash^mix(binary.LittleEndian.Uint32(rest)), 13)*5 + 0xe6546b64
	}
	if len(rest) > 0 {
		var tail [4]byte
		copy(tail[:], rest)
		hash ^= mix(binary.LittleEndian.Uint32(tail[:]))
	}
	hash ^= uint32(len(text))
	hash = (hash ^ hash>>16) * 0x85ebca6b
	hash = (hash ^ hash>>13) * 0xc2b2ae35
	return hash ^ hash>>16
}
