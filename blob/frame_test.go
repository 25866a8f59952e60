// SPDX-License-Identifier: Apache-2.0

package blob_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/goarmor/apparmor/blob"
)

// frameLimits is a kernel that loads everything that extensions can have.
var frameLimits = blob.KernelLimits{PermTables: 3, Wide: true, DiffEncode: true}

// smallPolicy is a policy with an automaton of files of four states.
func smallPolicy(tb testing.TB, table, diff bool) *blob.Policy {
	tb.Helper()
	d := &blob.DFA{
		Accept: make([]uint32, 4), Accept2: make([]uint32, 4), Base: make([]uint32, 4), Default: make([]uint32, 4),
		Next: make([]uint32, 300), Check: make([]uint32, 300),
	}
	d.Next['/'], d.Check['/'] = 2, blob.StartState
	d.Next['a'], d.Check['a'] = 3, 2
	db := &blob.PolicyDB{DFA: d, XTable: []string{"b"}}
	if diff {
		d.Flags |= blob.FlagDiff
		d.Base[3] = blob.BaseDiff
		d.Default[3] = 2
	}
	if table {
		db.PermsVersion = 3
		db.Perms = make([]blob.Perm, 4)
		db.Perms[2].Allow = blob.PermRead
		d.Accept[3], d.Accept2[3] = 2, blob.AcceptPair
	}
	class := &blob.DFA{
		Accept: make([]uint32, 2), Accept2: make([]uint32, 2), Base: make([]uint32, 2), Default: make([]uint32, 2),
		Next: make([]uint32, 256), Check: make([]uint32, 256),
	}
	p, err := blob.Encode([]*blob.Profile{{Name: "p", File: db, Policydb: &blob.PolicyDB{DFA: class}}, {Name: "p//c"}})
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

// randomExtension makes an extension, most of which are wrong in some way.
func randomExtension(r *rand.Rand, db *blob.PolicyDB) *blob.Extension {
	d := db.DFA
	n := uint32(len(d.Base))
	rarely := func(usual, other uint32) uint32 {
		if r.IntN(24) == 0 {
			return other
		}
		return usual
	}
	e := &blob.Extension{Flags: d.Flags | blob.FlagDiff*uint16(r.IntN(2)), Len: uint32(len(d.Next)) + uint32(r.IntN(80))}
	added := 1 + uint32(r.IntN(4))
	total := n + added - 1
	number := func() uint32 {
		if i := r.Uint32N(added); i > 0 {
			return n + i - 1
		}
		return blob.StartState
	}
	for range added {
		e.Accept = append(e.Accept, rarely(r.Uint32N(uint32(max(1, len(db.Perms)-1))), r.Uint32()))
		e.Accept2 = append(e.Accept2, rarely(uint32(r.IntN(2)), r.Uint32()))
		base := r.Uint32N(uint32(e.Len) - 255)
		if r.IntN(3) == 0 {
			base |= blob.BaseDiff
		}
		e.Base = append(e.Base, rarely(base, r.Uint32()&^blob.BaseOOB))
		e.Default = append(e.Default, rarely(r.Uint32N(total), total+uint32(r.IntN(2))))
	}
	for _, at := range r.Perm(int(e.Len) - 200)[:r.IntN(12)] {
		e.Slots = append(e.Slots, blob.Slot{At: uint32(at) + 200, Next: rarely(r.Uint32N(total), total+uint32(r.IntN(3))), Check: number()})
	}
	if db.Perms != nil {
		for range r.IntN(3) {
			p := blob.Perm{Allow: r.Uint32()}
			p.Quiet = r.Uint32()
			p.Deny = rarely(0, p.Allow)
			p.XIndex = rarely(0, blob.XTable|r.Uint32N(4))
			e.Perms = append(e.Perms, p)
		}
	}
	switch r.IntN(6) {
	case 0:
		e.XTable = []string{"b", "c"}
	case 1:
		e.XTable = []string{"x", " c"}
	}
	return e
}

// extend makes the profile that an extension of its file automaton stands for.
func extend(p *blob.Profile, e *blob.Extension) *blob.Profile {
	q, db, d := *p, *p.File, *p.File.DFA
	whole := func(list, with []uint32) []uint32 {
		list = slices.Concat(list, with[1:])
		list[blob.StartState] = with[0]
		return list
	}
	more := make([]uint32, int(e.Len)-len(d.Next))
	d.Flags = e.Flags
	d.Accept, d.Accept2 = whole(d.Accept, e.Accept), whole(d.Accept2, e.Accept2)
	d.Base, d.Default = whole(d.Base, e.Base), whole(d.Default, e.Default)
	d.Next, d.Check = slices.Concat(d.Next, more), slices.Concat(d.Check, more)
	for i, s := range d.Check {
		if s == blob.StartState {
			d.Next[i], d.Check[i] = 0, 0
		}
	}
	for _, s := range e.Slots {
		d.Next[s.At], d.Check[s.At] = s.Next, s.Check
	}
	if db.Perms != nil {
		db.Perms = slices.Concat(db.Perms, e.Perms)
	}
	if e.XTable != nil {
		db.XTable = e.XTable
	}
	db.DFA, q.File = &d, &db
	return &q
}

// TestFrameVerdict holds the check of what an extension adds against the full
// check of what comes of it, and the bytes against those that Encode writes.
func TestFrameVerdict(t *testing.T) {
	loaded, refused, unloadable := 0, 0, 0
	for seed := range uint64(40_000) {
		r := rand.New(rand.NewPCG(seed, 1))
		table, diff, limits := r.IntN(2) == 0, r.IntN(2) == 0, frameLimits
		if r.IntN(4) == 0 {
			limits.PermTables, limits.DiffEncode = 0, diff
			table = false
		}
		p := smallPolicy(t, table, diff)
		f, err := blob.NewFrame(p, limits)
		if err != nil {
			t.Fatal(err)
		}
		heads := p.Profiles()
		e := randomExtension(r, heads[0].File)
		head := *heads[0]
		head.Name = "q"
		child := blob.Profile{Name: "q//c"}
		got, err := f.Append([]byte("x"), []blob.Extended{{Head: &head, File: e}, {Head: &child}})
		want, wantErr := blob.Encode([]*blob.Profile{extend(&head, e), &child})
		if wantErr == nil {
			wantErr = want.Check(limits)
		}
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("seed %d: error %v, of the full check %v, for %+v", seed, err, wantErr, e)
		}
		if err != nil {
			refused++
			var format *blob.FormatError
			var kernel *blob.KernelError
			if named := errors.As(err, &format) && format.Profile == "q" || errors.As(err, &kernel) && kernel.Profile == "q"; !named || string(got) != "x" {
				t.Fatalf("seed %d: error %#v, %q", seed, err, got)
			}
			if kernel != nil {
				unloadable++
			}
			continue
		}
		loaded++
		if !bytes.Equal(got[1:], want.Bytes()) {
			t.Fatalf("seed %d: other bytes than those of Encode", seed)
		}
	}
	if loaded < 5000 || refused < 5000 || unloadable < 500 {
		t.Errorf("%d loaded, %d refused, %d of them by what the kernel loads", loaded, refused, unloadable)
	}
}

