// SPDX-License-Identifier: Apache-2.0

// Package explain finds the rules that decide what a policy allows: where they
// are written, what they say, which of them decided and which were overridden.
//
// The answers themselves are those of package query, read from the compiled
// policy. Finding the rules that made them needs the resolved profiles as well; a
// program that only asks needs package query alone.
//
// Everything here is safe for concurrent use.
package explain

import (
	"context"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/internal/trace"
	"github.com/goarmor/apparmor/policy"
	"github.com/goarmor/apparmor/query"
	"github.com/goarmor/apparmor/render"
)

// Policy is a policy whose answers can be explained.
type Policy struct {
	compiled *compile.Output
	asked    *query.Policy
	tracer   trace.Tracer
	profiles map[string]*policy.Profile
}

// Open compiles a policy for explaining. The errors are those of
// compile.Compile. The set must not be changed while the Policy is in use.
func Open(ctx context.Context, set *policy.Set, o compile.Options) (*Policy, error) {
	out, err := compile.Compile(ctx, set, o)
	if err != nil {
		return nil, err
	}
	tracer, err := compile.Trace(ctx, set, o)
	if err != nil {
		return nil, err
	}
	p := &Policy{compiled: out, asked: query.Open(out.Policy), tracer: tracer, profiles: make(map[string]*policy.Profile, len(set.Profiles))}
	for _, q := range set.Profiles {
		p.profiles[q.Name] = q
	}
	return p, nil
}

// Compiled returns the compiled policy, with the list of rules that the kernel
// does not enforce as written.
func (p *Policy) Compiled() *compile.Output { return p.compiled }

// Query returns the policy for questions without explanations.
func (p *Policy) Query() *query.Policy { return p.asked }

// Explain is Open and Policy.Explain for one request.
func Explain(ctx context.Context, set *policy.Set, o compile.Options, profile string, r query.Request) (*Explanation, error) {
	p, err := Open(ctx, set, o)
	if err != nil {
		return nil, err
	}
	return p.Explain(ctx, profile, r)
}

// Explain returns what the profile of that full name says to the request, and
// why. The first request of a kind to a profile takes about as long as
// compiling the profile; later ones take microseconds.
//
// The error is a *NoProfileError, a *query.RequestError, a
// *diag.LimitError or ctx's.
func (p *Policy) Explain(ctx context.Context, profile string, r query.Request) (*Explanation, error) {
	q, ok := p.asked.Profile(profile)
	if !ok {
		return nil, &NoProfileError{Name: profile}
	}
	d, lookups, err := q.Trace(r)
	if err != nil {
		return nil, err
	}
	e := &Explanation{Profile: profile, Request: r, Decision: d, Steps: make([]Step, len(lookups))}
	for i, l := range lookups {
		if e.Steps[i], err = p.step(ctx, profile, l); err != nil {
			return nil, err
		}
	}
	if q := p.profiles[d.Label]; q != nil {
		e.To = q.Origin.Position()
	}
	if d.Mediated && d.Info == "" {
		missing := d.Deny
		for _, s := range e.Steps {
			for _, r := range s.Rules {
				missing &^= r.Decides
			}
		}
		if missing != 0 {
			e.Nearest = p.nearest(profile, r, missing)
		}
		if e.Nearest != nil && e.tells(e.Nearest.Rule) {
			e.Nearest = nil
		}
	}
	if !d.Mediated {
		for _, g := range p.compiled.Degraded {
			if _, on := nearOf(g.Rule, r, 0); on && g.Profile == profile && g.Dropped {
				e.Dropped = append(e.Dropped, g)
			}
		}
	}
	return e, nil
}

// tells reports whether a rule belongs in the explanation.
func (e *Explanation) tells(rule ast.Rule) bool {
	for _, s := range e.Steps {
		for _, r := range s.Rules {
			if r.Rule == rule && r.Status != Unrelated {
				return true
			}
		}
	}
	return false
}

// Explanation is an answer with the rules that decide it.
type Explanation struct {
	Profile string        // full name of the one that was asked
	Request query.Request // what it was asked
	// Decision is what query.Profile.Ask returns.
	Decision query.Decision
	// Steps is what was looked up, in order. Most requests take one step. It
	// is empty if the class of the request is not mediated, and if a profile
	// has no rules about files, which denies them all.
	Steps []Step
	// Nearest is the rule that comes closest to allowing what no rule covers;
	// nil if there is none or Steps has it.
	Nearest *Near
	// To is the place of the profile under which the task goes on, see
	// query.Decision.Label.
	To ast.Position
	// Dropped are the rules of the request's class that have no effect, if the
	// request is not mediated for that reason.
	Dropped []compile.Degradation
}

// Near is a rule that would allow a request if it were a little different:
// with another path, peer or set of permissions.
type Near struct {
	Rule ast.Rule       // the resolved rule
	Text string         // in canonical form, with variables expanded
	Pos  ast.Position   // of the rule
	Via  []ast.Position // the includes that led there, innermost first
}

// Deciding returns the rules that the decision follows from, each once, in the
// order of Steps. There are none if only the absence of rules decided.
func (e *Explanation) Deciding() []ast.Rule {
	var all []ast.Rule
	seen := map[ast.Rule]bool{}
	for _, s := range e.Steps {
		for _, r := range s.Rules {
			if r.Status == Decides && r.Rule != nil && !seen[r.Rule] {
				seen[r.Rule] = true
				all = append(all, r.Rule)
			}
		}
	}
	return all
}

