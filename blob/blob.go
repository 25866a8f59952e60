// SPDX-License-Identifier: Apache-2.0

// Package blob holds AppArmor's binary policy, the stream that a kernel loads,
// as Go values: encode, decode, verify with the kernel's own checks, walk the
// automata, read the permissions out of them, and compare two policies for
// equal meaning.
//
// A Policy is always verified: Inspect and Encode, and Frame and Join for what
// is made of other policy, are the only ways to get one, and all refuse what a
// kernel would refuse. Profile, PolicyDB and DFA
// are plain data, filled by a compiler before Encode or by Inspect from bytes.
// Those that a Policy hands out are shared and must not be changed; everything
// that only reads them is safe for concurrent use.
//
// The package does no I/O and knows nothing about policy text.
package blob

import (
	"crypto/sha256"
	"io"
	"slices"
	"sync"
)

// Policy is a verified set of profiles together with the bytes that a kernel
// loads in one write. It is immutable and safe for concurrent use.
type Policy struct {
	data  []byte
	heads []*Profile // with automata, or without if they are still to be decoded
	needs []string
	// checked are limits that it has been checked against; nil for none.
	checked *KernelLimits

	decode sync.Once
	whole  []*Profile
	// raw has the tables of automata in whole as they are in data, of those that
	// were decoded.
	raw map[*DFA]rawTables
}

// profiles returns the profiles with their automata.
func (p *Policy) profiles() []*Profile {
	p.decode.Do(func() {
		if p.whole != nil {
			return
		}
		// What was extended was verified in another way, with the same verdict.
		if q, err := inspect(p.data, nil); err == nil {
			p.whole, p.raw = q.whole, q.raw
		}
	})
	return p.whole
}

// AppendBinary appends the stream to b. It implements
// encoding.BinaryAppender; the error is always nil.
func (p *Policy) AppendBinary(b []byte) ([]byte, error) { return append(b, p.data...), nil }

// Bytes returns a copy of the stream.
func (p *Policy) Bytes() []byte { return slices.Clone(p.data) }

// Len returns the length of the stream in bytes.
func (p *Policy) Len() int { return len(p.data) }

// WriteTo writes the stream to w in a single Write. It is for files: a
// kernel's .load and .replace count written bytes in their own way, see
// package loader.
func (p *Policy) WriteTo(w io.Writer) (int64, error) {
	n, err := w.Write(p.data)
	return int64(n), err
}

// Digest returns the SHA-256 of the stream, which kernels since 6.12 show as
// raw_sha256 of each profile that was loaded from it.
func (p *Policy) Digest() [32]byte { return sha256.Sum256(p.data) }

// Profiles returns the profiles in the order of the stream. The profiles are
// shared and must not be changed; the slice is the caller's.
func (p *Policy) Profiles() []*Profile { return slices.Clone(p.profiles()) }

// Heads returns the profiles in the order of the stream for those who need no
// automata of rules: Policydb and File may be nil. It costs nothing, while the
// automata of a policy that a Frame made are decoded by the first call of
// Profiles. What it returns is shared as that of Profiles is.
func (p *Policy) Heads() []*Profile { return slices.Clone(p.heads) }

// Profile returns the profile of that name as the stream has it
// (parent//child for children and hats), or nil.
func (p *Policy) Profile(name string) *Profile {
	for _, q := range p.profiles() {
		if q.Name == name {
			return q
		}
	}
	return nil
}

// Names returns the names of the profiles in the order of the stream.
func (p *Policy) Names() []string {
	names := make([]string, len(p.heads))
	for i, q := range p.heads {
		names[i] = q.Name
	}
	return names
}

// Needs returns the names of the parents that are not in the set: a kernel
// refuses the whole set with ENOENT unless it already holds them. They are in
// the order in which they are first needed.
func (p *Policy) Needs() []string { return slices.Clone(p.needs) }
