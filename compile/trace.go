// SPDX-License-Identifier: Apache-2.0

package compile

import (
	"context"
	"fmt"

	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/compile/internal/automaton"
	"github.com/goarmor/apparmor/internal/trace"
	"github.com/goarmor/apparmor/policy"
)

// Trace makes what package query/explain is built on, and is useful only to
// that package: it finds the rules that decide what the automata of a policy
// grant.
//
// It translates the rules as Compile does and returns the same errors for
// them, but builds no automata: it does not notice what shows only there,
// which is exceeded limits, and rules that overlap and disagree about
// execution. The set must not be changed while the result is in use.
func Trace(ctx context.Context, set *policy.Set, o Options) (trace.Tracer, error) {
	c, err := newCompiler(newRequest(ctx, o), set, o)
	if err != nil {
		return nil, err
	}
	t := &tracer{profiles: make(map[string]*traced, len(set.Profiles)), limits: c.limits.budget()}
	for _, p := range set.Profiles {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		tr := newTranslation(&c.options, c.form, p, c.budget)
		tr.run()
		attachment(&tr.emitter, &blob.Profile{}) // for its errors
		if err := c.budget.Err(); err != nil {
			return nil, fmt.Errorf("profile %s: %w", p.Name, err)
		}
		t.profiles[p.Name] = &traced{
			translation: tr,
			files:       tracedAutomaton{set: &tr.files},
			policydb:    tracedAutomaton{set: &tr.policydb},
		}
		if c.errs = append(c.errs, tr.errs...); len(c.errs) > maxErrors {
			break
		}
	}
	if err := c.errs.Err(); err != nil {
		return nil, err
	}
	return t, nil
}

// tracer implements trace.Tracer.
type tracer struct {
	profiles map[string]*traced
	limits   automaton.Limits // of each automaton that is prepared
}

// traced is one profile of a tracer.
type traced struct {
	*translation
	files, policydb tracedAutomaton
}

func (t *tracer) Match(ctx context.Context, profile string, part blob.Part, input string, owner bool) ([]trace.Contribution, error) {
	p := t.profiles[profile]
	if p == nil {
		return nil, nil
	}
	var a *tracedAutomaton
	switch part {
	case blob.PartFile:
		a = &p.files
	case blob.PartPolicydb:
		a = &p.policydb
	default:
		return nil, nil
	}
	if err := a.prepare(ctx, t.limits); err != nil {
		return nil, fmt.Errorf("profile %s: %w", profile, err)
	}
	half := otherHalf
	if owner {
		half = ownerHalf
	}
	return p.weigh(a, a.match(input), half), nil
}

func (t *tracer) Capability(profile, name string) []trace.Contribution {
	p := t.profiles[profile]
	if p == nil {
		return nil
	}
	n, ok := capNumber(name, p.kernel)
	if !ok {
		return nil
	}
	return p.capability(n)
}
