// SPDX-License-Identifier: Apache-2.0

package ast

import (
	"slices"

	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/internal/lang"
	"github.com/goarmor/apparmor/internal/linux"
)

// CapabilityRule is `capability [names],`. No names means every capability.
type CapabilityRule struct {
	Span
	Qualifiers
	Names []string // lower case, without cap_
}

func (*CapabilityRule) stmt() {}

// Class implements Rule.
func (*CapabilityRule) Class() Class { return ClassCapability }

func (r *CapabilityRule) clone() Rule {
	c := *r
	c.Names = slices.Clone(r.Names)
	return &c
}

// check accepts any word that could be a capability: a kernel may know more
// than Capabilities lists.
func (r *CapabilityRule) check(c checker) *CheckError {
	if err := c.qualifiers(&r.Qualifiers, takesPriority); err != nil {
		return err
	}
	for i, name := range r.Names {
		if !IsVariableName(name) || lang.IsReserved(name) {
			return c.unknown(diag.CodeCapability, "Names", name, Capabilities(), "capability").at(i)
		}
	}
	return nil
}

// Capabilities returns the capabilities, in the order of their numbers in the
// kernel's <linux/capability.h>, from chown (0) to checkpoint_restore (40).
func Capabilities() Vocabulary { return Vocabulary{words: linux.Capabilities} }
