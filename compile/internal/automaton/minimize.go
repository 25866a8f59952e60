package automaton

import (
	"context"
	"slices"
)

// MinimizeOptions are the parameters of Minimize.
type MinimizeOptions struct {
	// KeepStart keeps the start state apart from all others, so that no
	// transition leads to it: kernels that know permission tables give it no
	// permissions of its own.
	KeepStart bool
}

// Minimize merges states with equal labels and equal futures, and drops those
// that cannot be reached. States of the label of the trap that lead nowhere
// else become the trap. The numbering depends on the language alone.
//
// The only errors are those of ctx.
func (d *DFA) Minimize(ctx context.Context, o MinimizeOptions) (*DFA, error) {
	m := newMinimizer(d, o.KeepStart)
	if err := m.refine(ctx); err != nil {
		return nil, err
	}
	return m.quotient(), nil
}

// minimizer refines a partition of the states by Hopcroft's algorithm: states
// from which a symbol leads into a block are parted from those of their block
// from which it does not, until no block parts another. Of a block that falls
// in two, the smaller part does the work.
//
// The trap and what leads nowhere else are left out, so a transition to them
// is one that is not there.
type minimizer struct {
	d         *DFA
	keepStart bool
	states    []uint32 // those that can be reached, the start first
	of        []int32  // by state: its place in states, or -1
	alive     []bool   // by place: a label other than the trap's can be reached

	// Transitions by target. in holds where those of each place begin.
	in     []int32
	source []int32
	class  []uint16

	blocks blocks
}

func newMinimizer(d *DFA, keepStart bool) *minimizer {
	m := &minimizer{d: d, keepStart: keepStart}
	m.reach()
	m.live()
	return m
}

func (m *minimizer) row(s uint32) []uint32 {
	k := m.d.classes.n
	return m.d.next[int(s)*k : int(s)*k+k]
}

// reach finds the states that can be reached, breadth first, and the
// transitions between them. Where the start is kept apart and can be entered,
// it is there twice, and the first one is never entered.
func (m *minimizer) reach() {
	n := m.d.States()
	m.of = make([]int32, n)
	for i := range m.of {
		m.of[i] = -1
	}
	m.states = make([]uint32, 1, n+1)
	m.states[0] = Start
	if !m.keepStart {
		m.of[Start] = 0
	}
	m.in = make([]int32, n+2)
	for i := 0; i < len(m.states); i++ {
		for _, t := range m.row(m.states[i]) {
			if t == Trap {
				continue
			}
			if m.of[t] < 0 {
				m.of[t] = int32(len(m.states))
				m.states = append(m.states, t)
			}
			m.in[m.of[t]]++
		}
	}
	sum := int32(0)
	for i, n := range m.in {
		sum += n
		m.in[i] = sum
	}
	m.source, m.class = make([]int32, sum), make([]uint16, sum)
	for i := len(m.states) - 1; i >= 0; i-- {
		for c, t := range m.row(m.states[i]) {
			if t == Trap {
				continue
			}
			at := &m.in[m.of[t]]
			*at--
			m.source[*at], m.class[*at] = int32(i), uint16(c)
		}
	}
}

// live finds the states from which a label can be reached.
func (m *minimizer) live() {
	m.alive = make([]bool, len(m.states))
	stack := make([]int32, 0, len(m.states))
	for i, s := range m.states {
		if m.d.label[s] != m.d.label[Trap] {
			m.alive[i] = true
			stack = append(stack, int32(i))
		}
	}
	for len(stack) > 0 {
		j := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		for _, i := range m.source[m.in[j]:m.in[j+1]] {
			if !m.alive[i] {
				m.alive[i] = true
				stack = append(stack, i)
			}
		}
	}
	m.alive[0] = true
}

func (m *minimizer) refine(ctx context.Context) error {
	labels := slices.Max(m.d.label) + 1
	m.blocks.init(len(m.states), int(labels)+2, func(i int32) uint32 {
		switch {
		case !m.alive[i]:
			return labels + 1
		case i == 0 && m.keepStart:
			return labels
		}
		return m.d.label[m.states[i]]
	})
	b := &m.blocks
	var (
		queue   = make([]int32, b.n)
		first   = make([]int32, m.d.classes.n) // by class: the last source, index+1
		touched []uint16
		sources []int32
		before  []int32 // of each source: the one before it
	)
	for i := range queue {
		queue[i] = int32(i)
	}
	for work := 0; len(queue) > 0; work++ {
		if work%256 == 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
		}
		splitter := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		touched, sources, before = touched[:0], sources[:0], before[:0]
		for _, t := range b.members(splitter) {
			if !m.alive[t] {
				break // none of this block is
			}
			for j := m.in[t]; j < m.in[t+1]; j++ {
				c := m.class[j]
				if first[c] == 0 {
					touched = append(touched, c)
				}
				sources = append(sources, m.source[j])
				before = append(before, first[c])
				first[c] = int32(len(sources))
			}
		}
		for _, c := range touched {
			for j := first[c]; j != 0; j = before[j-1] {
				b.mark(sources[j-1])
			}
			first[c] = 0
			for _, old := range b.touched {
				// If the old block still waits, both parts have to; if it has
				// had its turn, the smaller one is enough.
				if part, ok := b.split(old); ok {
					queue = append(queue, part)
				}
			}
			b.touched = b.touched[:0]
		}
	}
	return nil
}

