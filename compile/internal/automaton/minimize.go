// SPDX-License-Identifier: Apache-2.0

package automaton

// MinimizeOptions are the parameters of Minimize.
type MinimizeOptions struct {
	// KeepStart keeps the start state apart from all others, so that no
	// transition leads to it: kernels with permission tables give it no
	// permissions.
	KeepStart bool
}

// Minimize merges states with equal labels and equal futures, and drops those
// that cannot be reached. States with the label of the dead state from which no
// other label can be reached become the dead state. The numbering depends on the language alone.
//
// The error is the budget's.
func (d *DFA) Minimize(budget *Budget, o MinimizeOptions) (*DFA, error) {
	return d.MinimizeIn(new(Memory), budget, o)
}

// MinimizeIn is Minimize in the given memory. What it returns holds until the memory
// is used to minimise another automaton, and no longer than d.
func (d *DFA) MinimizeIn(mem *Memory, budget *Budget, o MinimizeOptions) (*DFA, error) {
	n, arcs := int64(d.States()), int64(len(d.rows.arcs))
	// The transitions, who leads where, the partition, and at the end both
	// automata; the signatures of the first block are as long as all of them.
	if !budget.Spend(int(8*n+6*arcs)) || !budget.Need(d.size()+n*(4+24+16+16)+arcs*(4+8+8)) {
		return nil, budget.Err()
	}
	m := &mem.minimizer
	m.init(d, o.KeepStart)
	if !m.refine(budget) {
		return nil, budget.Err()
	}
	return m.quotient(), nil
}

// minimizer splits blocks of states until no two states of a block can be
// distinguished by where they lead.
//
// Its elements are the states and, where the start is kept apart, one more: the
// start as a state that can be entered. States that cannot be reached take part
// as well, which makes no difference to the others.
type minimizer struct {
	d       *DFA
	entered uint32 // the element that transitions to the start lead to
	alive   []bool // by element: a label other than the dead state's can be reached

	// Elements by where they lead. in holds where those of each begin.
	in     []int32
	source []int32

	blocks  blocks
	refiner refiner

	// The result, and what it is made with.
	rows   rows
	label  []uint32
	number []uint32 // by block: state, 0 for none yet
	order  []int32  // of blocks: the one of each state but the dead one

	seen  []uint32 // of invert
	stack []int32  // of live
}

func (m *minimizer) init(d *DFA, keepStart bool) {
	m.d, m.entered = d, Start
	n := d.States()
	if keepStart {
		m.entered = uint32(n)
		n++
	}
	m.alive = zeros(m.alive, n)
	m.invert()
	m.live()
}

// keepStart reports whether the start is kept apart.
func (m *minimizer) keepStart() bool { return m.entered != Start }

// state returns the state that an element is.
func (m *minimizer) state(e uint32) uint32 {
	if e == m.entered {
		return Start
	}
	return e
}

// element returns what a transition to a state leads to.
func (m *minimizer) element(s uint32) uint32 {
	if s == Start {
		return m.entered
	}
	return s
}

// invert lists the elements that lead to each element, each of them once.
func (m *minimizer) invert() {
	n := uint32(len(m.alive))
	m.in = zeros(m.in, int(n)+1)
	m.seen = zeros(m.seen, int(n))
	seen := m.seen // by element: the last one found to lead there
	each := func(f func(from, to uint32)) {
		clear(seen)
		for e := Start; e < n; e++ {
			s := m.state(e)
			if t := m.d.rows.of[s].most; t != various && t != Dead {
				t = m.element(t)
				seen[t] = e
				f(e, t)
			}
			for _, a := range m.d.rows.arcsOf(s) {
				if t := m.element(a.to); t != Dead && seen[t] != e {
					seen[t] = e
					f(e, t)
				}
			}
		}
	}
	each(func(_, to uint32) { m.in[to]++ })
	sum := int32(0)
	for i, n := range m.in {
		sum += n
		m.in[i] = sum
	}
	m.source = zeros(m.source, int(sum))
	each(func(from, to uint32) {
		m.in[to]--
		m.source[m.in[to]] = int32(from)
	})
}

// leading returns the elements that lead to one.
func (m *minimizer) leading(to int32) []int32 { return m.source[m.in[to]:m.in[to+1]] }

// live finds the elements from which a label can be reached.
func (m *minimizer) live() {
	stack := room(m.stack, len(m.alive))
	for e := range m.alive {
		if m.d.label[m.state(uint32(e))] != m.d.label[Dead] {
			m.alive[e] = true
			stack = append(stack, int32(e))
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
	m.alive[Start] = true
	m.stack = stack
}

// quotient makes the automaton of blocks, numbered breadth first.
func (m *minimizer) quotient() *DFA {
	d, k := m.d, &m.blocks
	dead := uint32(k.of[Dead])
	m.number = zeros(m.number, int(k.n))
	number, order := m.number, room(m.order, int(k.n))
	visit := func(b uint32) uint32 {
		if b == dead {
			return Dead
		}
		if number[b] == 0 {
			order = append(order, int32(b))
			number[b] = uint32(len(order))
		}
		return number[b]
	}
	visit(uint32(k.of[Start]))
	rows := rows{of: append(room(m.rows.of, int(k.n)+1), row{}), arcs: room(m.rows.arcs, len(d.rows.arcs))}
	label := append(room(m.label, int(k.n)+1), d.label[Dead])
	for i := 0; i < len(order); i++ {
		of := uint32(k.elems[k.first[order[i]]])
		m.refiner.words = m.refiner.words[:0]
		m.signature(of)
		from := len(rows.arcs)
		most, blocks := m.refiner.words[0], m.refiner.words[1:]
		to := various // where most classes lead
		for j, w := range blocks {
			c, b := uint32(w>>32), uint32(w)
			switch {
			case most == noMost:
				c = uint32(j)
			case to == various && c > uint32(j):
				to = visit(uint32(most))
			}
			rows.arcs = append(rows.arcs, arc{c, visit(b)})
		}
		if most != noMost {
			to = visit(uint32(most))
		}
		rows.close(to, from)
		label = append(label, d.label[m.state(of)])
	}
	m.rows, m.label, m.order = rows, label, order
	return &DFA{classes: d.classes, rows: rows, label: label, sets: d.sets}
}
