package automaton

import (
	"context"
	"errors"
	"slices"

	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/diag"
)

// Template is an automaton with its tables, made ready to have small automata
// added to it. It is immutable and safe for concurrent use.
type Template struct {
	dfa    *DFA
	tables *blob.DFA
	comb   comb
}

// ErrTemplate is returned for automata that cannot be a Template.
var ErrTemplate = errors.New("automaton: a template needs accept values, a start state that is kept apart, and its own tables")

// NewTemplate makes a template of an automaton and the tables that Pack made
// of it. The automaton still has its accept values, minimised with KeepStart
// as they are: what comes together in a state of the sum is weighed there.
//
// The tables are shared and must not be changed.
func NewTemplate(d *DFA, tables *blob.DFA) (*Template, error) {
	if d.sets == nil || tables.States() != d.States() || slices.Contains(d.next, Start) {
		return nil, ErrTemplate
	}
	t := &Template{dfa: d, tables: tables, comb: newComb()}
	for slot, s := range tables.Check {
		// The slots of the start state are free, because it is replaced.
		if s > Start {
			t.comb.set(slot)
		}
	}
	t.comb.advance()
	return t, nil
}

// pair is a state of the sum where the added automaton is alive: a state of
// each.
type pair struct{ template, delta uint32 }

// Overlay is the sum of a template and an added automaton. Its states are
// those of the template, as they are, and after them pairs of states, reached
// where the added automaton is alive. The first pair is the start state; it
// takes the number of the template's.
type Overlay struct {
	template *Template
	delta    *DFA
	pairs    []pair
	index    map[pair]uint32 // number in the sum
	bytes    [][]byte        // of each class of delta that leads anywhere
}

// Overlay adds an automaton, which still has its accept values, to the
// template. The work grows with the states of the sum in which the added
// automaton is alive, not with the template.
//
// Limits apply to the pairs. The errors are those of ctx and *diag.LimitError.
func (t *Template) Overlay(ctx context.Context, delta *DFA, l Limits) (*Overlay, error) {
	o := &Overlay{
		template: t, delta: delta,
		pairs: []pair{{Start, Start}},
		index: map[pair]uint32{{Start, Start}: Start},
		bytes: delta.classes.bytes(),
	}
	m := meter{limits: l}
	for i := 0; i < len(o.pairs); i++ {
		if i%1024 == 0 {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
		}
		if err := m.states(len(o.pairs)); err != nil {
			return nil, err
		}
		if err := m.memory(int64(len(o.pairs)) * 64); err != nil {
			return nil, err
		}
		o.each(i, func(_ int32, next pair) { o.number(next) })
	}
	return o, nil
}

// number returns the state of a pair, a new one if need be.
func (o *Overlay) number(p pair) uint32 {
	if s, ok := o.index[p]; ok {
		return s
	}
	s := uint32(o.template.dfa.States() + len(o.pairs) - 1)
	o.pairs = append(o.pairs, p)
	o.index[p] = s
	return s
}

// each calls f for every byte, or -1 for out of band, on which the added
// automaton stays alive, with the pair that it leads to.
func (o *Overlay) each(i int, f func(slot int32, next pair)) {
	p := o.pairs[i]
	t, d := o.template.dfa, o.delta
	k := d.classes.n
	for c, next := range d.next[int(p.delta)*k : int(p.delta)*k+k] {
		if next == Trap {
			continue
		}
		if c == int(d.classes.oob) {
			f(-1, pair{t.StepOOB(p.template), next})
			continue
		}
		for _, b := range o.bytes[c] {
			f(int32(b), pair{t.Step(p.template, b), next})
		}
	}
}

// Pairs returns the number of pairs, the start state among them.
func (o *Overlay) Pairs() int { return len(o.pairs) }

// Accepts appends the accept values of pair i, sorted, to set.
func (o *Overlay) Accepts(i int, set []Accept) []Accept {
	n := len(set)
	set = append(set, o.template.dfa.Accepts(o.pairs[i].template)...)
	set = append(set, o.delta.Accepts(o.pairs[i].delta)...)
	slices.Sort(set[n:])
	return set[:n+len(slices.Compact(set[n:]))]
}

// DFA returns the sum as an automaton of its own.
func (o *Overlay) DFA() *DFA {
	t, d := o.template.dfa, o.delta
	c := common(t.classes, d.classes)
	n := t.States() + len(o.pairs) - 1
	sum := &DFA{classes: c, next: make([]uint32, n*c.n), label: make([]uint32, n), sets: slices.Clone(t.sets)}
	copy(sum.label, t.label)
	for s := range uint32(t.States()) {
		row := sum.next[int(s)*c.n:]
		for b, k := range c.of {
			row[k] = t.Step(s, byte(b))
		}
		if c.oob != noClass {
			row[c.oob] = t.StepOOB(s)
		}
	}
	for i, p := range o.pairs {
		s := o.index[p]
		row := sum.next[int(s)*c.n : int(s)*c.n+c.n]
		copy(row, sum.next[int(p.template)*c.n:])
		o.each(i, func(slot int32, next pair) {
			if slot < 0 {
				row[c.oob] = o.index[next]
			} else {
				row[c.of[slot]] = o.index[next]
			}
		})
		sum.label[s] = uint32(len(sum.sets))
		sum.sets = append(sum.sets, o.Accepts(i, nil))
	}
	return sum
}

