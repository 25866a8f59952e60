// SPDX-License-Identifier: Apache-2.0

package blob

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// refused checks that an error is a *FormatError of the kind, the error number
// and with the words wanted.
func refused(t *testing.T, err error, kind error, errno Errno, words string) {
	t.Helper()
	var f *FormatError
	if !errors.As(err, &f) {
		t.Fatalf("error is %v, want a *FormatError of kind %q", err, kind)
	}
	if !errors.Is(err, kind) {
		t.Errorf("%v: kind is %q, want %q", err, f.Err, kind)
	}
	if f.Errno != errno {
		t.Errorf("%v: errno is %v, want %v", err, f.Errno, errno)
	}
	if !strings.Contains(err.Error(), words) {
		t.Errorf("%v does not say %q", err, words)
	}
}

// damagedTable is one way to break an automaton and what is then said.
type damagedTable struct {
	name   string
	damage func(*DFA)
	words  string
}

// apply returns a broken automaton.
func (t damagedTable) apply() *DFA {
	d := chainDFA("/x", 4, 0)
	t.damage(d)
	return d
}

// damagedTables lists everything that the kernel's verifier looks for, and at
// the end what only this package does.
func damagedTables() []damagedTable {
	diff := func(d *DFA, states ...int) {
		d.Flags |= FlagDiff
		for _, s := range states {
			d.Base[s] |= BaseDiff
		}
	}
	return []damagedTable{
		{"no DEF", func(d *DFA) { d.Default = nil }, "table DEF is empty"},
		{"no BASE", func(d *DFA) { d.Base = []uint32{} }, "table BASE is empty"},
		{"no NXT", func(d *DFA) { d.Next = nil }, "table NXT is empty"},
		{"no CHK", func(d *DFA) { d.Check = nil }, "table CHK is empty"},
		{"no ACCEPT", func(d *DFA) { d.Accept = nil }, "table ACCEPT is empty"},
		{"no ACCEPT2", func(d *DFA) { d.Accept2 = nil }, "table ACCEPT2 is missing"},
		{"ACCEPT short", func(d *DFA) { d.Accept = d.Accept[1:] }, "table ACCEPT has 3 entries and BASE has 4"},
		{"ACCEPT2 short", func(d *DFA) { d.Accept2 = d.Accept2[1:] }, "table ACCEPT2 has 3 entries and BASE has 4"},
		{"DEF short", func(d *DFA) { d.Default = d.Default[1:] }, "table DEF has 3 entries and BASE has 4"},
		{"CHK short", func(d *DFA) { d.Check = d.Check[:1000] }, "table NXT has 1024 entries and CHK has 1000"},
		{"EC short", func(d *DFA) { d.EC = make([]byte, 255) }, "table EC has 255 entries"},
		{"EC long", func(d *DFA) { d.EC = make([]byte, 257) }, "table EC has 257 entries"},
		{"one state", func(d *DFA) {
			d.Accept, d.Accept2, d.Base, d.Default = d.Accept[:1], d.Accept2[:1], d.Base[:1], d.Default[:1]
		}, "no start state"},
		{"header flags", func(d *DFA) { d.Flags = 4 }, "unknown DFA header flags 0x4"},
		{"default out of range", func(d *DFA) { d.Default[2] = 4 }, "state 2: default 4 is not one of the 4 states"},
		{"base out of range", func(d *DFA) { d.Base[3] = 1024 - 255 }, "state 3: base 769 + 255 is past the 1024 slots"},
		{"reserved bit 30", func(d *DFA) { d.Base[2] |= 1 << 30 }, "reserved bits"},
		{"reserved bit 28", func(d *DFA) { d.Base[2] |= 1 << 28 }, "reserved bits"},
		{"reserved bit 24", func(d *DFA) { d.Base[2] |= 1 << 24 }, "reserved bits"},
		{"diff without flag", func(d *DFA) { d.Base[2] |= BaseDiff }, "state 2 is differentially encoded, but the DFA header does not say so"},
		{"oob without flag", func(d *DFA) { d.Base[2] |= BaseOOB }, "state 2 has an out-of-band transition, but the DFA header does not say so"},
		{"oob at base 0", func(d *DFA) { d.Flags = FlagOOB; d.Base[2] = BaseOOB }, "state 2 has an out-of-band transition and base 0"},
		{"NXT out of range", func(d *DFA) { d.Next[700] = 4 }, "slot 700: NXT 4"},
		{"CHK out of range", func(d *DFA) { d.Check[700] = 4 }, "CHK 4"},
		{"self default", func(d *DFA) { diff(d, 2); d.Default[2] = 2 }, "loops at state 2"},
		{"diff loop", func(d *DFA) { diff(d, 2, 3); d.Default[2], d.Default[3] = 3, 2 }, "loops"},
		{"diff loop by a tail", func(d *DFA) {
			diff(d, 1, 2, 3)
			d.Default[1], d.Default[2], d.Default[3] = 2, 3, 2
		}, "loops"},
		{"trap with default", func(d *DFA) { d.Default[0] = 1 }, "state 0 is not a trap"},
		{"trap with slot", func(d *DFA) { d.Next['a'] = 1 }, "byte 0x61 leads to state 1"},
	}
}

