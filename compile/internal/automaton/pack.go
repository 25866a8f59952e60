// SPDX-License-Identifier: Apache-2.0

package automaton

import (
	"cmp"
	"math/bits"
	"slices"

	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/diag"
)

// PackOptions are the parameters of Pack.
type PackOptions struct {
	// Accept is the entry of the ACCEPT table for each label.
	Accept []uint32
	// Accept2 is the entry of the ACCEPT2 table for each label; nil leaves
	// the table out.
	Accept2 []uint32
	// Wide allows tables of 32 bits per entry; they are used if 16 bits do not
	// suffice.
	Wide bool
	// Diff encodes states as differences from similar ones if that is shorter.
	// Automata of attachments must not have it: kernels ignore the encoding
	// when they look for the longest match.
	Diff bool
}

// Pack writes the automaton as comb tables, which pass the kernel's checks.
// States keep their numbers.
//
// An automaton that does not fit is a *diag.LimitError; the other errors are
// the budget's.
func (d *DFA) Pack(budget *Budget, o PackOptions) (*blob.DFA, error) {
	return d.PackIn(new(Memory), budget, o)
}

// PackIn is Pack with scratch in the given memory.
func (d *DFA) PackIn(m *Memory, budget *Budget, o PackOptions) (*blob.DFA, error) {
	n := d.States()
	wide := n > 1<<16
	if wide && !o.Wide {
		return nil, &diag.LimitError{What: "states of an automaton in 16-bit tables", Limit: 1 << 16, Got: int64(n)}
	}
	held := d.size() + 21*int64(n)
	if !budget.Spend(8*n+4*len(d.rows.arcs)) || !budget.Need(held) {
		return nil, budget.Err()
	}
	p := &m.packer
	p.init(d, budget)
	p.chooseDefaults()
	if o.Diff {
		if !budget.Need(held+16*int64(len(d.rows.arcs))+13*int64(n)) || !p.chooseDiffs() {
			return nil, budget.Err()
		}
	}
	// Entries, and what they are placed by, and the tables of four and two
	// words for each.
	if !budget.Spend(2*p.stored) || !budget.Need(held+16*int64(p.stored)+24*int64(n)) {
		return nil, budget.Err()
	}
	out, err := p.tables()
	if err != nil {
		return nil, err
	}
	out.Wide = wide
	out.Accept = make([]uint32, n)
	for s, l := range d.label {
		out.Accept[s] = o.Accept[l]
	}
	if o.Accept2 != nil {
		out.Accept2 = make([]uint32, n)
		for s, l := range d.label {
			out.Accept2[s] = o.Accept2[l]
		}
	}
	return out, nil
}

// packer writes comb tables.
type packer struct {
	d      *DFA
	sizes  []int    // of each class, in bytes
	bytes  [][]byte // of each class
	def    []uint32
	diff   []bool
	count  []int32 // by state, for choosing defaults
	stored int     // bytes that do not lead to the default

	entries []entry // what states have to store, one state after another
	own     []span  // of each state
	budget  *Budget

	order, spare []uint64 // of placeBest
	comb         comb     // of place

	// Of chooseDiffs.
	like, voted  []uint32
	heads, votes []int32
	depth        []uint8
	last         lastArcs
}

// entry is a transition that a state has to store: on a byte, or out of band.
type entry struct {
	slot int32 // relative to the base: the byte, or -1 for out of band
	to   uint32
}

// sortEntries puts entries in the order of slots, in which they mostly are.
func sortEntries(entries []entry) {
	bySlot := func(a, b entry) int { return cmp.Compare(a.slot, b.slot) }
	if !slices.IsSortedFunc(entries, bySlot) {
		slices.SortFunc(entries, bySlot)
	}
}

func (p *packer) init(d *DFA, budget *Budget) {
	n := d.States()
	p.d, p.budget, p.bytes, p.stored = d, budget, d.classes.bytes(), 0
	p.def = make([]uint32, n) // which becomes a table
	p.diff, p.count, p.own = zeros(p.diff, n), zeros(p.count, n), zeros(p.own, n)
	p.sizes = zeros(p.sizes, d.classes.n)
	for c, bytes := range p.bytes {
		p.sizes[c] = len(bytes)
	}
}

