// SPDX-License-Identifier: Apache-2.0

package automaton

import (
	"errors"
	"math/bits"
	"slices"

	"github.com/goarmor/apparmor/blob"
)

// Sum adds rules to bases. It is the memory of that work, which the next one
// uses again: the zero Sum is ready for use, and is not safe for concurrent use.
//
// The sum of a base and a small automaton has the states of the base, as they
// are, and pairs of states, reached where the small one is alive. The first pair
// is the start state; it takes the number of the base's.
type Sum struct {
	// Covers is Builder.Covers, of the added rules alone.
	Covers func(b, a Accept) bool

	builder  Builder // of all rules, where they are not all literals
	memory   Memory
	literals literals

	base  *Base
	delta *DFA
	joint joint
	pairs []pair
	table []uint32 // pair+1 by hash, 0 for none

	// Where pairs lead on what keeps the added automaton alive, in classes of
	// joint, one pair after the other.
	arcs []arc
	own  []span

	words  [][2]uint32             // of each pair, for ACCEPT and ACCEPT2
	memo   map[[2]uint32][2]uint32 // by labels
	repr   []uint32                // what takes the place of each pair: see target
	merged []uint32                // pair+1 by hash of what it does, 0 for none

	final []uint32 // the number of the state that each pair came to

	place   comb
	entries []entry
	stored  []entry // by a state of the base
	rowA    []uint32
	rowB    []uint32
	out     blob.Extension

	budget *Budget
	work   int // done and not yet counted
}

// pair is a state of the sum where the added automaton is alive: a state of
// each.
type pair struct{ base, delta uint32 }

// Reset forgets the rules that were added.
func (s *Sum) Reset() {
	clear(s.builder.rules) // which hold on to expressions
	s.builder.rules, s.builder.owners = s.builder.rules[:0], s.builder.owners[:0]
	clear(s.literals.list)
	s.literals.list = s.literals.list[:0]
}

// Add adds an expression, as Builder.Add does.
func (s *Sum) Add(n Node, a Accept) {
	s.builder.rules = append(s.builder.rules, rule{n, a})
	if text, ok := n.literal(); ok {
		s.literals.list = append(s.literals.list, literalRule{text, a})
	}
}

// Len returns the number of expressions that were added.
func (s *Sum) Len() int { return s.builder.Len() }

// SumOptions are the parameters of Sum.Build.
type SumOptions struct {
	// Weigh decides what accept values of the base and added ones come to
	// together: the entries of ACCEPT and ACCEPT2. Both lists are sorted and
	// must not be changed; the second is not empty.
	Weigh func(base, added []Accept) (accept, accept2 uint32, err error)
	// Diff allows to encode states as differences from those of the base.
	Diff bool
}

// ErrAdded is returned for rules that cannot be added to a base: the sum has to
// be built as a whole.
var ErrAdded = errors.New("automaton: the rules cannot be added to the base")

// Build makes the sum of a base and the rules that were added. The work grows
// with the states of the sum in which an added rule may still match, not with
// the base. The result is valid until the next call.
//
// The errors are the budget's, those of o.Weigh, and ErrAdded for what does not
// fit the base. The states of the added automaton count, and the pairs.
func (s *Sum) Build(budget *Budget, b *Base, o SumOptions) (*blob.Extension, error) {
	s.base, s.budget, s.work = b, budget, 0
	if len(s.literals.list) == s.builder.Len() {
		s.delta = s.literals.build(budget)
		if err := budget.Err(); err != nil {
			return nil, err
		}
	} else {
		s.builder.Covers = s.Covers
		d, err := s.builder.BuildIn(&s.memory, budget)
		if err != nil {
			return nil, err
		}
		s.delta = d
	}
	if s.delta.classes.oob != noClass {
		return nil, ErrAdded
	}
	s.work += 1024 + b.fine.classes.n*s.delta.classes.n/16
	s.joint.join(b.fine.classes, s.delta.classes)
	if !s.follow() {
		return nil, budget.Err()
	}
	if err := s.weigh(o); err != nil {
		return nil, err
	}
	if !s.merge() {
		return nil, budget.Err()
	}
	if err := s.pack(o); err != nil {
		return nil, err
	}
	return &s.out, nil
}