func TestRefusedTables(t *testing.T) {
	for _, tt := range damagedTables() {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Encode([]*Profile{{Name: "p", File: &PolicyDB{DFA: tt.apply()}}})
			refused(t, err, ErrDFA, EPROTO, tt.words)
		})
	}
}

// TestAcceptedChains checks that chains of differentially encoded states which
// end are accepted, in whatever order the states have.
func TestAcceptedChains(t *testing.T) {
	for _, defaults := range [][4]uint32{{0, 2, 3, 0}, {0, 0, 1, 2}, {0, 3, 1, 0}, {0, 3, 3, 0}} {
		d := chainDFA("/x", 4, 0)
		d.Flags = FlagDiff
		for s := 1; s < 4; s++ {
			d.Base[s] |= BaseDiff
			d.Default[s] = defaults[s]
		}
		if _, err := Encode([]*Profile{{Name: "p", File: &PolicyDB{DFA: d}}}); err != nil {
			t.Errorf("defaults %v: %v", defaults, err)
		}
	}
}

// TestRefusedBlobs damages the bytes of an automaton where values cannot say
// what is wrong.
func TestRefusedBlobs(t *testing.T) {
	good := func() []byte {
		w := writer{}
		w.dfa(trivialDFA())
		return w.buf[14+int(-14&7):]
	}
	const accept, def, next = 24, 24 + 3*24, 24 + 3*24 + 16
	put16 := func(at int, v uint16) func([]byte) []byte {
		return func(b []byte) []byte { binary.BigEndian.PutUint16(b[at:], v); return b }
	}
	put32 := func(at int, v uint32) func([]byte) []byte {
		return func(b []byte) []byte { binary.BigEndian.PutUint32(b[at:], v); return b }
	}
	tests := []struct {
		name   string
		damage func([]byte) []byte
		words  string
	}{
		{"good", func(b []byte) []byte { return b }, ""},
		{"short header", func(b []byte) []byte { return b[:8] }, "no room for the DFA header"},
		{"header alone", func(b []byte) []byte { return b[:24] }, "table BASE is missing"},
		{"magic", put32(0, 0x1b5e783e), "DFA magic is 1b5e783e"},
		{"header size small", put32(4, 8), "DFA header size 8"},
		{"header size large", put32(4, 1<<31), "DFA header size 2147483648"},
		{"flags", put16(12, 8), "unknown DFA header flags 0x8"},
		{"total size does not matter", put32(8, 1), ""},
		{"version text does not matter", func(b []byte) []byte { b[14] = 'X'; return b }, ""},
		{"table id 0", put16(accept, 0), "unknown table with id 0"},
		{"table id 6", put16(accept, 6), "unknown table with id 6"},
		{"table id 9", put16(accept, 9), "unknown table with id 9"},
		{"table twice", put16(accept+24, 1), "table ACCEPT appears twice"},
		{"ACCEPT of 16 bits", put16(accept+2, 2), "table ACCEPT has elements of size 2"},
		{"DEF of 8 bits", put16(def+2, 1), "table DEF has elements of size 1"},
		{"DEF of 64 bits", put16(def+2, 8), "table DEF has elements of size 8"},
		{"EC of 16 bits", func(b []byte) []byte { put16(def, 5)(b); return b }, "table EC has elements of size 2"},
		{"no entries", put32(accept+8, 0), "table ACCEPT is empty"},
		{"too many entries", put32(next+8, 1<<31), "runs past the end"},
		{"entries beyond the padding", put32(next+528+8, 259), "runs past the end"},
		{"trailing zeros", func(b []byte) []byte { return append(b, make([]byte, 8)...) }, "8 bytes are left, which is less than the head of a table"},
		{"trailing table", func(b []byte) []byte { return append(b, make([]byte, 16)...) }, "unknown table with id 0"},
		{"truncated", func(b []byte) []byte { return b[:len(b)-8] }, "runs past the end"},
		{"other order of tables", func(b []byte) []byte {
			b = append(b, b[accept:accept+24]...)
			return append(b[:accept], b[accept+24:]...)
		}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := tt.damage(good())
			_, err := Inspect(withDFA(b))
			if tt.words == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			refused(t, err, ErrDFA, EPROTO, tt.words)
		})
	}
	_, err := Inspect(withDFA(nil))
	refused(t, err, ErrDFA, 0, "no room for the DFA header")
}

