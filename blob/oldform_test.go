// SPDX-License-Identifier: Apache-2.0

package blob

import (
	"math/rand/v2"
	"testing"
)

// oldProfile has what the old form says in state 2, of the file automaton and
// of the policydb.
func oldProfile(accept, accept2 uint32) *Profile {
	db := func() *PolicyDB {
		return &PolicyDB{DFA: &DFA{Accept: []uint32{0, 0, accept}, Accept2: []uint32{0, 0, accept2}}, XTable: make([]string, MaxOldTargets)}
	}
	p := &Profile{File: db(), Policydb: db()}
	for i := range p.File.XTable {
		p.File.XTable[i] = string(rune('a' + i))
	}
	return p
}

// TestPackFile has the words that apparmor_parser 3.0.8 and 6.0 write for one rule.
func TestPackFile(t *testing.T) {
	const mmap = PermMmap
	both := func(p Perm) [2]Perm { return [2]Perm{p, p} }
	exec := func(x uint32) [2]Perm { return both(Perm{Allow: PermExec, XIndex: x}) }
	for name, tt := range map[string]struct {
		pair            [2]Perm
		accept, accept2 uint32
	}{
		"nothing":     {},
		"r":           {both(Perm{Allow: AllReadPerms}), 0x00010004, 0},
		"w":           {both(Perm{Allow: AllWritePerms | PermAppend}), 0x0002800a, 0},
		"a":           {both(Perm{Allow: PermAppend}), 0x00020008, 0},
		"l":           {both(Perm{Allow: PermLink}), 0x00040010, 0},
		"k":           {both(Perm{Allow: PermLock}), 0x00080020, 0},
		"mr":          {both(Perm{Allow: mmap | AllReadPerms}), 0x00110044, 0},
		"owner r":     {[2]Perm{{Allow: AllReadPerms}, {}}, 4, 0},
		"other r":     {[2]Perm{{}, {Allow: AllReadPerms}}, 4 << 14, 0},
		"audit r":     {both(Perm{Allow: AllReadPerms, Audit: AllReadPerms}), 0x00010004, 0x00010004},
		"deny w":      {both(Perm{Quiet: AllWritePerms | PermAppend}), 0, 0x0a<<7 | 0x0a<<21},
		"deny x":      {both(Perm{Quiet: PermExec}), 0, 0x00200080},
		"owner quiet": {[2]Perm{{Quiet: PermAppend}, {}}, 0, 0x08 << 7},
		"getattr":     {both(Perm{Allow: PermGetattr}), 0, 0},
		"denied":      {both(Perm{Deny: AllReadPerms, Prompt: AllWritePerms, XIndex: XName}), 0, 0},

		"ix":            {both(Perm{Allow: PermExec | mmap, XIndex: XInherit}), 0x00904241, 0},
		"unsafe ix":     {both(Perm{Allow: PermExec | mmap, XIndex: XInherit | XUnsafe}), 0x00d04341, 0},
		"ux":            {exec(XUnconfined | XUnsafe), 0x01404501, 0},
		"Ux":            {exec(XUnconfined), 0x01004401, 0},
		"px":            {exec(XName | XUnsafe), 0x02404901, 0},
		"Cx":            {exec(XName | XChild), 0x03004c01, 0},
		"pix":           {both(Perm{Allow: PermExec | mmap, XIndex: XName | XInherit | XUnsafe}), 0x02d04b41, 0},
		"cix":           {both(Perm{Allow: PermExec | mmap, XIndex: XName | XChild | XInherit | XUnsafe}), 0x03d04f41, 0},
		"PUx":           {exec(XName | XUnconfined), 0x02204881, 0},
		"px -> eighth":  {exec(XTable | 4 | XUnsafe), 0x08406101, 0},
		"pix -> fourth": {both(Perm{Allow: PermExec | mmap, XIndex: XTable | XInherit | XUnsafe}), 0x04d05341, 0},
		"last target":   {exec(XTable | MaxOldTargets - 1), 0x0f007c01, 0},

		"change_profile": {both(Perm{Allow: PermChangeProf}), 1 << 31, 0},
		"onexec":         {[2]Perm{{}, {Allow: PermOnexec}}, 1 << 30, 0},
	} {
		if accept, accept2 := PackFile(tt.pair[0], tt.pair[1]); accept != tt.accept || accept2 != tt.accept2 {
			t.Errorf("%s: got %08x %08x, want %08x %08x", name, accept, accept2, tt.accept, tt.accept2)
		}
	}
}

