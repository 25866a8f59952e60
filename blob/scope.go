// SPDX-License-Identifier: Apache-2.0

package blob

// scope is a small automaton that says which inputs of the policydb count in
// a comparison. An input begins in state 0.
//
// DiffOptions.Ignore would not do: automata share states between inputs, so a
// difference after an input that nothing asks for may hide one after another
// input.
type scope []scopeState

// scopeState is a state of a scope.
type scopeState struct {
	counts bool         // inputs that end here are compared
	next   map[byte]int // the state after a byte
	other  int          // the state after every other byte
}

// asked is the scope of the policydb unless a comparison is strict: all but
// one string that apparmor_parser 6.0 writes by mistake when it marks network
// as mediated, and that no kernel asks for.
var asked = scope{
	{counts: true, next: map[byte]int{byte(ClassNetV9): 1}, other: 4},
	{counts: true, next: map[byte]int{0x00: 2}, other: 4},
	{counts: true, next: map[byte]int{'1': 3}, other: 4},
	{counts: false, other: 4},
	{counts: true, other: 4},
}

// everything is the scope in which all inputs count.
var everything = scope{{counts: true}}

// scopeRows is a scope made ready for walking.
type scopeRows struct {
	next   [][256]uint32
	counts []bool
}

func (s scope) rows() scopeRows {
	r := scopeRows{make([][256]uint32, len(s)), make([]bool, len(s))}
	for i, state := range s {
		r.counts[i] = state.counts
		row := &r.next[i]
		for c := range row {
			to, ok := state.next[byte(c)]
			if !ok {
				to = state.other
			}
			row[c] = uint32(to)
		}
	}
	return r
}