// withDFA returns a profile whose file automaton is the blob.
func withDFA(b []byte) []byte {
	return stream(func(w *writer) { w.blob("aadfa", b) })
}

// stream returns a profile whose file members are what the function writes.
func stream(file func(*writer)) []byte {
	var w writer
	w.u32("version", DefaultHeader)
	w.tag("profile", tagStruct)
	w.str("", "p")
	w.flags(&Profile{})
	w.caps(&Caps{})
	file(&w)
	w.tag("", tagStructEnd)
	return w.buf
}

// TestRefusedPerms breaks each rule on permissions.
func TestRefusedPerms(t *testing.T) {
	entry := func(p Perm) func(*PolicyDB) { return func(db *PolicyDB) { db.Perms[1] = p } }
	tests := []struct {
		name   string
		damage func(*PolicyDB)
		words  string
	}{
		{"allow and deny", entry(Perm{Allow: 6, Deny: 4}), "allow 0x6 and deny 0x4 overlap"},
		{"subtree", entry(Perm{Allow: 4, Subtree: 2}), "subtree 0x2 is not within allow"},
		{"cond and allow", entry(Perm{Allow: 4, Cond: 4}), "cond 0x4 overlaps"},
		{"cond and deny", entry(Perm{Deny: 4, Cond: 4}), "cond 0x4 overlaps"},
		{"kill and allow", entry(Perm{Allow: 4, Kill: 4}), "kill 0x4 and allow 0x4 overlap"},
		{"complain and allow", entry(Perm{Allow: 4, Complain: 4}), "complain 0x4 overlaps"},
		{"complain and deny", entry(Perm{Deny: 4, Complain: 4}), "complain 0x4 overlaps"},
		{"prompt and allow", entry(Perm{Allow: 4, Prompt: 4}), "prompt 0x4 overlaps"},
		{"prompt and deny", entry(Perm{Deny: 4, Prompt: 4}), "prompt 0x4 overlaps"},
		{"complain and prompt", entry(Perm{Complain: 4, Prompt: 4}), "complain 0x4 and prompt 0x4 overlap"},
		{"hide and allow", entry(Perm{Allow: 4, Hide: 4}), "hide 0x4 and allow 0x4 overlap"},
		{"xindex", entry(Perm{Allow: 1, XIndex: XTable | 1}), "exec index 1 is past the 1 entries"},
		{"xindex without exec", entry(Perm{XIndex: XTable | 9}), "exec index 9 is past the 1 entries"},
		{"tag", entry(Perm{Tag: 1}), "tag 1 without tag sets"},
		{"label", entry(Perm{Label: 1}), "label 1 is past the 1 entries"},
		{"accept index", func(db *PolicyDB) { db.DFA.Accept[2] = 2 }, "state 2: index 2 is past the 2 permission entries"},
		{"accept pair", func(db *PolicyDB) {
			db.PermsVersion = 3
			db.DFA.Accept2 = []uint32{0, 0, 0, 1}
		}, "state 3: index 2 is past the 2 permission entries"},
		{"no entries", func(db *PolicyDB) { db.Perms = []Perm{} }, "past the 0 permission entries"},
		{"old exec index", func(db *PolicyDB) {
			db.Perms, db.DFA.Accept2 = nil, make([]uint32, 4)
			db.DFA.Accept[3] = 1 | 5<<10
		}, "state 3: exec index 1 is past the 1 entries"},
		{"old exec index of others", func(db *PolicyDB) {
			db.Perms, db.DFA.Accept2 = nil, make([]uint32, 4)
			db.DFA.Accept[3] = 15 << 24
		}, "state 3: exec index 11 is past the 1 entries"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			db := tabled(chainDFA("/x", 1, 0), Perm{Allow: 5, XIndex: XTable})
			db.XTable = []string{"target"}
			if _, err := Encode([]*Profile{{Name: "p", File: db}}); err != nil {
				t.Fatalf("before: %v", err)
			}
			tt.damage(db)
			_, err := Encode([]*Profile{{Name: "p", File: db}})
			refused(t, err, ErrPerms, EPROTO, tt.words)
		})
	}
	t.Run("ACCEPT2 without permsv", func(t *testing.T) {
		db := tabled(chainDFA("/x", 1, 0), Perm{Allow: 4})
		db.DFA.Accept2 = make([]uint32, 4)
		_, err := Encode([]*Profile{{Name: "p", File: db}})
		refused(t, err, ErrDFA, EPROTO, "ACCEPT2 is present with a permission table but without permsv")
		db.PermsVersion = 2
		_, err = Encode([]*Profile{{Name: "p", File: db}})
		refused(t, err, ErrDFA, EPROTO, "ACCEPT2 is present with a permission table but without permsv")
		db.PermsVersion, db.DFA.Accept2 = 3, nil
		_, err = Encode([]*Profile{{Name: "p", File: db}})
		refused(t, err, ErrDFA, EPROTO, "table ACCEPT2 is missing")
	})
	t.Run("policydb has no exec", func(t *testing.T) {
		// An exec index in a file's ACCEPT is not one in a policydb's.
		if _, err := Encode([]*Profile{{Name: "p", Policydb: &PolicyDB{DFA: chainDFA("\x0e", 15<<24, 0)}}}); err != nil {
			t.Error(err)
		}
	})
}

