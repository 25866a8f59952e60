// SPDX-License-Identifier: Apache-2.0

package blob_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/goarmor/apparmor/blob"
)

func TestParentName(t *testing.T) {
	for name, want := range map[string]string{
		"p":                "",
		"/usr/bin/p":       "",
		"p//c":             "p",
		"p//c//h":          "p//c",
		"p///bin/c":        "p",
		"/bin/p///bin/c":   "/bin/p",
		"p///bin/c//h":     "p///bin/c",
		"p//c///etc/x/y":   "p//c",
		"p//c/":            "p",
		"/usr//bin":        "/usr",
		"//p":              "",
		":ns:p///bin/c":    ":ns:p",
		"p///bin/c///e//h": "p///bin/c///e",
	} {
		if got := blob.ParentName(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

// TestParentOfPath encodes a child whose name is a path.
func TestParentOfPath(t *testing.T) {
	p, err := blob.Encode([]*blob.Profile{{Name: "p"}, {Name: "p///bin/c"}, {Name: "q///bin/c"}})
	if err != nil {
		t.Fatal(err)
	}
	if needs := p.Needs(); len(needs) != 1 || needs[0] != "q" {
		t.Errorf("it needs %q", needs)
	}
}

// TestInspectAll reads a file that holds the profiles of several namespaces,
// which no kernel takes in one write.
func TestInspectAll(t *testing.T) {
	set := func(namespace string, names ...string) *blob.Policy {
		t.Helper()
		var list []*blob.Profile
		for _, name := range names {
			list = append(list, &blob.Profile{Namespace: namespace, Name: name})
		}
		p, err := blob.Encode(list)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	packed := func(p *blob.Policy) []byte {
		t.Helper()
		data, err := p.AppendCompressed(nil, 3)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	a, none, b := set("a", "x", "x//h"), set("", "x", "y"), set("b", "x")
	for _, tt := range []struct {
		name string
		data []byte
		want []*blob.Policy
		one  string // why Inspect refuses it; empty: it does not
	}{
		{"one namespace", a.Bytes(), []*blob.Policy{a}, ""},
		{"none", none.Bytes(), []*blob.Policy{none}, ""},
		{"two", slices.Concat(a.Bytes(), b.Bytes()), []*blob.Policy{a, b}, `namespace "b" follows namespace "a" in one set; write one set per namespace`},
		{"a name in two", slices.Concat(a.Bytes(), none.Bytes()), []*blob.Policy{a, none}, "the name is that of a profile of another namespace, and a write holds one namespace; write one set per namespace"},
		{"a name in two, none first", slices.Concat(none.Bytes(), a.Bytes()), []*blob.Policy{none, a}, "a write holds one namespace"},
		{"another name", slices.Concat(set("a", "x").Bytes(), set("", "y").Bytes()), []*blob.Policy{set("a", "x"), set("", "y")}, ""},
		{"three, compressed", slices.Concat(packed(a), packed(none), packed(b)), []*blob.Policy{a, none, b}, "write one set per namespace"},
		{"once more", slices.Concat(a.Bytes(), none.Bytes(), set("a", "z").Bytes()), []*blob.Policy{a, none, set("a", "z")}, "a write holds one namespace"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			all, err := blob.InspectAll(tt.data)
			if err != nil {
				t.Fatal(err)
			}
			if len(all) != len(tt.want) {
				t.Fatalf("%d sets, want %d", len(all), len(tt.want))
			}
			for i, p := range all {
				if !bytes.Equal(p.Bytes(), tt.want[i].Bytes()) || p.Digest() != tt.want[i].Digest() {
					t.Errorf("set %d is another one: %v", i, p.Names())
				}
			}
			if d, err := blob.DiffAll(all, tt.want, blob.DiffOptions{}); err != nil || len(d) > 0 {
				t.Errorf("%v %v", d, err)
			}
			_, err = blob.Inspect(tt.data)
			if (err == nil) != (tt.one == "") || err != nil && !strings.Contains(err.Error(), tt.one) {
				t.Errorf("Inspect: %v, want %q", err, tt.one)
			}
		})
	}
	for name, data := range map[string][]byte{
		"nothing":            nil,
		"a name twice":       slices.Concat(a.Bytes(), a.Bytes()),
		"damage after a set": append(slices.Concat(a.Bytes(), b.Bytes()), 0),
	} {
		var e *blob.FormatError
		if all, err := blob.InspectAll(data); !errors.As(err, &e) || all != nil {
			t.Errorf("%s: %v %v", name, all, err)
		}
	}
}

// TestDiffAll compares policies of several namespaces by their full names.
func TestDiffAll(t *testing.T) {
	set := func(namespace, name string, mode blob.Mode) *blob.Policy {
		t.Helper()
		p, err := blob.Encode([]*blob.Profile{{Namespace: namespace, Name: name, Mode: mode}})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	x := []*blob.Policy{set("a", "x", blob.Enforce), set("", "x", blob.Complain), set("b", "x", blob.Enforce)}
	y := []*blob.Policy{set("", "x", blob.Enforce), set("a", "x", blob.Enforce), set("c", "x", blob.Enforce)}
	found, err := blob.DiffAll(x, y, blob.DiffOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, d := range found {
		got = append(got, d.String())
	}
	want := []string{"x: mode: complain | enforce", ":b:x: profile: present | absent", ":c:x: profile: absent | present"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
