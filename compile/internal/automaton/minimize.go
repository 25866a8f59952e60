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

// minimizer refines two partitions in turns: of the states into blocks, and of
// the transitions into cords, which are transitions on one class of symbols
// into one block. This is Valmari's algorithm; its time is m log m for m
// transitions. Those of and to the trap are left out, as are states that lead
// nowhere but there.
type minimizer struct {
	d         *DFA
	keepStart bool
	live      []uint32 // the states that matter, the start first
	of        []int32  // by state: its place in live, or -1

	// Transitions, numbered by source, by live number.
	tail, head []int32
	class      []uint16

	blocks, cords sets
}

func newMinimizer(d *DFA, keepStart bool) *minimizer {
	m := &minimizer{d: d, keepStart: keepStart}
	m.findLive()
	k := d.classes.n
	for i, s := range m.live {
		for c, t := range d.next[int(s)*k : int(s)*k+k] {
			if j := m.of[t]; j >= 0 {
				m.tail = append(m.tail, int32(i))
				m.head = append(m.head, j)
				m.class = append(m.class, uint16(c))
			}
		}
	}
	return m
}

// findLive finds the states that can be reached from the start and from which
// a label other than the trap's can be reached. The start is always the first
// one; where it is kept apart and can be entered, it is there twice.
func (m *minimizer) findLive() {
	d := m.d
	n, k := d.States(), d.classes.n
	m.of = make([]int32, n)
	for i := range m.of {
		m.of[i] = -1
	}
	// All that can be reached, breadth first.
	reached := make([]uint32, 1, n+1)
	reached[0] = Start
	if !m.keepStart {
		m.of[Start] = 0
	}
	edges := 0
	for i := 0; i < len(reached); i++ {
		s := reached[i]
		last := Trap
		for _, t := range d.next[int(s)*k : int(s)*k+k] {
			if t == last || t == Trap {
				continue
			}
			last = t
			edges++
			if m.of[t] < 0 {
				m.of[t] = int32(len(reached))
				reached = append(reached, t)
			}
		}
	}
	// All that lead to a label, by the transitions reversed.
	first := make([]int32, len(reached)+1)
	from := make([]int32, edges)
	each := func(f func(i, j int32)) {
		for i, s := range reached {
			last := Trap
			for _, t := range d.next[int(s)*k : int(s)*k+k] {
				if t != last && t != Trap {
					last = t
					f(int32(i), m.of[t])
				}
			}
		}
	}
	each(func(_, j int32) { first[j]++ })
	sum := int32(0)
	for j := range first {
		sum += first[j]
		first[j] = sum
	}
	each(func(i, j int32) { first[j]--; from[first[j]] = i })
	alive := make([]bool, len(reached))
	stack := make([]int32, 0, len(reached))
	for i, s := range reached {
		if d.label[s] != d.label[Trap] {
			alive[i] = true
			stack = append(stack, int32(i))
		}
	}
	for len(stack) > 0 {
		j := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		for _, i := range from[first[j]:first[j+1]] {
			if !alive[i] {
				alive[i] = true
				stack = append(stack, i)
			}
		}
	}
	alive[0] = true
	m.live = reached[:0]
	for i, s := range reached {
		if !alive[i] {
			m.of[s] = -1
			continue
		}
		if i > 0 || !m.keepStart {
			m.of[s] = int32(len(m.live))
		}
		m.live = append(m.live, s)
	}
}

func (m *minimizer) refine(ctx context.Context) error {
	n, t := len(m.live), len(m.tail)
	m.blocks.init(n)
	labels := slices.Max(m.d.label) + 2
	m.blocks.partition(int(labels), func(i int32) uint32 {
		if m.keepStart && i == 0 {
			return labels - 1
		}
		return m.d.label[m.live[i]]
	})
	m.cords.init(t)
	m.cords.partition(m.d.classes.n, func(i int32) uint32 { return uint32(m.class[i]) })

	// Transitions by head.
	first := make([]int32, n+1)
	for _, h := range m.head {
		first[h]++
	}
	sum := int32(0)
	for i := range first {
		sum += first[i]
		first[i] = sum
	}
	in := make([]int32, t)
	for i := t - 1; i >= 0; i-- {
		h := m.head[i]
		first[h]--
		in[first[h]] = int32(i)
	}

	for b, c := int32(1), int32(0); c < m.cords.n; c++ {
		if c%256 == 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
		}
		for _, i := range m.cords.members(c) {
			m.blocks.mark(m.tail[i])
		}
		m.blocks.split()
		for ; b < m.blocks.n; b++ {
			for _, s := range m.blocks.members(b) {
				for _, i := range in[first[s]:first[s+1]] {
					m.cords.mark(i)
				}
			}
			m.cords.split()
		}
	}
	return nil
}

