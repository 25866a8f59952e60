// SPDX-License-Identifier: Apache-2.0

package compile

import (
	"fmt"

	"github.com/goarmor/apparmor/ast"
)

// Cause tells who cannot do what a rule asks for.
type Cause uint8

// The causes of a degradation.
const (
	// ByKernel: the kernel does not have the feature.
	ByKernel Cause = iota
	// ByABI: the kernel has it, but the policy is written for an ABI without.
	ByABI
)

func (c Cause) String() string {
	if c == ByABI {
		return "abi"
	}
	return "kernel"
}

// Degradation is a rule or flag that is not enforced as it is written.
type Degradation struct {
	Profile string
	Pos     ast.Position   // of the rule, or of the profile for its flags
	Via     []ast.Position // the includes that led there, innermost first
	Rule    ast.Rule       // nil for flags of a profile
	What    string         // what is not enforced: "dbus rules"
	Feature string         // the feature that is missing, see package features
	Cause   Cause
	// Dropped rules have no effect; the others have a coarser one than they
	// say.
	Dropped bool
}

// String describes the degradation in one line.
func (d Degradation) String() string {
	how := "downgraded"
	if d.Dropped {
		how = "not enforced"
	}
	return fmt.Sprintf("%s: profile %s: %s %s: no %s in the %s", d.Pos, d.Profile, d.What, how, d.Feature, d.Cause)
}
