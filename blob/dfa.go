// SPDX-License-Identifier: Apache-2.0

package blob

// DFA is an automaton over bytes and one out-of-band symbol, in the comb
// tables that kernels walk. State 0 is the trap and state 1 the start.
//
// In state s on byte c the slot is Base[s]&BaseMask + c (through EC, if there
// is one); if Check[slot] is s, the next state is Next[slot], otherwise it is
// Default[s], in which a differentially encoded s looks at c again.
type DFA struct {
	// Flags are those of the header: FlagDiff and FlagOOB if states use them.
	Flags uint16
	// Wide means that Default, Next and Check have 32 bits per entry instead
	// of 16, which kernels read since 7.2.
	Wide bool

	Accept  []uint32 // per state: packed permissions or index of an entry
	Accept2 []uint32 // per state, or nil
	Base    []uint32 // per state: low 24 bits offset, and the BaseXxx bits
	Default []uint32 // a state each
	Next    []uint32 // a slot each
	Check   []uint32 // a slot each
	EC      []byte   // 256 equivalence classes of bytes, or nil
}

// The header flags and the bits in Base.
const (
	FlagDiff uint16 = 1 // some state is differentially encoded
	FlagOOB  uint16 = 2 // some state has an out-of-band transition

	BaseDiff uint32 = 1 << 31 // the state stores only differences from its default
	BaseOOB  uint32 = 1 << 29 // slot Base-1 is the out-of-band transition
	BaseMask uint32 = 1<<24 - 1
)

// The two states whose numbers are fixed.
const (
	TrapState  uint32 = 0
	StartState uint32 = 1
)

// States returns the number of states.
func (d *DFA) States() int { return len(d.Base) }

// Step returns the state after byte b in state s. It must only be called on
// verified automata and with s < States.
func (d *DFA) Step(s uint32, b byte) uint32 {
	c := uint32(b)
	if d.EC != nil {
		c = uint32(d.EC[b])
	}
	for {
		base := d.Base[s]
		slot := base&BaseMask + c
		if d.Check[slot] == s {
			return d.Next[slot]
		}
		s = d.Default[s]
		if base&BaseDiff == 0 {
			return s
		}
	}
}

// StepWithin is Step for automata from untrusted sources. It subtracts one
// from steps for each state that it looks at, which can be all states for a
// single byte if they are differentially encoded. If steps becomes negative,
// it returns the trap.
func (d *DFA) StepWithin(s uint32, b byte, steps *int) uint32 {
	c := uint32(b)
	if d.EC != nil {
		c = uint32(d.EC[b])
	}
	for {
		if *steps--; *steps < 0 {
			return TrapState
		}
		base := d.Base[s]
		slot := base&BaseMask + c
		if d.Check[slot] == s {
			return d.Next[slot]
		}
		s = d.Default[s]
		if base&BaseDiff == 0 {
			return s
		}
	}
}

// StepOOB returns the state after the out-of-band symbol in state s.
func (d *DFA) StepOOB(s uint32) uint32 {
	base := d.Base[s]
	if base&BaseOOB == 0 {
		return TrapState
	}
	slot := base&BaseMask - 1
	if d.Check[slot] == s {
		return d.Next[slot]
	}
	return d.Default[s]
}

// Match returns the state after all of in, beginning in state s.
func (d *DFA) Match(s uint32, in []byte) uint32 {
	for _, b := range in {
		if s == TrapState {
			break
		}
		s = d.Step(s, b)
	}
	return s
}

// MatchString is Match for a string.
func (d *DFA) MatchString(s uint32, in string) uint32 {
	for i := 0; i < len(in) && s != TrapState; i++ {
		s = d.Step(s, in[i])
	}
	return s
}
