// SPDX-License-Identifier: Apache-2.0

package automaton

import (
	"context"
	"slices"
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

	rules []rule
}

type rule struct {
	node   Node
	accept Accept
}

// Add adds an expression: strings that match it get the accept value.
func (b *Builder) Add(n Node, a Accept) { b.rules = append(b.rules, rule{n, a}) }

// Len returns the number of expressions that were added.
func (b *Builder) Len() int { return len(b.rules) }

// Build makes the automaton of all expressions. It does not change the
// Builder.
//
// The errors are those of ctx and *diag.LimitError.
func (b *Builder) Build(ctx context.Context, l Limits) (*DFA, error) {
	accepts := make([]Accept, 0, len(b.rules))
	for _, r := range b.rules {
		accepts = append(accepts, r.accept)
	}
	slices.Sort(accepts)
	accepts = slices.Compact(accepts)
	m := &meter{limits: l}
	n, err := newNFA(ctx, b.rules, accepts, m)
	if err != nil {
		return nil, err
	}
	m.base = n.size()
	return newSubset(n, accepts, b.Covers).build(ctx)
}
