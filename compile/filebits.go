// SPDX-License-Identifier: Apache-2.0

package compile

import (
	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/diag"
)

// File permissions as the automaton of files holds them until they are
// written: seven bits for the owner of a file, the same seven for everybody
// else, and two that do not depend on ownership. The seven are in the order of
// the old accept word, in which the second seven stand fourteen bits up.
const (
	fileExec   uint32 = 1 << iota
	fileWrite         // create, delete, chmod and so on included
	fileRead          // open and getattr included
	fileAppend        // every w rule has it, but not the implied ones
	fileLink
	fileLock // in the state of a link pair: the subset test
	fileMmap

	fileHalfBits        = 7
	fileHalf     uint32 = 1<<fileHalfBits - 1
	fileSubset          = fileLock

	fileOnexec        uint32 = 1 << (2 * fileHalfBits)
	fileChangeProfile uint32 = fileOnexec << 1
	fileShared               = fileOnexec | fileChangeProfile
)

var fileSpace = space{exec: [2]uint32{fileExec, fileExec << fileHalfBits}}

// both puts a half's permissions into the halves that an owner restriction
// leaves.
func both(half uint32, o ast.Owner) uint32 {
	switch o {
	case ast.OnlyOwner:
		return half
	case ast.OnlyOther:
		return half << fileHalfBits
	}
	return half | half<<fileHalfBits
}

// fileBits translates the permissions of a file rule for one half.
func fileBits(p ast.FilePerm) uint32 {
	var b uint32
	for _, m := range [...]struct {
		perm ast.FilePerm
		bits uint32
	}{
		{ast.FileRead, fileRead},
		{ast.FileWrite, fileWrite | fileAppend},
		{ast.FileAppend, fileAppend},
		{ast.FileLink, fileLink},
		{ast.FileLock, fileLock},
		{ast.FileMmap, fileMmap},
	} {
		if p&m.perm != 0 {
			b |= m.bits
		}
	}
	return b
}

// impliedMmap adds to execution by inheritance the right to map the file,
// without which it could not run. An explicit denial of m is not overridden.
func impliedMmap(g grant, denied uint32) grant {
	for h, x := range fileSpace.exec {
		m := fileMmap << (h * fileHalfBits)
		if g.allow&x != 0 && g.exec[h]&blob.XInherit != 0 && denied&m == 0 {
			g.allow |= m
			g.prompt &^= m
		}
	}
	return g
}

// oldFile packs a grant into the accept words of the old form.
func oldFile(g grant) words {
	half := func(h int) uint32 {
		v := g.allow >> (h * fileHalfBits) & fileHalf
		if v&fileExec != 0 {
			v |= oldExec(g.exec[h])
		}
		return v
	}
	w := words{accept: half(ownerHalf) | half(otherHalf)<<14}
	if g.allow&fileOnexec != 0 {
		w.accept |= 1 << 30
	}
	if g.allow&fileChangeProfile != 0 {
		w.accept |= 1 << 31
	}
	for h := range 2 {
		shift := h * fileHalfBits
		w.accept2 |= (g.audit>>shift&fileHalf | g.quiet>>shift&fileHalf<<7) << (14 * h)
	}
	return w
}

// oldExec packs an exec transition into bits 7 to 13 of a half.
func oldExec(x uint32) uint32 {
	var v uint32
	if x&blob.XUnsafe != 0 {
		v |= 1 << 8
	}
	if x&blob.XInherit != 0 {
		v |= 1 << 9
	}
	switch {
	case x&blob.XTypeMask == blob.XTable:
		v |= (4 + x&blob.XIndexMask) << 10
	case x&blob.XTypeMask == blob.XName && x&blob.XChild != 0:
		v |= 3 << 10
	case x&blob.XTypeMask == blob.XName:
		v |= 2 << 10
	case x&blob.XUnconfined != 0:
		return v | 1<<10
	}
	if x&blob.XUnconfined != 0 {
		v |= 1 << 7
	}
	return v
}

// maxOldTargets is how many exec targets the four index bits of the old form
// have room for.
const maxOldTargets = 12

// maxTableEntries is how long a permission table can be, whose length stands
// in 16 bits.
const maxTableEntries = 1<<16 - 1

// maxTableTargets is how many exec targets a permission table has room for at
// most: each takes an entry for owners and one for others.
const maxTableTargets = maxTableEntries / 2

// checkTable checks the length of a permission table.
func checkTable(entries int) error {
	if entries <= maxTableEntries {
		return nil
	}
	return &diag.LimitError{What: "entries of a permission table", Limit: maxTableEntries, Got: int64(entries)}
}

// tableFile makes the two entries of a permission table, owner first.
func tableFile(g grant) [2]blob.Perm {
	var pair [2]blob.Perm
	for h := range pair {
		shift := h * fileHalfBits
		p := blob.Perm{
			Allow: blob.PermGetattr | kernelFile(g.allow>>shift),
			Audit: kernelFile(g.audit >> shift),
			Quiet: kernelFile(g.quiet >> shift),
		}
		p.Deny = kernelFile(g.denied>>shift) &^ p.Allow
		p.Prompt = kernelFile(g.prompt>>shift) &^ (p.Allow | p.Deny)
		if (g.allow|g.prompt)&fileSpace.exec[h] != 0 {
			p.XIndex = g.exec[h]
		}
		if g.allow&fileOnexec != 0 {
			p.Allow |= blob.PermOnexec
		}
		if g.allow&fileChangeProfile != 0 {
			p.Allow |= blob.PermChangeProf
		}
		pair[h] = p
	}
	return pair
}

// kernelFile expands seven file permissions into the kernel's.
func kernelFile(half uint32) uint32 {
	k := half & (fileExec | fileWrite | fileRead | fileAppend)
	if half&fileRead != 0 {
		k |= blob.PermOpen | blob.PermGetattr
	}
	if half&fileWrite != 0 {
		k |= blob.PermCreate | blob.PermDelete | blob.PermOpen | blob.PermSetattr | blob.PermChmod | blob.PermChown
	}
	if half&fileLink != 0 {
		k |= blob.PermLink
	}
	if half&fileLock != 0 {
		k |= blob.PermLock
	}
	if half&fileMmap != 0 {
		k |= blob.PermMmap
	}
	return k
}
