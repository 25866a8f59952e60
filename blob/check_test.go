// SPDX-License-Identifier: Apache-2.0

package blob

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCheck(t *testing.T) {
	wide := chainDFA("/x", 4, 0)
	wide.Wide = true
	differential := chainDFA("/x", 4, 0)
	differential.Flags, differential.Base[2] = FlagDiff, differential.Base[2]|BaseDiff
	file := func(db *PolicyDB) Profile { return Profile{File: db} }
	pairs := tabled(chainDFA("/x", 1, 0), Perm{Allow: 4}, Perm{})
	pairs.PermsVersion, pairs.DFA.Accept2 = 3, make([]uint32, 4)

	tests := []struct {
		name    string
		profile Profile
		allow   KernelLimits // the least with which it is accepted
		member  string
		words   string
	}{
		{"abi 9", Profile{Header: 0x00202009}, KernelLimits{MaxABI: 9}, "version", "kernel ABI 9 is above 8"},
		{"disconnected", Profile{Disconnected: "/d"}, KernelLimits{Disconnected: true}, "disconnected", ""},
		{"disconnected_ipc", Profile{DisconnectedIPC: "/d"}, KernelLimits{DisconnectedIPC: true}, "disconnected_ipc", ""},
		{"error", Profile{Error: 1}, KernelLimits{Error: true}, "error", ""},
		{"net_allowed_af", Profile{Families: []FamilyMask{{Allow: 2}}}, KernelLimits{Families: true}, "net_allowed_af", ""},
		{"kill", Profile{Kill: 15}, KernelLimits{Kill: true}, "kill", ""},
		{"capsx", Profile{Caps: Caps{Extended: 1}}, KernelLimits{CapsExtended: true}, "capsx", ""},
		{"prompt", Profile{Mode: Prompt}, KernelLimits{Prompt: true}, "mode", ""},
		{"permission table", file(tabled(chainDFA("/x", 1, 0), Perm{Allow: 4})), KernelLimits{PermTables: 2}, "file", "no usable permission tables"},
		{"permsv", file(pairs), KernelLimits{PermTables: 3}, "file", "no usable permission tables"},
		{"wide", file(&PolicyDB{DFA: wide}), KernelLimits{Wide: true}, "file", "32-bit"},
		{"differential", file(&PolicyDB{DFA: differential}), KernelLimits{DiffEncode: true}, "file", "differential"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.profile.Name = "p"
			p := encode(t, &Profile{Name: "o"}, &tt.profile)
			err := p.Check(KernelLimits{})
			var kernel *KernelError
			if !errors.As(err, &kernel) || !errors.Is(err, ErrKernel) {
				t.Fatalf("error is %v, want a KernelError", err)
			}
			if kernel.Profile != "p" || kernel.Member != tt.member || !strings.Contains(err.Error(), tt.words) {
				t.Errorf("%v, want member %s and %q", err, tt.member, tt.words)
			}
			if err := p.Check(tt.allow); err != nil {
				t.Errorf("with %+v: %v", tt.allow, err)
			}
		})
	}

	for name, tt := range map[string]struct {
		profile Profile
		limits  KernelLimits
		words   string
	}{
		"6.12 mixes up entries":     {file(tabled(chainDFA("/x", 1, 0), Perm{Allow: 4})), KernelLimits{PermTables: 1}, "no usable permission tables"},
		"permsv above the kernel's": {file(pairs), KernelLimits{PermTables: 2}, "permsv 3 is above 2"},
		"thirteen targets":          {file(&PolicyDB{DFA: trivialDFA(), XTable: make([]string, 13)}), KernelLimits{}, "13 exec targets are more than the 12"},
		"long name":                 {Profile{Name: strings.Repeat("x", 245)}, KernelLimits{}, "within 244 bytes"},
		"attachment":                {Profile{XMatch: &PolicyDB{DFA: differential}}, KernelLimits{DiffEncode: true}, "when they attach"},
	} {
		if tt.profile.Name == "" {
			tt.profile.Name = "p"
		}
		if err := encode(t, &tt.profile).Check(tt.limits); err == nil || !strings.Contains(err.Error(), tt.words) {
			t.Errorf("%s: %v, want %q", name, err, tt.words)
		}
	}
	if err := encode(t, &Profile{Name: strings.Repeat("x", 244), File: &PolicyDB{DFA: trivialDFA(), XTable: make([]string, 12)}}).Check(KernelLimits{}); err != nil {
		t.Error(err)
	}
}

