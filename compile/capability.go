// SPDX-License-Identifier: Apache-2.0

package compile

import (
	"slices"
	"strconv"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/internal/linux"
)

// capNumber finds a capability among the built-in ones, and after them among
// those that only the kernel knows.
func capNumber(name string, kernel *features.Set) (int, bool) {
	if n, ok := linux.Capabilities.Number(name); ok {
		return n, true
	}
	if n := slices.Index(kernel.Words(features.Capabilities), name); n >= len(linux.Capabilities) && n < 64 {
		return n, true
	}
	return 0, false
}

// capBit returns the bit that grants the capability on this kernel. One that
// the kernel does not have yet is still part of sys_admin.
func capBit(n int, name string, kernel *features.Set) uint64 {
	if n >= linux.CapPerfmon && n < len(linux.Capabilities) && !kernel.Supports(features.Capabilities+"/"+name) {
		n = linux.CapSysAdmin
	}
	return 1 << n
}

// capRule is what one rule says about capabilities.
type capRule struct {
	source      source
	bits        uint64
	deny, audit bool
}

// capRules are the capability rules of a profile.
type capRules []capRule

// vectors returns the result of all rules: denial overrides everything else.
func (rs capRules) vectors() blob.Caps {
	var allow, audit, deny, quiet uint64
	for _, r := range rs {
		switch {
		case r.deny && r.audit:
			deny |= r.bits
		case r.deny:
			deny |= r.bits
			quiet |= r.bits
		default:
			allow |= r.bits
			if r.audit {
				audit |= r.bits
			}
		}
	}
	allow &^= deny
	return blob.Caps{Allow: allow, Audit: audit & allow, Quiet: quiet}
}

// capability rules are not strings. Kernels never prompt for capabilities, so
// prompt means allow.
func emitCapability(t *translation, r *ast.CapabilityRule) {
	e := &t.emitter
	var bits uint64
	for _, name := range r.Names {
		n, ok := capNumber(name, e.kernel)
		if !ok {
			e.fail(&diag.Diagnostic{Code: diag.CodeCapability, Message: "unknown capability " + strconv.Quote(name), Text: name})
			continue
		}
		bits |= capBit(n, name, e.kernel)
	}
	if len(r.Names) == 0 {
		bits = ^uint64(0)
	}
	t.caps = append(t.caps, capRule{e.source, bits, r.Access == ast.Deny, r.Audit})
}
