package automaton

import "context"

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

// minimizer parts states until no two of a block can be told apart by where
// they lead.
//
// The trap and what leads nowhere else are left out: a transition to them is
// one to nowhere.
type minimizer struct {
	d         *DFA
	keepStart bool
	states    []uint32 // those that can be reached, the start first
	of        []int32  // by state: its place in states, or -1
	alive     []bool   // by place: a label other than the trap's can be reached

	// What leads where, by place.
	rows []placeRow
	arcs []placeArc

	// Places by where they lead. in holds where those of each place begin.
	in     []int32
	source []int32

	blocks blocks
	parter parter
}

// placeRow and placeArc are row and arc between places.
type placeRow struct {
	most int32
	arcs span
}

type placeArc struct{ class, to int32 }

// What is no place: where the trap is, and a row's most if there is none.
const (
	nowhere int32 = -1
	noPlace int32 = -2
)

func newMinimizer(d *DFA, keepStart bool) *minimizer {
	m := &minimizer{d: d, keepStart: keepStart}
	m.reach()
	m.invert()
	m.live()
	return m
}

// reach finds the states that can be reached, breadth first, and the
// transitions between them. Where the start is kept apart and can be entered,
// it is there twice, and the first one is never entered.
func (m *minimizer) reach() {
	n := m.d.States()
	m.of = make([]int32, n)
	for i := range m.of {
		m.of[i] = nowhere
	}
	m.states = make([]uint32, 1, n+1)
	m.states[0] = Start
	if !m.keepStart {
		m.of[Start] = 0
	}
	visit := func(t uint32) int32 {
		switch {
		case t == Trap:
			return nowhere
		case t == various:
			return noPlace
		case m.of[t] < 0:
			m.of[t] = int32(len(m.states))
			m.states = append(m.states, t)
		}
		return m.of[t]
	}
	m.rows = make([]placeRow, 0, n+1)
	m.arcs = make([]placeArc, 0, len(m.d.rows.arcs)+len(m.d.rows.arcsOf(Start)))
	for i := 0; i < len(m.states); i++ {
		s := m.states[i]
		from := uint32(len(m.arcs))
		for _, a := range m.d.rows.arcsOf(s) {
			m.arcs = append(m.arcs, placeArc{int32(a.class), visit(a.to)})
		}
		m.rows = append(m.rows, placeRow{visit(m.d.rows.of[s].most), span{from, uint32(len(m.arcs)) - from}})
	}
}

func (m *minimizer) arcsOf(i int32) []placeArc {
	own := m.rows[i].arcs
	return m.arcs[own.from : own.from+own.n]
}

// invert lists the places that lead to each place, each of them once.
func (m *minimizer) invert() {
	m.in = make([]int32, len(m.states)+1)
	seen := make([]int32, len(m.states)) // by place: the last one found to lead there, plus one
	each := func(f func(from, to int32)) {
		clear(seen)
		for i := range int32(len(m.states)) {
			if t := m.rows[i].most; t >= 0 {
				seen[t] = i + 1
				f(i, t)
			}
			for _, e := range m.arcsOf(i) {
				if e.to >= 0 && seen[e.to] != i+1 {
					seen[e.to] = i + 1
					f(i, e.to)
				}
			}
		}
	}
	each(func(_, to int32) { m.in[to]++ })
	sum := int32(0)
	for i, n := range m.in {
		sum += n
		m.in[i] = sum
	}
	m.source = make([]int32, sum)
	each(func(from, to int32) {
		m.in[to]--
		m.source[m.in[to]] = from
	})
}

// leading returns the places that lead to a place.
func (m *minimizer) leading(to int32) []int32 { return m.source[m.in[to]:m.in[to+1]] }

// live finds the states from which a label can be reached. What leads to
// another one leads nowhere.
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
		for _, i := range m.leading(j) {
			if !m.alive[i] {
				m.alive[i] = true
				stack = append(stack, i)
			}
		}
	}
	m.alive[0] = true
	for i := range m.rows {
		if t := m.rows[i].most; t >= 0 && !m.alive[t] {
			m.rows[i].most = nowhere
		}
	}
	for i := range m.arcs {
		if t := m.arcs[i].to; t >= 0 && !m.alive[t] {
			m.arcs[i].to = nowhere
		}
	}
}

// quotient makes the automaton of blocks, numbered breadth first.
func (m *minimizer) quotient() *DFA {
	d, k := m.d, &m.blocks
	number := make([]uint32, k.n) // by block: state, 0 for none yet
	order := make([]int32, 0, k.n)
	visit := func(b uint32) uint32 {
		if b == noBlock {
			return Trap
		}
		if number[b] == 0 {
			order = append(order, int32(b))
			number[b] = uint32(len(order))
		}
		return number[b]
	}
	visit(uint32(k.of[0]))
	var rows rows
	rows.of = make([]row, 1, k.n+1)
	rows.arcs = make([]arc, 0, len(m.arcs))
	label := make([]uint32, 1, k.n+1)
	label[0] = d.label[Trap]
	for i := 0; i < len(order); i++ {
		of := k.elems[k.first[order[i]]]
		m.parter.words = m.parter.words[:0]
		m.signature(of)
		from := len(rows.arcs)
		most, blocks := m.parter.words[0], m.parter.words[1:]
		first := various // of the states that most classes lead to
		for j, w := range blocks {
			c, b := uint32(w>>32), uint32(w)
			switch {
			case most == noMost:
				c = uint32(j)
			case first == various && c > uint32(j):
				first = visit(uint32(most))
			}
			rows.arcs = append(rows.arcs, arc{c, visit(b)})
		}
		if most != noMost {
			first = visit(uint32(most))
		}
		rows.close(first, from)
		label = append(label, d.label[m.states[of]])
	}
	return &DFA{classes: d.classes, rows: rows, label: label, sets: d.sets}
}
