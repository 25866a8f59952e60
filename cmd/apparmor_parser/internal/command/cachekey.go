// SPDX-License-Identifier: Apache-2.0

package command

import (
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"math/bits"
	"os"
	"time"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/features"
)

// cacheFormat is hashed into every key. It changes with the meaning of what
// this program writes.
const cacheFormat = "goarmor apparmor policy cache 3\n"

// cacheKey is the digest of everything that the policy of one input is made
// of. The time of the newest text is for others who read the cache.
type cacheKey struct {
	digest [sha256.Size]byte
	newest time.Time
}

// key returns the key of a unit.
func (r *run) key(unit *ast.Unit) (k cacheKey, err error) {
	h := keyHash{sha256.New()}
	h.text(cacheFormat)
	h.text(r.features.String())
	h.text(r.defaults.String())
	h.flag(r.defaults != nil)
	h.text(r.override.String())
	h.flag(r.override != nil)
	h.flag(r.options.readMmaps)
	h.flag(r.options.optimize&optFilterDeny != 0)
	// Policy that a warning would refuse must not be found.
	h.number(int(r.options.warn & r.options.werror))
	if err := r.hashFile(h, unit, unit.Main, map[*ast.File]int{}, &k.newest); err != nil {
		return k, err
	}
	h.Sum(k.digest[:0])
	return k, nil
}

// hashFile hashes a file, what it includes and the abi files that it names.
func (r *run) hashFile(h keyHash, unit *ast.Unit, file *ast.File, seen map[*ast.File]int, newest *time.Time) error {
	if n, ok := seen[file]; ok {
		h.number(n)
		return nil
	}
	seen[file] = len(seen) + 1
	h.number(0)
	// Includes are distinguished by name: two names for one text are both
	// read, the second use of one name is not.
	h.text(file.Name)
	h.text(file.Src)
	if info, err := os.Stat(r.path(file.Name)); err == nil && info.ModTime().After(*newest) {
		*newest = info.ModTime()
	}
	for n := range ast.All(file) {
		switch n := n.(type) {
		case *ast.Include:
			files := unit.Included[n]
			h.number(len(files))
			for _, f := range files {
				if err := r.hashFile(h, unit, f, seen, newest); err != nil {
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

// keyHash hashes values so that different sequences of them never look alike.
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

// featuresID returns the name of a directory of the cache: the 32-bit
// MurmurHash3, with libapparmor's seed, of the text of the features, so that
// programs which use that library find the directory of a kernel.
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
