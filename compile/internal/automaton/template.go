// SPDX-License-Identifier: Apache-2.0

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
	dfa     *DFA
	next    []uint32 // the transitions, to be looked up fast: state*classes + class
	tables  *blob.DFA
	comb    comb
	entries []entry // what states store in the tables, one state after another
	own     []span  // each state's, in the order of slots
}

// ErrTemplate is returned for automata that cannot be a Template.
var ErrTemplate = errors.New("automaton: a template needs accept values, a start state that is kept apart, and its own tables")

// NewTemplate makes a template of an automaton and the tables that Pack made
// of it. The automaton must still have its accept values and be minimised with
// KeepStart: values that meet in a state of the sum are weighed there.
//
// The tables are shared and must not be changed.
func NewTemplate(d *DFA, tables *blob.DFA) (*Template, error) {
	if d.sets == nil || tables.States() != d.States() || d.rows.leads(Start) {
		return nil, ErrTemplate
	}
	t := &Template{dfa: d, tables: tables, comb: newComb(), own: make([]span, d.States())}
	k := d.classes.n
	t.next = make([]uint32, d.States()*k)
	for s := range uint32(d.States()) {
		d.rows.fill(t.next[int(s)*k:int(s)*k+k], s)
	}
	for slot, s := range tables.Check {
		// The slots of the start state are free, because it is replaced.
		if s > Start {
			t.comb.set(slot)
		}
		t.own[s].n++
	}
	t.comb.advance()
	t.own[Dead].n = 0
	n := uint32(0)
	for s := range t.own {
		t.own[s].from = n
		n += t.own[s].n
	}
	t.entries = make([]entry, n)
	at := make([]uint32, d.States())
	for slot, s := range tables.Check {
		if s != Dead {
			t.entries[t.own[s].from+at[s]] = entry{int32(slot) - int32(tables.Base[s]&blob.BaseMask), tables.Next[slot]}
			at[s]++
		}
	}
	return t, nil
}

// step returns the state after b in state s.
func (t *Template) step(s uint32, b byte) uint32 {
	c := t.dfa.classes
	return t.next[int(s)*c.n+int(c.of[b])]
}

// pair is a state of the sum in which the added automaton is alive: a state of
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
	bytes    [][]byte        // of each class of delta
	scratch  []uint32        // a row of delta

	// Where pairs lead on what keeps the added automaton alive, one pair after
	// another, each in the order of slots.
	entries []entry
	own     []span
}

