// SPDX-License-Identifier: Apache-2.0

package ast

import (
	"fmt"

	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/internal/lang"
)

// Access says what a rule does with the requests it matches.
type Access uint8

// The accesses. A rule without a word is an allow rule; AllowExplicit is the
// same with the word `allow` written.
const (
	Allow Access = iota
	AllowExplicit
	Deny
	Prompt
)

// Owner restricts a file rule by the owner of the file.
type Owner uint8

// The owner restrictions.
const (
	AnyOwner  Owner = iota
	OnlyOwner       // owner (user): the task's fsuid owns the file
	OnlyOther       // other: it does not
)

// Qualifiers come before a rule or a block:
// `[priority=N] [audit] [allow|deny|prompt] [owner|other]`.
type Qualifiers struct {
	Priority int16  // -1000..1000
	Audit    bool   // what the rule allows or denies is logged
	Access   Access // zero: allow
	Owner    Owner  // of file and link rules, and of blocks
}

// Quals returns q; it makes every type that embeds Qualifiers offer them.
func (q *Qualifiers) Quals() *Qualifiers { return q }

// The qualifiers that a class may take besides audit and access.
const (
	takesPriority = 1 << iota
	takesOwner
)

func (c checker) qualifiers(q *Qualifiers, takes int) *CheckError {
	switch {
	case q.Access > Prompt:
		return c.fail(diag.CodeQualifier, "Access", "", "the access is out of range")
	case q.Owner > OnlyOther:
		return c.fail(diag.CodeQualifier, "Owner", "", "the owner is out of range")
	case q.Priority < lang.MinPriority || q.Priority > lang.MaxPriority:
		return c.fail(diag.CodeQualifier, "Priority", "", fmt.Sprintf("the priority must be from %d to %d", lang.MinPriority, lang.MaxPriority))
	case q.Priority != 0 && takes&takesPriority == 0:
		return c.fail(diag.CodeQualifier, "Priority", "", c.whats()+" take no priority")
	case q.Owner != AnyOwner && takes&takesOwner == 0:
		return c.fail(diag.CodeQualifier, "Owner", "", c.whats()+" take neither owner nor other")
	case q.Access != Allow && c.scope.access != Allow && q.Access != c.scope.access:
		return c.fail(diag.CodeQualifiers, "Access", "", "the qualifier contradicts that of the block around it")
	}
	return nil
}

// whats names what a node with qualifiers is, in the plural.
func (c checker) whats() string {
	if r, ok := c.node.(Rule); ok {
		return r.Class().String() + " rules"
	}
	return "blocks"
}
