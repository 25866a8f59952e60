// SPDX-License-Identifier: Apache-2.0

package automaton

import (
	"errors"
	"slices"

	"github.com/goarmor/apparmor/diag"
)

// Accept is the caller's number for what a matching string is granted. Small
// consecutive numbers are best.
type Accept uint32

// Builder collects expressions. The zero Builder is ready for use. It is not
// safe for concurrent use.
type Builder struct {
	// Covers, if set, reports whether accept value a makes no difference
	// wherever value b is, whatever other values are there. Build may then
	// leave a out of sets that hold b, which can make an otherwise huge
	// automaton small. It must be transitive, and is called with a != b.
	Covers func(b, a Accept) bool

	rules  []rule
	owners []int32
}

type rule struct {
	node   Node
	accept Accept
}

// Add adds an expression: strings that match it get the accept value. Its owner
// is its number, from 0.
func (b *Builder) Add(n Node, a Accept) { b.AddFor(n, a, int32(len(b.rules))) }

// AddFor adds an expression of an owner, which Cost tells apart.
func (b *Builder) AddFor(n Node, a Accept, owner int32) {
	b.rules, b.owners = append(b.rules, rule{n, a}), append(b.owners, owner)
}

// Len returns the number of expressions that were added.
func (b *Builder) Len() int { return len(b.rules) }

// Build makes the automaton of all expressions. It does not change the
// Builder.
//
// The error is the budget's; one for a limit is, or matches, a *CostError when
// it is known what caused it.
func (b *Builder) Build(budget *Budget) (*DFA, error) {
	s, err := b.subset(budget)
	if err != nil {
		return nil, err
	}
	d := s.build()
	if err := budget.Err(); err != nil {
		if errors.Is(err, diag.ErrLimit) {
			err = &CostError{Err: err, Costs: s.costs(b.owners), States: len(s.sets)}
		}
		return nil, err
	}
	return d, nil
}

// Costs builds the automaton as far as the budget goes, and returns which
// owners' expressions are the cause of how many of its states, the greatest
// first, and how many states there are.
func (b *Builder) Costs(budget *Budget) (costs []Cost, states int) {
	s, err := b.subset(budget)
	if err != nil {
		return nil, 0
	}
	s.build()
	return s.costs(b.owners), len(s.sets)
}

// subset makes what is to be made deterministic.
func (b *Builder) subset(budget *Budget) (*subset, error) {
	accepts := make([]Accept, 0, len(b.rules))
	for _, r := range b.rules {
		accepts = append(accepts, r.accept)
	}
	slices.Sort(accepts)
	accepts = slices.Compact(accepts)
	n := newNFA(b.rules, accepts, budget)
	if err := budget.Err(); err != nil {
		return nil, err
	}
	s := newSubset(n, accepts, b.Covers)
	return s, budget.Err()
}