func TestPackClass(t *testing.T) {
	for name, tt := range map[string]struct {
		perm            Perm
		accept, accept2 uint32
	}{
		"low":         {Perm{Allow: 0x7f}, 0x7f, 0},
		"rename":      {Perm{Allow: PermRename}, 0, 0},
		"setattr":     {Perm{Allow: PermSetattr}, 1 << 14, 0},
		"getattr":     {Perm{Allow: PermGetattr}, 1 << 15, 0},
		"accept":      {Perm{Allow: PermAccept}, 1 << 16, 0},
		"bind":        {Perm{Allow: PermBind}, 1 << 17, 0},
		"listen":      {Perm{Allow: PermListen}, 1 << 18, 0},
		"setopt":      {Perm{Allow: PermSetopt}, 1 << 19, 0},
		"getopt":      {Perm{Allow: PermGetopt}, 1 << 20, 0},
		"continue":    {Perm{Allow: PermContinue, Quiet: PermContinue}, 1 << 28, 0},
		"change_hat":  {Perm{Allow: PermChangeHat, Audit: PermChangeHat}, 1 << 31, 0},
		"audited":     {Perm{Allow: PermRead | PermBind, Audit: PermRead | PermBind}, 4 | 1<<17, 4 | 1<<17},
		"quiet":       {Perm{Quiet: PermRead | PermBind}, 0, 4<<7 | 1<<24},
		"all network": {Perm{Allow: AllNetPerms}, 0x001fc076, 0},
	} {
		if accept, accept2 := PackClass(tt.perm); accept != tt.accept || accept2 != tt.accept2 {
			t.Errorf("%s: got %08x %08x, want %08x %08x", name, accept, accept2, tt.accept, tt.accept2)
		}
	}
}

// TestPackedIsRead writes permissions in the old form and reads them back.
func TestPackedIsRead(t *testing.T) {
	letters := [...]uint32{PermExec, AllWritePerms, AllReadPerms, PermAppend, PermLink, PermLock, PermMmap}
	some := func(set uint32) (perms uint32) {
		for i, l := range letters {
			if set>>i&1 != 0 {
				perms |= l
			}
		}
		return perms
	}
	transitions := []uint32{0, XUnconfined, XName, XName | XChild, XTable, XTable | 7, XTable | MaxOldTargets - 1}
	r := rand.New(rand.NewPCG(1, 2))
	bit := func(set uint32) uint32 { return set * (r.Uint32() & 1) }
	const classPerms uint32 = 0x7f | PermSetattr | PermGetattr | PermAccept | PermBind | PermListen | PermSetopt | PermGetopt
	for range 10000 {
		var pair [2]Perm
		shared := bit(PermOnexec) | bit(PermChangeProf)
		for i := range pair {
			p := &pair[i]
			p.Allow, p.Audit, p.Quiet = some(r.Uint32())|shared, some(r.Uint32()), some(r.Uint32())
			p.XIndex = transitions[r.IntN(len(transitions))] | bit(XUnsafe) | bit(XInherit)
			if p.XIndex&XTypeMask != 0 {
				p.XIndex |= bit(XUnconfined)
			}
		}
		q := oldProfile(PackFile(pair[0], pair[1]))
		for i, owner := range [...]bool{true, false} {
			p := pair[i]
			want := Effective{Allow: p.Allow | PermGetattr, Audit: p.Audit, Quiet: p.Quiet}
			if p.Allow&PermExec != 0 {
				want.Exec = DecodeExec(p.XIndex, q.File.XTable)
			}
			if got := q.FilePerms(2, owner); got != want {
				t.Fatalf("%+v, owner %t: got %v, want %v", pair, owner, got, want)
			}
		}

		p := Perm{Allow: r.Uint32() & (classPerms | PermContinue | PermChangeHat), Audit: r.Uint32() & classPerms, Quiet: r.Uint32() & classPerms}
		want := Effective{Allow: p.Allow | PermLock, Audit: p.Audit, Quiet: p.Quiet}
		if got := oldProfile(PackClass(p)).PolicydbPerms(2); got != want {
			t.Fatalf("%+v: got %v, want %v", p, got, want)
		}
	}
}

func TestDecodeExec(t *testing.T) {
	targets := []string{"first", "&second"}
	for _, tt := range []struct {
		xindex uint32
		want   Exec
		text   string
	}{
		{0, Exec{}, ""},
		{XInherit, Exec{Inherit: true}, "ix"},
		{XInherit | XUnsafe, Exec{Inherit: true}, "ix"}, // the label stays, and so does the environment
		{XInherit | XUnconfined | XUnsafe, Exec{Inherit: true, Unconfined: true, Unsafe: true}, "iux"},
		{XUnconfined, Exec{Unconfined: true}, "Ux"},
		{XUnconfined | XUnsafe, Exec{Unconfined: true, Unsafe: true}, "ux"},
		{XName | XInherit, Exec{ByName: true, Inherit: true}, "Pix"},
		{XName | XInherit | XUnsafe, Exec{ByName: true, Inherit: true, Unsafe: true}, "pix"},
		{XName | XChild | XUnconfined | XUnsafe, Exec{ByName: true, Child: true, Unconfined: true, Unsafe: true}, "cux"},
		{XTable, Exec{Table: true, Target: "first"}, "Px -> first"},
		{XTable | 1 | XUnsafe, Exec{Table: true, Target: "&second", Unsafe: true}, "px -> &second"},
		{XTable | 1 | XInherit | XUnsafe, Exec{Table: true, Target: "&second", Inherit: true, Unsafe: true}, "pix -> &second"},
		{XTable | 2, Exec{Table: true}, "Px -> "}, // which no kernel loads
		{XTable | XIndexMask, Exec{Table: true}, "Px -> "},
		{XUnsafe, Exec{Unsafe: true}, "unsafe"}, // of change_profile
	} {
		got := DecodeExec(tt.xindex, targets)
		if got != tt.want || got.String() != tt.text {
			t.Errorf("%#08x: got %+v %q, want %+v %q", tt.xindex, got, got, tt.want, tt.text)
		}
	}
}
