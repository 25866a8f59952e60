// SPDX-License-Identifier: Apache-2.0

package blob

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/goarmor/apparmor/diag"
)

func diff(t *testing.T, a, b *Profile, o DiffOptions) []string {
	t.Helper()
	p, q := encode(t, a), encode(t, b)
	found, err := DiffPolicy(p, q, o)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, d := range found {
		lines = append(lines, d.String())
	}
	return lines
}

func TestDiffMembers(t *testing.T) {
	base := func() *Profile {
		p := fullProfile()
		p.Namespace = ""
		return p
	}
	tests := []struct {
		change func(*Profile)
		want   string
	}{
		{func(p *Profile) {}, ""},
		{func(p *Profile) { p.Rename = "x" }, "t: rename: old | x"},
		{func(p *Profile) { p.Attach = "x" }, "t: attach: /bin/x | x"},
		{func(p *Profile) { p.XMatchLen = 7 }, "t: xmatch_len: 6 | 7"},
		{func(p *Profile) { p.Disconnected = "" }, "t: disconnected: /disc | "},
		{func(p *Profile) { p.DisconnectedIPC = "" }, "t: disconnected_ipc: /ipc | "},
		{func(p *Profile) { p.Kill = 0 }, "t: kill: 9 | 0"},
		{func(p *Profile) { p.Error = 13 }, "t: error: 1 | 13"},
		{func(p *Profile) { p.FlagBits = 0 }, "t: flags: 0x2 | 0x0"},
		{func(p *Profile) { p.Hat = true }, "t: hat: false | true"},
		{func(p *Profile) { p.Mode = Enforce }, "t: mode: complain | enforce"},
		{func(p *Profile) { p.Mode, p.Header = Enforce, DefaultHeader|forceComplain }, ""},
		{func(p *Profile) { p.Audit = false }, "t: audit: true | false"},
		{func(p *Profile) { p.PathFlags = 0 }, "t: path_flags: 0x4 | 0x0"},
		{func(p *Profile) { p.PathFlags, p.HasPathFlags = 0, false }, "t: path_flags: 0x4 | none"},
		{func(p *Profile) { p.Caps.Allow = 3 }, "t: capabilities allowed: 0x10000000003 | 0x3"},
		{func(p *Profile) { p.Caps.Audit = 0 }, "t: capabilities audited: 0x8000000000 | 0x0"},
		{func(p *Profile) { p.Caps.Quiet = 0 }, "t: capabilities quiet: 0x4000000000 | 0x0"},
		{func(p *Profile) { p.Caps.Extended = 0 }, "t: capsx: 0x140000000 | 0x0"},
		{func(p *Profile) { p.Xattrs = nil }, "t: xattrs: user.a | "},
		{func(p *Profile) { p.RlimitMask = 0 }, "t: rlimits: nofile=1024 | "},
		{func(p *Profile) { p.Rlimits[7] = 1 }, "t: rlimits: nofile=1024 | nofile=1"},
		{func(p *Profile) { p.Rlimits[8] = 1 }, ""}, // not in the mask
		{func(p *Profile) { p.Secmarks = p.Secmarks[:1] }, "t: secmark: [{Audit:1 Deny:0 Label:*} {Audit:0 Deny:1 Label:label}] | [{Audit:1 Deny:0 Label:*}]"},
		{func(p *Profile) { p.Families[1].Audit = 0 }, "t: net_allowed_af: 1: allow 0xffff audit 0x2 quiet 0x4 | 1: allow 0xffff audit 0x0 quiet 0x4"},
		{func(p *Profile) { p.Families = append(p.Families, FamilyMask{}) }, ""},
		{func(p *Profile) { p.Data[0].Value = []byte("x") }, `t: data: "key"=76616c756500 | "key"=78`},
		{func(p *Profile) { p.XMatch = nil }, "t: xmatch DFA: present | absent"},
		{func(p *Profile) { p.Policydb = nil }, "t: policydb DFA: present | absent"},
		{func(p *Profile) { p.File = nil }, "t: file DFA: present | absent"},
	}
	for _, tt := range tests {
		p := base()
		tt.change(p)
		var want []string
		if tt.want != "" {
			want = []string{tt.want}
		}
		if d := cmp.Diff(want, diff(t, base(), p, DiffOptions{})); d != "" {
			t.Errorf("%s: %s", tt.want, d)
		}
	}
	p := base()
	p.Caps.Audit, p.Caps.Quiet = 0, 0
	if d := diff(t, base(), p, DiffOptions{Decisions: true}); d != nil {
		t.Errorf("decisions differ in %q", d)
	}
}

