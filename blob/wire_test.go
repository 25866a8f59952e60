// SPDX-License-Identifier: Apache-2.0

package blob

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// encode encodes, and checks that the Policy is what its bytes say.
func encode(t *testing.T, profiles ...*Profile) *Policy {
	t.Helper()
	p, err := Encode(profiles)
	if err != nil {
		t.Fatal(err)
	}
	q, err := Inspect(p.Bytes())
	if err != nil {
		t.Fatalf("encoded policy is refused: %v", err)
	}
	if diff := cmp.Diff(q.Profiles(), p.Profiles()); diff != "" {
		t.Fatalf("encoding changed the profiles: %s", diff)
	}
	return p
}

func TestEncodeKeepsEveryMember(t *testing.T) {
	want := fullProfile()
	p := encode(t, want)
	want.Header = DefaultHeader
	if diff := cmp.Diff([]*Profile{want}, p.Profiles()); diff != "" {
		t.Error(diff)
	}
	again, err := Inspect(p.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(p.Profiles(), again.Profiles()); diff != "" {
		t.Error(diff)
	}
	if d := p.Digest(); again.Digest() != d {
		t.Error("digests differ")
	}
	if !bytes.Contains(p.Bytes(), []byte("\x05\x0a\x00:ns\x00other\x00")) {
		t.Error("the namespace target is not written with an embedded NUL")
	}
}

func TestSmallestProfile(t *testing.T) {
	p := encode(t, &Profile{Name: "p"})
	var w writer
	w.u32("version", 0x00202007)
	w.tag("profile", tagStruct)
	w.str("", "p")
	w.tag("flags", tagStruct)
	w.u32s(0, 0, 0)
	w.tag("", tagStructEnd)
	w.u32s(0, 0, 0, 0)
	w.tag("caps64", tagStruct)
	w.u32s(0, 0, 0, 0)
	w.tag("", tagStructEnd)
	w.tag("", tagStructEnd)
	if diff := cmp.Diff(w.buf, p.Bytes()); diff != "" {
		t.Error(diff)
	}
	q := p.Profile("p")
	if e := q.FilePerms(StartState, true); e != (Effective{}) {
		t.Errorf("a profile without automata grants %v on files", e)
	}
	if q.Mediates(ClassMount) {
		t.Error("a profile without automata mediates mounts")
	}
}

// TestDFALayout compares with the sizes of the smallest automaton that a
// reference parser writes.
func TestDFALayout(t *testing.T) {
	if got := trivialDFA().encodedLen(); got != 1168 {
		t.Errorf("trivial DFA takes %d bytes, want 1168", got)
	}
	for name := range 8 {
		p := &Profile{Name: strings.Repeat("n", name+1), File: &PolicyDB{DFA: trivialDFA()}}
		data := encode(t, p).Bytes()
		at := bytes.Index(data, binary.BigEndian.AppendUint32(nil, dfaMagic))
		if at%8 != 0 {
			t.Errorf("name of %d bytes: the DFA begins at offset %d, not aligned to 8", name+1, at)
		}
	}
}

func TestPaddingIsRelativeToTheProfile(t *testing.T) {
	one := encode(t, &Profile{Name: "b", File: &PolicyDB{DFA: trivialDFA()}})
	two := encode(t, &Profile{Name: "aa"}, &Profile{Name: "b", File: &PolicyDB{DFA: trivialDFA()}})
	if !bytes.HasSuffix(two.Bytes(), one.Bytes()) {
		t.Error("a profile after another one is encoded differently")
	}
}

// TestPaddingIsOptional reads DFAs with any padding that the kernel's formula
// accepts.
func TestPaddingIsOptional(t *testing.T) {
	p := encode(t, &Profile{Name: "p", File: &PolicyDB{DFA: chainDFA("/x", 4, 0)}})
	data := p.Bytes()
	at := bytes.Index(data, []byte("aadfa\x00")) + 7
	size := int(binary.LittleEndian.Uint32(data[at:]))
	dfa := data[at+4+size%8 : at+4+size]
	for pad := range 8 {
		var w writer
		w.buf = append(w.buf, data[:at]...)
		w.buf = binary.LittleEndian.AppendUint32(w.buf, uint32(pad+len(dfa)))
		w.zeros(pad)
		w.buf = append(w.buf, dfa...)
		w.buf = append(w.buf, data[at+4+size:]...)
		q, err := Inspect(w.buf)
		if err != nil {
			t.Errorf("padding of %d: %v", pad, err)
			continue
		}
		if diff := cmp.Diff(p.Profiles(), q.Profiles()); diff != "" {
			t.Errorf("padding of %d: %s", pad, diff)
		}
	}
}

func TestUserHeader(t *testing.T) {
	p := encode(t, &Profile{Name: "p"})
	wrapped := append([]byte{1, 3, 0, 0, 0, 0, 0, 0}, p.Bytes()...)
	q, err := Inspect(wrapped)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(q.Bytes(), p.Bytes()) {
		t.Error("the user header is not removed")
	}
	var format *FormatError
	if _, err := Inspect(wrapped[:len(wrapped)-1]); !errors.As(err, &format) || format.Offset != len(wrapped)-1 {
		t.Errorf("offset of %v is not that of the data given", err)
	}
}

func TestHeadersAndNames(t *testing.T) {
	hat := func(name string) *Profile { return &Profile{Namespace: "n", Name: name, Hat: true} }
	p := encode(t, &Profile{Namespace: "n", Name: "a"}, hat("a//h"), &Profile{Namespace: "n", Name: "b"})
	if n := bytes.Count(p.Bytes(), []byte("namespace\x00")); n != 2 {
		t.Errorf("%d namespace headers, want one for each profile at the top", n)
	}
	if n := bytes.Count(p.Bytes(), []byte("version\x00")); n != 3 {
		t.Errorf("%d version headers, want one a profile", n)
	}
	if diff := cmp.Diff([]string{"a", "a//h", "b"}, p.Names()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(hat("a//h").Namespace, p.Profile("a//h").Namespace); diff != "" {
		t.Error(diff)
	}
	p = encode(t, &Profile{Name: "x//h", Hat: true}, &Profile{Name: "x//g"}, &Profile{Name: "y"}, &Profile{Name: "y//c"}, &Profile{Name: "y//d//e"})
	if diff := cmp.Diff([]string{"x", "y//d"}, p.Needs()); diff != "" {
		t.Error(diff)
	}
}

// TestTextAsProducersDiffer reads optional forms that are not written.
func TestTextAsProducersDiffer(t *testing.T) {
	var w writer
	w.u32("version", 0x00202005|forceComplain)
	w.tag("profile", tagStruct)
	w.label("anything") // an unnamed item may carry any name
	w.str("", "p")
	w.tag("flags", tagStruct)
	w.u32s(1, 0, 7)
	w.tag("", tagStructEnd)
	w.u32s(1, 2, 4, 8)
	w.tag("xtable", tagStruct) // without automaton: dropped
	w.array(1)
	w.str("", ":ns:x")
	w.tag("", tagArrayEnd)
	w.tag("", tagStructEnd)
	w.tag("", tagStructEnd)
	// A second profile without a header inherits the first one's.
	w.tag("profile", tagStruct)
	w.str("", "q")
	w.tag("flags", tagStruct)
	w.u32s(0, 2, 0)
	w.tag("", tagStructEnd)
	w.u32s(0, 0, 0, 0)
	w.tag("", tagStructEnd)
	p, err := Inspect(w.buf)
	if err != nil {
		t.Fatal(err)
	}
	want := []*Profile{
		{Header: 0x00202805, Name: "p", Hat: true, Audit: true, Caps: Caps{Allow: 1, Audit: 2, Quiet: 4}},
		{Header: 0x00202805, Name: "q", Mode: Kill},
	}
	if diff := cmp.Diff(want, p.Profiles()); diff != "" {
		t.Error(diff)
	}
	if m := p.Profiles()[1].EffectiveMode(); m != Complain {
		t.Errorf("mode is %v, the header forces complain", m)
	}
}

func TestNamespaceOfALaterHeader(t *testing.T) {
	a, b := encode(t, &Profile{Name: "a"}), encode(t, &Profile{Namespace: "n", Name: "b"})
	p, err := Inspect(append(a.Bytes(), b.Bytes()...))
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range p.Profiles() {
		if q.Namespace != "n" {
			t.Errorf("profile %s has namespace %q, want that of the later header", q.Name, q.Namespace)
		}
	}
}
