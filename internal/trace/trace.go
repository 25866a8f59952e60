// SPDX-License-Identifier: Apache-2.0

// Package trace is how package compile tells package explain which rules
// decide what the automata of a policy grant.
package trace

import (
	"context"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/policy"
)

// Tracer answers for a policy. It is safe for concurrent use.
type Tracer interface {
	// Match returns what has a say in what the automaton (blob.PartFile or
	// blob.PartPolicydb) of a profile of the policy answers to the input, in
	// the order of the rules, what is implied last. For files, owner tells
	// whether it is about the owner of the file or about everybody else.
	//
	// An automaton is prepared when it is first asked for: that takes about as
	// long as compiling it, and counts against compile.Options.Limits. The
	// error is ctx's or a *diag.LimitError.
	Match(ctx context.Context, profile string, part blob.Part, input string, owner bool) ([]Contribution, error)
	// Capability returns what has a say in whether the profile has a
	// capability, by its name, which is what blob.PermExec means in
	// Contribution.
	Capability(profile, name string) []Contribution
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

// Override says that a contribution yields to another one.
type Override struct {
	By    int    // index of the other among the contributions
	Perms uint32 // in what
	Why   Reason
}