// TestRefusedSets looks at profiles together.
func TestRefusedSets(t *testing.T) {
	named := func(names ...string) []*Profile {
		var list []*Profile
		for _, name := range names {
			list = append(list, &Profile{Name: name})
		}
		return list
	}
	in := func(namespace string, list []*Profile) []*Profile {
		for _, p := range list {
			p.Namespace = namespace
		}
		return list
	}
	tests := []struct {
		name     string
		profiles []*Profile
		kind     error
		errno    Errno
		words    string
	}{
		{"duplicate", named("a", "b", "a"), ErrDuplicate, 0, `profile "a", name: the set already has a profile of this name`},
		{"duplicate by spelling", named(":n:a", ":n://a"), ErrDuplicate, 0, "already"},
		{"duplicate hat", named("a", "a//h", "a//h"), ErrDuplicate, 0, "already"},
		{"parent last", named("a//h", "a"), ErrParent, ENOENT, "the parent comes after its child"},
		{"mixed namespaces", named(":n:a", ":m:b"), ErrNamespace, EACCES, "mixed namespaces"},
		{"namespace of the second profile", named("a", ":m:b"), ErrNamespace, EACCES, "mixed namespaces"},
		{"namespaces of header and name", in("n", named(":m:b")), ErrNamespace, EACCES, "mixed namespaces"},
		{"nested in name", named(":n//m:b"), ErrNamespace, EACCES, "nested"},
		{"nested in header", in("n//m", named("b")), ErrNamespace, EACCES, "nested"},
		{"namespace alone", named(":n:"), ErrName, EPROTO, "the name is empty"},
		{"namespace alone without colon", named(":n"), ErrName, EPROTO, "the name is empty"},
		{"empty namespace", named("::a"), ErrName, EPROTO, "namespace in the name is empty"},
		{"blank", named(" "), ErrName, EPROTO, "the name is empty"},
		{"empty", named(""), ErrName, EPROTO, "the name is empty"},
		{"too long", named(strings.Repeat("x", 254)), ErrName, ENAMETOOLONG, "256 of 255 bytes"},
		{"hat too long", named("a", "a//"+strings.Repeat("x", 254)), ErrName, ENAMETOOLONG, "too long"},
		{"NUL", named("a\x00b"), ErrName, 0, "NUL"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Encode(tt.profiles)
			refused(t, err, tt.kind, tt.errno, tt.words)
		})
	}
	for _, ok := range [][]*Profile{
		named(strings.Repeat("x", 253)),
		named(strings.Repeat("(", 300)), // left out of the file name
		named("a", "a//"+strings.Repeat("x", 253), strings.Repeat("x", 253)),
		named(":n:a", "b", ":n:a//h"),
		in("n", named(":n:a", "b")),
	} {
		if _, err := Encode(ok); err != nil {
			t.Errorf("%q: %v", ok[0].Name, err)
		}
	}
	if _, err := Encode(append(in("n", named("a")), named("b")...)); !errors.Is(err, ErrNamespace) {
		t.Errorf("profiles of two namespaces: %v, want ErrNamespace", err)
	}
	if _, err := Encode(nil); err == nil {
		t.Error("an empty list of profiles is encoded")
	}
}

