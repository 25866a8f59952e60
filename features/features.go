// SPDX-License-Identifier: Apache-2.0

// Package features describes what a kernel or a policy ABI can enforce.
//
// A Set is a tree of names whose leaves hold words, as the kernel shows it in
// the directory apparmor/features of securityfs. It is read from there with
// FromFS, from the text that the reference tools write and that abi files hold
// with Parse, or taken from the built-in tables with ABI and Default.
//
// Two sets meet when policy is compiled: the kernel's says what can be
// enforced and in which form, the policy's says what its author knew about. A
// class of rules is enforced where both have it; see Intersect.
package features

import (
	"crypto/sha256"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Set is what one kernel, or one version of the policy language, can enforce.
// A Set is immutable and safe for concurrent use. A nil Set and the zero Set
// are empty: they support nothing.
type Set struct {
	root  entry
	write sync.Once
	text  string // canonical; what String returns
	id    [sha256.Size]byte
}

// entry is one name of the tree. It holds words or further entries, and both
// only where the text that was parsed had both.
type entry struct {
	name  string
	words []string // in the order of the text
	sub   []entry  // sorted by name
}

// find returns the entry of that name below e, or nil.
func (e *entry) find(name string) *entry {
	i, ok := slices.BinarySearchFunc(e.sub, name, func(s entry, name string) int {
		return strings.Compare(s.name, name)
	})
	if !ok {
		return nil
	}
	return &e.sub[i]
}

// newSet finishes a tree that nobody else will change.
func newSet(root entry) *Set { return &Set{root: root} }

// written returns s with its text and what follows from that, which most sets are
// never asked for.
func (s *Set) written() *Set {
	s.write.Do(func() {
		var b strings.Builder
		b.Grow(4 << 10) // kernels have 2 to 3
		s.root.write(&b)
		s.text = b.String()
		s.id = sha256.Sum256([]byte(s.text))
	})
	return s
}

func (e *entry) write(b *strings.Builder) {
	for i, w := range e.words {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(w)
	}
	if len(e.words) > 0 {
		b.WriteByte('\n')
	}
	for i := range e.sub {
		b.WriteString(e.sub[i].name)
		b.WriteString(" {")
		e.sub[i].write(b)
		b.WriteString("}\n")
	}
}

// lookup follows path as far as entries go and returns the entry together
// with what is left of the path.
func (s *Set) lookup(path string) (e *entry, rest string) {
	if s == nil {
		return &entry{}, path
	}
	e = &s.root
	for path != "" {
		name, tail, _ := strings.Cut(path, "/")
		next := e.find(name)
		if next == nil {
			return e, path
		}
		e, path = next, tail
	}
	return e, ""
}

// Supports reports whether path is present: an entry such as
// "policy/versions/v8", or a word of a leaf such as "dbus/mask/send". Presence
// is all that counts, as in the reference: "namespaces/pivot_root" is supported
// even where its value is "no". The empty path is always supported.
func (s *Set) Supports(path string) bool {
	e, rest := s.lookup(path)
	return rest == "" || slices.Contains(e.words, rest)
}

// Words returns the words of the entry at path in the order of the text, or
// nil where there is no such entry or it holds none. The caller owns the slice.
func (s *Set) Words(path string) []string {
	e, rest := s.lookup(path)
	if rest != "" {
		return nil
	}
	return slices.Clone(e.words)
}

// Value returns the words of the entry at path, joined by blanks. It reports
// whether the entry exists.
func (s *Set) Value(path string) (string, bool) {
	e, rest := s.lookup(path)
	if rest != "" {
		return "", false
	}
	return strings.Join(e.words, " "), true
}

// Uint returns the number that the entry at path holds, decimal, octal or
// hexadecimal with its prefix. It reports whether the entry is there and holds
// just one number.
func (s *Set) Uint(path string) (uint64, bool) {
	e, rest := s.lookup(path)
	if rest != "" || len(e.words) != 1 {
		return 0, false
	}
	n, err := strconv.ParseUint(e.words[0], 0, 64)
	return n, err == nil
}

// Names returns the names of the entries directly below path, sorted.
func (s *Set) Names(path string) []string {
	e, rest := s.lookup(path)
	if rest != "" {
		return nil
	}
	names := make([]string, len(e.sub))
	for i := range e.sub {
		names[i] = e.sub[i].name
	}
	return names
}

// Empty reports whether the set supports nothing at all.
func (s *Set) Empty() bool { return s == nil || len(s.root.sub) == 0 && len(s.root.words) == 0 }

// Equal reports whether both sets hold the same entries with the same words in
// the same order. The order of entries in the text does not matter.
func (s *Set) Equal(t *Set) bool { return s.String() == t.String() }

// Intersect returns what both sets support: the entries that are in both, with
// the words that are in both, in the order of s. Where both hold a single
// number, the smaller one is kept. An entry stays when it is in both even if no
// word is left in it; "yes" against "no" leaves it empty.
func (s *Set) Intersect(t *Set) *Set {
	if s == nil || t == nil {
		return &Set{}
	}
	return newSet(intersect(&s.root, &t.root))
}

func intersect(a, b *entry) entry {
	out := entry{name: a.name}
	for _, w := range a.words {
		if slices.Contains(b.words, w) {
			out.words = append(out.words, w)
		}
	}
	if len(a.words) == 1 && len(b.words) == 1 && len(out.words) == 0 {
		x, errX := strconv.ParseUint(a.words[0], 0, 64)
		y, errY := strconv.ParseUint(b.words[0], 0, 64)
		if errX == nil && errY == nil {
			out.words = []string{a.words[0]}
			if y < x {
				out.words[0] = b.words[0]
			}
		}
	}
	for i := range a.sub {
		if other := b.find(a.sub[i].name); other != nil {
			out.sub = append(out.sub, intersect(&a.sub[i], other))
		}
	}
	return out
}

// String returns the set in the form that Parse and the reference tools read,
// with the entries of each level sorted by name. Equal sets have equal text.
func (s *Set) String() string {
	if s == nil {
		return ""
	}
	return s.written().text
}

// ID returns the SHA-256 of the canonical text: the same for equal sets, in
// every process and version.
func (s *Set) ID() [sha256.Size]byte {
	if s == nil {
		return sha256.Sum256(nil)
	}
	return s.written().id
}