// chooseDefaults makes the target of most bytes the default of each state. An
// out-of-band transition has no useful default.
func (p *packer) chooseDefaults() {
	for s := range p.def {
		if uint32(s) == Dead {
			continue
		}
		most, arcs := p.d.rows.of[s].most, p.d.rows.arcsOf(uint32(s))
		rest := int32(256)
		for _, a := range arcs {
			p.count[a.to] += int32(p.sizes[a.class])
			rest -= int32(p.sizes[a.class])
		}
		best := most
		if most == various {
			best = arcs[0].to
		} else {
			p.count[most] += rest
		}
		for _, a := range arcs {
			if t := a.to; p.count[t] > p.count[best] || p.count[t] == p.count[best] && t < best {
				best = t
			}
		}
		stays := int(p.count[best])
		if most != various {
			p.count[most] = 0
		}
		for _, a := range arcs {
			p.count[a.to] = 0
		}
		p.def[s] = best
		p.stored += 256 - stays
	}
}

// collect lists what each state has to store, in the order of slots.
func (p *packer) collect() {
	oob := int(p.d.classes.oob)
	p.entries = room(p.entries, p.stored)
	row, like := make([]uint32, p.d.classes.n), make([]uint32, p.d.classes.n)
	for i := range p.own {
		s := uint32(i)
		from := len(p.entries)
		if to := p.d.StepOOB(s); to != Dead {
			p.entries = append(p.entries, entry{-1, to})
		}
		switch {
		case !p.diff[s] && p.def[s] == p.d.rows.of[s].most:
			for _, a := range p.d.rows.arcsOf(s) {
				if int(a.class) != oob {
					p.store(int(a.class), a.to)
				}
			}
		case p.diff[s] && p.d.rows.of[s].most == p.d.rows.of[p.def[s]].most:
			for c, to := range p.d.rows.pairs(s, p.def[s]) {
				if int(c) != oob && to[0] != to[1] {
					p.store(int(c), to[0])
				}
			}
		default:
			p.d.rows.fill(row, s)
			if p.diff[s] {
				p.d.rows.fill(like, p.def[s])
			} else {
				for c := range like {
					like[c] = p.def[s]
				}
			}
			for c, t := range row {
				if c != oob && t != like[c] {
					p.store(c, t)
				}
			}
		}
		own := p.entries[from:]
		sortEntries(own)
		p.own[s] = span{uint32(from), uint32(len(own))}
	}
}

// store adds a transition on the bytes of a class.
func (p *packer) store(class int, to uint32) {
	for _, b := range p.bytes[class] {
		p.entries = append(p.entries, entry{int32(b), to})
	}
}

func (p *packer) entriesOf(s uint32) []entry {
	own := p.own[s]
	return p.entries[own.from : own.from+own.n]
}

// tables places the entries of all states and writes the tables but those of
// permissions.
func (p *packer) tables() (*blob.DFA, error) {
	p.collect()
	base, top, err := p.placeBest()
	if err != nil {
		return nil, err
	}
	if top > int(blob.BaseMask) {
		return nil, &diag.LimitError{What: "slots of an automaton", Limit: int64(blob.BaseMask), Got: int64(top)}
	}
	// A kernel must find a slot for every byte at every base.
	t := &blob.DFA{Base: base, Default: p.def, Next: make([]uint32, top+256), Check: make([]uint32, top+256)}
	for s := range base {
		own := p.entriesOf(uint32(s))
		for _, e := range own {
			at := int(base[s]) + int(e.slot)
			t.Next[at], t.Check[at] = e.to, uint32(s)
		}
		if len(own) > 0 && own[0].slot < 0 {
			base[s] |= blob.BaseOOB
			t.Flags |= blob.FlagOOB
		}
		if p.diff[s] {
			base[s] |= blob.BaseDiff
			t.Flags |= blob.FlagDiff
		}
	}
	return t, nil
}

