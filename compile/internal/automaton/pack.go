package automaton

import (
	"cmp"
	"context"
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
	// Wide allows tables of 32 bits an entry; they are used where 16 bits do
	// not suffice.
	Wide bool
	// Diff encodes states as differences from similar ones where that is
	// shorter. Automata of attachments must not have it: kernels ignore the
	// encoding when they look for the longest match.
	Diff bool
}

// Pack writes the automaton as comb tables, which pass the kernel's checks.
// States keep their numbers.
//
// An automaton that does not fit is a *diag.LimitError; the other errors are
// those of ctx.
func (d *DFA) Pack(ctx context.Context, o PackOptions) (*blob.DFA, error) {
	n := d.States()
	wide := n > 1<<16
	if wide && !o.Wide {
		return nil, &diag.LimitError{What: "states of an automaton in 16-bit tables", Limit: 1 << 16, Got: int64(n)}
	}
	p := newPacker(d)
	p.chooseDefaults()
	if o.Diff {
		p.chooseDiffs()
	}
	if err := p.place(ctx); err != nil {
		return nil, err
	}
	out := &blob.DFA{
		Flags: p.flags, Wide: wide,
		Accept: make([]uint32, n), Base: p.base, Default: p.def, Next: p.next, Check: p.check,
	}
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
	d     *DFA
	sizes []int     // of each class, in bytes
	bytes [][]uint8 // of each class

	flags   uint16
	def     []uint32
	diff    []bool
	base    []uint32
	next    []uint32
	check   []uint32
	used    []uint64 // a bit for each slot
	free    int      // no slot below is free
	entries []entry
	count   []int32 // for choosing defaults, by state
}

// entry is a transition that a state has to store: on a byte, or out of band.
type entry struct {
	slot int32 // relative to the base: the byte, or -1 for out of band
	to   uint32
}

func newPacker(d *DFA) *packer {
	n := d.States()
	p := &packer{
		d: d, sizes: make([]int, d.classes.n), bytes: make([][]uint8, d.classes.n),
		def: make([]uint32, n), diff: make([]bool, n), base: make([]uint32, n), count: make([]int32, n),
	}
	for b, c := range d.classes.of {
		p.sizes[c]++
		p.bytes[c] = append(p.bytes[c], uint8(b))
	}
	return p
}

func (p *packer) row(s uint32) []uint32 {
	k := p.d.classes.n
	return p.d.next[int(s)*k : int(s)*k+k]
}

// chooseDefaults makes the target of most bytes the default of each state. An
// out-of-band transition has no default worth having.
func (p *packer) chooseDefaults() {
	for s := range p.def {
		if uint32(s) == Trap {
			continue
		}
		row := p.row(uint32(s))
		best := row[0]
		for c, t := range row {
			p.count[t] += int32(p.sizes[c])
			if p.count[t] > p.count[best] || p.count[t] == p.count[best] && t < best {
				best = t
			}
		}
		for _, t := range row {
			p.count[t] = 0
		}
		p.def[s] = best
	}
}

// collect lists what state s has to store.
func (p *packer) collect(s uint32) []entry {
	p.entries = p.entries[:0]
	row := p.row(s)
	oob := int(p.d.classes.oob)
	if oob < len(row) && row[oob] != Trap {
		p.entries = append(p.entries, entry{-1, row[oob]})
	}
	var base []uint32
	if p.diff[s] {
		base = p.row(p.def[s])
	}
	for c, t := range row {
		if c == oob {
			continue
		}
		if base != nil && t == base[c] || base == nil && t == p.def[s] {
			continue
		}
		for _, b := range p.bytes[c] {
			p.entries = append(p.entries, entry{int32(b), t})
		}
	}
	bySlot := func(a, b entry) int { return cmp.Compare(a.slot, b.slot) }
	if !slices.IsSortedFunc(p.entries, bySlot) {
		slices.SortFunc(p.entries, bySlot)
	}
	return p.entries
}

// reach is how many entries a state may reach from its base.
const reach = 256

// place finds a base for every state: the first one at which none of its
// entries hits a slot in use. States with many entries come first.
func (p *packer) place(ctx context.Context) error {
	n := len(p.def)
	sizes := make([]int32, n)
	var bySize [reach + 2][]uint32
	for s := range n {
		sizes[s] = int32(len(p.collect(uint32(s))))
		bySize[sizes[s]] = append(bySize[sizes[s]], uint32(s))
	}
	top := 0
	placed := 0
	for size := len(bySize) - 1; size > 0; size-- {
		for _, s := range bySize[size] {
			if placed++; placed%1024 == 0 {
				if err := ctx.Err(); err != nil {
					return err
				}
			}
			entries := p.collect(s)
			base := p.fit(entries)
			if base > int(blob.BaseMask)-reach {
				return &diag.LimitError{What: "slots of an automaton", Limit: int64(blob.BaseMask), Got: int64(base) + reach}
			}
			p.grow(base + reach)
			p.base[s] = uint32(base)
			for _, e := range entries {
				at := base + int(e.slot)
				p.next[at], p.check[at] = e.to, s
				p.used[at/64] |= 1 << (at % 64)
			}
			if entries[0].slot < 0 {
				p.base[s] |= blob.BaseOOB
				p.flags |= blob.FlagOOB
			}
			top = max(top, base)
		}
	}
	p.grow(top + reach)
	p.next, p.check = p.next[:top+reach], p.check[:top+reach]
	for s, diff := range p.diff {
		if diff {
			p.base[s] |= blob.BaseDiff
			p.flags |= blob.FlagDiff
		}
	}
	return nil
}

func (p *packer) grow(n int) {
	if n <= len(p.next) {
		return
	}
	n += n / 2
	p.next = append(p.next, make([]uint32, n-len(p.next))...)
	p.check = append(p.check, make([]uint32, n-len(p.check))...)
	p.used = append(p.used, make([]uint64, n/64+1-len(p.used))...)
}

// fit returns the lowest base at which entries fit.
func (p *packer) fit(entries []entry) int {
	for p.free/64 < len(p.used) && p.used[p.free/64]>>(p.free%64)&1 != 0 {
		p.free++
	}
	first := int(entries[0].slot)
	start := max(p.free-first, 0)
	if first < 0 {
		start = max(start, 1)
	}
	var mask [5]uint64 // of the slots, relative to the first
	for _, e := range entries {
		i := int(e.slot) - first
		mask[i/64] |= 1 << (i % 64)
	}
	words := (int(entries[len(entries)-1].slot)-first)/64 + 1
	for at := start + first; ; at++ {
		// Go to the next free slot for the first entry.
		for {
			w := at / 64
			if w >= len(p.used) {
				break
			}
			if rest := ^p.used[w] >> (at % 64); rest != 0 {
				at += bits.TrailingZeros64(rest)
				break
			}
			at = (w + 1) * 64
		}
		if p.free4(at, mask[:words]) {
			return at - first
		}
	}
}

// free4 reports whether all slots of a mask are free from a place on.
func (p *packer) free4(at int, mask []uint64) bool {
	w, shift := at/64, at%64
	for i, m := range mask {
		if w+i >= len(p.used) {
			return true
		}
		used := p.used[w+i] >> shift
		if shift > 0 && w+i+1 < len(p.used) {
			used |= p.used[w+i+1] << (64 - shift)
		}
		if used&m != 0 {
			return false
		}
	}
	return true
}
