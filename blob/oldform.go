// SPDX-License-Identifier: Apache-2.0

package blob

// The old form of ACCEPT and ACCEPT2, which hold permissions themselves where
// there is no permission table: security/apparmor/policy_compat.c of 6.12 widens
// them to what a table has, file.c of 6.1 reads them as they are.
//
// For files there are two halves of 14 bits, the owner's first. In ACCEPT a half
// has seven permissions, see oldFileBits, three bits of an exec transition and
// four of its index; in ACCEPT2 seven that are audited and seven that are quiet.
// Two further bits of ACCEPT do not depend on who owns the file.
//
// For classes there are fourteen permissions: seven that are the kernel's own,
// in the place of the owner's, and seven further ones, see oldHighBits, in the
// place of the others'.
const (
	oldPerms      = 7
	oldMask       = 1<<oldPerms - 1
	oldHalf       = 2 * oldPerms
	oldUnconfined = 1 << 7
	oldUnsafe     = 1 << 8
	oldInherit    = 1 << 9
	oldIndex      = 10      // where the exec index begins, of four bits
	oldContinue   = 1 << 28 // classes only; Ubuntu's kernels read it
	oldOnexec     = 1 << 30
	oldChange     = 1 << 31

	// Values of the exec index.
	oldXUnconfined = 1
	oldXName       = 2
	oldXChild      = 3
	oldXTable      = 4 // up to oldXMax: entry index-4 of the transition table
	oldXMax        = 15
)

// oldFileBits is what the seven permissions of a half mean. The lowest bit
// of each is in none of the others.
var oldFileBits = [oldPerms]uint32{PermExec, AllWritePerms, AllReadPerms, PermAppend, PermLink, PermLock, PermMmap}

// oldHighBits is what the second seven permissions of a class mean.
var oldHighBits = [oldPerms]uint32{PermSetattr, PermGetattr, PermAccept, PermBind, PermListen, PermSetopt, PermGetopt}

// widen returns what the seven lowest bits mean.
func widen(packed uint32, bits *[oldPerms]uint32) uint32 {
	var perms uint32
	for i, b := range bits {
		if packed>>i&1 != 0 {
			perms |= b
		}
	}
	return perms
}

// narrow is the inverse of widen.
func narrow(perms uint32, bits *[oldPerms]uint32) uint32 {
	var packed uint32
	for i, b := range bits {
		if perms&b&-b != 0 {
			packed |= 1 << i
		}
	}
	return packed
}

// oldXIndex turns the exec bits of one half into the kernel's form.
func oldXIndex(half uint32) uint32 {
	var x uint32
	if half&oldUnsafe != 0 {
		x |= XUnsafe
	}
	if half&oldInherit != 0 {
		x |= XInherit
	}
	if half&oldUnconfined != 0 {
		x |= XUnconfined
	}
	switch i := half >> oldIndex & oldXMax; i {
	case 0:
	case oldXUnconfined:
		x |= XUnconfined
	case oldXName:
		x |= XName
	case oldXChild:
		x |= XName | XChild
	default:
		x |= XTable | (i - oldXTable)
	}
	return x
}

// packXIndex is the inverse of oldXIndex.
func packXIndex(x uint32) uint32 {
	var half uint32
	if x&XUnsafe != 0 {
		half |= oldUnsafe
	}
	if x&XInherit != 0 {
		half |= oldInherit
	}
	switch x & XTypeMask {
	case XTable:
		half |= (oldXTable + x&XIndexMask) & oldXMax << oldIndex
	case XName:
		if x&XChild != 0 {
			half |= oldXChild << oldIndex
		} else {
			half |= oldXName << oldIndex
		}
	default:
		if x&XUnconfined != 0 {
			half |= oldXUnconfined << oldIndex
		}
		return half
	}
	if x&XUnconfined != 0 {
		half |= oldUnconfined
	}
	return half
}

// PackFile returns the entries of ACCEPT and ACCEPT2 of the old form for what
// the owner of a file and everybody else may do: the inverse of
// Profile.FilePerms. An exec index points to one of the first MaxOldTargets
// entries of the transition table.
//
// The old form has what r, w, a, l, k, m and x of policy mean, change_profile
// and onexec, which do not depend on the owner, and which of those are audited
// and which are quiet. It cannot hold the rest of an entry of a permission
// table.
func PackFile(owner, other Perm) (accept, accept2 uint32) {
	for i, p := range [...]*Perm{&owner, &other} {
		allow := narrow(p.Allow, &oldFileBits)
		if p.Allow&PermExec != 0 {
			allow |= packXIndex(p.XIndex)
		}
		shift := i * oldHalf
		accept |= allow << shift
		accept2 |= (narrow(p.Audit, &oldFileBits) | narrow(p.Quiet, &oldFileBits)<<oldPerms) << shift
	}
	if (owner.Allow|other.Allow)&PermOnexec != 0 {
		accept |= oldOnexec
	}
	if (owner.Allow|other.Allow)&PermChangeProf != 0 {
		accept |= oldChange
	}
	return accept, accept2
}

// PackClass is PackFile for the policydb automaton and the inverse of
// Profile.PolicydbPerms, for headers of kernel ABI 8 and below. The form can
// hold the permissions exec to open, setattr, getattr, accept, bind, listen,
// setopt and getopt and, in what is allowed, continue and change_hat.
func PackClass(p Perm) (accept, accept2 uint32) {
	pack := func(perms uint32) uint32 { return perms&oldMask | narrow(perms, &oldHighBits)<<oldHalf }
	accept = pack(p.Allow) | p.Allow&PermChangeHat
	if p.Allow&PermContinue != 0 {
		accept |= oldContinue
	}
	return accept, pack(p.Audit) | pack(p.Quiet)<<oldPerms
}

// oldClasses widens the packed bits of a policydb state: seven that are the
// kernel's own and seven further ones.
func oldClasses(low, high, abi uint32) uint32 {
	r := low&oldMask | widen(high, &oldHighBits)
	if abi >= 9 {
		r |= low & 0x80 // rename; bits 8 to 13 are setcred and up, two places on
		r |= low & 0x3f00 << 2
	}
	return r
}

func (p permReader) packed(s uint32, owner bool) (Effective, uint32) {
	a1, a2 := p.db.DFA.Accept[s], uint32(0)
	if p.db.DFA.Accept2 != nil {
		a2 = p.db.DFA.Accept2[s]
	}
	switch {
	case p.kind == PartFile:
		shift := 0
		if !owner {
			shift = oldHalf
		}
		e := Effective{
			Allow: widen(a1>>shift, &oldFileBits) | implicitFile,
			Audit: widen(a2>>shift, &oldFileBits),
			Quiet: widen(a2>>(shift+oldPerms), &oldFileBits),
		}
		if a1&oldOnexec != 0 {
			e.Allow |= PermOnexec
		}
		if a1&oldChange != 0 {
			e.Allow |= PermChangeProf
		}
		return e, oldXIndex(a1 >> shift & (1<<oldHalf - 1))
	case s == TrapState:
		return Effective{}, 0
	case p.kind == PartXMatch:
		return Effective{Allow: a1 & (oldMask | PermChangeHat)}, 0
	}
	return Effective{
		Allow: oldClasses(a1, a1>>oldHalf, p.abi) | a1&PermChangeHat | a1&oldContinue>>1 | implicitPolicydb,
		Audit: oldClasses(a2, a2>>oldHalf, 0),
		Quiet: oldClasses(a2>>oldPerms, a2>>(oldHalf+oldPerms), 0),
	}, 0
}
