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

// capVectors gathers the capability rules of a profile.
type capVectors struct {
	allow, audit, deny, quiet uint64
}

func (v *capVectors) add(bits uint64, q *ast.Qualifiers) {
	switch {
	case q.Access != ast.Deny:
		v.allow |= bits
		if q.Audit {
			v.audit |= bits
		}
	default:
		v.deny |= bits
		if !q.Audit {
			v.quiet |= bits
		}
	}
}

func (v *capVectors) caps() blob.Caps {
	allow := v.allow &^ v.deny
	return blob.Caps{Allow: allow, Audit: v.audit & allow, Quiet: v.quiet}
}

// capability rules are not strings. Nobody is asked about capabilities: prompt
// means allow.
func (pc *profileCompiler) capability(r *ast.CapabilityRule) {
	var bits uint64
	for _, name := range r.Names {
		n, ok := capNumber(name, pc.sup.kernel)
		if !ok {
			pc.fail(&diag.Diagnostic{Code: CodeUnknownCapability, Message: "unknown capability", Text: name})
			continue
		}
		bits |= capBit(n, name, pc.sup.kernel)
	}
	if len(r.Names) == 0 {
		bits = ^uint64(0)
	}
	pc.caps.add(bits, r.Quals())
}
