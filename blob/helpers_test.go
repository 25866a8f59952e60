// SPDX-License-Identifier: Apache-2.0

package blob

// trivialDFA has no way out of its start state. Its tables are as small as
// kernels allow.
func trivialDFA() *DFA {
	return &DFA{
		Accept: make([]uint32, 2), Accept2: make([]uint32, 2), Base: make([]uint32, 2), Default: make([]uint32, 2),
		Next: make([]uint32, 256), Check: make([]uint32, 256),
	}
}

// chainDFA accepts one string, in old form, with the given ACCEPT at its end.
// State i+1 is the one after i bytes.
func chainDFA(s string, accept, accept2 uint32) *DFA {
	n := len(s) + 2
	slots := 256 * n
	d := &DFA{
		Accept: make([]uint32, n), Accept2: make([]uint32, n), Base: make([]uint32, n), Default: make([]uint32, n),
		Next: make([]uint32, slots), Check: make([]uint32, slots),
	}
	for i := range n {
		d.Base[i] = uint32(256 * i)
	}
	for i := range len(s) {
		slot := 256*(i+1) + int(s[i])
		d.Check[slot], d.Next[slot] = uint32(i+1), uint32(i+2)
	}
	d.Accept[n-1], d.Accept2[n-1] = accept, accept2
	return d
}

// tabled turns an old-form automaton into one with a permission table whose
// entry 0 grants nothing and whose entry i is perms[i-1]; ACCEPT is kept as
// the index.
func tabled(d *DFA, perms ...Perm) *PolicyDB {
	d.Accept2 = nil
	return &PolicyDB{Perms: append([]Perm{{}}, perms...), DFA: d}
}

// fullProfile has every member.
func fullProfile() *Profile {
	oob := chainDFA("/bin/x", 1, 0)
	oob.Flags |= FlagOOB
	oob.Base[7] |= BaseOOB
	slot := oob.Base[7]&BaseMask - 1
	oob.Check[slot], oob.Next[slot] = 7, 1
	file := chainDFA("/x", 0x00110044|0x02404901, 3<<7)
	file.Wide = true
	return &Profile{
		Namespace: "ns", Name: "t", Rename: "old", Attach: "/bin/x",
		XMatch: &PolicyDB{DFA: oob}, XMatchLen: 6,
		Disconnected: "/disc", DisconnectedIPC: "/ipc", Kill: 9, Error: 1, FlagBits: 2, Mode: Complain, Audit: true,
		PathFlags: PathAttachDisconnected, HasPathFlags: true,
		Caps:   Caps{Allow: 1<<40 | 3, Audit: 1 << 39, Quiet: 1 << 38, Extended: 5 << 30},
		Xattrs: []string{"user.a"}, RlimitMask: 1 << 7, Rlimits: [16]uint64{7: 1024},
		Secmarks: []Secmark{{1, 0, "*"}, {0, 1, "label"}},
		Families: []FamilyMask{{}, {Allow: 0xffff, Audit: 2, Quiet: 4}},
		Policydb: tabled(chainDFA("\x02", 1, 0), Perm{Allow: 4}),
		File:     &PolicyDB{DFA: file, XTable: []string{":ns:other", "&stack", "t//c"}},
		Data:     []Data{{"key", []byte("value\x00")}},
	}
}