// check counts what has been done and is held, and reports whether to go on.
func (s *Sum) check() bool {
	work := s.work + s.place.work
	s.work, s.place.work = 0, 0
	return s.budget.Spend(work) && s.budget.Need(s.size())
}

// size is the bytes that are held: the pairs with all that there is for each, and
// what is written.
func (s *Sum) size() int64 {
	return s.literals.size() + int64(len(s.pairs))*(8+8+8+4+4) + int64(len(s.table)+len(s.merged))*4 + int64(len(s.arcs))*8 +
		int64(len(s.memo))*32 + int64(len(s.place.used))*8 + int64(len(s.place.tried.list))*8 + int64(len(s.out.Slots))*12 + int64(len(s.out.Base))*16
}

// resize returns a slice of n elements with any content.
func resize[T any](list []T, n int) []T { return slices.Grow(list[:0], n)[:n] }

// follow finds the pairs and where they lead. It reports whether the budget
// sufficed.
func (s *Sum) follow() bool {
	s.pairs = append(s.pairs[:0], pair{Start, Start})
	if s.arcs == nil {
		// About what a dozen rules take in a base as large as a machine's.
		s.arcs = make([]arc, 0, 4<<10)
	}
	s.arcs, s.own = s.arcs[:0], s.own[:0]
	size := tableSize(s.delta.States())
	s.table = resize(s.table, size)
	clear(s.table)
	s.enter(0)
	s.rowA = resize(s.rowA, s.base.fine.classes.n)
	s.rowB = resize(s.rowB, s.delta.classes.n)
	for i := 0; i < len(s.pairs); i++ {
		if !s.budget.count() || i%64 == 0 && (!s.budget.transitions(len(s.arcs)) || !s.check()) {
			return false
		}
		s.followPair(s.pairs[i])
	}
	return s.check()
}

// followPair lists where a pair leads.
func (s *Sum) followPair(p pair) {
	from := len(s.arcs)
	j, fine, rows := &s.joint, &s.base.fine.rows, &s.delta.rows
	most, arcs := rows.of[p.delta].most, rows.arcsOf(p.delta)
	s.work += 8
	switch {
	case most == Dead && len(arcs) < 4:
		for _, a := range arcs {
			for _, c := range j.within(a.class) {
				s.add(uint32(c), pair{fine.step(p.base, j.first[c]), a.to})
			}
		}
	default:
		s.work += len(s.rowA) + len(s.rowB) + 2*j.n
		fine.fill(s.rowA, p.base)
		rows.fill(s.rowB, p.delta)
		var last pair // many classes lead the same way
		number := uint32(0)
		for c := range j.n {
			next := pair{s.rowA[j.first[c]], s.rowB[j.second[c]]}
			if next.delta == Dead {
				continue
			}
			if next != last {
				last, number = next, s.number(next)
			}
			s.arcs = append(s.arcs, arc{uint32(c), number})
		}
	}
	s.own = append(s.own, span{uint32(from), uint32(len(s.arcs) - from)})
}

func (s *Sum) add(class uint32, to pair) {
	if to.delta != Dead {
		s.arcs = append(s.arcs, arc{class, s.number(to)})
	}
}

func (p pair) hash() uint32 { return uint32(mix(uint64(p.base)<<32, uint64(p.delta))) }

// number returns the number of a pair, a new one if need be.
func (s *Sum) number(p pair) uint32 {
	s.work += 4
	mask := uint32(len(s.table) - 1)
	i := p.hash() & mask
	for ; s.table[i] != 0; i = (i + 1) & mask {
		if n := s.table[i] - 1; s.pairs[n] == p {
			return n
		}
	}
	n := uint32(len(s.pairs))
	s.pairs = append(s.pairs, p)
	s.table[i] = n + 1
	if 2*len(s.pairs) > len(s.table) {
		size := 2 * len(s.table)
		s.work += size
		s.table = resize(s.table, size)
		clear(s.table)
		for n := range s.pairs {
			s.enter(uint32(n))
		}
	}
	return n
}

