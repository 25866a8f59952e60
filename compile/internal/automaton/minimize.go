// SPDX-License-Identifier: Apache-2.0

package automaton

import "slices"

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
	// The transitions, who leads where, the partition, the table of blocks, and at the
	// end both automata; the signatures of the first block are as long as all of them.
	if !budget.Spend(int(8*n+6*arcs)) || !budget.Need(d.size()+n*(16+24+32+16)+arcs*(4+8+8)) {
		return nil, budget.Err()
	}
	m := &mem.minimizer
	m.init(d, o.KeepStart)
	if !m.refine(budget) || !m.settle(budget) {
		return nil, budget.Err()
	}
	return m.quotient(), nil
}

// minimizer finds the states that cannot be distinguished, as blocks: first among
// those that a loop leads to, the core, by splitting blocks until no two states of a
// block differ in where they lead. The rest are mostly the beginnings of paths before
// the first wildcard. What they lead to is known before them, so that a look at each,
// from the last to the first, is enough.
//
// Its elements are the states and, where the start is kept apart, one more: the
// start as a state that can be entered. States that cannot be reached take part
// as well, which makes no difference to the others.
type minimizer struct {
	d       *DFA
	entered uint32 // the element that transitions to the start lead to
	alive   []bool // by element: a label other than the dead state's can be reached

	rest []uint32 // the elements that no loop leads to, each before what it leads to
	core []int32  // the others, in their order, after the dead state

	// Elements of the core by where they lead. in and past hold where those of each
	// begin and end.
	in, past []int32
	source   []int32

	blocks  blocks
	refiner refiner
	of      []uint32 // by block: one of its elements
	hashes  []uint64 // by block: of its signature and label

	// The result, and what it is made with.
	rows   rows
	label  []uint32
	number []uint32 // by block: state, 0 for none yet
	order  []uint32 // of blocks: the one of each state but the dead one

	stack []int32 // of live
}

func (m *minimizer) init(d *DFA, keepStart bool) {
	m.d, m.entered, m.refiner.work = d, Start, 0
	n := d.States()
	if keepStart {
		m.entered = uint32(n)
		n++
	}
	m.alive = zeros(m.alive, n)
	m.divide()
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

// row returns where an element leads: the element that most classes lead to, the dead
// state if there is none, and the transitions to states, which are all or the others.
func (m *minimizer) row(e uint32) (most uint32, arcs []arc) {
	r := &m.d.rows.of[m.state(e)]
	if r.most != various {
		most = m.element(r.most)
	}
	return most, r.listed(m.d.rows.arcs)
}

// divide finds the rest and the core: elements that nothing leads to are of the rest,
// and so are those that only the rest leads to (Kahn, "Topological sorting of large
// networks", Communications of the ACM 5(11), 1962). It leaves in m.in how often the
// core leads to each element.
func (m *minimizer) divide() {
	n := uint32(len(m.alive))
	m.in = zeros(m.in, int(n))
	in, rest := m.in, room(m.rest, int(n))
	for e := Start; e < n; e++ {
		most, arcs := m.row(e)
		in[most]++
		for _, a := range arcs {
			in[m.element(a.to)]++
		}
	}
	in[Dead] = 0 // what leads there is not asked
	for e := Start; e < n; e++ {
		if in[e] == 0 {
			rest = append(rest, e)
		}
	}
	enter := func(t uint32) {
		if t == Dead {
			return
		}
		if in[t]--; in[t] == 0 {
			rest = append(rest, t)
		}
	}
	for i := 0; i < len(rest); i++ {
		most, arcs := m.row(rest[i])
		enter(most)
		for _, a := range arcs {
			enter(m.element(a.to))
		}
	}
	core := append(room(m.core, int(n)-len(rest)), int32(Dead))
	for e := Start; e < n; e++ {
		if in[e] > 0 {
			core = append(core, int32(e))
		}
	}
	m.rest, m.core = rest, core
}

// invert lists the elements of the core that lead to each, each of them once.
func (m *minimizer) invert() {
	m.past = resize(m.past, len(m.in))
	sum := int32(0)
	for i, n := range m.in {
		m.in[i], m.past[i] = sum, sum
		sum += n
	}
	m.source = resize(m.source, int(sum))
	enter := func(from int32, to uint32) {
		at := m.past[to]
		if to == Dead || at > m.in[to] && m.source[at-1] == from {
			return
		}
		m.source[at] = from
		m.past[to]++
	}
	for _, e := range m.core[1:] {
		most, arcs := m.row(uint32(e))
		enter(e, most)
		for _, a := range arcs {
			enter(e, m.element(a.to))
		}
	}
}

// leading returns the elements of the core that lead to one.
func (m *minimizer) leading(to int32) []int32 { return m.source[m.in[to]:m.past[to]] }

// live finds the elements from which a label can be reached.
func (m *minimizer) live() {
	labelled := func(e uint32) bool { return m.d.label[m.state(e)] != m.d.label[Dead] }
	stack := room(m.stack, len(m.core))
	for _, e := range m.core {
		if labelled(uint32(e)) {
			m.alive[e] = true
			stack = append(stack, e)
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
	m.stack = stack
	for _, e := range slices.Backward(m.rest) {
		most, arcs := m.row(e)
		m.alive[e] = labelled(e) || m.alive[most] ||
			slices.ContainsFunc(arcs, func(a arc) bool { return m.alive[m.element(a.to)] })
	}
}

// quotient makes the automaton of blocks, numbered breadth first.
func (m *minimizer) quotient() *DFA {
	d, k := m.d, &m.blocks
	dead := uint32(k.of[Dead])
	blocks := len(m.of)
	m.number = zeros(m.number, blocks)
	number, order := m.number, room(m.order, blocks)
	visit := func(b uint32) uint32 {
		if b == dead {
			return Dead
		}
		if number[b] == 0 {
			order = append(order, b)
			number[b] = uint32(len(order))
		}
		return number[b]
	}
	if start := uint32(k.of[Start]); start == dead {
		order = append(order, start) // it is a state of its own all the same
	} else {
		visit(start)
	}
	rows := rows{of: append(room(m.rows.of, blocks+1), row{}), arcs: room(m.rows.arcs, len(d.rows.arcs))}
	label := append(room(m.label, blocks+1), d.label[Dead])
	for i := 0; i < len(order); i++ {
		of := m.of[order[i]]
		m.refiner.words = m.refiner.words[:0]
		m.signature(of)
		from := len(rows.arcs)
		most, others := m.refiner.words[0], m.refiner.words[1:]
		to := various // where most classes lead
		for j, w := range others {
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