func TestDiffPolicyByName(t *testing.T) {
	a := encode(t, &Profile{Name: "a"}, &Profile{Name: "a//h"}, &Profile{Name: "b"}, &Profile{Name: "gone"})
	b := encode(t, &Profile{Name: "new"}, &Profile{Name: "b"}, &Profile{Name: "a"}, &Profile{Name: "a//h", Hat: true})
	found, err := DiffPolicy(a, b, DiffOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, d := range found {
		got = append(got, d.String())
	}
	want := []string{"a//h: hat: false | true", "gone: profile: present | absent", "new: profile: absent | present"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	named := encode(t, &Profile{Name: ":n://a"})
	header := encode(t, &Profile{Namespace: "n", Name: "a"})
	if found, _ := DiffPolicy(named, header, DiffOptions{}); len(found) != 0 {
		t.Errorf("a namespace in the name and one in the header differ: %v", found)
	}
	if found, _ := DiffPolicy(named, encode(t, &Profile{Name: "a"}), DiffOptions{}); len(found) != 2 {
		t.Errorf("profiles of different namespaces are compared: %v", found)
	}
}

// TestDiffForms compares equal meaning in different forms.
func TestDiffForms(t *testing.T) {
	old := func() *Profile {
		return &Profile{Name: "p",
			Policydb: &PolicyDB{DFA: chainDFA("\x02", 4, 0)},
			File:     &PolicyDB{DFA: chainDFA("/x", 1|4<<oldHalf|1<<oldHalf|5<<10|5<<24, 0), XTable: []string{"b", "a"}}}
	}
	table := func() *Profile {
		policydb := tabled(chainDFA("\x02", 1, 0), Perm{Allow: 0x8004})
		policydb.Perms[0].Allow = 0x8000 // granted by the trap as well
		dfa := chainDFA("/x", 2, 0)
		dfa.EC = make([]byte, 256)
		for i := range dfa.EC {
			dfa.EC[i] = byte(i)
		}
		file := tabled(dfa, Perm{Allow: 0x200}, Perm{Allow: 0x201, XIndex: XTable}, Perm{Allow: 0x245, XIndex: XTable}, Perm{})
		file.Perms[0].Allow = 0x200
		file.PermsVersion, file.XTable, file.DFA.Accept2 = 3, []string{"a"}, []uint32{0, 0, 0, 1}
		file.DFA.Wide = true
		return &Profile{Name: "p", Policydb: policydb, File: file}
	}
	if d := diff(t, old(), table(), DiffOptions{}); d != nil {
		t.Errorf("two forms of one policy differ in %q", d)
	}
	if d := diff(t, old(), table(), DiffOptions{Strict: true}); len(d) == 0 {
		t.Error("Strict finds no difference between the two forms")
	}

	tests := []struct {
		name   string
		change func(*Profile)
		want   []string
	}{
		{"target", func(p *Profile) { p.File.XTable[0] = "c" }, []string{
			`p: file after "/x" (owner): allow exec|getattr (0x201); exec Px -> a | allow exec|getattr (0x201); exec Px -> c`,
			`p: file after "/x" (other): allow exec|read|open|getattr (0x245); exec Px -> a | allow exec|read|open|getattr (0x245); exec Px -> c`,
		}},
		{"unused transition", func(p *Profile) { p.File.Perms[1].XIndex = XUnconfined }, nil},
		{"quiet", func(p *Profile) { p.File.Perms[3].Quiet = 2 }, []string{
			`p: file after "/x" (other): allow exec|read|open|getattr (0x245); exec Px -> a | allow exec|read|open|getattr (0x245); quiet write (0x2); exec Px -> a`,
		}},
		{"class", func(p *Profile) { p.Policydb.Perms[1].Allow = 0x8002 }, []string{
			`p: policydb after "\x02": allow read (0x4) | allow write (0x2)`,
		}},
		{"start", func(p *Profile) { p.File.DFA.Accept[1], p.File.Perms[2].Deny = 2, 2 }, []string{
			// What the empty string is granted does not matter; what /x is does.
			`p: file after "/x" (owner): allow exec|getattr (0x201); exec Px -> a | allow exec|getattr (0x201); deny write (0x2); exec Px -> a`,
		}},
	}
	for _, tt := range tests {
		q := table()
		tt.change(q)
		if d := cmp.Diff(tt.want, diff(t, old(), q, DiffOptions{})); d != "" {
			t.Errorf("%s: %s", tt.name, d)
		}
	}
	q := table()
	q.File.Perms[3].Quiet = 2
	if d := diff(t, old(), q, DiffOptions{Decisions: true}); d != nil {
		t.Errorf("decisions differ in %q", d)
	}
	q = table()
	q.Policydb.Perms[1].Allow = 2
	ignored := 0
	o := DiffOptions{Ignore: func(d Difference) bool {
		b, ok := d.Input.Bytes()
		ignored++
		return ok && string(b) == "\x02"
	}}
	if d := diff(t, old(), q, o); d != nil || ignored != 1 {
		t.Errorf("%d differences ignored, left: %q", ignored, d)
	}
}

func TestDiffDeadString(t *testing.T) {
	a := &Profile{Name: "p", Policydb: &PolicyDB{DFA: chainDFA("\x0f\x001", 4, 0)}}
	b := &Profile{Name: "p", Policydb: &PolicyDB{DFA: chainDFA("\x0f\x001", 0, 0)}}
	if d := diff(t, a, b, DiffOptions{}); d != nil {
		t.Errorf("a string that no kernel asks for differs: %q", d)
	}
	if d := diff(t, a, b, DiffOptions{Strict: true}); len(d) != 1 {
		t.Errorf("Strict finds %q, want one difference", d)
	}
}

// TestDiffScope checks that an input that does not count hides none that leads
// to the same states and does.
func TestDiffScope(t *testing.T) {
	shared := func(accept uint32) *Profile {
		d := chainDFA("\x0f\x001", accept, 0)
		// "\x0fab" leads to the same state.
		for s, c := range map[int]byte{2: 'a', 3: 'b'} {
			d.Check[256*s+int(c)], d.Next[256*s+int(c)] = uint32(s), uint32(s+1)
		}
		return &Profile{Name: "p", Policydb: &PolicyDB{DFA: d}}
	}
	want := []string{`p: policydb after "\x0fab": allow read (0x4) | nothing`}
	if d := cmp.Diff(want, diff(t, shared(4), shared(0), DiffOptions{})); d != "" {
		t.Error(d)
	}
}

func TestDiffOutOfBand(t *testing.T) {
	a, b := fullProfile(), fullProfile()
	d := b.XMatch.DFA
	d.Next[d.Base[7]&BaseMask-1] = 0
	want := []string{`t: xmatch after "/bin/x\o/bin/x": allow exec (0x1) | nothing`}
	if d := cmp.Diff(want, diff(t, a, b, DiffOptions{})); d != "" {
		t.Error(d)
	}
}

func TestDiffLimit(t *testing.T) {
	p := encode(t, &Profile{Name: "p", File: &PolicyDB{DFA: chainDFA("/some/long/path", 4, 0)}}).Profiles()[0]
	_, err := Diff(p, p, DiffOptions{MaxPairs: 5})
	var limit *diag.LimitError
	if !errors.As(err, &limit) || limit.Limit != 5 {
		t.Errorf("error is %v, want a LimitError of 5", err)
	}
	// The least that is enough: one less is refused.
	for most := 1; ; most++ {
		d, err := Diff(p, p, DiffOptions{MaxPairs: most})
		if err == nil {
			if d != nil || most < len("/some/long/path") {
				t.Errorf("%v with %d pairs", d, most)
			}
			break
		}
		if !errors.As(err, &limit) || limit.Got != int64(most)+1 || most > 100 {
			t.Fatalf("%d pairs: %v", most, err)
		}
	}
	if ok, err := Equal(p, p); !ok || err != nil {
		t.Errorf("a profile is not equal to itself: %v", err)
	}
}

// randomDFA has n states over a few bytes, some with out-of-band transitions
// and some differentially encoded, with two sorts of accepting states.
func randomDFA(r *rand.Rand, n int) *DFA {
	d := chainDFA(string(make([]byte, n-2)), 0, 0)
	clear(d.Check)
	clear(d.Next)
	d.Flags = FlagOOB | FlagDiff
	for s := 1; s < n; s++ {
		d.Accept[s] = []uint32{0, 0, 0, 4, 4 | 4<<oldHalf}[r.IntN(5)]
		d.Default[s] = uint32(r.IntN(n))
		if r.IntN(3) == 0 && d.Default[s] < uint32(s) {
			d.Base[s] |= BaseDiff
		}
		for _, c := range "abz\x00" {
			if r.IntN(2) == 0 {
				slot := 256*s + int(c)
				d.Check[slot], d.Next[slot] = uint32(s), uint32(r.IntN(n))
			}
		}
		if r.IntN(4) == 0 {
			d.Base[s] |= BaseOOB
			slot := 256*s - 1
			d.Check[slot], d.Next[slot] = uint32(s), uint32(r.IntN(n))
		}
	}
	return d
}

// TestDiffIsShortest compares with a search through all short inputs.
func TestDiffIsShortest(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	differing := 0
	for round := range 300 {
		n := 3 + r.IntN(4)
		a := randomDFA(r, n)
		b := randomDFA(r, n)
		if round%3 == 0 {
			// Nearly the same.
			*b = *chainDFA("", 0, 0)
			b.Flags, b.Accept, b.Accept2, b.Base, b.Default, b.Next, b.Check = a.Flags, append([]uint32{}, a.Accept...), a.Accept2, a.Base, a.Default, a.Next, a.Check
			b.Accept[1+r.IntN(n-1)] ^= 2
		}
		p := encode(t, &Profile{Name: "p", File: &PolicyDB{DFA: a}}).Profiles()[0]
		q := encode(t, &Profile{Name: "p", File: &PolicyDB{DFA: b}}).Profiles()[0]
		found, err := Diff(p, q, DiffOptions{})
		if err != nil {
			t.Fatal(err)
		}
		want := -1
		for length := 1; length <= 4 && want < 0; length++ {
			if bruteForce(p, q, nil, length) {
				want = length
			}
		}
		if len(found) == 0 {
			if want >= 0 {
				t.Fatalf("round %d: no difference found, but there is an input of length %d", round, want)
			}
			continue
		}
		differing++
		if got := len(found[0].Input); want >= 0 && got != want || want < 0 && got <= 4 {
			t.Fatalf("round %d: %v has length %d, the shortest has %d", round, found[0].Input, got, want)
		}
		for _, d := range found {
			s, u := a.Walk(1, d.Input), b.Walk(1, d.Input)
			if x, y := p.FilePerms(s, d.Who != Other), q.FilePerms(u, d.Who != Other); x != d.A || y != d.B || x == y {
				t.Fatalf("round %d: %v does not hold: %v, %v", round, d, x, y)
			}
		}
	}
	if differing < 100 {
		t.Errorf("only %d pairs differed", differing)
	}
}

// bruteForce reports whether an input with this prefix and length more
// symbols is answered differently.
func bruteForce(p, q *Profile, in Input, length int) bool {
	if length == 0 {
		s, u := p.File.DFA.Walk(1, in), q.File.DFA.Walk(1, in)
		return p.FilePerms(s, true) != q.FilePerms(u, true) || p.FilePerms(s, false) != q.FilePerms(u, false)
	}
	for _, c := range []Symbol{'a', 'b', 'z', 0, 'q', OOB} {
		if bruteForce(p, q, append(in[:len(in):len(in)], c), length-1) {
			return true
		}
	}
	return false
}

func TestWalks(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 100 {
		d := randomDFA(r, 6)
		if err := d.verify(true); err != nil {
			t.Fatal(err)
		}
		var row [256]uint32
		for s := range uint32(6) {
			d.Row(s, &row)
			for c := range row {
				if got := d.Step(s, byte(c)); got != row[c] {
					t.Fatalf("state %d byte %#x: Step %d, Row %d", s, c, got, row[c])
				}
			}
		}
		for range 20 {
			in := make([]byte, r.IntN(8))
			for i := range in {
				in[i] = "abzq\x00"[r.IntN(5)]
			}
			a, b, c := d.Match(1, in), d.MatchString(1, string(in)), d.Walk(1, BytesInput(string(in)))
			if a != b || b != c {
				t.Fatalf("%q: Match %d, MatchString %d, Walk %d", in, a, b, c)
			}
		}
	}
}

// TestReadingOrder holds that examples prefer letters, then digits, capitals and
// what else prints.
func TestReadingOrder(t *testing.T) {
	const want = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~ \x00\x01"
	if got := readingOrder()[:len(want)]; string(got) != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestInputString(t *testing.T) {
	in := append(BytesInput("a\"\\\x00 ~\x7f\xff"), OOB)
	if got, want := in.String(), `"a\"\\\x00 ~\x7f\xff\o"`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if _, ok := in.Bytes(); ok {
		t.Error("an out-of-band symbol became a byte")
	}
	if b, ok := in[:8].Bytes(); !ok || fmt.Sprintf("%q", b) != fmt.Sprintf("%q", "a\"\\\x00 ~\x7f\xff") {
		t.Errorf("%q", b)
	}
}

// TestLeftMatch counts up to the loop of a pattern, and takes a
// differentially encoded automaton as kernels do.
func TestLeftMatch(t *testing.T) {
	d := chainDFA("/opt/x", 1, 0)
	d.Default[7] = 7 // /opt/x and anything
	for path, want := range map[string][2]int{
		"/opt/x": {7, 6}, "/opt/xyz": {7, 6}, "/opt": {5, 4}, "/usr": {0, 2},
	} {
		s, n := d.LeftMatch(StartState, path)
		if got := [2]int{int(s), n}; got != want {
			t.Errorf("%s: state and count are %v, want %v", path, got, want)
		}
	}
	d = chainDFA("/a/b", 1, 0) // a loop of two states: /a and any number of /b
	d.Next[d.Base[4]&BaseMask+'b'] = 3
	for path, want := range map[string][2]int{"/a": {3, 2}, "/a/": {4, 3}, "/a/b": {3, 2}, "/a/b/b/": {4, 2}} {
		s, n := d.LeftMatch(StartState, path)
		if got := [2]int{int(s), n}; got != want {
			t.Errorf("%s: state and count are %v, want %v", path, got, want)
		}
	}
	d = chainDFA("/a", 1, 0)
	d.Flags, d.Base[2], d.Default[2] = FlagDiff, d.Base[2]|BaseDiff, 1
	if s := d.MatchString(StartState, "//a"); s != 3 {
		t.Fatalf("state is %d", s)
	}
	if s, _ := d.LeftMatch(StartState, "//"); s != 1 {
		t.Errorf("the mark of differential encoding is read: state %d", s)
	}
}