// enter puts a pair that is new into the table.
func (s *Sum) enter(n uint32) {
	mask := uint32(len(s.table) - 1)
	i := s.pairs[n].hash() & mask
	for s.table[i] != 0 {
		i = (i + 1) & mask
	}
	s.table[i] = n + 1
}

// Pairs returns the number of pairs of the last sum, the start state among them.
func (s *Sum) Pairs() int { return len(s.pairs) }

// alive returns where a pair leads on what keeps the added automaton alive.
func (s *Sum) alive(i int) []arc {
	own := s.own[i]
	return s.arcs[own.from : own.from+own.n]
}

// state returns the state of the tables that a pair is one of the base in.
func (s *Sum) state(i int) uint32 { return s.base.of[s.pairs[i].base] }

// weigh finds what is granted in each pair.
func (s *Sum) weigh(o SumOptions) error {
	t := s.base.tables
	s.words = resize(s.words, len(s.pairs))
	if s.memo == nil {
		s.memo = map[[2]uint32][2]uint32{}
	}
	clear(s.memo)
	s.work += 4 * len(s.pairs)
	for i, p := range s.pairs {
		added := s.delta.Accepts(p.delta)
		if len(added) == 0 {
			m := s.state(i)
			s.words[i][0], s.words[i][1] = t.Accept[m], 0
			if t.Accept2 != nil {
				s.words[i][1] = t.Accept2[m]
			}
			continue
		}
		k := [2]uint32{s.base.fine.label[p.base], s.delta.label[p.delta]}
		w, ok := s.memo[k]
		if !ok {
			base := s.base.fine.Accepts(p.base)
			if s.work += 16 + 8*(len(base)+len(added)); !s.check() {
				return s.budget.Err()
			}
			var err error
			if w[0], w[1], err = o.Weigh(base, added); err != nil {
				return err
			}
			s.memo[k] = w
		}
		s.words[i] = w
	}
	return nil
}

// merge finds what takes the place of each pair: a state of the base that does
// the same, a pair that does, or the pair itself. Later pairs are looked at
// first, because earlier ones lead to them. Where they lead back as well, as in
// the scope of a `**`, that does not find all that are alike.
//
// A target is a state of the base, or a pair's number above those. It reports
// whether the budget sufficed.
func (s *Sum) merge() bool {
	n := uint32(s.base.States())
	s.repr = resize(s.repr, len(s.pairs))
	for i := range s.repr {
		s.repr[i] = n + uint32(i)
	}
	if !s.bury() {
		return false
	}
	s.merged = resize(s.merged, 1<<bits.Len(uint(2*len(s.pairs))))
	clear(s.merged)
	mask := uint32(len(s.merged) - 1)
	for i := len(s.pairs) - 1; i > 0; i-- {
		if s.repr[i] == Dead {
			continue
		}
		m := s.state(i)
		arcs := s.alive(i)
		if s.work += 8 + 6*len(arcs); s.work > pollWork && !s.check() {
			return false
		}
		for j := range arcs {
			arcs[j].to = s.repr[arcs[j].to]
		}
		if s.like(i, m, arcs) {
			s.repr[i] = m
			continue
		}
		w := s.words[i]
		h := mix(uint64(m)<<32|uint64(len(arcs)), uint64(w[0])<<32|uint64(w[1]))
		for _, a := range arcs {
			h = mix(h, uint64(a.class)<<32|uint64(a.to))
		}
		at := uint32(h) & mask
		for ; s.merged[at] != 0; at = (at + 1) & mask {
			o := int(s.merged[at] - 1)
			if s.state(o) == m && s.words[o] == w && slices.Equal(s.alive(o), arcs) {
				break
			}
		}
		if s.merged[at] != 0 {
			s.repr[i] = s.repr[s.merged[at]-1]
		} else {
			s.merged[at] = uint32(i) + 1
		}
	}
	arcs := s.alive(0)
	for j := range arcs {
		arcs[j].to = s.repr[arcs[j].to]
	}
	return s.check()
}

