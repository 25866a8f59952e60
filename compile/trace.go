// SPDX-License-Identifier: Apache-2.0

package compile

import (
	"context"
	"fmt"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/policy"
)

// Tracer tells which rules are behind what the automata of a policy grant. It
// is safe for concurrent use.
type Tracer struct {
	profiles map[string]*traced
	limits   Limits
}

// Contribution is what one rule, or what a profile has without a rule, says
// about an input that it matches. Permissions are the kernel's bits.
type Contribution struct {
	// Rule is the rule. For what is implied it is the rule that implies it,
	// or nil where it is the profile itself.
	Rule    *policy.Rule
	Implied Implied

	Access   ast.Access // Allow, Deny or Prompt
	Priority int16
	// Exact is set for execution of paths that are named one by one, which
	// beats execution of those that a wildcard matches.
	Exact bool

	Perms uint32 // what it speaks of
	Audit uint32 // the part of Perms whose use is logged; for denials, that is logged all the same
	// Elsewhere is what it says of the same file for the other kind of task:
	// for an owner if that was not asked about, and the other way round.
	Elsewhere uint32
	// Decides is the part of Perms that it decides, alone or together with
	// others of the same strength. One bit can come with several permissions
	// of the language (w and r both bring open); then it is decided by the
	// rules that decide either of them, and granted if one grants it. Whoever
	// decides execution also decides mmap where ix would imply it.
	Decides uint32
	// Exec is the transition of a rule for execution.
	Exec blob.Exec
	// Overridden lists, for what it does not decide, what it yields to.
	Overridden []Override
}

// Implied is what brings a permission that no rule spells out.
type Implied uint8

// The things that imply permissions.
const (
	// ByRule is not implied: a rule spells it out.
	ByRule Implied = iota
	// ByChangeProfile is the access to the attribute files below /proc that
	// comes with rules that change the profile.
	ByChangeProfile
	// ByHats is the same for hats and for profiles that have hats or children.
	ByHats
	// ByMediation is the string that makes a class mediated even when no rule
	// speaks of it.
	ByMediation
)

// String returns the cause in a few words.
func (i Implied) String() string {
	switch i {
	case ByChangeProfile:
		return "implied by change_profile"
	case ByHats:
		return "implied by hats and children"
	case ByMediation:
		return "mediated class"
	}
	return "rule"
}

// Reason is why one rule yields to another.
type Reason uint8

// The reasons, in the order in which they are looked at.
const (
	// HigherPriority: the other has a higher priority.
	HigherPriority Reason = iota
	// DenyFirst: the other denies, and denial beats what allows.
	DenyFirst
	// ExactFirst: the other names the path without wildcards, for execution.
	ExactFirst
	// AllowFirst: the other allows what this one only prompts for.
	AllowFirst
)

// String returns the reason in a few words.
func (r Reason) String() string {
	switch r {
	case HigherPriority:
		return "higher priority"
	case DenyFirst:
		return "deny beats allow"
	case ExactFirst:
		return "exact path beats pattern"
	}
	return "allow beats prompt"
}

// Override says that a contribution yields to another one.
type Override struct {
	By    int    // index of the other among the contributions
	Perms uint32 // in what
	Why   Reason
}

// Trace makes the Tracer of a policy. It translates the rules as Compile does
// and returns the same errors for them, but builds no automata: it does not
// notice what only shows there, which are limits and rules that overlap and
// disagree about execution. The set must not be changed as long as the Tracer
// is in use.
func Trace(ctx context.Context, set *policy.Set, o Options) (*Tracer, error) {
	if o.Kernel == nil {
		return nil, ErrNoKernel
	}
	if set == nil || len(set.Profiles) == 0 {
		return nil, ErrNoProfiles
	}
	if err := checkNames(set.Profiles); err != nil {
		return nil, err
	}
	c := &compiler{options: o, form: formOf(o.Kernel), limits: o.Limits.withDefaults()}
	t := &Tracer{profiles: make(map[string]*traced, len(set.Profiles)), limits: c.limits}
	for _, p := range set.Profiles {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		pc := newProfileCompiler(c, p)
		t.profiles[p.Name] = traceProfile(pc)
		if c.errs = append(c.errs, pc.errs...); len(c.errs) > maxErrors {
			break
		}
	}
	if err := c.errs.Err(); err != nil {
		return nil, err
	}
	return t, nil
}

// Match returns what has a say in what the automaton (blob.PartFile or
// blob.PartPolicydb) of a profile answers to the input, in the order of the
// rules, what is implied last. For files, owner tells whether it is about the
// owner of the file or about everybody else.
//
// An automaton is prepared when it is first asked for: that takes about as
// long as compiling it, and counts against Options.Limits. The error is ctx's,
// a *diag.LimitError or a *NoProfileError.
func (t *Tracer) Match(ctx context.Context, profile string, part blob.Part, input string, owner bool) ([]Contribution, error) {
	p := t.profiles[profile]
	if p == nil {
		return nil, &NoProfileError{profile}
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

// Capability returns what has a say in whether the profile has a capability,
// by its name, which is what blob.PermExec stands for in Contribution. It is a
// *NoProfileError when there is no such profile.
func (t *Tracer) Capability(profile, name string) ([]Contribution, error) {
	p := t.profiles[profile]
	if p == nil {
		return nil, &NoProfileError{profile}
	}
	n, ok := capNumber(name, p.kernel)
	if !ok {
		return nil, nil
	}
	return p.capability(n), nil
}

// NoProfileError says that a policy has no profile of that name.
type NoProfileError struct{ Name string }

// Error implements error.
func (e *NoProfileError) Error() string { return fmt.Sprintf("no profile %q", e.Name) }
