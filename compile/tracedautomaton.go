// SPDX-License-Identifier: Apache-2.0

package compile

import (
	"context"
	"errors"
	"sync"

	"github.com/goarmor/apparmor/compile/internal/automaton"
	"github.com/goarmor/apparmor/diag"
)

// tracedAutomaton finds the entries of a rule set that match an input.
type tracedAutomaton struct {
	set *ruleset

	mu     sync.Mutex
	ready  bool
	groups []*automaton.DFA // which together have every entry; accept values are indices of entries
}

// prepare makes the automata that say which entries match an input. They keep
// all entries apart, so one for many rules can be far too large even if that
// of the policy is small; then there are several.
func (a *tracedAutomaton) prepare(ctx context.Context, l automaton.Limits) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ready {
		return nil
	}
	groups, err := a.group(automaton.NewBudget(ctx, l), nil, 0, len(a.set.entries))
	if err != nil {
		return err
	}
	a.groups, a.ready = groups, true
	return nil
}

// groupStates is how many states the automaton of several entries may have
// before it is split.
const groupStates = 1 << 12

func (a *tracedAutomaton) group(budget *automaton.Budget, groups []*automaton.DFA, from, to int) ([]*automaton.DFA, error) {
	if from == to {
		return groups, nil
	}
	var b automaton.Builder
	for i := from; i < to; i++ {
		b.Add(a.set.entries[i].node, automaton.Accept(i))
	}
	if to-from == 1 {
		d, err := b.Build(budget)
		if err != nil {
			return nil, err
		}
		return append(groups, d), nil
	}
	try := budget.Part(groupStates)
	d, err := b.Build(try)
	if !budget.Spend(int(try.Used().Work)) {
		return nil, budget.Err()
	}
	switch {
	case err == nil:
		return append(groups, d), nil
	case errors.Is(err, diag.ErrLimit):
		middle := from + (to-from)/2
		if groups, err = a.group(budget, groups, from, middle); err != nil {
			return nil, err
		}
		return a.group(budget, groups, middle, to)
	}
	return nil, err
}

// match returns the entries that match, in order. The automaton is prepared.
func (a *tracedAutomaton) match(input string) []int {
	var found []int
	for _, d := range a.groups {
		for _, i := range d.Accepts(d.Match(automaton.Start, input)) {
			found = append(found, int(i))
		}
	}
	return found
}
