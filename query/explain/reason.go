// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"fmt"

	"github.com/goarmor/apparmor/internal/trace"
)

// Implied is the source of a permission that no rule spells out.
type Implied uint8

// The things that imply permissions.
const (
	// ByRule is not implied: a rule spells it out.
	ByRule = Implied(trace.ByRule)
	// ByChangeProfile is the access to the attribute files below /proc that
	// change_profile rules bring.
	ByChangeProfile = Implied(trace.ByChangeProfile)
	// ByHats is the same for hats and for profiles that have hats or children.
	ByHats = Implied(trace.ByHats)
	// ByMediation is the string that makes a class mediated even if it has no
	// rule.
	ByMediation = Implied(trace.ByMediation)
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

// The reasons, in the order in which they are tried.
const (
	// HigherPriority: the other has a higher priority.
	HigherPriority = Reason(trace.HigherPriority)
	// DenyFirst: the other denies, and denial beats what allows.
	DenyFirst = Reason(trace.DenyFirst)
	// ExactFirst: the other names the path without wildcards, for execution.
	ExactFirst = Reason(trace.ExactFirst)
	// AllowFirst: the other allows what this one only prompts for.
	AllowFirst = Reason(trace.AllowFirst)
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

// NoProfileError says that a policy has no profile of the name Name.
type NoProfileError struct{ Name string }

// Error implements error.
func (e *NoProfileError) Error() string { return fmt.Sprintf("no profile %q", e.Name) }
