// SPDX-License-Identifier: Apache-2.0

package query_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/internal/oracle"
	"github.com/goarmor/apparmor/query"
)

// featureSet returns the features of a kernel.
func featureSet(tb testing.TB, kernel string) *features.Set {
	tb.Helper()
	set, ok := features.Kernel(kernel)
	if !ok {
		tb.Fatalf("no features of %q", kernel)
	}
	return set
}

// reference has Debian's apparmor_parser compile a policy for a kernel.
func reference(tb testing.TB, kernel, text string) *query.Policy {
	tb.Helper()
	file := filepath.Join(tb.TempDir(), "features")
	if err := os.WriteFile(file, []byte(featureSet(tb, kernel).String()), 0o644); err != nil {
		tb.Fatal(err)
	}
	out, err := oracle.Parser(tb).Compile(oracle.Job{Text: text, Features: file})
	if err != nil {
		tb.Fatal(err)
	}
	p, err := blob.Inspect(out)
	if err != nil {
		tb.Fatal(err)
	}
	return query.Open(p)
}

// trie builds an automaton that grants each string, and nothing else, what
// the table says.
func trie(grants map[string]blob.Perm) *blob.PolicyDB {
	type key struct {
		state uint32
		b     byte
	}
	steps := map[key]uint32{}
	perms := []blob.Perm{{}}
	accept := []uint32{0, 0}
	var words []string
	for w := range grants {
		words = append(words, w)
	}
	slices.Sort(words)
	for _, w := range words {
		s := blob.StartState
		for i := range len(w) {
			k := key{s, w[i]}
			if steps[k] == 0 {
				steps[k] = uint32(len(accept))
				accept = append(accept, 0)
			}
			s = steps[k]
		}
		perms = append(perms, grants[w])
		accept[s] = uint32(len(perms) - 1)
	}
	n := len(accept)
	d := &blob.DFA{Accept: accept, Base: make([]uint32, n), Default: make([]uint32, n),
		Next: make([]uint32, 256*n), Check: make([]uint32, 256*n)}
	for s := range d.Base {
		d.Base[s] = uint32(256 * s)
	}
	for k, to := range steps {
		slot := 256*k.state + uint32(k.b)
		d.Check[slot], d.Next[slot] = k.state, to
	}
	return &blob.PolicyDB{Perms: perms, DFA: d}
}

// open encodes profiles and opens the result.
func open(tb testing.TB, profiles ...*blob.Profile) *query.Policy {
	tb.Helper()
	p, err := blob.Encode(profiles)
	if err != nil {
		tb.Fatal(err)
	}
	return query.Open(p)
}

func profile(tb testing.TB, p *query.Policy, name string) *query.Profile {
	tb.Helper()
	q, ok := p.Profile(name)
	if !ok {
		tb.Fatalf("no profile %q", name)
	}
	return q
}

// question is a request and the text of the decision on it.
type question struct {
	ask  query.Request
	want string
}

func (q question) check(t *testing.T, p *query.Profile) {
	t.Helper()
	d, err := p.Ask(q.ask)
	if err != nil {
		t.Errorf("%v: %v", q.ask, err)
		return
	}
	if got := d.String(); got != q.want {
		t.Errorf("%v: %s, want %s", q.ask, got, q.want)
	}
	if d.Allow&d.Deny != 0 || d.Allow|d.Deny != d.Request || d.Audit&^d.Allow != 0 || (d.Quiet|d.Prompt)&^d.Deny != 0 {
		t.Errorf("%v: %+v does not add up", q.ask, d)
	}
	if p.Allows(q.ask) != d.Allowed() {
		t.Errorf("%v: Allows and Ask differ", q.ask)
	}
}