// TestRefusedMembers leaves out, misplaces and overstates members.
func TestRefusedMembers(t *testing.T) {
	type step func(*writer)
	version := func(v uint32) step { return func(w *writer) { w.u32("version", v) } }
	begin := func(w *writer) { w.tag("profile", tagStruct); w.str("", "p") }
	flags := func(mode uint32) step {
		return func(w *writer) {
			w.tag("flags", tagStruct)
			w.u32s(0, mode, 0)
			w.tag("", tagStructEnd)
		}
	}
	caps := func(w *writer) { w.u32s(0, 0, 0, 0) }
	end := func(w *writer) { w.tag("", tagStructEnd) }
	endArray := func(w *writer) { w.tag("", tagArrayEnd) }
	open := func(name string) step { return func(w *writer) { w.tag(name, tagStruct) } }
	u32 := func(name string, v uint32) step { return func(w *writer) { w.u32(name, v) } }
	str := func(name, s string) step { return func(w *writer) { w.str(name, s) } }
	array := func(n int) step { return func(w *writer) { w.array(n) } }
	dfa := func(w *writer) { w.dfa(trivialDFA()) }
	raw := func(s string) step { return func(w *writer) { w.buf = append(w.buf, s...) } }
	u8 := func(w *writer) { w.u8(1) }
	v := version(DefaultHeader)
	list := func(steps ...any) []step {
		var all []step
		for _, s := range steps {
			switch s := s.(type) {
			case step:
				all = append(all, s)
			case func(*writer):
				all = append(all, s)
			case []step:
				all = append(all, s...)
			}
		}
		return all
	}
	body := func(steps ...any) []step { return list(v, begin, flags(0), caps, list(steps...), end) }
	perms := func(version uint32, n, words int) []step {
		return list(open("perms"), u32("version", version), array(n), func(w *writer) {
			for range words {
				w.u32("", 0)
			}
		}, endArray, end)
	}
	xtable := func(targets ...string) []step {
		return list(dfa, open("xtable"), array(len(targets)), func(w *writer) {
			for _, s := range targets {
				w.str("", s)
			}
		}, endArray, end)
	}
	rlimits := func(n, have int) []step {
		return list(open("rlimits"), u32("", 1), array(n), func(w *writer) {
			for range have {
				w.u64(1)
			}
		}, endArray, end)
	}
	const (
		families = "\x04\x0f\x00net_allowed_af\x00\x0b"
		masks    = "\x01\xff\xff\x01\x00\x00\x01\x00\x00" // of one family
	)
	tests := []struct {
		name  string
		steps []step
		kind  error
		errno Errno
		words string // empty: accepted
	}{
		{"good", body(), nil, 0, ""},
		{"nothing", nil, ErrSyntax, EINVAL, "no data"},
		{"no version", list(begin, flags(0), caps, end), ErrSyntax, EPROTONOSUPPORT, "the version header is missing; found NAME \"profile\" STRUCT"},
		{"version of U16", list(raw("\x04\x08\x00version\x00\x01\x07\x20"), begin, flags(0), caps, end), ErrSyntax, EPROTONOSUPPORT, "version header is missing"},
		{"abi 4", list(version(0x00202004), begin, flags(0), caps, end), ErrVersion, EPROTONOSUPPORT, "kernel ABI 4"},
		{"abi 10", list(version(10), begin, flags(0), caps, end), ErrVersion, EPROTONOSUPPORT, "kernel ABI 10"},
		{"abi 5", list(version(5), begin, flags(0), caps, end), nil, 0, ""},
		{"abi 9", list(version(9), begin, flags(0), caps, end), nil, 0, ""},
		{"ignored bits of version", list(version(0xf0000407), begin, flags(0), caps, end), nil, 0, ""},
		{"version alone", list(v), ErrSyntax, EPROTO, "the profile struct is missing; found the end of the data"},
		{"empty namespace", list(v, str("namespace", ""), begin, flags(0), caps, end), ErrNamespace, EPROTONOSUPPORT, "the namespace is empty"},
		{"two namespaces", list(v, str("namespace", "a"), begin, flags(0), caps, end, v, str("namespace", "b"), open("profile"), str("", "q"), flags(0), caps, end),
			ErrNamespace, EPROTONOSUPPORT, `namespace "b" follows namespace "a"`},
		{"no name", list(v, open("profile"), flags(0), caps, end), ErrSyntax, EPROTO, "name is missing"},
		{"name not terminated", list(v, open("profile"), raw("\x05\x01\x00p"), flags(0), caps, end), ErrSyntax, EPROTO, "name is missing"},
		{"name of length 0", list(v, open("profile"), raw("\x05\x00\x00"), flags(0), caps, end), ErrSyntax, EPROTO, "name is missing"},
		{"no flags", list(v, begin, caps, end), ErrSyntax, EPROTO, "the flags struct is missing"},
		{"flags short", list(v, begin, open("flags"), u32("", 0), u32("", 0), end, caps, end), ErrSyntax, EPROTO, "flags words"},
		{"flags long", list(v, begin, open("flags"), u32("", 0), u32("", 0), u32("", 0), u32("", 0), end, caps, end), ErrSyntax, EPROTO, "end of the flags struct"},
		{"mode 4", list(v, begin, flags(4), caps, end), nil, 0, ""},
		{"mode 5", list(v, begin, flags(5), caps, end), ErrValue, EPROTO, "mode 5"},
		{"rename after attach", list(v, begin, str("attach", "a"), str("rename", "r"), flags(0), caps, end), ErrSyntax, EPROTO, `found NAME "rename" STRING`},
		{"kill 0", list(v, begin, u32("kill", 0), flags(0), caps, end), ErrValue, EPROTO, "signal 0"},
		{"kill 35", list(v, begin, u32("kill", 35), flags(0), caps, end), nil, 0, ""},
		{"kill 36", list(v, begin, u32("kill", 36), flags(0), caps, end), ErrValue, EPROTO, "signal 36"},
		{"kill before disconnected", list(v, begin, u32("kill", 9), str("disconnected", "/d"), flags(0), caps, end), ErrSyntax, EPROTO, "the flags struct is missing"},
		{"xmatch without length", list(v, begin, dfa, flags(0), caps, end), ErrSyntax, EPROTO, "the length that goes with the xmatch DFA"},
		{"length without xmatch", list(v, begin, u32("", 3), flags(0), caps, end), ErrSyntax, EPROTO, "the flags struct is missing"},
		{"unknown member", body(u32("novelty", 1)), ErrSyntax, EPROTO, `the end of the profile struct is missing; found NAME "novelty" U32`},
		{"three capability words", list(v, begin, flags(0), u32("", 0), u32("", 0), u32("", 0), end), ErrSyntax, EPROTO, "capability words"},
		{"caps64 short", body(open("caps64"), u32("", 0), u32("", 0), u32("", 0), end), ErrSyntax, EPROTO, "upper capability words"},
		{"caps64 long", body(open("caps64"), u32("", 0), u32("", 0), u32("", 0), u32("", 0), u32("", 0), end), ErrSyntax, EPROTO, "end of the caps64"},
		{"capsx short", body(open("capsx"), u32("", 0), end), ErrSyntax, EPROTO, "extended capability words"},
		{"capsx without low", body(open("capsx"), str("", "x"), u32("", 0), end), ErrSyntax, EPROTO, "extended capability words"},
		{"capsx long", body(open("capsx"), u32("", 0), u32("", 0), u32("", 0), end), ErrSyntax, EPROTO, "end of the capsx"},
		{"xattrs short", body(open("xattrs"), array(2), str("", "user.a"), endArray, end), ErrSyntax, EPROTO, "string 1 of 2"},
		{"xattrs long", body(open("xattrs"), array(0), str("", "user.a"), endArray, end), ErrSyntax, EPROTO, "end of the array"},
		{"xattrs NUL", body(open("xattrs"), array(1), str("", "user\x00a"), endArray, end), ErrValue, EPROTO, "holds a NUL byte"},
		{"xattrs leading NUL", body(open("xattrs"), array(1), str("", "\x00a"), endArray, end), ErrValue, EPROTO, "holds a NUL byte"},
		{"xattrs open", body(open("xattrs"), array(0), endArray), ErrSyntax, EPROTO, ""},
		{"rlimits 16", body(rlimits(16, 16)), nil, 0, ""},
		{"rlimits 17", body(rlimits(17, 17)), ErrValue, EPROTO, "17 limits are more than 16"},
		{"rlimits short", body(rlimits(4, 3)), ErrSyntax, EPROTO, "limit 3 of 4"},
		{"rlimits long", body(rlimits(3, 4)), ErrSyntax, EPROTO, "end of the array"},
		{"rlimits without mask", body(open("rlimits"), array(0), endArray, end), ErrSyntax, EPROTO, "the mask is missing"},
		{"rlimits before xattrs", body(rlimits(0, 0), open("xattrs"), array(0), endArray, end), ErrSyntax, EPROTO, `found NAME "xattrs"`},
		{"secmark short", body(open("secmark"), array(1), endArray, end), ErrSyntax, EPROTO, "secmark 0 of 1"},
		{"secmark without audit", body(open("secmark"), array(1), u32("", 0), u8, str("", "l"), endArray, end), ErrSyntax, EPROTO, "secmark 0 of 1"},
		{"secmark without deny", body(open("secmark"), array(1), u8, str("", "l"), endArray, end), ErrSyntax, EPROTO, "secmark 0 of 1"},
		{"secmark without label", body(open("secmark"), array(1), u8, u8, u32("", 0), endArray, end), ErrSyntax, EPROTO, "secmark 0 of 1"},
		{"secmark", body(open("secmark"), array(1), u8, u8, str("", "l"), endArray, end), nil, 0, ""},
		{"families short", body(raw(families+"\x01\x00"), endArray), ErrSyntax, EPROTO, "mask of family 0 of 1"},
		{"families without allow", body(raw(families+"\x01\x00\x00\xff"+masks[3:]), endArray), ErrSyntax, EPROTO, "mask of family 0 of 1"},
		{"families without audit", body(raw(families+"\x01\x00"+masks[:3]+"\x00\xff"+masks[6:]), endArray), ErrSyntax, EPROTO, "mask of family 0 of 1"},
		{"families without quiet", body(raw(families+"\x01\x00"+masks[:6]+"\x00\xff"), endArray), ErrSyntax, EPROTO, "mask of family 0 of 1"},
		{"families long", body(raw(families+"\x01\x00"+masks+masks), endArray), ErrSyntax, EPROTO, "end of the array"},
		{"families empty", body(raw(families + "\x00\x00")), nil, 0, ""},
		{"families before secmark", body(raw(families+"\x01\x00"+masks), endArray, open("secmark"), array(0), endArray, end), ErrSyntax, EPROTO, `found NAME "secmark"`},
		{"secmark long", body(open("secmark"), array(0), func(w *writer) { w.u8(0) }, endArray, end), ErrSyntax, EPROTO, "end of the array"},
		{"policydb without DFA", body(open("policydb"), end), ErrSyntax, EPROTO, "the DFA is missing"},
		{"policydb not closed", body(open("policydb"), dfa, u32("novelty", 1), end), ErrSyntax, EPROTO, "end of the policydb struct"},
		{"file before policydb", body(dfa, open("policydb"), dfa, end), ErrSyntax, EPROTO, `found NAME "policydb" STRUCT`},
		{"tags", body(open("tags"), end, dfa), ErrUnknown, 0, "tag sets"},
		{"perms version 0", body(perms(0, 1, 14), dfa), ErrPerms, EPROTO, "version 0 is not 1"},
		{"perms version 2", body(perms(2, 1, 14), dfa), ErrPerms, EPROTO, "version 2 is not 1"},
		{"perms short", body(perms(1, 2, 27), dfa), ErrSyntax, EPROTO, "word 13 of entry 1 of 2"},
		{"perms long", body(perms(1, 1, 15), dfa), ErrSyntax, EPROTO, "end of the array"},
		{"perms claim", body(perms(1, 65535, 14)), ErrSyntax, EPROTO, "word 0 of entry 1 of 65535"},
		{"perms without DFA", body(perms(1, 1, 14)), ErrSyntax, EPROTO, "the DFA that goes with the permission table"},
		{"permsv without perms", body(u32("permsv", 3), dfa), ErrSyntax, EPROTO, `found NAME "permsv" U32`},
		{"start", body(dfa, u32("start", 1)), nil, 0, ""},
		{"start out of range", body(dfa, u32("start", 2)), ErrDFA, EPROTO, "start state 2 is not one of the 2 states"},
		{"dfa_start out of range", body(dfa, u32("dfa_start", 2)), ErrDFA, EPROTO, "start state 2"},
		{"start is the trap", body(dfa, u32("start", 0)), ErrDFA, 0, "start is the trap"},
		{"start after xtable", body(xtable("a"), u32("start", 1)), ErrSyntax, EPROTO, `found NAME "start" U32`},
		{"xtable", body(xtable("a", "&b", ":n\x00c", ":n:c", "")), nil, 0, ""},
		{"xtable short", body(dfa, open("xtable"), array(1), endArray, end), ErrSyntax, EPROTO, "string 0 of 1"},
		{"xtable long", body(dfa, open("xtable"), array(0), str("", "x"), endArray, end), ErrSyntax, EPROTO, "end of the array"},
		{"xtable leading blank", body(xtable(" a")), ErrXTable, EPROTO, "begins or ends with a blank"},
		{"xtable trailing blank", body(xtable("a\t")), ErrXTable, EPROTO, "begins or ends with a blank"},
		{"xtable trailing letter", body(xtable("l\u00e0")), nil, 0, ""}, // ends in byte a0
		{"xtable NUL", body(xtable("a\x00b")), ErrXTable, EPROTO, "NUL"},
		{"xtable two NULs", body(xtable(":a\x00b\x00c")), ErrXTable, EPROTO, "more than one NUL"},
		{"xtable no namespace", body(xtable(":\x00b")), ErrXTable, EPROTO, "names no namespace"},
		{"xtable colon", body(xtable(":")), ErrXTable, EPROTO, "names no namespace"},
		{"data", body(open("data"), str("", "k"), func(w *writer) { w.blob("", []byte("v")) }, end), nil, 0, ""},
		{"data without value", body(open("data"), str("", "k"), end), ErrSyntax, EPROTO, "the value of key"},
		{"data twice", body(open("data"), str("", "k"), func(w *writer) { w.blob("", nil) }, str("", "k"), func(w *writer) { w.blob("", nil) }, end), ErrValue, EPROTO, "appears twice"},
		{"data not closed", body(open("data"), u32("", 1), end), ErrSyntax, EPROTO, "end of the data struct"},
		{"not closed", list(v, begin, flags(0), caps), ErrSyntax, EPROTO, "end of the profile struct"},
		{"trailing byte", append(body(), raw("\x00")), ErrTrailing, EPROTO, "not a profile"},
		{"trailing tag", append(body(), end), ErrTrailing, EPROTO, "STRUCTEND"},
		{"trailing header", append(body(), v), ErrSyntax, EPROTO, "the profile struct is missing"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var w writer
			for _, s := range tt.steps {
				s(&w)
			}
			p, err := Inspect(w.buf)
			if tt.kind == nil {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if p != nil {
				t.Error("a policy comes with the error")
			}
			refused(t, err, tt.kind, tt.errno, tt.words)
		})
	}
}