func TestFramePolicy(t *testing.T) {
	p := smallPolicy(t, false, false)
	f, err := blob.NewFrame(p, frameLimits)
	if err != nil {
		t.Fatal(err)
	}
	heads := p.Profiles()
	q, err := f.Policy([]blob.Extended{{Head: heads[0]}, {Head: heads[1]}})
	if err != nil || !bytes.Equal(q.Bytes(), p.Bytes()) {
		t.Fatalf("the frame itself: %v, other bytes: %t", err, err == nil)
	}
	if err := q.Check(frameLimits); err != nil {
		t.Errorf("it was checked, and is refused: %v", err)
	}
	if h := q.Heads(); len(h) != 2 || h[0].Name != "p" || h[0].File != nil || q.Names()[1] != "p//c" {
		t.Errorf("heads %+v", h)
	}
	if found, err := blob.DiffPolicy(p, q, blob.DiffOptions{Strict: true}); err != nil || len(found) > 0 || q.Profile("p").File.DFA.States() != 4 {
		t.Errorf("differences %v, %v", found, err)
	}
	for name, list := range map[string][]blob.Extended{
		"too few profiles":              {{Head: heads[0]}},
		"no name":                       {{Head: &blob.Profile{}}, {Head: heads[1]}},
		"one name twice":                {{Head: heads[0]}, {Head: heads[0]}},
		"no automaton":                  {{Head: heads[0]}, {Head: heads[1], File: &blob.Extension{}}},
		"fewer targets":                 {{Head: heads[0], File: &blob.Extension{XTable: []string{}}}, {Head: heads[1]}},
		"tables":                        {{Head: heads[0], File: &blob.Extension{Base: []uint32{0}, Len: 300}}, {Head: heads[1]}},
		"fewer slots":                   {{Head: heads[0], File: &blob.Extension{Base: []uint32{0}, Default: []uint32{0}, Accept: []uint32{0}, Accept2: []uint32{0}, Len: 299}}, {Head: heads[1]}},
		"slot of another state":         {{Head: heads[0], File: &blob.Extension{Base: []uint32{0}, Default: []uint32{0}, Accept: []uint32{0}, Accept2: []uint32{0}, Len: 300, Slots: []blob.Slot{{At: 9, Check: 2}}}}, {Head: heads[1]}},
		"slot after the last":           {{Head: heads[0], File: &blob.Extension{Base: []uint32{0}, Default: []uint32{0}, Accept: []uint32{0}, Accept2: []uint32{0}, Len: 300, Slots: []blob.Slot{{At: 300, Check: blob.StartState}}}}, {Head: heads[1]}},
		"head with a member of its own": {{Head: &blob.Profile{Name: "p", Kill: 9}}, {Head: heads[1]}},
	} {
		if q, err := f.Policy(list); err == nil || q != nil {
			t.Errorf("%s: %v, error %v", name, q, err)
		}
	}
	if _, err := blob.NewFrame(smallPolicy(t, true, true), blob.KernelLimits{}); !errors.Is(err, blob.ErrKernel) {
		t.Errorf("another kernel: %v", err)
	}
}