// placeBest finds a base for every state. States with the most entries come
// first, because they are the hardest to place, and among equals those with
// the lowest bytes, because only they can use the lowest slots. If it is
// cheap, other orders are tried as well.
func (p *packer) placeBest() (base []uint32, top int, err error) {
	p.order = room(p.order, len(p.own))
	order := p.order
	for i := range orders {
		order = order[:0]
		for s, own := range p.own {
			if own.n > 0 {
				n, low := uint64(own.n), uint64(p.entries[own.from].slot+1)
				order = append(order, orders[i](n, low)<<32|uint64(s))
			}
		}
		p.spare = sortOrder(order, p.spare)
		b, t, err := p.place(order)
		if err != nil {
			return nil, 0, err
		}
		if i == 0 || t < top {
			base, top = b, t
		}
		if len(order) > cheapOrder {
			break
		}
	}
	return base, top, nil
}

// sortOrder sorts states, the lower halves, by what orders say of them, the upper
// halves, of 18 bits. Of equals the lower state, which is the earlier one, stays the
// first. The memory of spare is used, and what is to be used the next time is
// returned.
func sortOrder(order, spare []uint64) []uint64 {
	if len(order) < 128 {
		slices.Sort(order)
		return spare
	}
	// The least significant digit first.
	spare = append(spare[:0], order...)
	from, to := order, spare
	for shift := 32; shift < 32+18; shift += 9 {
		var at [1 << 9]int32
		for _, o := range from {
			at[o>>shift&(1<<9-1)]++
		}
		sum := int32(0)
		for d, n := range at {
			at[d], sum = sum, sum+n
		}
		for _, o := range from {
			d := o >> shift & (1<<9 - 1)
			to[at[d]] = o
			at[d]++
		}
		from, to = to, from
	}
	return spare
}

// orders are the ways to order states, as numbers to sort them by: from the
// count of their entries and the lowest slot, neither of which is above 257.
var orders = [...]func(n, low uint64) uint64{
	func(n, low uint64) uint64 { return (257-n)<<9 | low },
	func(n, low uint64) uint64 { return low<<9 | (257 - n) },
	func(n, low uint64) uint64 { return n<<9 | low },
	func(_, _ uint64) uint64 { return 0 },
}

// cheapOrder is the most states that are placed in more than one order.
const cheapOrder = 512

// place finds a base for every state, in the given order, whose lower half is
// the state: the first one at which none of its entries is in a slot that is
// taken. top is the highest.
func (p *packer) place(order []uint64) (base []uint32, top int, err error) {
	base = make([]uint32, len(p.own))
	c := &p.comb
	c.init()
	for _, o := range order {
		s := uint32(o)
		if c.work > pollWork {
			if !p.budget.Spend(c.work) {
				return nil, 0, p.budget.Err()
			}
			c.work = 0
		}
		at := c.insert(p.entriesOf(s))
		base[s] = uint32(at)
		top = max(top, at)
	}
	if !p.budget.Spend(c.work) {
		return nil, 0, p.budget.Err()
	}
	return base, top, nil
}

// comb holds the slots that are taken, one bit each. Bit 64 is slot 0, so that
// the out-of-band slot of base 0 has a bit.
type comb struct {
	used []uint64
	free int // no bit below is clear
	next int // of insertNext: no bit from 256 slots on and below this one is clear
	// tried holds, for each pattern of slots, by its hash, the base below
	// which it fits nowhere. Slots are never freed, so that stays true. Most
	// patterns are one slot: alone holds that base for each.
	tried hints
	alone [257]int
	work  int // done and not yet counted
}

const combZero = 64

// set takes a slot.
func (c *comb) set(slot int) {
	bit := combZero + slot
	for bit/64 >= len(c.used) {
		c.used = append(c.used, 0)
	}
	c.used[bit/64] |= 1 << (bit % 64)
}

// advance finds the first free slot.
func (c *comb) advance() {
	for c.free/64 < len(c.used) && c.used[c.free/64]>>(c.free%64)&1 != 0 {
		c.free++
	}
}

