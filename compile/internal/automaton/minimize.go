package automaton

import (
	"context"
	"errors"
)

// MinimizeOptions are the parameters of Minimize.
type MinimizeOptions struct {
	// KeepStart keeps the start state apart from all others, so that no
	// transition leads to it.
	KeepStart bool
}

// Minimize merges states with equal labels and equal futures, and drops those
// that cannot be reached. States of the label of the trap that lead nowhere
// else become the trap. The numbering depends on the language alone.
func (d *DFA) Minimize(ctx context.Context, o MinimizeOptions) (*DFA, error) {
	return nil, errors.New("automaton: not implemented")
}