// TestFrameRefuses has automata that extensions are not made for.
func TestFrameRefuses(t *testing.T) {
	for name, change := range map[string]func(*blob.PolicyDB){
		"start":     func(db *blob.PolicyDB) { db.Start = 2 },
		"dfa start": func(db *blob.PolicyDB) { db.DFAStart = 2 },
		"classes": func(db *blob.PolicyDB) {
			db.DFA.EC = make([]byte, 256)
			for i := range db.DFA.EC {
				db.DFA.EC[i] = byte(i)
			}
		},
	} {
		heads := smallPolicy(t, false, false).Profiles()
		q, d := *heads[0], *heads[0].File.DFA
		q.File = &blob.PolicyDB{DFA: &d, XTable: heads[0].File.XTable}
		change(q.File)
		p, err := blob.Encode([]*blob.Profile{&q})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if _, err := blob.NewFrame(p, frameLimits); !errors.Is(err, blob.ErrFrame) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestFrameRaw makes frames of policy that was read, whose tables are taken as they
// are, and of the same policy that was written: both make the same bytes.
func TestFrameRaw(t *testing.T) {
	for seed := range uint64(2000) {
		r := rand.New(rand.NewPCG(seed, 7))
		written := smallPolicy(t, r.IntN(2) == 0, r.IntN(2) == 0)
		data := written.Bytes()
		read, err := blob.InspectShared(data)
		if err != nil {
			t.Fatal(err)
		}
		copied, err := blob.Inspect(data)
		if err != nil {
			t.Fatal(err)
		}
		e := randomExtension(r, written.Heads()[0].File)
		head := *written.Heads()[0]
		head.Name = "q"
		child := blob.Profile{Name: "q//c"}
		made := func(p *blob.Policy) []byte {
			t.Helper()
			f, err := blob.NewFrame(p, frameLimits)
			if err != nil {
				t.Fatal(err)
			}
			out, err := f.Append(nil, []blob.Extended{{Head: &head, File: e}, {Head: &child}})
			if err != nil {
				return []byte(err.Error())
			}
			return out
		}
		want := made(written)
		if !bytes.Equal(made(read), want) || !bytes.Equal(made(copied), want) {
			t.Fatalf("seed %d: other bytes from what was read", seed)
		}
		if !bytes.Equal(read.Bytes(), data) || !bytes.Equal(data, written.Bytes()) {
			t.Fatalf("seed %d: the data is changed", seed)
		}
	}
}
