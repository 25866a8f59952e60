// SPDX-License-Identifier: Apache-2.0

package blob_test

import (
	"testing"

	"github.com/goarmor/apparmor/blob"
)

func BenchmarkInspect(b *testing.B) {
	data := libvirtProfile(b, "6.12.107").Bytes()
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := blob.Inspect(data); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncode(b *testing.B) {
	p := libvirtProfile(b, "6.12.107")
	profiles := p.Profiles()
	b.SetBytes(int64(p.Len()))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := blob.Encode(profiles); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDiffEqual(b *testing.B) {
	p := libvirtProfile(b, "6.12.107").Profiles()[0]
	q := libvirtProfile(b, "6.12.107").Profiles()[0]
	b.ReportAllocs()
	for b.Loop() {
		if d, err := blob.Diff(p, q, blob.DiffOptions{}); len(d) > 0 || err != nil {
			b.Fatal(d, err)
		}
	}
}

// BenchmarkDiffLargest compares the largest reference automata of two
// kernels.
func BenchmarkDiffLargest(b *testing.B) {
	var old, table reference
	for _, ref := range references(b) {
		switch {
		case ref.kernel == "6.12" && len(ref.data) > len(old.data):
			old = ref
		case ref.kernel == "7.3" && len(ref.data) > len(table.data):
			table = ref
		}
	}
	p, err := blob.Inspect(old.data)
	if err != nil {
		b.Fatal(err)
	}
	q, err := blob.Inspect(table.data)
	if err != nil {
		b.Fatal(err)
	}
	b.Logf("%s, %d bytes", old.name, len(old.data))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := blob.DiffPolicy(p, q, blob.DiffOptions{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkMatch(b *testing.B) {
	d := libvirtProfile(b, "6.12.107").Profiles()[0].File.DFA
	const path = "/usr/lib/x86_64-linux-gnu/libvirt.so.0"
	b.SetBytes(int64(len(path)))
	b.ReportAllocs()
	for b.Loop() {
		d.MatchString(blob.StartState, path)
	}
}

// BenchmarkDiff50k compares two automata of 50,000 states, each a chain that
// begins again on every byte but one.
func BenchmarkDiff50k(b *testing.B) {
	const n = 50_000
	d := &blob.DFA{Accept: make([]uint32, n), Accept2: make([]uint32, n), Base: make([]uint32, n), Default: make([]uint32, n),
		Next: make([]uint32, n+256), Check: make([]uint32, n+256)}
	for s := uint32(1); s < n; s++ {
		d.Base[s], d.Default[s], d.Accept[s] = s, 1, s%3
		d.Check[s+'a'], d.Next[s+'a'] = s, min(s+1, n-1)
	}
	p, err := blob.Encode([]*blob.Profile{{Name: "p", File: &blob.PolicyDB{DFA: d}}})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if ok, err := blob.Equal(p.Profiles()[0], p.Profiles()[0]); !ok || err != nil {
			b.Fatal(err)
		}
	}
}
