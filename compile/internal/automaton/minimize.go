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
	rows  []sparse
	edges []edgeTo

	// Places by where they lead. in holds where those of each place begin.
	in     []int32
	source []int32

	blocks blocks
	parter parter
}

// sparse is a row of transitions: where most classes lead, if more than half of
// them lead to one place, and the others; or else all of them.
type sparse struct {
	edges span
	most  int32 // nowhere for the trap; various if there is none
}

type edgeTo struct {
	class int32
	to    int32
}

// Places that are none.
const (
	nowhere int32 = -1
	various int32 = -2
)

func newMinimizer(d *DFA, keepStart bool) *minimizer {
	m := &minimizer{d: d, keepStart: keepStart}
	m.reach()
	m.invert()
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
		m.of[i] = nowhere
	}
	m.states = make([]uint32, 1, n+1)
	m.states[0] = Start
	if !m.keepStart {
		m.of[Start] = 0
	}
	m.rows = make([]sparse, 0, n+1)
	m.edges = make([]edgeTo, 0, 4*n)
	for i := 0; i < len(m.states); i++ {
		row := m.row(m.states[i])
		last := Trap
		for _, t := range row {
			if t == last || t == Trap {
				continue
			}
			last = t
			if m.of[t] < 0 {
				m.of[t] = int32(len(m.states))
				m.states = append(m.states, t)
			}
		}
		from := len(m.edges)
		most, ok := majority(row)
		r := sparse{most: various}
		if ok {
			r.most = m.place(most)
		}
		for c, t := range row {
			if !ok || t != most {
				m.edges = append(m.edges, edgeTo{int32(c), m.place(t)})
			}
		}
		r.edges = span{uint32(from), uint32(len(m.edges) - from)}
		m.rows = append(m.rows, r)
	}
}

func (m *minimizer) place(s uint32) int32 {
	if s == Trap {
		return nowhere
	}
	return m.of[s]
}

// majority returns the value of more than half of a list, if there is one.
func majority[T comparable](list []T) (most T, ok bool) {
	votes := 0
	for _, v := range list {
		switch {
		case votes == 0:
			most, votes = v, 1
		case v == most:
			votes++
		default:
			votes--
		}
	}
	n := 0
	for _, v := range list {
		if v == most {
			n++
		}
	}
	return most, 2*n > len(list)
}

func (m *minimizer) edgesOf(i int32) []edgeTo {
	r := &m.rows[i]
	return m.edges[r.edges.from : r.edges.from+r.edges.n]
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
			for _, e := range m.edgesOf(i) {
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
	for i := range m.edges {
		if t := m.edges[i].to; t >= 0 && !m.alive[t] {
			m.edges[i].to = nowhere
		}
	}
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
