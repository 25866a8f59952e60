// SPDX-License-Identifier: Apache-2.0

package blob

// Profile is one profile, child or hat as the stream has it. The zero
// value with a Name is the smallest profile a kernel loads: it mediates files,
// all of which it denies, and nothing else.
type Profile struct {
	// Header is the version word before the profile; zero means
	// DefaultHeader. Bit 11 forces complain mode.
	Header uint32
	// Namespace is that of the header before the profile, relative to
	// the namespace that the policy is loaded into; empty for none. All
	// profiles of a set are loaded into one namespace.
	Namespace string

	Name   string // parent//child for children and hats; may begin with :ns:
	Rename string // the name of a loaded profile that this one replaces
	Attach string // the attachment's text, for people; matching uses XMatch

	// XMatch accepts (with exec) the paths of executables that the profile
	// attaches to; nil: the profile attaches to the path equal to its name.
	XMatch *PolicyDB
	// XMatchLen ranks attachments: the length in bytes of the shortest path
	// that XMatch accepts. It is written only with an XMatch.
	XMatchLen uint32

	Disconnected string // prefix given to disconnected paths; kernel 4.13 and later
	// DisconnectedIPC is the prefix for the paths of IPC objects, Disconnected
	// when empty. Ubuntu's kernels read it.
	DisconnectedIPC string
	Kill            uint32 // signal of mode kill, 1 to 35; zero: SIGKILL, not written; 7.x
	// Error is the errno that a denial gives; zero: EACCES, not written.
	// apparmor_parser 6.0 writes it for a feature that no known kernel has.
	Error uint32

	Hat      bool   // a hat, which is named parent//hat
	FlagBits uint32 // the first flags word without the hat bit: 2 and 4 are debug, 8 interruptible
	Mode     Mode   // zero: Enforce
	Audit    bool   // audit everything that is allowed

	PathFlags    PathFlags // zero: not written, unless HasPathFlags
	HasPathFlags bool      // write PathFlags even when zero, which differs from their absence

	Caps   Caps     // what the profile says to capabilities
	Xattrs []string // names, in the order in which XMatch matches their values

	RlimitMask uint32     // bit i: Rlimits[i] applies; zero: not written
	Rlimits    [16]uint64 // by kernel number: cpu, fsize, data, ...; all ones: infinity

	Secmarks []Secmark // none: not written

	// Families is the old form of network mediation, by number of address
	// family; nil: not written. Families beyond its end have zero masks.
	// Kernels before 4.17 use it, and so do Ubuntu's if Policydb has no
	// network class; others refuse it.
	Families []FamilyMask

	// Policydb decides every class but files; if nil, nothing else is
	// mediated.
	Policydb *PolicyDB
	// File decides files, exec transitions, change_profile and links. When
	// nil, the kernel uses Policydb from the state of class 2, if it has one.
	File *PolicyDB

	Data []Data // none: not written
}

// DefaultHeader is the version word that apparmor_parser writes for every
// kernel: kernel ABI 7, parser ABI 2, policy version 2.
const DefaultHeader = 0x00202007

// forceComplain is the bit of the version word that turns enforce into complain.
const forceComplain = 1 << 11

// ABI returns the kernel ABI of the profile's header.
func (p *Profile) ABI() uint32 {
	if p.Header == 0 {
		return DefaultHeader & 0x3ff
	}
	return p.Header & 0x3ff
}

// Mode is how violations are treated.
type Mode uint32

// The modes of a profile. A profile with the flag default_allow is Unconfined
// to the kernel.
const (
	Enforce    Mode = 0
	Complain   Mode = 1
	Kill       Mode = 2
	Unconfined Mode = 3
	Prompt     Mode = 4 // 6.12 and later
)

// PathFlags say how paths that are hard to name are treated.
type PathFlags uint32

// The path flags as apparmor_parser writes them. Kernels read
// PathMediateDeleted as "delegate deleted"; see docs/binary-policy.md, section
// 6.
const (
	PathAttachDisconnected    PathFlags = 0x4
	PathChrootRelative        PathFlags = 0x8
	PathChrootAttach          PathFlags = 0x10
	PathAttachDisconnectedIPC PathFlags = 0x20
	PathMediateDeleted        PathFlags = 0x10000
)

// Caps are the capability vectors; bit n is capability n.
type Caps struct {
	// Allow has the capabilities that are granted, Audit those whose use is
	// logged, and Quiet those whose refusal is not.
	Allow, Audit, Quiet uint64
	// Extended is the optional capsx vector, which no parser writes. It is
	// written if it is not zero.
	Extended uint64
}

// Secmark is one rule on a packet label. No policy language has syntax for it.
type Secmark struct {
	// Audit says that packets are logged, and Deny that they are refused; 0 or 1.
	Audit, Deny uint8
	Label       string // of the packet; "*" for any
}

// FamilyMask holds the types of sockets of one address family; bit n is type n
// as Linux numbers types.
type FamilyMask struct {
	// Allow has the types that are granted, Audit those whose use is logged,
	// and Quiet those whose refusal is not.
	Allow, Audit, Quiet uint16
}

// Data is an arbitrary value that policy carries for user space.
type Data struct {
	Key   string // the name by which user space asks for it
	Value []byte // any bytes, which the kernel returns as they are
}

