// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"strconv"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/diag"
)

// unknownCapabilities returns the errors of capabilities that neither this
// library nor a feature set knows.
func unknownCapabilities(s *ast.CapabilityRule, known func(string) bool) (found []*ast.CheckError) {
	for i, name := range s.Names {
		if ast.Capabilities().Has(name) || known != nil && known(name) {
			continue
		}
		e := &ast.CheckError{
			Node: s, Field: "Names", Index: i, Text: name, Code: diag.CodeCapability, Problem: "unknown capability " + strconv.Quote(name),
		}
		if near, ok := ast.Capabilities().Nearest(name); ok {
			e.Hint = didYouMean(near)
		}
		found = append(found, e)
	}
	return found
}

// knownCapability reports whether a kernel or policy ABI has a capability
// besides those of package ast.
func (r *resolver) knownCapability(name string) bool {
	const mask = "caps/mask/"
	return r.opts.Kernel.Supports(mask+name) || r.opts.Default.Supports(mask+name) || r.abi.Supports(mask+name)
}