// TestRefusedTruncations cuts a stream with every member at every byte.
func TestRefusedTruncations(t *testing.T) {
	data := encode(t, fullProfile()).Bytes()
	for n := range len(data) {
		p, err := Inspect(data[:n])
		var f *FormatError
		if p != nil || !errors.As(err, &f) {
			t.Fatalf("%d of %d bytes: %v, %v", n, len(data), p, err)
		}
		if f.Offset > n {
			t.Fatalf("%d of %d bytes: offset %d lies after them", n, len(data), f.Offset)
		}
	}
}

// TestTooLarge gives Encode what has no room in the format.
func TestTooLarge(t *testing.T) {
	narrow := trivialDFA()
	narrow.Next[1] = 1 << 16
	tests := []struct {
		name    string
		profile Profile
		words   string
	}{
		{"string", Profile{Attach: strings.Repeat("x", 65535)}, "string is longer"},
		{"array", Profile{Xattrs: make([]string, 65536)}, "more than 65535 items"},
		{"entry", Profile{File: &PolicyDB{DFA: narrow}}, "table NXT has an entry above 65535"},
	}
	for _, tt := range tests {
		tt.profile.Name = "p"
		_, err := Encode([]*Profile{&tt.profile})
		if !errors.Is(err, ErrTooLarge) || !strings.Contains(fmt.Sprint(err), tt.words) {
			t.Errorf("%s: %v, want ErrTooLarge with %q", tt.name, err, tt.words)
		}
	}
	if _, err := Encode([]*Profile{{Name: "p", Xattrs: slices.Repeat([]string{"a"}, 65535), Attach: strings.Repeat("x", 65534)}}); err != nil {
		t.Errorf("as much as there is room for: %v", err)
	}
	for _, db := range []*PolicyDB{{}, {DFA: trivialDFA(), PermsVersion: 3}} {
		if _, err := Encode([]*Profile{{Name: "p", File: db}}); err == nil {
			t.Errorf("%+v is encoded", db)
		}
	}
}
