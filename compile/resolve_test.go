// SPDX-License-Identifier: Apache-2.0

package compile

import (
	"math/rand/v2"
	"testing"

	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/compile/internal/automaton"
)

// randomRecord makes records of the automaton of files.
func randomRecord(r *rand.Rand) record {
	rec := record{
		priority: int16(r.IntN(3) - 1),
		effect:   []effect{effectPrompt, effectAllow, effectAllow, effectDeny}[r.IntN(4)],
		exact:    r.IntN(2) == 0,
		perms:    uint32(r.IntN(1 << (2*fileHalfBits + 2))),
	}
	rec.audit = rec.perms & uint32(r.IntN(1<<16)) * uint32(r.IntN(2))
	if rec.effect != effectDeny {
		for h, x := range fileSpace.exec {
			if rec.perms&x != 0 {
				rec.exec[h] = []uint32{blob.XInherit, blob.XName}[r.IntN(8)/7]
				rec.rule = int32(1 + r.IntN(3))
			}
		}
	}
	return rec
}

// decide is the rule of docs/binary-policy.md, section 4.5, bit by bit.
func decide(set []record) (g grant, clash bool) {
	for bit := uint32(1); bit != 0; bit <<= 1 {
		half := -1
		for h, x := range fileSpace.exec {
			if bit == x {
				half = h
			}
		}
		top, seen := 0, false
		levelOf := func(r record) int {
			e := r.effect
			if e == effectAllow && r.exact && half >= 0 {
				e = effectExact
			}
			return 4*int(r.priority) + int(e)
		}
		for _, r := range set {
			if r.perms&bit != 0 && (!seen || levelOf(r) > top) {
				top, seen = levelOf(r), true
			}
		}
		var exec uint32
		var execSeen bool
		for _, r := range set {
			if r.perms&bit == 0 || levelOf(r) != top {
				continue
			}
			switch {
			case r.effect == effectDeny && r.audit&bit == 0:
				g.quiet |= bit
			case r.effect == effectDeny:
			default:
				if r.effect == effectPrompt {
					g.prompt |= bit
				} else {
					g.allow |= bit
				}
				g.audit |= r.audit & bit
				if half >= 0 {
					clash = clash || execSeen && exec != r.exec[half]
					exec, execSeen = r.exec[half], true
					g.exec[half] = exec
				}
			}
		}
	}
	return g, clash
}

func TestResolve(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	clashes := 0
	for range 20000 {
		var rs records
		var set []automaton.Accept
		for range rng.IntN(6) {
			set = append(set, rs.intern(randomRecord(rng)))
		}
		r := resolver{records: &rs, space: fileSpace}
		want, clash := decide(rs.all)
		got, _, err := r.resolve(set)
		if (err != nil) != clash {
			t.Fatalf("conflict %v, want %t, for %+v", err, clash, rs.all)
		}
		if clash {
			clashes++
			continue
		}
		if got != want {
			t.Fatalf("got %+v, want %+v, for %+v", got, want, rs.all)
		}
	}
	if clashes == 0 {
		t.Error("no random rules conflict")
	}
}

// TestCovers checks what automata are built on: a record that is covered can
// be left out of any set, and covering is a strict order.
func TestCovers(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	covered := 0
	for range 200000 {
		var rs records
		var all []automaton.Accept
		for range 3 {
			rec := randomRecord(rng)
			if len(rs.all) > 0 && rng.IntN(2) == 0 {
				// Random records hardly ever cover each other.
				rec.perms &= rs.all[0].perms
				rec.audit &= rec.perms
				rec.exec = rs.all[0].exec
			}
			all = append(all, rs.intern(rec))
		}
		if len(rs.all) < 3 {
			continue
		}
		r := resolver{records: &rs, space: fileSpace}
		a, b, c := all[0], all[1], all[2]
		if r.covers(a, b) && r.covers(b, a) {
			t.Fatalf("%+v and %+v cover each other", rs.all[a], rs.all[b])
		}
		if r.covers(a, b) && r.covers(b, c) && !r.covers(a, c) {
			t.Fatalf("not transitive: %+v", rs.all)
		}
		if !r.covers(b, a) {
			continue
		}
		covered++
		with, deniedWith, errWith := r.resolve([]automaton.Accept{a, b, c})
		without, deniedWithout, errWithout := r.resolve([]automaton.Accept{b, c})
		if (errWith == nil) != (errWithout == nil) || with != without || deniedWith != deniedWithout {
			t.Fatalf("%+v (%v) with, %+v (%v) without, for %+v", with, errWith, without, errWithout, rs.all)
		}
	}
	if covered < 100 {
		t.Errorf("only %d records were covered", covered)
	}
}
