// SPDX-License-Identifier: Apache-2.0

package svirt

import (
	"strconv"

	"github.com/goarmor/apparmor/ast"
)

// DeviceKind is the kind of a part of a machine.
type DeviceKind string

// The kinds of devices, in the order of the fields of Domain. DeviceDomain
// is the machine itself: libvirt's own runtime files.
const (
	DeviceDomain     DeviceKind = "domain"
	DeviceBoot       DeviceKind = "boot" // IDs: kernel, initrd, shim, dtb, acpi, fw_cfg, loader, nvram, varstore
	DeviceDisk       DeviceKind = "disk"
	DeviceSerial     DeviceKind = "serial"
	DeviceConsole    DeviceKind = "console"
	DeviceParallel   DeviceKind = "parallel"
	DeviceChannel    DeviceKind = "channel"
	DeviceChardev    DeviceKind = "chardev"
	DeviceGraphics   DeviceKind = "graphics"
	DeviceHost       DeviceKind = "hostdev"
	DeviceFilesystem DeviceKind = "filesystem"
	DeviceInput      DeviceKind = "input"
	DeviceNet        DeviceKind = "net"
	DeviceMemory     DeviceKind = "memory"
	DeviceShmem      DeviceKind = "shmem"
	DeviceTPM        DeviceKind = "tpm"
	DeviceSmartcard  DeviceKind = "smartcard"
	DevicePStore     DeviceKind = "pstore"
	DeviceAudio      DeviceKind = "audio"
	DeviceVideo      DeviceKind = "video"
	DeviceVsock      DeviceKind = "vsock"
	DeviceCrypto     DeviceKind = "crypto"
	DeviceEmulator   DeviceKind = "emulator" // IDs: program, wrapped, files
	DeviceMonitor    DeviceKind = "monitor"  // IDs: api, log, config
	DeviceJail       DeviceKind = "jail"     // IDs: the devices whose files have other names in the jail
	DeviceArgument   DeviceKind = "argument" // IDs: the options, variables and properties
	DeviceProgram    DeviceKind = "program"
	DeviceExtra      DeviceKind = "extra"
	// DeviceCompanion is a companion, in errors.
	DeviceCompanion DeviceKind = "companion"
)

// deviceKinds are the kinds that there are.
var deviceKinds = []DeviceKind{
	DeviceDomain, DeviceBoot, DeviceDisk, DeviceSerial, DeviceConsole, DeviceParallel, DeviceChannel, DeviceChardev, DeviceGraphics, DeviceHost,
	DeviceFilesystem, DeviceInput, DeviceNet, DeviceMemory, DeviceShmem, DeviceTPM, DeviceSmartcard, DevicePStore, DeviceAudio, DeviceVideo, DeviceVsock, DeviceCrypto,
	DeviceEmulator, DeviceMonitor, DeviceJail, DeviceArgument, DeviceProgram, DeviceExtra,
}

// Device names a part of a machine. It is comparable.
type Device struct {
	Kind DeviceKind `json:"kind"`         // what it is
	ID   string     `json:"id,omitempty"` // as the description has it, otherwise its index
}

// String returns the kind and the ID: `disk vda`.
func (d Device) String() string {
	if d.ID == "" {
		return string(d.Kind)
	}
	return string(d.Kind) + " " + d.ID
}

// device returns the Device of the i-th of its kind.
func device(kind DeviceKind, id string, i int) Device {
	if id == "" {
		id = strconv.Itoa(i)
	}
	return Device{kind, id}
}

// Rule is a path rule of a machine and the device it is for.
type Rule struct {
	Device Device       // what the rule is for
	Path   ast.Pattern  // what it matches; /dev/pts/[0-9]* only those of the VMM's user
	Perms  ast.FilePerm // what it grants, or denies with Deny
	// Exec is ast.ExecInherit for a program, and for nothing else.
	Exec ast.Exec
	Deny bool // it denies
}

// ownTerminals are the terminals that a VMM may make itself. Unlike other rules of
// Strict, the one for them is for the files of the task's own user, so that a VMM
// that may open everybody's files does not reach everybody's terminals.
const ownTerminals ast.Pattern = "/dev/pts/[0-9]*"

// ownerOf returns whose files a rule of Strict is for.
func ownerOf(path ast.Pattern) ast.Owner {
	if path == ownTerminals {
		return ast.OnlyOwner
	}
	return ast.AnyOwner
}

// linkTarget returns what may be linked under names that match path, by a rule
// of Strict: what path matches itself. Without a target the kernel
// asks only, and only for files of the task's own user, that the new name does
// not allow more than the old one.
func linkTarget(path ast.Pattern, perms ast.FilePerm) ast.Pattern {
	if perms&ast.FileLink == 0 {
		return ""
	}
	return path
}

// permLetters is the order in which permissions are written.
var permLetters = [...]struct {
	perm   ast.FilePerm
	letter byte
}{
	{ast.FileMmap, 'm'},
	{ast.FileRead, 'r'},
	{ast.FileWrite, 'w'},
	{ast.FileAppend, 'a'},
	{ast.FileLink, 'l'},
	{ast.FileLock, 'k'},
}

func appendPerms(dst []byte, p ast.FilePerm) []byte {
	for _, l := range permLetters {
		if p&l.perm != 0 {
			dst = append(dst, l.letter)
		}
	}
	return dst
}

// merged returns what two rules for one path grant together. Writing implies
// appending, and a rule must not have both.
func merged(a, b ast.FilePerm) ast.FilePerm {
	if a |= b; a&ast.FileWrite != 0 {
		a &^= ast.FileAppend
	}
	return a
}

// execLetters is the only exec mode of rules.
const execLetters = "ix"

// appendAccess appends the permissions and the exec mode of a rule.
func appendAccess(dst []byte, p ast.FilePerm, x ast.Exec) []byte {
	dst = appendPerms(dst, p)
	if x == ast.ExecInherit {
		dst = append(dst, execLetters...)
	}
	return dst
}

// parsePerms is the inverse of appendPerms, in any order of letters.
func parsePerms(s string) (ast.FilePerm, bool) {
	var p ast.FilePerm
letters:
	for i := 0; i < len(s); i++ {
		for _, l := range permLetters {
			if s[i] == l.letter && p&l.perm == 0 {
				p |= l.perm
				continue letters
			}
		}
		return 0, false
	}
	return p, p != 0 && p&(ast.FileWrite|ast.FileAppend) != ast.FileWrite|ast.FileAppend
}
