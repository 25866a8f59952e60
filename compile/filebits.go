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
// the old accept word, in which the second seven are fourteen bits up.
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

// impliedMmap adds the right to map the file to execution by inheritance,
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
func oldFile(g grant) (w words) {
	pair := tableFile(g)
	w.accept, w.accept2 = blob.PackFile(pair[ownerHalf], pair[otherHalf])
	return w
}

// maxTableEntries is how many entries a permission table can have: its length
// is written in 16 bits.
const maxTableEntries = 1<<16 - 1

// maxTableTargets is how many exec targets a permission table can hold: each
// takes an entry for owners and one for others.
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
	k := half & (fileExec | fileAppend) // which are the kernel's own bits
	if half&fileRead != 0 {
		k |= blob.AllReadPerms
	}
	if half&fileWrite != 0 {
		k |= blob.AllWritePerms
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
