// SPDX-License-Identifier: Apache-2.0

package compile

import "github.com/goarmor/apparmor/blob"

// The automaton of all other classes holds the kernel's permission bits
// themselves. The old form has seven bits in the place of the owner's and
// seven in the place of the others', which stand for these.
var oldHigh = [...]uint32{
	blob.PermSetattr, blob.PermGetattr, blob.PermAccept, blob.PermBind, blob.PermListen, blob.PermSetopt, blob.PermGetopt,
}

const oldLow uint32 = 0x7f

// oldContinue stands for blob.PermContinue (read in 6.0 and in Ubuntu's
// kernels, the only ones that read it and mediate inet by address).
const oldContinue uint32 = 1 << 28

// oldPolicydb packs a grant into the accept words of the old form.
func oldPolicydb(g grant) words {
	w := words{
		accept:  g.allow&oldLow | packHigh(g.allow)<<14,
		accept2: g.audit&oldLow | g.quiet&oldLow<<7 | packHigh(g.audit)<<14 | packHigh(g.quiet)<<21,
	}
	if g.allow&blob.PermContinue != 0 {
		w.accept |= oldContinue
	}
	w.accept |= g.allow & permSetLabel
	return w
}

func packHigh(perms uint32) uint32 {
	var v uint32
	for i, p := range oldHigh {
		if perms&p != 0 {
			v |= 1 << i
		}
	}
	return v
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