// bury makes the dead state of the pairs from which nothing can be reached but
// what the dead state has. Added denials may do that to what the base grants. It
// reports whether the budget sufficed.
func (s *Sum) bury() bool {
	t, n := s.base.tables, uint32(s.base.States())
	dead := [2]uint32{t.Accept[Dead]}
	if t.Accept2 != nil {
		dead[1] = t.Accept2[Dead]
	}
	for i, w := range s.words {
		if i > 0 && w == dead {
			s.repr[i] = Dead // until it is seen to lead to something else
		}
	}
	for changed := true; changed; {
		changed = false
		s.work += len(s.pairs)
		for i := len(s.pairs) - 1; i > 0; i-- {
			if s.work > pollWork && !s.check() {
				return false
			}
			if s.repr[i] == Dead && s.leaves(i) {
				s.repr[i], changed = n+uint32(i), true
			}
		}
	}
	return s.check()
}

// leaves reports whether a pair leads to anything but dead states.
func (s *Sum) leaves(i int) bool {
	arcs := s.alive(i)
	s.work += 2 * len(arcs)
	for _, a := range arcs {
		if s.repr[a.to] != Dead {
			return true
		}
	}
	m := s.state(i)
	if m == Dead {
		return false
	}
	s.work += s.base.least.classes.n + 2*s.joint.n
	s.rowA = resize(s.rowA, s.base.least.classes.n)
	s.base.least.rows.fill(s.rowA, m)
	s.rowB = resize(s.rowB, s.joint.n)
	for c := range s.rowB {
		s.rowB[c] = s.rowA[s.joint.first[c]]
	}
	for _, a := range arcs {
		s.rowB[a.class] = Dead
	}
	return slices.ContainsFunc(s.rowB, func(to uint32) bool { return to != Dead })
}

// like reports whether pair i does what a state of the base does.
func (s *Sum) like(i int, m uint32, arcs []arc) bool {
	t := s.base.tables
	if s.words[i][0] != t.Accept[m] || t.Accept2 != nil && s.words[i][1] != t.Accept2[m] {
		return false
	}
	for _, a := range arcs {
		if a.to != s.base.least.rows.step(m, s.joint.first[a.class]) {
			return false
		}
	}
	return true
}

// numbers decides the numbers of the states that pairs came to, and returns how
// many there are with those of the base.
func (s *Sum) numbers() uint32 {
	n := uint32(s.base.States())
	total := n
	s.final = resize(s.final, len(s.pairs))
	s.final[0] = Start
	for i := 1; i < len(s.repr); i++ {
		if s.repr[i] == n+uint32(i) {
			s.final[i] = total
			total++
		}
	}
	for i, r := range s.repr {
		switch {
		case i == 0 || r == n+uint32(i):
		case r < n:
			s.final[i] = r
		default:
			s.final[i] = s.final[r-n]
		}
	}
	return total
}

// target returns the number of the state that an arc leads to.
func (s *Sum) target(a arc) uint32 {
	if n := uint32(s.base.States()); a.to >= n {
		return s.final[a.to-n]
	}
	return a.to
}

// pack writes the states that pairs came to.
func (s *Sum) pack(o SumOptions) error {
	t, out := s.base.tables, &s.out
	n := uint32(s.base.States())
	total := s.numbers()
	if total > 1<<16 && !t.Wide {
		return ErrAdded
	}
	out.Flags = t.Flags
	out.Accept, out.Accept2 = out.Accept[:0], out.Accept2[:0]
	out.Base, out.Default, out.Slots = out.Base[:0], out.Default[:0], out.Slots[:0]
	s.place.reset(&s.base.comb)
	top := len(t.Next) - 256
	s.work += 4*len(s.pairs) + len(s.place.used)
	for i := range s.pairs {
		if s.work+s.place.work > pollWork && !s.check() {
			return s.budget.Err()
		}
		if i > 0 && s.repr[i] != n+uint32(i) {
			continue
		}
		state := s.final[i]
		def, bits := s.encode(i, o.Diff)
		s.work += 16 + 4*len(s.entries)
		if len(s.entries) > 0 {
			at := s.place.insertNext(s.entries)
			top = max(top, at)
			if at > int(blob.BaseMask) {
				return ErrAdded
			}
			bits |= uint32(at)
			for _, e := range s.entries {
				out.Slots = append(out.Slots, blob.Slot{At: uint32(at) + uint32(e.slot), Next: e.to, Check: state})
			}
		}
		if bits&blob.BaseDiff != 0 {
			out.Flags |= blob.FlagDiff
		}
		out.Accept = append(out.Accept, s.words[i][0])
		if t.Accept2 != nil {
			out.Accept2 = append(out.Accept2, s.words[i][1])
		}
		out.Base = append(out.Base, bits)
		out.Default = append(out.Default, def)
	}
	out.Len = uint32(top + 256)
	if !s.check() {
		return s.budget.Err()
	}
	return nil
}

