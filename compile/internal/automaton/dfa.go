// SPDX-License-Identifier: Apache-2.0

package automaton

// The states whose numbers are fixed.
const (
	Dead  uint32 = 0
	Start uint32 = 1
)

// DFA is a deterministic automaton whose states carry labels. It is immutable
// and safe for concurrent use.
type DFA struct {
	classes *classes
	rows    rows
	label   []uint32   // per state
	sets    [][]Accept // the accept values of each label, sorted; nil once resolved
}

// States returns the number of states.
func (d *DFA) States() int { return len(d.label) }

// size is the bytes that the automaton holds.
func (d *DFA) size() int64 {
	n := int64(len(d.label))*16 + int64(len(d.rows.arcs))*8
	for _, set := range d.sets {
		n += 24 + 4*int64(len(set))
	}
	return n
}

// Step returns the state after b in state s.
func (d *DFA) Step(s uint32, b byte) uint32 {
	return d.rows.step(s, d.classes.of[b])
}

// StepOOB returns the state after the out-of-band symbol in state s.
func (d *DFA) StepOOB(s uint32) uint32 {
	if d.classes.oob == noClass {
		return Dead
	}
	return d.rows.step(s, d.classes.oob)
}

// Match returns the state after all of in, beginning in state s.
func (d *DFA) Match(s uint32, in string) uint32 {
	for i := 0; i < len(in); i++ {
		s = d.Step(s, in[i])
	}
	return s
}

// Label returns the label of state s: after Resolve, an index of the resolved
// values, before it, a number for the set of accept values.
func (d *DFA) Label(s uint32) uint32 { return d.label[s] }

// Accepts returns the accept values of state s, sorted. The slice must not be
// changed. It is nil after Resolve.
func (d *DFA) Accepts(s uint32) []Accept {
	if d.sets == nil {
		return nil
	}
	return d.sets[d.label[s]]
}

// Resolve decides the result of every set of accept values that meets in a
// state. It returns the automaton with labels that index the returned values,
// which are distinct; values[0] is that of the empty set. f is called once for
// each set, in the order of the first state that has it. The error is f's or
// the budget's.
func Resolve[P comparable](budget *Budget, d *DFA, f func(set []Accept) (P, error)) (resolved *DFA, values []P, err error) {
	index := map[P]uint32{}
	labels := make([]uint32, len(d.sets))
	for i, set := range d.sets {
		if !budget.Spend(64 + 8*len(set)) {
			return nil, nil, budget.Err()
		}
		v, err := f(set)
		if err != nil {
			return nil, nil, err
		}
		l, ok := index[v]
		if !ok {
			l = uint32(len(values))
			index[v] = l
			values = append(values, v)
		}
		labels[i] = l
	}
	r := &DFA{classes: d.classes, rows: d.rows, label: make([]uint32, len(d.label))}
	for s, l := range d.label {
		r.label[s] = labels[l]
	}
	return r, values, nil
}
