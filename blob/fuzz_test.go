// SPDX-License-Identifier: Apache-2.0

package blob

import (
	"bytes"
	"errors"
	"io"
	"runtime"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func FuzzInspect(f *testing.F) {
	seeds := [][]*Profile{
		{{Name: "p"}},
		{{Name: "p", File: &PolicyDB{DFA: trivialDFA()}}, {Name: "p//h", Hat: true}},
		{{Namespace: "n", Name: "a"}, {Namespace: "n", Name: ":n://b"}},
		{fullProfile()},
		{{Name: "t", Policydb: tabled(chainDFA("\x02", 1, 0), Perm{Allow: 4, XIndex: XInherit})}},
	}
	for _, s := range seeds {
		p, err := Encode(s)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(p.Bytes())
		f.Add(append([]byte{1, 3, 0, 0, 0, 0, 0, 0}, p.Bytes()...))
		packed, err := p.AppendCompressed(nil, 3)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(packed)
		f.Add(packed[userHeader:])
	}
	f.Add([]byte(zstdMagic))
	f.Add([]byte(plainMagic))
	f.Fuzz(func(t *testing.T, data []byte) {
		before, length := allocated(), len(data)
		packed := compressed(data)
		if packed {
			length = MaxUnpacked
		}
		p, err := Inspect(data)
		if n := allocated() - before; n > 1<<20+256*uint64(length) {
			t.Fatalf("reading %d bytes took %d bytes of memory", len(data), n)
		}
		if (p == nil) != (err != nil) {
			t.Fatalf("policy %v with error %v", p, err)
		}
		if err != nil {
			var format *FormatError
			if !errors.As(err, &format) || format.Err == nil || format.Reason == "" || format.Offset < 0 || format.Offset > length {
				t.Fatalf("error %#v", err)
			}
			_ = err.Error()
			return
		}
		_ = p.Check(KernelLimits{})
		if err := p.Dump(io.Discard, DumpOptions{Perms: true, States: len(data) < 1<<14}); err != nil {
			t.Fatal(err)
		}
		once, err := Encode(p.Profiles())
		if err != nil {
			t.Fatalf("policy that was read is not encoded: %v", err)
		}
		if diff := cmp.Diff(p.Needs(), once.Needs()); diff != "" {
			t.Fatal(diff)
		}
		again, err := Inspect(once.Bytes())
		if err != nil {
			t.Fatalf("encoded policy is refused: %v", err)
		}
		if diff := cmp.Diff(again.Profiles(), once.Profiles()); diff != "" {
			t.Fatal(diff)
		}
		twice, err := Encode(once.Profiles())
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(once.Bytes(), twice.Bytes()) {
			t.Fatal("the second encoding differs from the first")
		}
		d, err := DiffPolicy(p, once, DiffOptions{Strict: true, MaxPairs: 1 << 14})
		if len(d) > 0 {
			t.Fatalf("writing changed the meaning: %v (%v)", d, err)
		}
	})
}

// allocated is how many bytes the process has allocated in all.
func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

// FuzzWalk walks whatever the verifier lets pass, from every state.
func FuzzWalk(f *testing.F) {
	for _, d := range []*DFA{trivialDFA(), chainDFA("/x", 1|4<<10, 3), fullProfile().XMatch.DFA} {
		var w writer
		w.dfa(d)
		f.Add(w.buf[14:], "/x")
	}
	f.Fuzz(func(t *testing.T, data []byte, in string) {
		d, _, bad := decodeDFA(data)
		if bad != nil || d.verify(true) != nil {
			return
		}
		p := &Profile{Name: "p", File: &PolicyDB{DFA: d, XTable: []string{"a"}}}
		n := uint32(d.States())
		for s := uint32(0); s < min(n, 64); s++ {
			for _, next := range []uint32{d.MatchString(s, in), d.StepOOB(s)} {
				if next >= n {
					t.Fatalf("state %d of %d", next, n)
				}
				_ = p.FilePerms(next, true).String()
			}
			if left, _ := d.LeftMatch(s, in); left >= n {
				t.Fatalf("state %d of %d", left, n)
			}
		}
		if s := d.MatchString(TrapState, in); s != TrapState {
			t.Fatalf("the trap leads to state %d", s)
		}
	})
}