// insert takes the slots of entries at the lowest base at which all are free,
// and returns the base. Bases are tried 64 at a time.
func (c *comb) insert(entries []entry) int {
	first := int(entries[0].slot)
	start := max(c.free-combZero-first, 0)
	if first < 0 {
		start = max(start, 1)
	}
	c.work += 16 + 4*len(entries)
	if len(entries) == 1 {
		base := c.clear(max(start, c.alone[first+1])+combZero+first) - combZero - first
		c.set(base + first)
		c.advance()
		c.alone[first+1] = base + 1
		return base
	}
	pattern := uint64(len(entries))
	for _, e := range entries {
		pattern = mix(pattern, uint64(e.slot))
	}
	tried := c.tried.at(pattern)
	start = max(start, int(*tried))
	for w := start / 64; ; w++ {
		fits := ^uint64(0)
		if w == start/64 {
			fits <<= start % 64
		}
		for _, e := range entries {
			c.work++
			fits &^= c.word(w*64 + combZero + int(e.slot))
			if fits == 0 {
				break
			}
		}
		if fits != 0 {
			base := w*64 + bits.TrailingZeros64(fits)
			for _, e := range entries {
				c.set(base + int(e.slot))
			}
			c.advance()
			*tried = int32(base + 1)
			return base
		}
	}
}

// clear returns the first bit that is clear, from one on.
func (c *comb) clear(bit int) int {
	for bit/64 < len(c.used) {
		c.work++
		if clear := ^c.used[bit/64] >> (bit % 64); clear != 0 {
			return bit + bits.TrailingZeros64(clear)
		}
		bit = (bit/64 + 1) * 64
	}
	return bit
}

// hints is a hash table with the numbers of patterns. The zero value is ready for use.
type hints struct {
	list []hint // a power of two
	n    int
}

type hint struct {
	pattern uint32 // its hash; 0 for none
	base    int32
}

// at returns the place of a pattern's number, which is 0 at first. It holds until the
// next call. Patterns of one hash share it, which only costs room in the table.
func (h *hints) at(hash uint64) *int32 {
	pattern := uint32(hash) | 1
	if 2*h.n >= len(h.list) {
		old := h.list
		h.list = make([]hint, max(2*len(old), 128))
		for _, e := range old {
			if e.pattern != 0 {
				*h.slot(e.pattern) = e
			}
		}
	}
	s := h.slot(pattern)
	if s.pattern == 0 {
		s.pattern = pattern
		h.n++
	}
	return &s.base
}

func (h *hints) slot(pattern uint32) *hint {
	mask := uint32(len(h.list) - 1)
	i := pattern >> 1 & mask
	for h.list[i].pattern != 0 && h.list[i].pattern != pattern {
		i = (i + 1) & mask
	}
	return &h.list[i]
}

func (h *hints) reset() {
	clear(h.list)
	h.n = 0
}

// init makes all slots free.
func (c *comb) init() {
	c.used, c.free, c.work = c.used[:0], combZero, 0
	c.tried.reset()
	c.alone = [257]int{}
}

// reset makes c a copy of another comb.
func (c *comb) reset(o *comb) {
	c.used, c.free, c.next = append(c.used[:0], o.used...), o.free, combZero+256
	c.tried.reset()
	c.alone = [257]int{}
}

// insertNext is insert for states most of which have one entry. Those share one
// place from which on they look for a free slot, and leave the first 256 alone,
// which not every byte can have.
func (c *comb) insertNext(entries []entry) int {
	if len(entries) > 1 {
		return c.insert(entries)
	}
	c.next = c.clear(c.next)
	c.work += 4
	base := c.next - combZero - int(entries[0].slot)
	c.set(c.next - combZero)
	c.next++
	return base
}

// word returns the 64 bits from a bit on.
func (c *comb) word(from int) uint64 {
	i, shift := from/64, from%64
	if i >= len(c.used) {
		return 0
	}
	w := c.used[i] >> shift
	if i+1 < len(c.used) {
		w |= c.used[i+1] << (64 - shift) // none for a shift of 64
	}
	return w
}
