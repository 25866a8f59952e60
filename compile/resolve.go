// SPDX-License-Identifier: Apache-2.0

package compile

import (
	"cmp"
	"slices"

	"github.com/goarmor/apparmor/compile/internal/automaton"
)

// grant is what all rules together grant to a string. It is comparable: states
// with equal grants and equal futures are one state.
type grant struct {
	allow, audit, quiet, prompt uint32
	denied                      uint32 // what a rule denies; zero unless wanted
	exec                        [2]uint32
}

// resolver weighs the records that meet in a state against each other.
type resolver struct {
	records *records
	space   space
	scratch []part
}

// part is a record, or the piece of one, that is on one level.
type part struct {
	level  int
	perms  uint32
	effect effect
	record *record
}

// level puts the parts of different rules in order: priority first, then
// effect.
func level(priority int16, e effect) int { return 4*int(priority) + int(e) }

// parts appends the parts of a record: execution by an exact expression comes
// before other permissions of the same rule.
func (r *resolver) parts(to []part, rec *record) []part {
	perms := rec.perms
	if x := perms & (r.space.exec[0] | r.space.exec[1]); x != 0 && rec.exact && rec.effect == effectAllow {
		to = append(to, part{level(rec.priority, effectExact), x, effectExact, rec})
		perms &^= x
	}
	if perms != 0 {
		to = append(to, part{level(rec.priority, rec.effect), perms, rec.effect, rec})
	}
	return to
}

// covers reports whether a record makes no difference wherever another one is:
// each of its permissions is decided above it, or granted in the same way
// beside it.
func (r *resolver) covers(b, a automaton.Accept) bool {
	x, y := r.records.at(b), r.records.at(a)
	return r.dominates(x, y) && (b < a || !r.dominates(y, x))
}

func (r *resolver) dominates(b, a *record) bool {
	var bufA, bufB [2]part
	bs := r.parts(bufB[:0], b)
	for _, p := range r.parts(bufA[:0], a) {
		rest := p.perms
		for _, q := range bs {
			switch {
			case q.level > p.level:
				rest &^= q.perms
			case q.level == p.level:
				rest &^= r.same(q, p)
			}
		}
		if rest != 0 {
			return false
		}
	}
	return true
}

// same returns the permissions of p for which q, on the same level, does
// everything that p does.
func (r *resolver) same(q, p part) uint32 {
	bits := q.perms & p.perms
	if p.effect == effectDeny {
		// A plain denial beside one that is audited makes it quiet.
		return bits &^ (q.record.audit &^ p.record.audit)
	}
	bits &^= p.record.audit &^ q.record.audit
	for h, x := range r.space.exec {
		if q.record.exec[h] != p.record.exec[h] {
			bits &^= x
		}
	}
	return bits
}

// resolve decides every permission bit by the strongest rule that covers it.
// Rules of equal strength add up, but have to agree on execution.
//
// The permissions that the strongest rule denies are returned as well.
func (r *resolver) resolve(sets ...[]automaton.Accept) (g grant, denied uint32, err error) {
	all := r.scratch[:0]
	for _, set := range sets {
		for _, a := range set {
			all = r.parts(all, r.records.at(a))
		}
	}
	r.scratch = all
	parts := all
	slices.SortStableFunc(parts, func(a, b part) int { return cmp.Compare(b.level, a.level) })

	var decided uint32
	var execBy [2]int32
	for len(parts) > 0 {
		n := 1
		for n < len(parts) && parts[n].level == parts[0].level {
			n++
		}
		var here uint32
		for _, p := range parts[:n] {
			bits := p.perms &^ decided
			here |= bits
			if p.effect == effectDeny {
				denied |= bits
				g.quiet |= bits &^ p.record.audit
				continue
			}
			if p.effect == effectPrompt {
				g.prompt |= bits
			} else {
				g.allow |= bits
			}
			g.audit |= bits & p.record.audit
			for h, bit := range r.space.exec {
				if bits&bit == 0 {
					continue
				}
				x := p.record.exec[h]
				if execBy[h] == 0 {
					g.exec[h], execBy[h] = x, p.record.rule
				} else if g.exec[h] != x {
					return grant{}, 0, &conflict{execBy[h], p.record.rule}
				}
			}
		}
		decided |= here
		parts = parts[n:]
	}
	return g, denied, nil
}