// PolicyDB is an automaton with the meaning of its accept values.
type PolicyDB struct {
	// Perms is the permission table that DFA.Accept indexes. Nil selects the
	// old form, where Accept and Accept2 are themselves packed permissions.
	Perms []Perm
	// PermsVersion is the permsv member: above 2, DFA.Accept2 is present and
	// its bit 0 marks entries that are (owner, other) pairs. Zero: absent.
	PermsVersion uint32
	DFA          *DFA // without one nothing is granted by it
	// Start and DFAStart override the state in which policydb classes (Start)
	// and file paths or attachments (DFAStart) begin; zero: the default.
	Start, DFAStart uint32
	// XTable holds exec targets: a label relative to the profile's namespace,
	// ":ns:name" for another one, "&name" to stack.
	XTable []string
}

// Perm is an entry of a permission table, all in the kernel's permission bits.
type Perm struct {
	// Allow, Deny, Subtree, Cond, Kill, Complain, Prompt, Audit, Quiet and Hide
	// are as in Effective.
	Allow, Deny, Subtree, Cond, Kill, Complain, Prompt, Audit, Quiet, Hide uint32
	// XIndex is the exec transition, see the X constants.
	XIndex uint32
	// Tag and Label index tag sets and the string table; zero: none.
	Tag, Label uint32
}

// AcceptPair is the bit of DFA.Accept2 that, with a permission table, marks an
// entry as the owner's and the next one as everybody else's.
const AcceptPair = 1

// The parts of Perm.XIndex.
const (
	XTypeMask   uint32 = 0x0c000000
	XName       uint32 = 0x04000000 // by name: the profile that attaches to the path
	XTable      uint32 = 0x08000000 // the target is XTable[index]
	XUnsafe     uint32 = 0x10000000 // keep the environment
	XChild      uint32 = 0x20000000 // look among the profile's children
	XInherit    uint32 = 0x40000000 // inherit, or fall back to it
	XUnconfined uint32 = 0x80000000 // unconfined, or fall back to it
	XIndexMask  uint32 = 0x00ffffff
)

// Permission bits of the kernel. Classes reuse bits: write is send, read is
// receive, lock in a link pair is "subset".
const (
	PermExec         uint32 = 1 << 0
	PermWrite        uint32 = 1 << 1
	PermRead         uint32 = 1 << 2
	PermAppend       uint32 = 1 << 3
	PermCreate       uint32 = 1 << 4
	PermDelete       uint32 = 1 << 5
	PermOpen         uint32 = 1 << 6
	PermRename       uint32 = 1 << 7
	PermSetattr      uint32 = 1 << 8
	PermGetattr      uint32 = 1 << 9
	PermSetcred      uint32 = 1 << 10
	PermGetcred      uint32 = 1 << 11
	PermChmod        uint32 = 1 << 12
	PermChown        uint32 = 1 << 13
	PermChgrp        uint32 = 1 << 14
	PermLock         uint32 = 1 << 15
	PermMmap         uint32 = 1 << 16
	PermMprot        uint32 = 1 << 17
	PermLink         uint32 = 1 << 18
	PermSnapshot     uint32 = 1 << 19
	PermAccept       uint32 = 1 << 20
	PermBind         uint32 = 1 << 21
	PermListen       uint32 = 1 << 22
	PermSetopt       uint32 = 1 << 24
	PermGetopt       uint32 = 1 << 25
	PermContinue     uint32 = 1 << 27 // the decision needs more of the string
	PermStack        uint32 = 1 << 28
	PermOnexec       uint32 = 1 << 29
	PermChangeProf   uint32 = 1 << 30
	PermChangeHat    uint32 = 1 << 31
	PermLinkSubset          = PermLock
	PermSend                = PermWrite
	PermReceive             = PermRead
	AllNetPerms      uint32 = 0x03700376                                                                           // what a plain network rule grants
	AllReadPerms            = PermRead | PermOpen | PermGetattr                                                    // what r of a file rule grants
	AllWritePerms           = PermWrite | PermCreate | PermDelete | PermOpen | PermSetattr | PermChmod | PermChown // what w does
	implicitFile            = PermGetattr
	implicitPolicydb        = PermLock
)

// Class is the first byte of a string in the policydb automaton.
type Class byte

// The classes.
const (
	ClassFile       Class = 0x02
	ClassCap        Class = 0x03
	ClassNetOld     Class = 0x04
	ClassRlimits    Class = 0x05
	ClassDomain     Class = 0x06
	ClassMount      Class = 0x07
	ClassPtrace     Class = 0x09
	ClassSignal     Class = 0x0a
	ClassXMatch     Class = 0x0b
	ClassNet        Class = 0x0e // network_v8
	ClassNetV9      Class = 0x0f
	ClassLabel      Class = 0x10
	ClassPosixMq    Class = 0x11
	ClassSysVMq     Class = 0x12
	ClassModule     Class = 0x13
	ClassNamespaces Class = 0x15
	ClassIOUring    Class = 0x16
	ClassNetSkb     Class = 0x1e
	ClassX          Class = 0x1f
	ClassDBus       Class = 0x20
)