// Pack writes the tables of the sum: those of the template, with the pairs
// added. accept and accept2 are the entries of the ACCEPT tables for each
// pair; accept2 is nil if the template has no such table. Pairs are encoded as
// differences if the template's tables have such states.
//
// A sum that does not fit is a *diag.LimitError; the other errors are those of
// ctx.
func (o *Overlay) Pack(ctx context.Context, accept, accept2 []uint32) (*blob.DFA, error) {
	t := o.template
	old := t.tables
	n := t.dfa.States()
	total := n + len(o.pairs) - 1
	if total > 1<<16 && !old.Wide {
		return nil, &diag.LimitError{What: "states of an automaton in 16-bit tables", Limit: 1 << 16, Got: int64(total)}
	}
	grown := func(table []uint32) []uint32 { return append(make([]uint32, 0, total), table...)[:total] }
	out := &blob.DFA{Flags: old.Flags, Wide: old.Wide, Accept: grown(old.Accept), Base: grown(old.Base), Default: grown(old.Default)}
	if accept2 != nil {
		out.Accept2 = grown(old.Accept2)
	}
	place := comb{used: slices.Clone(t.comb.used), free: t.comb.free, tried: map[uint64]int{}}
	placed := make([]span, len(o.pairs)) // entries of each pair
	var entries []entry
	top := len(old.Next) - 256
	for i, p := range o.pairs {
		if i%1024 == 0 {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
		}
		s := o.index[p]
		out.Accept[s] = accept[i]
		if accept2 != nil {
			out.Accept2[s] = accept2[i]
		}
		from := len(entries)
		out.Base[s] = 0
		if old.Flags&blob.FlagDiff != 0 && i > 0 && p.template != Trap {
			entries = o.differences(i, entries)
			out.Default[s] = p.template
			out.Base[s] = blob.BaseDiff
		} else {
			out.Default[s] = old.Default[p.template]
			entries = o.row(i, out.Default[s], entries)
		}
		placed[i] = span{uint32(from), uint32(len(entries) - from)}
		if own := entries[from:]; len(own) > 0 {
			base := place.insert(own)
			top = max(top, base)
			out.Base[s] |= uint32(base)
			if own[0].slot < 0 {
				out.Base[s] |= blob.BaseOOB
				out.Flags |= blob.FlagOOB
			}
		}
	}
	if top > int(blob.BaseMask) {
		return nil, &diag.LimitError{What: "slots of an automaton", Limit: int64(blob.BaseMask), Got: int64(top)}
	}
	out.Next, out.Check = make([]uint32, top+256), make([]uint32, top+256)
	copy(out.Next, old.Next)
	copy(out.Check, old.Check)
	for slot, base := -1, int(old.Base[Start]&blob.BaseMask); slot < 256; slot++ {
		if at := base + slot; at >= 0 && out.Check[at] == Start {
			out.Next[at], out.Check[at] = 0, 0
		}
	}
	for i, p := range o.pairs {
		s := o.index[p]
		for _, e := range entries[placed[i].from : placed[i].from+placed[i].n] {
			at := int(out.Base[s]&blob.BaseMask) + int(e.slot)
			out.Next[at], out.Check[at] = e.to, s
		}
	}
	return out, nil
}

// differences appends, in the order of slots, where pair i differs from its
// state of the template. Out-of-band transitions are not inherited.
func (o *Overlay) differences(i int, entries []entry) []entry {
	from := len(entries)
	oob := o.template.dfa.StepOOB(o.pairs[i].template)
	o.each(i, func(slot int32, next pair) {
		entries = append(entries, entry{slot, o.index[next]})
		if slot < 0 {
			oob = Trap
		}
	})
	if oob != Trap {
		entries = append(entries, entry{-1, oob})
	}
	sortEntries(entries[from:])
	return entries
}

// row appends, in the order of slots, where pair i leads but for its default.
func (o *Overlay) row(i int, def uint32, entries []entry) []entry {
	var row [257]uint32 // by slot+1
	t := o.template.dfa
	s := o.pairs[i].template
	row[0] = t.StepOOB(s)
	for b := range 256 {
		row[b+1] = t.Step(s, byte(b))
	}
	o.each(i, func(slot int32, next pair) { row[slot+1] = o.index[next] })
	if row[0] != Trap {
		entries = append(entries, entry{-1, row[0]})
	}
	for b, to := range row[1:] {
		if to != def {
			entries = append(entries, entry{int32(b), to})
		}
	}
	return entries
}
