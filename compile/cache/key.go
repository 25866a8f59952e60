// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/policy"
)

// keyFormat is hashed into every key. It changes with the meaning of what this
// module compiles.
const keyFormat = "goarmor apparmor policy cache 5\n"

// Key identifies all that policy is made of: texts, features and options. It is
// comparable.
type Key struct{ sum [sha256.Size]byte }

// String returns the key in hexadecimal digits.
func (k Key) String() string { return hex.EncodeToString(k.sum[:]) }

// KeyOf returns the key of the policy that a unit becomes with these options:
// of the text and the name of every file, of what each include names, of the
// features that abi statements name, and of the options. The limits do not
// count, because they do not change what is compiled. More says what else
// decides, such as changes that the caller makes to resolved profiles.
//
// Only units that were parsed have a key: syntax trees without a text have
// nothing that could be hashed. An abi that cannot be read is a
// *diag.Diagnostic with the code abi-not-found.
func KeyOf(unit *ast.Unit, p policy.Options, o compile.Options, more ...string) (Key, error) {
	h := hasher{Hash: sha256.New(), unit: unit, options: p, seen: map[*ast.File]int{}, abis: map[abi][sha256.Size]byte{}}
	h.text(keyFormat)
	h.features(o.Kernel)
	h.number(int(o.Degrade))
	h.flag(o.KeepDenials)
	h.flag(o.PlainNames)
	h.features(p.Kernel)
	h.features(p.Default)
	h.text(p.Namespace)
	h.number(len(more))
	for _, s := range more {
		h.text(s)
	}
	var k Key
	if err := h.file(unit.Main); err != nil {
		return k, err
	}
	h.Sum(k.sum[:0])
	return k, nil
}

// hasher hashes values so that different sequences of them never look alike.
type hasher struct {
	hash.Hash
	unit    *ast.Unit
	options policy.Options
	seen    map[*ast.File]int
	abis    map[abi][sha256.Size]byte
}

// abi is what an abi statement asks for. Nearly every file asks for the same.
type abi struct {
	kind ast.IncludeKind
	path string
	file *ast.File // the file that asks, if Options.ABI may depend on it
}

func (h hasher) number(n int) {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], uint64(n))
	h.Write(b[:])
}

func (h hasher) text(s string) {
	h.number(len(s))
	h.Write([]byte(s))
}

func (h hasher) flag(b bool) {
	n := 0
	if b {
		n = 1
	}
	h.number(n)
}

// features hashes a set. Nil and the empty one are different as options.
func (h hasher) features(set *features.Set) {
	h.flag(set != nil)
	h.text(set.String())
}

// file hashes a file, what it includes and the abi files that it names.
func (h hasher) file(file *ast.File) error {
	if n, ok := h.seen[file]; ok {
		h.number(n)
		return nil
	}
	h.seen[file] = len(h.seen) + 1
	h.number(0)
	// Includes are distinguished by name: two names for one text are both
	// read, the second use of one name is not.
	h.text(file.Name)
	h.text(file.Src)
	for n := range ast.All(file) {
		switch n := n.(type) {
		case *ast.Include:
			files := h.unit.Included[n]
			h.number(len(files))
			for _, f := range files {
				if err := h.file(f); err != nil {
					return err
				}
			}
		case *ast.ABI:
			ask := abi{kind: n.Kind, path: n.Path}
			if h.options.ABI != nil {
				ask.file = file
			}
			id, ok := h.abis[ask]
			if !ok {
				set, err := h.options.LoadABI(n, file)
				if err != nil {
					return &diag.Diagnostic{
						Code: diag.CodeABI, Pos: file.Position(n.Pos()), Text: n.Path,
						Message: "abi is not available", Err: err,
					}
				}
				id = set.ID()
				h.abis[ask] = id
			}
			h.Write(id[:])
		}
	}
	return nil
}
