// SPDX-License-Identifier: Apache-2.0

package blob_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"github.com/goarmor/apparmor/blob"
)

// TestJoin joins policies in every order and holds the result against Inspect of
// their streams, one after the other.
func TestJoin(t *testing.T) {
	var list []*blob.Policy
	for _, profiles := range [][]*blob.Profile{
		{{Name: "a"}, {Name: "a//b"}},
		{{Name: "a//c"}},
		{{Name: "x//y//z"}, {Name: "a"}},
		{{Name: "x//y", Header: blob.DefaultHeader | 1<<11}},
		{{Name: ":ns:d"}},
		{{Name: "e", Namespace: "ns"}, {Name: "e//f", Namespace: "ns"}},
		{{Name: "g", Namespace: "other"}},
	} {
		p, err := blob.Encode(profiles)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
	list = append(list, smallPolicy(t, true, true))
	joined, refused := 0, 0
	check := func(some ...*blob.Policy) {
		t.Helper()
		var stream []byte
		for _, p := range some {
			stream = append(stream, p.Bytes()...)
		}
		want, wantErr := blob.Inspect(stream)
		got, err := blob.Join(some...)
		if wantErr != nil || err != nil {
			refused++
			if err == nil || wantErr == nil || err.Error() != wantErr.Error() {
				t.Errorf("error %v, want %v", err, wantErr)
			}
			return
		}
		joined++
		if !bytes.Equal(got.Bytes(), want.Bytes()) || !slices.Equal(got.Names(), want.Names()) || !slices.Equal(got.Needs(), want.Needs()) {
			t.Errorf("%v needs %v, want %v, which needs %v", got.Names(), got.Needs(), want.Names(), want.Needs())
		}
		for i, p := range got.Heads() {
			if q := want.Heads()[i]; p.Namespace != q.Namespace || p.Header != q.Header {
				t.Errorf("%s: namespace %q, header %#x, want %q, %#x", p.Name, p.Namespace, p.Header, q.Namespace, q.Header)
			}
		}
		found, err := blob.DiffPolicy(got, want, blob.DiffOptions{Strict: true})
		if err != nil || len(found) > 0 {
			t.Errorf("%v: %v, %v", got.Names(), found, err)
		}
		for _, k := range []blob.KernelLimits{{}, frameLimits} {
			if err, wantErr := got.Check(k), want.Check(k); (err == nil) != (wantErr == nil) {
				t.Errorf("%v: checked, the error is %v, want %v", got.Names(), err, wantErr)
			}
		}
	}
	check()
	for _, p := range list {
		check(p)
		for _, q := range list {
			check(p, q)
			for _, r := range list {
				check(p, q, r)
			}
		}
	}
	t.Logf("%d joined, %d refused", joined, refused)
	if joined < 50 || refused < 50 {
		t.Error("too few of one kind")
	}
}

// TestJoinChecked joins what frames made, which has been checked for a kernel: it
// is still refused for another one.
func TestJoinChecked(t *testing.T) {
	p := smallPolicy(t, true, true)
	f, err := blob.NewFrame(p, frameLimits)
	if err != nil {
		t.Fatal(err)
	}
	made := func(name string) *blob.Policy {
		t.Helper()
		heads := p.Heads()
		one, two := *heads[0], *heads[1]
		one.Name, two.Name = name, name+"//c"
		q, err := f.Policy([]blob.Extended{{Head: &one}, {Head: &two}})
		if err != nil {
			t.Fatal(err)
		}
		return q
	}
	plain, err := blob.Encode([]*blob.Profile{{Name: "z", Header: 0x00202009}})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		what string
		list []*blob.Policy
		good bool // for the kernel of the frame
	}{
		{"one", []*blob.Policy{made("q")}, true},
		{"two", []*blob.Policy{made("q"), made("r")}, true},
		{"one that is not checked", []*blob.Policy{made("q"), plain}, false},
		{"one that is not checked first", []*blob.Policy{plain, made("q")}, false},
	} {
		q, err := blob.Join(c.list...)
		if err != nil {
			t.Fatal(err)
		}
		if err := q.Check(frameLimits); (err == nil) != c.good {
			t.Errorf("%s: %v for the frame's kernel", c.what, err)
		}
		var refused *blob.KernelError
		if err := q.Check(blob.KernelLimits{}); !errors.As(err, &refused) {
			t.Errorf("%s: %v for a kernel that loads less", c.what, err)
		}
	}
}
