// SPDX-License-Identifier: Apache-2.0

// Package trace lets package compile tell package explain which rules decide
// what the automata of a policy grant.
package trace

import (
	"context"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/policy"
)

// Tracer answers questions about one policy. It is safe for concurrent use.
type Tracer interface {
	// Match returns what contributes to the answer of an automaton
	// (blob.PartFile or blob.PartPolicydb) of a profile to the input, in the
	// order of the rules, what is implied last. For files, owner says whether
	// the question is about the owner of the file or about everybody else.
	//
	// An automaton is prepared when it is first needed: that takes about as
	// long as compiling it, and counts against compile.Options.Limits. The
	// error is ctx's or a *diag.LimitError.
	Match(ctx context.Context, profile string, part blob.Part, input string, owner bool) ([]Contribution, error)
	// Capability returns what contributes to whether the profile has a
	// capability, given by its name. In these Contributions blob.PermExec
	// means to have it.
	Capability(profile, name string) []Contribution
}

// Contribution is what one rule, or something implied, says about an input
// that it matches. Permissions are the kernel's bits.
type Contribution struct {
	// Rule is the rule. For what is implied it is the rule that implies it, or
	// nil if the profile itself does.
	Rule    *policy.Rule
	Implied Implied

	Access   ast.Access // Allow, Deny or Prompt
	Priority int16
	// Exact is set for execution of a path without wildcards, which beats
	// execution of paths that a wildcard matches.
	Exact bool

	Perms uint32 // everything that it covers
	Audit uint32 // the part of Perms whose use is logged; for denials, the part that is logged despite them
	// Elsewhere is what it says about the same file for the other kind of
	// task: for owners if the question was about everybody else, and vice
	// versa.
	Elsewhere uint32
	// Decides is the part of Perms that it decides, alone or together with
	// others of the same strength. One bit can come with several permissions
	// of the language (w and r both bring open); then it is decided by the
	// rules that decide either of them, and granted if one grants it. A rule
	// that decides execution also decides mmap where ix would imply it.
	Decides uint32
	// Exec is the transition of a rule for execution.
	Exec blob.Exec
	// Overridden lists the contributions that decide the rest.
	Overridden []Override
}

// Implied is the source of a permission that no rule spells out.
type Implied uint8

// The things that imply permissions.
const (
	// ByRule is not implied: a rule spells it out.
	ByRule Implied = iota
	// ByChangeProfile is the access to the attribute files below /proc that
	// change_profile rules bring.
	ByChangeProfile
	// ByHats is the same for hats and for profiles that have hats or children.
	ByHats
	// ByMediation is the string that makes a class mediated even if it has no
	// rule.
	ByMediation
)

// Reason is why one rule yields to another.
type Reason uint8

// The reasons, in the order in which they are tried.
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
