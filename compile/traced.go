// SPDX-License-Identifier: Apache-2.0

package compile

import (
	"context"
	"errors"
	"sync"

	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/compile/internal/automaton"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/policy"
)

// traced is one profile of a Tracer.
type traced struct {
	rules           []policy.Rule
	kernel          *features.Set
	targets         []string
	changes         *policy.Rule // the first rule that changes the profile
	caps            []tracedCaps
	files, policydb tracedAutomaton
}

// tracedCaps is the bits of one capability rule.
type tracedCaps struct {
	source source
	vector capVectors
}

// source is where an expression is from: the index of a rule, or the negative
// of an Implied.
type source int32

// tracedAutomaton is the expressions of an automaton and where each is from.
type tracedAutomaton struct {
	set     ruleset
	sources []source // of each entry

	mu     sync.Mutex
	ready  bool
	groups []*automaton.DFA // which together have every entry; accept values are indices of entries
}

// traceProfile translates a profile rule by rule, and notes what each one adds.
func traceProfile(pc *profileCompiler) *traced {
	t := &traced{rules: pc.profile.Rules, kernel: pc.sup.kernel}
	// note gives what is new since the last call a source.
	note := func(s source) {
		for len(t.files.sources) < len(pc.files.entries) {
			t.files.sources = append(t.files.sources, s)
		}
		for len(t.policydb.sources) < len(pc.policydb.entries) {
			t.policydb.sources = append(t.policydb.sources, s)
		}
		if pc.caps != (capVectors{}) {
			t.caps = append(t.caps, tracedCaps{s, pc.caps})
			pc.caps = capVectors{}
		}
		if pc.usesChangeProfile && t.changes == nil && s >= 0 {
			t.changes = &t.rules[s]
		}
	}
	pc.mergeMounts()
	for i := range t.rules {
		if pc.translateRule(i); len(pc.errs) > maxErrors {
			break
		}
		note(source(i))
	}
	pc.rule = nil
	pc.implied()
	for i := range impliedFiles {
		if by := pc.implies(&impliedFiles[i]); by != ByRule {
			t.files.sources = append(t.files.sources, -source(by))
		}
	}
	pc.mediates()
	note(-source(ByMediation))
	pc.attachment(&blob.Profile{}) // for its errors
	t.files.set, t.policydb.set, t.targets = pc.files, pc.policydb, pc.targets
	return t
}

// prepare makes the automata that tell which entries match an input. Entries
// are all kept apart in them, so one for many rules can be out of reach where
// that of the policy is small; then there are several.
func (a *tracedAutomaton) prepare(ctx context.Context, l Limits) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ready {
		return nil
	}
	groups, err := a.group(ctx, nil, 0, len(a.set.entries), l)
	if err != nil {
		return err
	}
	a.groups, a.ready = groups, true
	return nil
}

// groupStates is how many states the automaton of several entries may have
// before it is split.
const groupStates = 1 << 12

func (a *tracedAutomaton) group(ctx context.Context, groups []*automaton.DFA, from, to int, l Limits) ([]*automaton.DFA, error) {
	if from == to {
		return groups, nil
	}
	var b automaton.Builder
	for i := from; i < to; i++ {
		b.Add(a.set.entries[i].node, automaton.Accept(i))
	}
	limits := automaton.Limits{States: l.States, Memory: l.Memory}
	if to-from > 1 {
		limits.States = min(limits.States, groupStates)
	}
	d, err := b.Build(ctx, limits)
	switch {
	case err == nil:
		return append(groups, d), nil
	case to-from > 1 && errors.Is(err, diag.ErrLimit):
		middle := from + (to-from)/2
		if groups, err = a.group(ctx, groups, from, middle, l); err != nil {
			return nil, err
		}
		return a.group(ctx, groups, middle, to, l)
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
