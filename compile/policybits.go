// SPDX-License-Identifier: Apache-2.0

package compile

import "github.com/goarmor/apparmor/blob"

// The automaton of all other classes holds the kernel's permission bits
// themselves.

// oldPolicydb packs a grant into the accept words of the old form.
func oldPolicydb(g grant) (w words) {
	w.accept, w.accept2 = blob.PackClass(blob.Perm{Allow: g.allow, Audit: g.audit, Quiet: g.quiet})
	return w
}

// tablePolicydb makes the entry of a permission table.
func tablePolicydb(g grant) blob.Perm {
	return blob.Perm{
		Allow:  g.allow | blob.PermLock,
		Deny:   g.denied &^ blob.PermLock,
		Audit:  g.audit,
		Quiet:  g.quiet,
		Prompt: g.prompt &^ (g.allow | g.denied | blob.PermLock),
	}
}
