// SPDX-License-Identifier: Apache-2.0

package automaton

import (
	"math"

	"github.com/goarmor/apparmor/diag"
)

// Limits bound the construction. Zero fields are without limit.
type Limits struct {
	States int   // states before minimisation
	Memory int64 // estimate of the bytes held at once
}

// meter measures use against limits.
type meter struct {
	limits Limits
	base   int64 // bytes held by what is finished
}

func (m *meter) memory(n int64) error {
	if n += m.base; m.limits.Memory > 0 && n > m.limits.Memory {
		return &diag.LimitError{What: "bytes of memory for an automaton", Limit: m.limits.Memory, Got: n}
	}
	return nil
}

func (m *meter) states(n int) error {
	if m.limits.States > 0 && n > m.limits.States {
		return &diag.LimitError{What: "states of an automaton", Limit: int64(m.limits.States), Got: int64(n)}
	}
	return nil
}

// transitions keeps the number of transitions within what int32 counts.
func (m *meter) transitions(n int) error {
	if n > math.MaxInt32 {
		return &diag.LimitError{What: "transitions of an automaton", Limit: math.MaxInt32, Got: int64(n)}
	}
	return nil
}