// encode returns the default of a pair and the bits of its base, and leaves what
// it has to store in s.entries, in the order of slots. It is encoded in the
// shortest way of three: as what differs from its state of the base, by that
// state's default, or by where most bytes keep the added automaton alive.
func (s *Sum) encode(i int, diffs bool) (def, bits uint32) {
	t, m, arcs, j := s.base.tables, s.state(i), s.alive(i), &s.joint
	s.work += 4 * len(arcs)
	s.entries = s.entries[:0]
	diff := diffs && i > 0 && m != Dead
	var below []entry
	if !diff {
		below = s.base.storedBy(m, &s.stored)
		s.work += len(below)
	}
	if len(arcs) > 1 {
		stored := 0
		for _, a := range arcs {
			stored += int(j.size[a.class])
		}
		stored += len(below) // or a little less
		if most, n := s.frequent(arcs); 256-n < stored {
			s.rowBut(m, arcs, most)
			return most, 0
		}
	}
	for _, a := range arcs {
		to := s.target(a)
		for _, b := range j.bytesOf(a.class) {
			s.entries = append(s.entries, entry{int32(b), to})
		}
	}
	sortEntries(s.entries)
	if diff {
		return m, blob.BaseDiff
	}
	s.entriesWith(below, t.Default[m])
	return t.Default[m], 0
}

// frequent returns the target of most bytes of a row, of the first few, and of
// how many.
func (s *Sum) frequent(arcs []arc) (to uint32, n int) {
	var seen [4]struct {
		to uint32
		n  int
	}
	for _, a := range arcs {
		t := s.target(a)
		for i := range seen {
			if seen[i].n == 0 {
				seen[i].to = t
			}
			if seen[i].to == t {
				seen[i].n += int(s.joint.size[a.class])
				break
			}
		}
	}
	for _, x := range seen {
		if x.n > n {
			to, n = x.to, x.n
		}
	}
	return to, n
}

// rowBut makes the entries of a row that is that of a state of the base but for
// arcs, where it does not lead to def.
func (s *Sum) rowBut(m uint32, arcs []arc, def uint32) {
	j := &s.joint
	s.work += 512
	s.rowA = resize(s.rowA, s.base.least.classes.n)
	s.base.least.rows.fill(s.rowA, m)
	s.rowB = resize(s.rowB, j.n)
	for c := range s.rowB {
		s.rowB[c] = s.rowA[j.first[c]]
	}
	for _, a := range arcs {
		s.rowB[a.class] = s.target(a)
	}
	for b, c := range j.of {
		if to := s.rowB[c]; to != def {
			s.entries = append(s.entries, entry{int32(b), to})
		}
	}
}

// entriesWith adds to s.entries what a state of the base stores and they do not
// have, and takes off what leads to def.
func (s *Sum) entriesWith(below []entry, def uint32) {
	alive := len(s.entries)
	for _, e := range s.entries[:alive] {
		for len(below) > 0 && below[0].slot <= e.slot {
			if below[0].slot < e.slot {
				s.entries = append(s.entries, below[0])
			}
			below = below[1:]
		}
		if e.to != def {
			s.entries = append(s.entries, e)
		}
	}
	s.entries = append(s.entries, below...)
	s.entries = append(s.entries[:0], s.entries[alive:]...)
}
