// SPDX-License-Identifier: Apache-2.0

package compile

import (
	"errors"
	"fmt"

	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/policy"
)

// profile compiles one profile. It returns nil and no error when it has
// recorded errors of the policy.
func (c *compiler) profile(p *policy.Profile) (*blob.Profile, error) {
	t := newTranslation(&c.options, c.form, p, c.budget)
	t.nodes = &c.memory.Nodes
	t.nodes.Reset()
	b, stats, err := c.build(t)
	c.budget.Hold(-t.held)
	c.out.Degraded = append(c.out.Degraded, t.degraded...)
	c.out.Warnings = append(c.out.Warnings, t.warnings...)
	c.out.Stats = append(c.out.Stats, stats)
	c.errs = append(c.errs, t.errs...)
	return b, err
}

// build translates the profile and builds its automata.
func (c *compiler) build(t *translation) (*blob.Profile, Stats, error) {
	b := builder{
		form: c.form, budget: c.budget, memory: c.memory, keepDenials: c.keepDenials,
		stats: Stats{Profile: t.profile.Name},
	}
	out := members(&t.emitter)
	t.run()
	out.Caps = t.caps.vectors()
	out.Families = t.families.masks()
	xmatch := attachment(&t.emitter, out)
	switch err := c.budget.Err(); {
	case err != nil:
		return nil, b.stats, buildError(&t.emitter, c.exceeded(t, noPart, err))
	case len(t.errs) > 0:
		return nil, b.stats, nil
	}
	b.targets = t.execs.targets
	for _, a := range [...]struct {
		part  blob.Part
		build func(*ruleset) (*blob.PolicyDB, error)
		to    **blob.PolicyDB
	}{
		{blob.PartXMatch, b.xmatch, &out.XMatch},
		{blob.PartPolicydb, b.policydb, &out.Policydb},
		{blob.PartFile, b.file, &out.File},
	} {
		rules := t.rulesOf(a.part, xmatch)
		if len(rules.entries) == 0 {
			continue
		}
		before := c.budget.Used().States
		var err error
		*a.to, err = a.build(rules)
		c.note(top{t.profile, a.part, c.budget.Used().States - before})
		if err != nil {
			return nil, b.stats, buildError(&t.emitter, c.exceeded(t, a.part, err))
		}
	}
	return out, b.stats, nil
}

// members makes the profile with everything that is not in an automaton and
// does not come from rules with a class.
func members(e *emitter) *blob.Profile {
	p := e.profile
	out := &blob.Profile{
		Header:    blob.DefaultHeader,
		Namespace: p.Namespace,
		Name:      p.Name,
		Hat:       p.Hat,
		Audit:     p.Flags.Audit,
	}
	flags(e, out)
	rlimits(e, out)
	return out
}

// buildError turns a conflict into a diagnostic, adds the profile to limits
// and passes on the rest.
func buildError(e *emitter, err error) error {
	var c *conflict
	switch {
	case errors.As(err, &c):
		execConflict(e, c)
		return nil
	case errors.Is(err, diag.ErrLimit):
		return fmt.Errorf("profile %s: %w", e.profile.Name, err)
	}
	return err
}
