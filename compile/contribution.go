// SPDX-License-Identifier: Apache-2.0

package compile

import (
	"cmp"
	"slices"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/internal/trace"
)

// weighing does what resolver.resolve does, for one half of the permissions of
// one input, and records which rules decided what.
type weighing struct {
	half  int
	files bool
	found []trace.Contribution
	recs  []*record // of each contribution
	// winners holds, for each permission bit, the contributions that decide
	// it; effects are theirs.
	winners [32][]int
	effects [32]effect
}

// own returns the bits of a permission word that are about one half.
func (w *weighing) own(perms uint32, half int) uint32 {
	if !w.files {
		return perms
	}
	return perms>>(half*fileHalfBits)&fileHalf | perms&fileShared
}

// kernel translates the bits of a half into the kernel's.
func (w *weighing) kernel(own uint32) uint32 {
	if !w.files {
		return own
	}
	k := kernelFile(own)
	if own&fileOnexec != 0 {
		k |= blob.PermOnexec
	}
	if own&fileChangeProfile != 0 {
		k |= blob.PermChangeProf
	}
	return k
}

// weigh makes the contributions of the entries that match.
func (t *traced) weigh(a *tracedAutomaton, entries []int, half int) []trace.Contribution {
	w := weighing{half: half, files: a == &t.files}
	type key struct {
		source source
		record *record
	}
	seen := map[key]bool{}
	for _, i := range entries {
		k := key{a.set.entries[i].source, a.set.records.at(a.set.entries[i].accept)}
		if seen[k] {
			continue // several strings of one rule
		}
		seen[k] = true
		w.add(t, k.source, k.record)
	}
	w.decide(&resolver{space: a.set.space})
	if w.files {
		w.mapped()
	}
	return w.found
}

// add makes the contribution of a record.
func (w *weighing) add(t *traced, s source, rec *record) {
	c := trace.Contribution{
		Access:   accessOf(rec.effect),
		Priority: rec.priority,
		Perms:    w.kernel(w.own(rec.perms, w.half)),
		Audit:    w.kernel(w.own(rec.audit, w.half)),
	}
	t.from(&c, s)
	if w.files {
		c.Elsewhere = w.kernel(w.own(rec.perms, 1-w.half)) &^ c.Perms
		if rec.effect != effectDeny && c.Perms&blob.PermExec != 0 {
			c.Exec = blob.DecodeExec(rec.exec[w.half], t.execs.targets)
			c.Exact = rec.exact
		}
	}
	w.found = append(w.found, c)
	w.recs = append(w.recs, rec)
}

// from fills in where a contribution comes from.
func (t *traced) from(c *trace.Contribution, s source) {
	switch {
	case s >= 0:
		c.Rule = &t.profile.Rules[s]
	case s == impliedBy(trace.ByChangeProfile):
		c.Rule = t.changer
		fallthrough
	default:
		c.Implied = trace.Implied(-s)
	}
}

func accessOf(e effect) ast.Access {
	switch e {
	case effectDeny:
		return ast.Deny
	case effectPrompt:
		return ast.Prompt
	}
	return ast.Allow
}

// decide walks the levels from the strongest to the weakest.
func (w *weighing) decide(r *resolver) {
	type piece struct {
		part
		by int
	}
	var pieces []piece
	var parts []part
	for i, rec := range w.recs {
		parts = r.parts(parts[:0], rec)
		for _, p := range parts {
			pieces = append(pieces, piece{p, i})
		}
	}
	slices.SortStableFunc(pieces, func(a, b piece) int { return cmp.Compare(b.level, a.level) })
	var levels [32]int
	for _, p := range pieces {
		c := &w.found[p.by]
		decided := uint32(0)
		own := w.own(p.perms, w.half)
		for bit := range 32 {
			if own>>bit&1 == 0 {
				continue
			}
			if win := w.winners[bit]; win != nil && levels[bit] != p.level {
				first := w.recs[win[0]]
				yield(c, win[0], w.kernel(1<<bit), reason(first.priority, w.effects[bit], p.record.priority))
				continue
			}
			levels[bit], w.effects[bit] = p.level, p.effect
			w.winners[bit] = append(w.winners[bit], p.by)
			decided |= 1 << bit
		}
		c.Decides |= w.kernel(decided)
	}
}

// reason says why one effect wins over a weaker one.
func reason(priority int16, e effect, other int16) trace.Reason {
	switch {
	case priority > other:
		return trace.HigherPriority
	case e == effectDeny:
		return trace.DenyFirst
	case e == effectExact:
		return trace.ExactFirst
	}
	return trace.AllowFirst
}

// yield notes that a contribution yields to another one.
func yield(c *trace.Contribution, to int, perms uint32, why trace.Reason) {
	for i := range c.Overridden {
		if o := &c.Overridden[i]; o.By == to && o.Why == why {
			o.Perms |= perms
			return
		}
	}
	c.Overridden = append(c.Overridden, trace.Override{By: to, Perms: perms, Why: why})
}

const (
	execBit = 0 // of fileExec
	mmapBit = 6 // of fileMmap
)

// mapped lets contributions that decide execution decide mmap too, see
// impliedMmap.
func (w *weighing) mapped() {
	if w.winners[mmapBit] != nil && w.effects[mmapBit] == effectDeny {
		return
	}
	inherits := func(i int) bool {
		rec := w.recs[i]
		return w.own(rec.perms, w.half)&fileExec != 0 && rec.effect == effectAllow && rec.exec[w.half]&blob.XInherit != 0
	}
	for i := range w.recs {
		if !inherits(i) {
			continue
		}
		for _, by := range w.winners[execBit] {
			w.found[by].Perms |= blob.PermMmap
			w.found[by].Decides |= blob.PermMmap
		}
		return
	}
}

// capability makes the contributions to a capability, where denial overrides
// everything else.
func (t *traced) capability(n int) []trace.Contribution {
	var found []trace.Contribution
	deny := -1
	for _, r := range t.caps {
		if r.bits>>n&1 == 0 {
			continue
		}
		c := trace.Contribution{Perms: blob.PermExec}
		t.from(&c, r.source)
		if r.deny {
			c.Access = ast.Deny
			if deny < 0 {
				deny = len(found)
			}
		}
		if r.audit {
			c.Audit = blob.PermExec
		}
		if c.Rule != nil {
			c.Priority = c.Rule.Quals().Priority
		}
		found = append(found, c)
	}
	for i := range found {
		if c := &found[i]; deny < 0 || c.Access == ast.Deny {
			c.Decides = blob.PermExec
		} else {
			yield(c, deny, blob.PermExec, trace.DenyFirst)
		}
	}
	return found
}
