// SPDX-License-Identifier: Apache-2.0

package loader

import (
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"iter"
	"strconv"
	"strings"

	"github.com/goarmor/apparmor/blob"
)

// Algorithm is how a digest is made.
type Algorithm string

// The algorithms that kernels use for what policy was loaded from.
const (
	SHA256 Algorithm = "sha256"
	SHA1   Algorithm = "sha1" // 6.1; not safe against forgery
)

func (a Algorithm) hexLen() int {
	if a == SHA1 {
		return hex.EncodedLen(sha1.Size)
	}
	return hex.EncodedLen(sha256.Size)
}

// Digest is the digest of a compiled policy, as a kernel shows it.
type Digest struct {
	Algorithm Algorithm // SHA256 or SHA1
	Sum       string    // lower-case hexadecimal
}

// String returns algorithm and sum with a colon between.
func (d Digest) String() string { return string(d.Algorithm) + ":" + d.Sum }

// Of reports whether d is the digest of p.
func (d Digest) Of(p *blob.Policy) bool { return FingerprintOf(p).matches(d) }

// Fingerprint identifies a compiled policy: the names of its profiles and its
// digests. It is comparable.
type Fingerprint struct {
	names  string // with NUL between them
	sha256 [sha256.Size]byte
	sha1   [sha1.Size]byte
}

// FingerprintOf returns the fingerprint of a policy.
func FingerprintOf(p *blob.Policy) Fingerprint {
	data := p.Bytes()
	f := Fingerprint{sha256: sha256.Sum256(data), sha1: sha1.Sum(data)}
	own := streamNamespace(p)
	list := p.Names()
	for i, name := range list {
		_, name = splitNamespace(name)
		list[i] = qualify(own, name)
	}
	f.names = strings.Join(list, "\x00")
	return f
}

// MarshalText returns the fingerprint as one line of text, for another process.
func (f Fingerprint) MarshalText() ([]byte, error) {
	return []byte(hex.EncodeToString(f.sha256[:]) + " " + hex.EncodeToString(f.sha1[:]) + " " + strconv.Quote(f.names)), nil
}

var errFingerprint = errors.New("the text is not a fingerprint")

// UnmarshalText reads what MarshalText returns.
func (f *Fingerprint) UnmarshalText(text []byte) error {
	const long, short = 2 * sha256.Size, 2 * sha1.Size
	if len(text) < long+1+short+1 || text[long] != ' ' || text[long+1+short] != ' ' {
		return errFingerprint
	}
	var g Fingerprint
	if _, err := hex.Decode(g.sha256[:], text[:long]); err != nil {
		return errFingerprint
	}
	if _, err := hex.Decode(g.sha1[:], text[long+1:long+1+short]); err != nil {
		return errFingerprint
	}
	names, err := strconv.Unquote(string(text[long+1+short+1:]))
	if err != nil {
		return errFingerprint
	}
	g.names = names
	*f = g
	return nil
}

// profiles returns the names, as Kernel.Remove takes them.
func (f Fingerprint) profiles() iter.Seq[string] { return strings.SplitSeq(f.names, "\x00") }

func (f Fingerprint) first() string {
	name, _, _ := strings.Cut(f.names, "\x00")
	return name
}

func (f Fingerprint) matches(d Digest) bool {
	switch d.Algorithm {
	case SHA256:
		return d.Sum == hex.EncodeToString(f.sha256[:])
	case SHA1:
		return d.Sum == hex.EncodeToString(f.sha1[:])
	}
	return false
}

// streamNamespace returns the namespace that a policy names, relative to the
// one that is written to. It is the same for all of its profiles.
func streamNamespace(p *blob.Policy) string {
	for _, q := range p.Heads() {
		if q.Namespace != "" {
			return q.Namespace
		}
		if ns, _ := splitNamespace(q.Name); ns != "" {
			return ns
		}
	}
	return ""
}

// join returns the name of namespace below within another.
func join(outer, inner string) string {
	if outer == "" || inner == "" {
		return outer + inner
	}
	return outer + "//" + inner
}