// sets is a partition of the numbers below some n that can be refined.
type sets struct {
	n       int32   // sets
	elems   []int32 // by set, one set after the other
	place   []int32 // of each element in elems
	of      []int32 // the set of each element
	first   []int32 // of each set: its begin in elems
	past    []int32 // and its end
	marked  []int32 // and how many are marked; these come first
	touched []int32 // the sets with marked elements
}

func (p *sets) init(n int) {
	ints := make([]int32, 3*n)
	p.elems, p.place, p.of = ints[:n:n], ints[n:2*n:2*n], ints[2*n:]
}

// partition makes a set of the elements of each key below keys.
func (p *sets) partition(keys int, key func(e int32) uint32) {
	count := make([]int32, keys+1)
	for e := range p.elems {
		count[key(int32(e))+1]++
	}
	p.first, p.past, p.marked, p.n = p.first[:0], p.past[:0], p.marked[:0], 0
	for k := range keys {
		from, n := count[k], count[k+1]
		count[k+1] += from
		if n > 0 {
			p.first, p.past, p.marked = append(p.first, from), append(p.past, from+n), append(p.marked, 0)
			p.n++
		}
	}
	for e := range p.elems {
		at := &count[key(int32(e))]
		p.elems[*at] = int32(e)
		p.place[e] = *at
		*at++
	}
	for s := range p.n {
		for _, e := range p.members(s) {
			p.of[e] = s
		}
	}
}

func (p *sets) members(s int32) []int32 { return p.elems[p.first[s]:p.past[s]] }

// mark moves an element to the marked ones of its set.
func (p *sets) mark(e int32) {
	s := p.of[e]
	i, j := p.place[e], p.first[s]+p.marked[s]
	if i < j {
		return
	}
	p.elems[i] = p.elems[j]
	p.place[p.elems[i]] = i
	p.elems[j] = e
	p.place[e] = j
	if p.marked[s] == 0 {
		p.touched = append(p.touched, s)
	}
	p.marked[s]++
}

// split makes the smaller part of every set, of its marked and its other
// elements, a set of its own, and removes the marks.
func (p *sets) split() {
	for _, s := range p.touched {
		j := p.first[s] + p.marked[s]
		if j == p.past[s] {
			p.marked[s] = 0
			continue
		}
		if p.marked[s] <= p.past[s]-j {
			p.first, p.past = append(p.first, p.first[s]), append(p.past, j)
			p.first[s] = j
		} else {
			p.first, p.past = append(p.first, j), append(p.past, p.past[s])
			p.past[s] = j
		}
		for i := p.first[p.n]; i < p.past[p.n]; i++ {
			p.of[p.elems[i]] = p.n
		}
		p.marked[s] = 0
		p.marked = append(p.marked, 0)
		p.n++
	}
	p.touched = p.touched[:0]
}

// quotient makes the automaton of blocks, numbered breadth first.
func (m *minimizer) quotient() *DFA {
	d, k := m.d, m.d.classes.n
	number := make([]uint32, m.blocks.n) // by block: state, 0 for none yet
	order := make([]uint32, 1, m.blocks.n+1)
	order = append(order, m.live[0])
	number[m.blocks.of[0]] = Start
	next := make([]uint32, k, (int(m.blocks.n)+1)*k)
	for s := 1; s < len(order); s++ {
		old := int(order[s])
		for _, t := range d.next[old*k : old*k+k] {
			j := m.of[t]
			if t == Trap || j < 0 {
				next = append(next, Trap)
				continue
			}
			b := m.blocks.of[j]
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
