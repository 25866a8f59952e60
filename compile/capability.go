// SPDX-License-Identifier: Apache-2.0

package compile

import (
	"slices"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/features"
)

// capabilities by number, as capabilities(7) names them.
var capabilities = [...]string{
	"chown", "dac_override", "dac_read_search", "fowner", "fsetid", "kill", "setgid", "setuid", "setpcap",
	"linux_immutable", "net_bind_service", "net_broadcast", "net_admin", "net_raw", "ipc_lock", "ipc_owner",
	"sys_module", "sys_rawio", "sys_chroot", "sys_ptrace", "sys_pacct", "sys_admin", "sys_boot", "sys_nice",
	"sys_resource", "sys_time", "sys_tty_config", "mknod", "lease", "audit_write", "audit_control", "setfcap",
	"mac_override", "mac_admin", "syslog", "wake_alarm", "block_suspend", "audit_read", "perfmon", "bpf",
	"checkpoint_restore",
}

const (
	capSysAdmin = 21
	capPerfmon  = 38 // this one and those after it were split off sys_admin
)

// capNumber finds a capability among the built-in ones, and behind them among
// those that only the kernel knows.
func capNumber(name string, kernel *features.Set) (int, bool) {
	if n := slices.Index(capabilities[:], name); n >= 0 {
		return n, true
	}
	if n := slices.Index(kernel.Words(features.Capabilities), name); n >= len(capabilities) && n < 64 {
		return n, true
	}
	return 0, false
}

// capBit returns the bit that grants the capability on this kernel. One that
// the kernel does not have yet is the part of sys_admin that it was split off
// from.
func capBit(n int, name string, kernel *features.Set) uint64 {
	if n >= capPerfmon && n < len(capabilities) && !kernel.Supports(features.Capabilities+"/"+name) {
		n = capSysAdmin
	}
	return 1 << n
}

// capRule is what one rule says of capabilities.
type capRule struct {
	source      source
	bits        uint64
	deny, audit bool
}

// capRules are the capability rules of a profile.
type capRules []capRule

// vectors returns what all rules come to: denial comes before anything else.
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

// capability rules are not strings. Nobody is asked about capabilities: prompt
// means allow.
func emitCapability(t *translation, r *ast.CapabilityRule) {
	e := &t.emitter
	var bits uint64
	for _, name := range r.Names {
		n, ok := capNumber(name, e.kernel)
		if !ok {
			e.fail(&diag.Diagnostic{Code: CodeUnknownCapability, Message: "unknown capability", Text: name})
			continue
		}
		bits |= capBit(n, name, e.kernel)
	}
	if len(r.Names) == 0 {
		bits = ^uint64(0)
	}
	t.caps = append(t.caps, capRule{e.source, bits, r.Access == ast.Deny, r.Audit})
}
