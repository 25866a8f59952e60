// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"testing"

	"github.com/goarmor/apparmor/blob"
)

// profile compiles text for a kernel and returns its first profile.
func profile(t *testing.T, text, features string) *blob.Profile {
	t.Helper()
	return policy(t, text, features).Profiles()[0]
}

func policy(t *testing.T, text, features string) *blob.Policy {
	t.Helper()
	data, err := Parser(t).Compile(Job{Text: text + "\n", Features: Features(t, features)})
	if err != nil {
		t.Fatal(err)
	}
	p, err := blob.Inspect(data)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Every allowance must forgive what it is for, and nothing next to it.
func TestAllowances(t *testing.T) {
	eff := func(allow, audit, quiet uint32) blob.Effective {
		return blob.Effective{Allow: allow, Audit: audit, Quiet: quiet}
	}
	inherit := func(e blob.Effective) blob.Effective {
		e.Exec = blob.Exec{Inherit: true}
		return e
	}
	db := func(in string, a, b blob.Effective) blob.Difference {
		return blob.Difference{Part: blob.PartPolicydb, Input: blob.BytesInput(in), A: a, B: b}
	}
	file := func(a, b blob.Effective) blob.Difference {
		return blob.Difference{Part: blob.PartFile, Input: blob.BytesInput("/a"), A: a, B: b}
	}
	const (
		r = blob.PermRead
		w = blob.PermWrite
		m = blob.PermMmap
	)
	none := blob.Effective{}
	v8, v9 := profile(t, "profile t { network inet stream, }", "kernel-7.2.13"), blobWithV9(t)

	for _, tt := range []struct {
		name         string // of the allowance
		d            blob.Difference
		ours, theirs *blob.Profile
		forgiven     bool
	}{
		{"new classes", db("\x15", eff(r, 0, 0), none), v9, v8, true},
		{"new classes", db("\x16foo", eff(8, 0, 0), none), v9, v8, true},
		{"new classes", db("\x09", eff(r, 0, 0), none), v9, v8, false},
		{"new classes", db("\x15", none, eff(r, 0, 0)), v8, withClass(t, blob.ClassNamespaces), false},

		{"network class", db("\x0f", eff(r, 0, 0), none), v9, v8, true},
		{"network class", db("\x0e", none, eff(r, 0, 0)), v9, v8, true},
		{"network class", db("\x0f\x00\x02\x00\x01", eff(blob.AllNetPerms, 0, 0), none), v9, v8, true},
		{"network class", db("\x0f\x00\x02\x00\x01", eff(w, 0, 0), none), v9, v8, false},
		{"network class", db("\x0f\x00\x02\x00\x02", eff(blob.AllNetPerms, 0, 0), none), v9, v8, false},
		{"network class", db("\x0f\x00\x01\x00\x01", eff(w, 0, 0), none), v9, v8, true},
		{"network class", db("\x0e\x00\x02", eff(w, 0, 0), none), v8, v8, false},

		{"socket types", db("\x0e\x00\x02\x00\x07", eff(w, 0, 0), none), v8, v8, true},
		{"socket types", db("\x0e\x00\x02\x01\x01", eff(w, 0, 0), none), v8, v8, true},
		{"socket types", db("\x0e\x00\x02\x00\x05", eff(w, 0, 0), none), v8, v8, false},
		{"socket types", db("\x0e\x00\x02\x00\x07a", eff(w, 0, 0), none), v8, v8, false},

		{"unix downgrade", db("\x0e\x00\x01\x00\x01", eff(w, 0, 0), eff(w|r, 0, 0)), v8, v8, true},
		{"unix downgrade", db("\x0e\x00\x01\x00\x01", none, eff(0, 0, r)), v8, v8, true},
		{"unix downgrade", db("\x0e\x00\x01\x00\x01", eff(w|r, 0, 0), eff(w, 0, 0)), v8, v8, false},
		{"unix downgrade", db("\x0e\x00\x02\x00\x01", eff(w, 0, 0), eff(w|r, 0, 0)), v8, v8, false},

		{"mmap of ix", file(eff(1, 0, 0), eff(1|m, 0, 0)), v8, v8, true},
		{"mmap of ix", file(eff(1, 0, 0), eff(1|m|w, 0, 0)), v8, v8, false},
		{"mmap of ix", file(eff(1|m, 0, 0), eff(1, 0, 0)), v8, v8, false},
		{"mmap of ix", file(inherit(eff(1, 0, 0)), inherit(eff(1|m, 0, 0))), v8, v8, false},
		{"mmap of ix", db("\x0f", eff(1, 0, 0), eff(1|m, 0, 0)), v8, v8, false},

		{"audit of denied", file(eff(r, 0, w), eff(r, w, w)), v8, v8, true},
		{"audit of denied", file(eff(r, 0, 0), eff(r, r, 0)), v8, v8, false},
		{"audit of denied", file(eff(r, r, 0), eff(r, 0, 0)), v8, v8, false},

		{"mount looseness", db("\x07/\x00\x00\x00\x01", none, eff(2, 0x40, 0)), v8, v8, true},
		{"mount looseness", db("\x07/\x00\x00\x00\x01", eff(2, 0, 0), none), v8, v8, false},
		{"mount looseness", db("\x09/", none, eff(2, 0, 0)), v8, v8, false},
	} {
		var list []Allowance
		for _, a := range Allowances() {
			if a.Name == tt.name {
				list = append(list, a)
			}
		}
		if len(list) != 1 {
			t.Fatalf("%d allowances are named %q", len(list), tt.name)
		}
		if got := forgiven(tt.d, list, tt.ours, tt.theirs); got != tt.forgiven {
			t.Errorf("%s: %v: forgiven %v, want %v", tt.name, tt.d, got, tt.forgiven)
		}
	}
}

// withClass returns a profile that mediates a class, and only that.
func withClass(t *testing.T, c blob.Class) *blob.Profile {
	t.Helper()
	d := blob.DFA{
		Accept: []uint32{0, 0, 4}, Accept2: make([]uint32, 3), Base: make([]uint32, 3), Default: make([]uint32, 3),
		Next: make([]uint32, 256), Check: make([]uint32, 256),
	}
	d.Next[c], d.Check[c] = 2, blob.StartState
	p, err := blob.Encode([]*blob.Profile{{Name: "t", Header: blob.DefaultHeader, Policydb: &blob.PolicyDB{DFA: &d}}})
	if err != nil {
		t.Fatal(err)
	}
	return p.Profiles()[0]
}

func blobWithV9(t *testing.T) *blob.Profile { return withClass(t, blob.ClassNetV9) }

func TestAllowPlainXMatch(t *testing.T) {
	const features = "kernel-6.1.192"
	bare := profile(t, "/usr/bin/x { }", features)
	if bare.XMatch != nil {
		t.Fatal("the reference writes an attachment for a plain name")
	}
	for text, want := range map[string]bool{
		"profile /usr/bin/x /usr/bin/x { }":     true,
		"profile /usr/bin/x /usr/bin/[x] { }":   true,
		"profile /usr/bin/x /usr/bin/y { }":     false,
		"profile /usr/bin/x /usr/bin/x* { }":    false,
		"profile /usr/bin/x /usr/bin/{x,y} { }": false,
	} {
		ours := profile(t, text, features)
		if ours.XMatch == nil {
			// 3.0.8 leaves this one out, too: take it from a name that differs.
			ours = &blob.Profile{Name: bare.Name, XMatchLen: uint32(len(bare.Name)),
				XMatch: profile(t, "profile t /usr/bin/x { }", features).XMatch}
		}
		if ours.XMatch == nil {
			t.Fatalf("%s has no attachment", text)
		}
		d := blob.Difference{Part: blob.PartXMatch, Member: "xmatch DFA", TextA: "present", TextB: "absent"}
		if got := forgiven(d, Allowances(), ours, bare); got != want {
			t.Errorf("%s: forgiven %v, want %v", text, got, want)
		}
	}
}

// What no allowance covers must come out of Compare.
func TestCompareFinds(t *testing.T) {
	const features = "kernel-6.1.192"
	a := policy(t, "profile t { /a r, capability chown, signal send, } profile u { }", features)
	if got := Compare(t, a, a); got != nil {
		t.Errorf("a policy differs from itself: %q", got)
	}
	for _, text := range []string{
		"profile t { /a rw, capability chown, signal send, } profile u { }",
		"profile t { /a r, capability kill, signal send, } profile u { }",
		"profile t { /a r, capability chown, signal receive, } profile u { }",
		"profile t { /a r, capability chown, signal send, }",
		"profile t flags=(complain) { /a r, capability chown, signal send, } profile u { }",
		"profile t { /a r, capability chown, signal send, } profile u { mount, }",
	} {
		b := policy(t, text, features)
		if got := Compare(t, b, a); len(got) == 0 {
			t.Errorf("%s: nothing is found", text)
		}
	}
}
