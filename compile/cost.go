// SPDX-License-Identifier: Apache-2.0

package compile

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"slices"
	"strings"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/compile/internal/automaton"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/policy"
)

// request is what compilations for one request share: one namespace each.
type request struct {
	ctx    context.Context
	limits Limits
	budget *automaton.Budget
	bytes  int64 // of the automata so far; see count
	binary int64 // of the binary policies so far
	tops   []top
}

// top is one of the automata that took the most states.
type top struct {
	profile *policy.Profile
	part    blob.Part
	states  int
}

// maxCosts is how many automata and rules an error names.
const maxCosts = 3

// note takes note of the states of an automaton.
func (q *request) note(t top) {
	at, _ := slices.BinarySearchFunc(q.tops, t, func(a, b top) int { return cmp.Compare(b.states, a.states) })
	for at < len(q.tops) && q.tops[at].states == t.states {
		at++ // the first one stays first
	}
	if at < maxCosts {
		q.tops = slices.Insert(q.tops, at, t)
		q.tops = q.tops[:min(len(q.tops), maxCosts)]
	}
}

// rulesOf returns the rule set of an automaton.
func (t *translation) rulesOf(part blob.Part, xmatch *ruleset) *ruleset {
	switch part {
	case blob.PartXMatch:
		return xmatch
	case blob.PartPolicydb:
		return &t.policydb
	}
	return &t.files
}

// exceeded adds to a limit that was exceeded the rules that cost most. part is
// the automaton that was being made, none while rules were translated.
func (c *compiler) exceeded(t *translation, part blob.Part, err error) error {
	var limit *diag.LimitError
	if !errors.As(err, &limit) {
		return err
	}
	named := *limit
	if part == noPart {
		for s, n := range t.sizes.all() {
			named.Costs = append(named.Costs, costOf(t.profile, s, n, "bytes"))
		}
	} else {
		named.Costs = c.stateCosts(t, part, err)
	}
	slices.SortFunc(named.Costs, func(a, b diag.Cost) int {
		return cmp.Or(cmp.Compare(b.Amount, a.Amount), strings.Compare(a.Profile, b.Profile), cmp.Compare(a.Pos.Offset, b.Pos.Offset), strings.Compare(a.Text, b.Text))
	})
	// One that took a hundredth of the first is of no interest.
	named.Costs = slices.DeleteFunc(named.Costs, func(c diag.Cost) bool { return c.Amount*100 < named.Costs[0].Amount })
	named.Costs = slices.Clip(named.Costs[:min(len(named.Costs), maxCosts)])
	return &named
}

// sizes is how many bytes there are of the expressions of each source.
type sizes struct {
	rules   []int64          // by their index
	implied map[source]int64 // of other sources
}

// add adds to what a source has, in a profile with so many rules.
func (s *sizes) add(of source, bytes int64, rules int) {
	if int(of) >= rules || of < 0 {
		if s.implied == nil {
			s.implied = map[source]int64{}
		}
		s.implied[of] += bytes
		return
	}
	if len(s.rules) < rules {
		s.rules = append(s.rules[:0], make([]int64, rules)...)
	}
	s.rules[of] += bytes
}

// again returns the memory for those of another profile.
func (s *sizes) again() sizes {
	clear(s.implied)
	return sizes{s.rules[:0], s.implied}
}

// all yields the sources that have anything.
func (s *sizes) all() iter.Seq2[source, int64] {
	return func(yield func(source, int64) bool) {
		for i, n := range s.rules {
			if n > 0 && !yield(source(i), n) {
				return
			}
		}
		for of, n := range s.implied {
			if !yield(of, n) {
				return
			}
		}
	}
}

const noPart blob.Part = ^blob.Part(0)

// costStates is how much of an automaton is made once more to find out which
// rules cost most.
const costStates = 1 << 12

// stateCosts returns the costs of the automata that took most.
func (c *compiler) stateCosts(t *translation, part blob.Part, err error) []diag.Cost {
	var costs []diag.Cost
	add := func(p *policy.Profile, found []automaton.Cost, sample, states int) {
		for _, f := range found[:min(len(found), maxCosts)] {
			costs = append(costs, costOf(p, source(f.Owner), int64(f.States)*int64(states)/int64(max(sample, 1)), "states"))
		}
	}
	for _, a := range c.tops {
		var known *automaton.CostError
		if a.profile == t.profile && a.part == part && errors.As(err, &known) {
			add(a.profile, known.Costs, known.States, a.states)
			continue
		}
		// What is spent here is bounded, and the context was looked at when
		// the error came about.
		budget := automaton.NewBudget(c.ctx, automaton.Limits{States: costStates, Work: max(c.limits.Work/16, 1<<20), Memory: c.limits.Memory})
		again := newTranslation(&c.options, c.form, a.profile, budget)
		again.run()
		rs := again.rulesOf(a.part, attachment(&again.emitter, &blob.Profile{}))
		found, sample := rs.builder(&resolver{records: &rs.records, space: rs.space}).Costs(budget)
		add(a.profile, found, sample, a.states)
	}
	return costs
}

// costOf names the rule of a source, or the profile for what has no rule.
func costOf(p *policy.Profile, s source, n int64, unit string) diag.Cost {
	d := diag.Cost{Profile: p.Name, Pos: p.Origin.Position(), Text: "profile " + p.Name, Amount: n, Unit: unit}
	if s >= 0 && int(s) < len(p.Rules) {
		r := &p.Rules[s]
		d.Pos, d.Text = r.Origin.Position(), ruleText(r)
	}
	return d
}

// ruleText is a rule as it was written, or by its class and patterns where a
// program made it.
func ruleText(r *policy.Rule) string {
	if f := r.Origin.File; f != nil && r.Origin.Pos.IsValid() {
		if text := f.Text(r.Rule); text != "" {
			return strings.Join(strings.Fields(text), " ")
		}
	}
	if f, ok := r.Rule.(*ast.FileRule); ok {
		return "file rule " + string(f.Path)
	}
	return r.Rule.Class().String() + " rule"
}
