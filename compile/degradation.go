// SPDX-License-Identifier: Apache-2.0

package compile

import (
	"fmt"

	"github.com/goarmor/apparmor/ast"
)

// Cause says what prevents the enforcement of a rule.
type Cause uint8

// The causes of a degradation.
const (
	// ByKernel: the kernel does not have the feature.
	ByKernel Cause = iota
	// ByABI: the kernel has it, but the policy is written for an ABI without
	// it.
	ByABI
	// ByOperation: no kernel has an operation that fits the rule.
	ByOperation
)

// String returns "kernel", "abi" or "operation".
func (c Cause) String() string {
	switch c {
	case ByABI:
		return "abi"
	case ByOperation:
		return "operation"
	}
	return "kernel"
}

// Degradation is a rule or flag that is not enforced as written.
type Degradation struct {
	Profile string         // its name
	Pos     ast.Position   // of the rule, or of the profile for its flags
	Via     []ast.Position // the includes that led there, innermost first
	Rule    ast.Rule       // nil for flags of a profile
	What    string         // what is not enforced: "dbus rules"
	Feature string         // the feature that is missing, see package features; empty for ByOperation
	Hint    string         // for ByOperation: what does not go together, and what to write instead
	Cause   Cause          // where it is missing
	// Dropped rules have no effect; the others are enforced more coarsely than
	// written.
	Dropped bool
}

// String describes the degradation in one line.
func (d Degradation) String() string {
	how := "downgraded"
	if d.Dropped {
		how = "not enforced"
	}
	return fmt.Sprintf("%s: profile %s: %s %s: %s", d.Pos, d.Profile, d.What, how, d.Reason())
}

// Reason says in one line why the rule is not enforced.
func (d Degradation) Reason() string {
	if d.Cause == ByOperation {
		return d.Hint
	}
	return fmt.Sprintf("no %s in the %s", d.Feature, d.Cause)
}