// TestOldForm widens packed permissions as docs/binary-policy.md, 4.2 and 4.3, has
// them.
func TestOldForm(t *testing.T) {
	all := &Profile{Name: "p",
		Policydb: &PolicyDB{DFA: chainDFA("\x0ex", 0x001fc076|1<<31|1<<28, 0x001fc076|2<<7|1<<21)},
		File:     &PolicyDB{DFA: chainDFA("x", 1<<30, 0x7f)}}
	q := encode(t, all).Profiles()[0]
	s := q.Policydb.DFA.MatchString(StartState, "\x0ex")
	want := Effective{Allow: 0x8b708376, Audit: 0x03700376, Quiet: 0x102}
	if diff := cmp.Diff(want, q.PolicydbPerms(s)); diff != "" {
		t.Error(diff)
	}
	if e := q.PolicydbPerms(TrapState); e != (Effective{}) {
		t.Errorf("the trap grants %v", e)
	}
	if e := q.FilePerms(TrapState, false); e != (Effective{Allow: PermGetattr}) {
		t.Errorf("the trap grants %v on files", e)
	}
	want = Effective{Allow: PermGetattr | PermOnexec, Audit: 0x5b37f}
	if diff := cmp.Diff(want, q.FilePerms(3-1, true)); diff != "" {
		t.Error(diff)
	}

	// ABI 9 has seven bits more.
	nine := &Profile{Name: "p", Header: 0x00202009, Policydb: &PolicyDB{DFA: chainDFA("\x0e", 0x3f80, 0)}}
	q = encode(t, nine).Profiles()[0]
	if e := q.PolicydbPerms(2); e.Allow != 0xfc80|0x8000 {
		t.Errorf("ABI 9: %v", e)
	}
	nine.Header = 0
	q = encode(t, nine).Profiles()[0]
	if e := q.PolicydbPerms(2); e.Allow != 0x8000 {
		t.Errorf("ABI 7: %v", e)
	}
}

// TestFilesByPolicydb looks at a profile without a file automaton.
func TestFilesByPolicydb(t *testing.T) {
	q := encode(t, &Profile{Name: "p", Policydb: tabled(chainDFA("\x02/x", 1, 0), Perm{Allow: 4})}).Profiles()[0]
	db, start := q.FileDB()
	if db != q.Policydb || start != q.ClassState(ClassFile) || !q.Mediates(ClassFile) {
		t.Fatal("files are not decided by the policydb")
	}
	if e := q.FilePerms(db.DFA.MatchString(start, "/x"), false); e.Allow != 4 {
		t.Errorf("/x: %v", e)
	}
	q = encode(t, &Profile{Name: "p", Policydb: tabled(chainDFA("\x07", 1, 0), Perm{Allow: 4})}).Profiles()[0]
	if db, _ := q.FileDB(); db != nil {
		t.Error("files are decided by a policydb without the class")
	}
	q = encode(t, &Profile{Name: "p", File: &PolicyDB{DFA: chainDFA("/x", 4, 0), DFAStart: 2}, XMatch: &PolicyDB{DFA: chainDFA("/x", 1, 0)}}).Profiles()[0]
	if db, start := q.FileDB(); start != 2 || q.FilePerms(db.DFA.MatchString(start, "x"), true).Allow != 0x244 {
		t.Error("dfa_start is ignored")
	}
	if e := q.XMatchPerms(3); e.Allow != PermExec {
		t.Errorf("attachment: %v", e)
	}
	if e := (&Profile{}).XMatchPerms(1); e != (Effective{}) {
		t.Errorf("no attachment: %v", e)
	}
}

func TestPolicyBytes(t *testing.T) {
	p := encode(t, &Profile{Name: "p"})
	var b bytes.Buffer
	n, err := p.WriteTo(&b)
	appended, _ := p.AppendBinary([]byte("x"))
	if err != nil || int(n) != p.Len() || !bytes.Equal(b.Bytes(), p.Bytes()) || !bytes.Equal(appended[1:], p.Bytes()) {
		t.Errorf("%d bytes, %v", n, err)
	}
	p.Bytes()[0] = 0
	if _, err := Inspect(p.Bytes()); err != nil {
		t.Error("Bytes is not a copy")
	}
	if p.Profile("q") != nil {
		t.Error("a missing profile is found")
	}
}

func TestNamesOfValues(t *testing.T) {
	if got := PermNames(PermRead | 1<<26 | PermChangeHat); got != "read|bit26|change_hat" {
		t.Error(got)
	}
	if got := Mode(9).String() + " " + Class(0x40).String() + " " + Class(0x0a).String(); got != "mode 9 class 0x40 signal" {
		t.Error(got)
	}
	e := Effective{Allow: 1, Deny: 2, Audit: 4, Tag: 1, Exec: Exec{Unconfined: true, Unsafe: true}}
	if got, want := e.String(), "allow exec (0x1); deny write (0x2); audit read (0x4); exec ux; tag 1 label 0"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