// Overlay adds an automaton, which still has its accept values, to the
// template. The work grows with the states of the sum in which the added
// automaton is alive, not with the template.
//
// Limits apply to the pairs. The errors are those of ctx and *diag.LimitError.
func (t *Template) Overlay(ctx context.Context, delta *DFA, l Limits) (*Overlay, error) {
	o := &Overlay{
		template: t, delta: delta,
		pairs:   []pair{{Start, Start}},
		index:   map[pair]uint32{{Start, Start}: Start},
		bytes:   delta.classes.bytes(),
		scratch: make([]uint32, delta.classes.n),
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
		if err := m.memory(int64(len(o.pairs))*64 + int64(len(o.entries))*8); err != nil {
			return nil, err
		}
		o.follow(o.pairs[i])
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

// follow lists where a pair leads.
func (o *Overlay) follow(p pair) {
	t, d := o.template, o.delta
	from := len(o.entries)
	var last pair // many bytes lead the same way
	var number uint32
	add := func(slot int32, next pair) {
		if next != last {
			last, number = next, o.number(next)
		}
		o.entries = append(o.entries, entry{slot, number})
	}
	row := o.scratch
	d.rows.fill(row, p.delta)
	oob, classes, bytes := d.classes.oob, 0, 0
	for c, next := range row {
		if next != Dead && c != int(oob) {
			classes++
			bytes += len(o.bytes[c])
		}
	}
	if oob != noClass && row[oob] != Dead {
		add(-1, pair{t.dfa.StepOOB(p.template), row[oob]})
	}
	if bytes == classes {
		// Classes of one byte are in the order of their bytes.
		for c, next := range row {
			if next != Dead && c != int(oob) {
				b := o.bytes[c][0]
				add(int32(b), pair{t.step(p.template, b), next})
			}
		}
	} else {
		for b, c := range d.classes.of {
			if next := row[c]; next != Dead {
				add(int32(b), pair{t.step(p.template, byte(b)), next})
			}
		}
	}
	o.own = append(o.own, span{uint32(from), uint32(len(o.entries) - from)})
}

// alive returns where pair i leads on what keeps the added automaton alive.
func (o *Overlay) alive(i int) []entry {
	own := o.own[i]
	return o.entries[own.from : own.from+own.n]
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
	next := make([]uint32, n*c.n)
	sum := &DFA{classes: c, label: make([]uint32, n), sets: slices.Clone(t.sets)}
	copy(sum.label, t.label)
	for s := range uint32(t.States()) {
		row := next[int(s)*c.n:]
		for b, k := range c.of {
			row[k] = t.Step(s, byte(b))
		}
		if c.oob != noClass {
			row[c.oob] = t.StepOOB(s)
		}
	}
	for i, p := range o.pairs {
		s := o.index[p]
		row := next[int(s)*c.n : int(s)*c.n+c.n]
		copy(row, next[int(p.template)*c.n:])
		for _, e := range o.alive(i) {
			if e.slot < 0 {
				row[c.oob] = e.to
			} else {
				row[c.of[e.slot]] = e.to
			}
		}
		sum.label[s] = uint32(len(sum.sets))
		sum.sets = append(sum.sets, o.Accepts(i, nil))
	}
	for s := range n {
		sum.rows.add(next[s*c.n : s*c.n+c.n])
	}
	return sum
}

// Pack writes the tables of the sum: those of the template, with the pairs
// added. accept and accept2 are the entries of the ACCEPT tables for each
// pair; accept2 is nil if the template has no such table. Pairs may be encoded
// as differences if states of the template are.
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
		out.Default[s], out.Base[s], entries = o.encode(i, entries)
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

// encode appends what pair i has to store, in the order of slots, and returns
// its default and the bits of its base. It is encoded in the shortest of three
// ways: as its differences from its state of the template, by that state's
// default, or by where most bytes keep the added automaton alive.
func (o *Overlay) encode(i int, entries []entry) (def, bits uint32, _ []entry) {
	t, s, alive := o.template, o.pairs[i].template, o.alive(i)
	stored := len(alive)
	diff := t.tables.Flags&blob.FlagDiff != 0 && i > 0 && s != Dead
	if !diff {
		stored += int(t.own[s].n) // or a little less
	}
	most, n := frequent(alive)
	switch {
	case 256-n < stored:
		return most, 0, o.rowBut(i, most, entries)
	case diff:
		return s, blob.BaseDiff, o.differences(i, entries)
	}
	// Neither the dead state nor the start is differentially encoded in a
	// template.
	return t.tables.Default[s], 0, o.row(i, entries)
}

// frequent returns the target of most bytes of a row, of the first few, and of
// how many.
func frequent(row []entry) (to uint32, n int) {
	var seen [4]struct {
		to uint32
		n  int
	}
	for _, e := range row {
		if e.slot < 0 {
			continue
		}
		for i := range seen {
			if seen[i].n == 0 {
				seen[i].to = e.to
			}
			if seen[i].to == e.to {
				seen[i].n++
				break
			}
		}
	}
	for _, s := range seen {
		if s.n > n {
			to, n = s.to, s.n
		}
	}
	return to, n
}

// differences appends, in the order of slots, where pair i differs from its
// state of the template. Out-of-band transitions are not inherited.
func (o *Overlay) differences(i int, entries []entry) []entry {
	alive := o.alive(i)
	if oob := o.template.dfa.StepOOB(o.pairs[i].template); oob != Dead && (len(alive) == 0 || alive[0].slot >= 0) {
		entries = append(entries, entry{-1, oob})
	}
	return append(entries, alive...)
}

// row appends, in the order of slots, where pair i does not lead to the
// default of its state of the template.
func (o *Overlay) row(i int, entries []entry) []entry {
	own := o.template.own[o.pairs[i].template]
	below := o.template.entries[own.from : own.from+own.n]
	for _, e := range o.alive(i) {
		for len(below) > 0 && below[0].slot <= e.slot {
			if below[0].slot < e.slot {
				entries = append(entries, below[0])
			}
			below = below[1:]
		}
		entries = append(entries, e)
	}
	return append(entries, below...)
}

// rowBut appends, in the order of slots, where pair i does not lead to def.
func (o *Overlay) rowBut(i int, def uint32, entries []entry) []entry {
	t, s, alive := o.template, o.pairs[i].template, o.alive(i)
	at := func(slot int32) (uint32, bool) {
		if len(alive) == 0 || alive[0].slot != slot {
			return 0, false
		}
		to := alive[0].to
		alive = alive[1:]
		return to, true
	}
	if to, ok := at(-1); ok {
		entries = append(entries, entry{-1, to})
	} else if to := t.dfa.StepOOB(s); to != Dead {
		entries = append(entries, entry{-1, to})
	}
	for b := range int32(256) {
		to, ok := at(b)
		if !ok {
			to = t.step(s, byte(b))
		}
		if to != def {
			entries = append(entries, entry{b, to})
		}
	}
	return entries
}