// blocks is a partition of the numbers below some n that can be refined.
type blocks struct {
	n       int32   // blocks
	elems   []int32 // by block, one block after the other
	place   []int32 // of each element in elems
	of      []int32 // the block of each element
	first   []int32 // of each block: its begin in elems
	past    []int32 // and its end
	marked  []int32 // and how many are marked; these come first
	touched []int32 // the blocks with marked elements
}

// init makes a block of the elements of each key below keys.
func (b *blocks) init(n, keys int, key func(e int32) uint32) {
	ints := make([]int32, 6*n)
	cut := func() []int32 {
		s := ints[:n:n]
		ints = ints[n:]
		return s
	}
	b.elems, b.place, b.of = cut(), cut(), cut()
	b.first, b.past, b.marked = cut()[:0], cut()[:0], cut()[:0]
	at := make([]int32, keys+1)
	for e := range int32(n) {
		at[key(e)+1]++
	}
	block := make([]int32, keys)
	for k := range keys {
		size := at[k+1]
		at[k+1] += at[k]
		if size > 0 {
			block[k] = b.n
			b.n++
			b.first, b.past, b.marked = append(b.first, at[k]), append(b.past, at[k]+size), append(b.marked, 0)
		}
	}
	for e := range int32(n) {
		k := key(e)
		b.elems[at[k]], b.place[e], b.of[e] = e, at[k], block[k]
		at[k]++
	}
}

func (b *blocks) members(s int32) []int32 { return b.elems[b.first[s]:b.past[s]] }

// mark moves an element to the marked ones of its block.
func (b *blocks) mark(e int32) {
	s := b.of[e]
	i, j := b.place[e], b.first[s]+b.marked[s]
	if i < j {
		return
	}
	if b.marked[s] == 0 {
		b.touched = append(b.touched, s)
	}
	b.marked[s]++
	other := b.elems[j]
	b.elems[i], b.place[other] = other, i
	b.elems[j], b.place[e] = e, j
}

// split makes a new block of the smaller part of a block, of its marked and its
// other elements, if it has both, and removes the marks.
func (b *blocks) split(s int32) (part int32, ok bool) {
	j := b.first[s] + b.marked[s]
	b.marked[s] = 0
	if j == b.past[s] {
		return 0, false
	}
	part = b.n
	b.n++
	from, to := j, b.past[s]
	if j-b.first[s] <= to-j {
		from, to = b.first[s], j
		b.first[s] = j
	} else {
		b.past[s] = j
	}
	b.first, b.past, b.marked = append(b.first, from), append(b.past, to), append(b.marked, 0)
	for _, e := range b.elems[from:to] {
		b.of[e] = part
	}
	return part, true
}

// quotient makes the automaton of blocks, numbered breadth first.
func (m *minimizer) quotient() *DFA {
	d, k := m.d, m.d.classes.n
	number := make([]uint32, m.blocks.n) // by block: state, 0 for none yet
	order := make([]uint32, 1, m.blocks.n+1)
	order = append(order, Start)
	number[m.blocks.of[0]] = Start
	next := make([]uint32, k, (int(m.blocks.n)+1)*k)
	for s := 1; s < len(order); s++ {
		for _, t := range m.row(order[s]) {
			if t == Trap || !m.alive[m.of[t]] {
				next = append(next, Trap)
				continue
			}
			b := m.blocks.of[m.of[t]]
			if number[b] == 0 {
				number[b] = uint32(len(order))
				order = append(order, t)
			}
			next = append(next, number[b])
		}
	}
	label := make([]uint32, len(order))
	label[0] = d.label[Trap]
	for i, s := range order[1:] {
		label[i+1] = d.label[s]
	}
	return &DFA{classes: d.classes, next: next, label: label, sets: d.sets}
}