// Step is one thing that was looked up in the compiled profile.
type Step struct {
	query.Lookup
	// Rules are all rules that match the input, in the order of the profile,
	// implied ones last.
	Rules []Rule
	// Always is the part of Perms that is granted whatever the rules say:
	// getattr on files.
	Always query.Perms
}

// Status is the role of a rule in a step.
type Status uint8

// The roles.
const (
	// Decides: the rule decides some of what was looked up, alone or together
	// with others of its strength.
	Decides Status = iota
	// Overridden: stronger rules decide everything that it says about what was
	// looked up.
	Overridden
	// OtherOwner: it applies only to the owner of the file, or only to others,
	// and the request is not theirs.
	OtherOwner
	// Unrelated: it is about other permissions.
	Unrelated
	// Mediates: it is not a rule, but it makes the class of the request
	// mediated, so that what no rule allows is denied.
	Mediates
)

// String returns the status in a word or two.
func (s Status) String() string {
	return [...]string{"decides", "overridden", "for another owner", "unrelated", "mediates"}[s%5]
}

// Rule is a rule that matches what was looked up.
type Rule struct {
	Status Status // its role in the step

	// Rule is the resolved rule, or nil for what the profile implies. For what
	// a rule implies, it is that rule.
	Rule    ast.Rule
	Implied Implied // what implies it; zero: a rule spells it out
	// Text is the resolved rule in canonical form, with variables expanded;
	// what is implied is described in words.
	Text string
	Pos  ast.Position   // of the rule, or of the profile for what the profile implies
	Via  []ast.Position // the includes that led there, innermost first

	Effect   ast.Access // Allow, Deny or Prompt
	Priority int16      // as the rule has it; 0 without one
	Exact    bool       // for execution, of a path without wildcards
	Exec     blob.Exec  // the transition, of a rule for execution

	Says       query.Perms // everything that it covers
	Logs       query.Perms // the part of Says that is logged
	Decides    query.Perms // the part of what was looked up that it decides
	Overridden []Override  // the part that others decide
}

// Override says which rule a rule yields to, and why.
type Override struct {
	By    int         // index of the stronger rule in Step.Rules
	Perms query.Perms // those that it yields
	Why   Reason      // why the other one is stronger
}

// step finds the rules that decide one lookup.
func (p *Policy) step(ctx context.Context, profile string, l query.Lookup) (Step, error) {
	s := Step{Lookup: l}
	var found []trace.Contribution
	var err error
	if l.Class == blob.ClassRlimits || l.Part == blob.PartXMatch {
		s.Rules = p.members(profile, l)
		return s, nil
	}
	if l.Part == blob.PartProfile {
		found = p.tracer.Capability(profile, l.Input)
	} else {
		found, err = p.tracer.Match(ctx, profile, l.Part, l.Input, l.Owner)
	}
	if err != nil {
		return Step{}, err
	}
	s.Always = l.Perms & query.Perms(l.Found.Allow)
	index := make([]int, len(found)) // of each contribution in s.Rules
	for i := range found {
		c := &found[i]
		index[i] = len(s.Rules)
		if c.Implied == trace.ByMediation {
			continue // written below
		}
		if c.Access == ast.Allow {
			s.Always &^= query.Perms(c.Decides)
		}
		s.Rules = append(s.Rules, p.rule(profile, c, l.Perms))
	}
	kept := 0
	for i := range found {
		if found[i].Implied == trace.ByMediation {
			continue
		}
		r := &s.Rules[kept]
		kept++
		for _, o := range found[i].Overridden {
			if a := query.Perms(o.Perms) & l.Perms; a != 0 && found[o.By].Implied != trace.ByMediation {
				r.Overridden = append(r.Overridden, Override{index[o.By], a, Reason(o.Why)})
			}
		}
	}
	if l.Part == blob.PartPolicydb {
		found, err = p.tracer.Match(ctx, profile, l.Part, string([]byte{byte(l.Class)}), true)
		if err != nil {
			return Step{}, err
		}
		for i := range found {
			if c := &found[i]; c.Implied == trace.ByMediation {
				r := p.rule(profile, c, 0)
				r.Status, r.Says, r.Text = Mediates, 0, "class "+l.Class.String()
				s.Rules = append(s.Rules, r)
				break
			}
		}
	}
	return s, nil
}

// rule describes the part of a contribution that is about want.
func (p *Policy) rule(profile string, c *trace.Contribution, want query.Perms) Rule {
	r := Rule{
		Implied: Implied(c.Implied), Effect: c.Access, Priority: c.Priority, Exact: c.Exact, Exec: c.Exec,
		Says: query.Perms(c.Perms), Logs: query.Perms(c.Audit), Decides: query.Perms(c.Decides) & want,
	}
	switch {
	case r.Decides != 0:
	case r.Says&want != 0:
		r.Status = Overridden
	case query.Perms(c.Elsewhere)&want != 0:
		r.Status = OtherOwner
	default:
		r.Status = Unrelated
	}
	origin := p.profiles[profile].Origin
	if c.Rule != nil {
		origin, r.Rule = c.Rule.Origin, c.Rule.Rule
		r.Text = render.String(r.Rule)
	} else {
		r.Text = r.Implied.String()
	}
	r.Pos, r.Via = origin.Position(), origin.Chain()
	return r
}
