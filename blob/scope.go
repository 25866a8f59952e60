package blob

// Scope is a small automaton that says which inputs of the policydb count in
// a comparison. An input begins in States[0].
//
// A scope is needed where DiffOptions.Ignore is not enough: automata share
// states between inputs, so a difference after an input that nothing asks for
// may hide one after another input.
type Scope struct {
	States []ScopeState
}

// ScopeState is a state of a Scope.
type ScopeState struct {
	Counts bool         // inputs that end here are compared
	Next   map[byte]int // the state after a byte
	Other  int          // the state after every other byte
}

// OutOfScope, as the next state, means that no longer input counts.
const OutOfScope = -1

// asked is the scope of the policydb unless a comparison is strict: all but a
// string of apparmor_parser 6.0's that no kernel asks for, a slip in how it
// marks network as mediated.
var asked = Scope{States: []ScopeState{
	{Counts: true, Next: map[byte]int{byte(ClassNetV9): 1}, Other: 4},
	{Counts: true, Next: map[byte]int{0x00: 2}, Other: 4},
	{Counts: true, Next: map[byte]int{'1': 3}, Other: 4},
	{Counts: false, Other: 4},
	{Counts: true, Other: 4},
}}

// scopeRows is a scope made ready for walking: next state plus one, so that
// zero is out of scope.
type scopeRows struct {
	next   [][256]uint32
	counts []bool
}

// everything is the scope in which all inputs count.
var everything = Scope{States: []ScopeState{{Counts: true}}}

func (s *Scope) rows() scopeRows {
	r := scopeRows{make([][256]uint32, len(s.States)+1), make([]bool, len(s.States)+1)}
	for i, state := range s.States {
		r.counts[i+1] = state.Counts
		row := &r.next[i+1]
		for c := range row {
			to, ok := state.Next[byte(c)]
			if !ok {
				to = state.Other
			}
			if to >= 0 && to < len(s.States) {
				row[c] = uint32(to) + 1
			}
		}
	}
	return r
}
