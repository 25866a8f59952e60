// SPDX-License-Identifier: Apache-2.0

package ast

// Access tells what a rule does with the requests it matches.
type Access uint8

// The accesses. A rule without a word is an allow rule; AllowExplicit is the
// same with the word `allow` written.
const (
	Allow Access = iota
	AllowExplicit
	Deny
	Prompt
)

// Owner restricts a file rule by the owner of the file.
type Owner uint8

// The owner restrictions.
const (
	AnyOwner  Owner = iota
	OnlyOwner       // owner (user): the task's fsuid owns the file
	OnlyOther       // other: it does not
)

// Qualifiers stand before a rule or a block:
// `[priority=N] [audit] [allow|deny|prompt] [owner|other]`.
type Qualifiers struct {
	Priority int16 // -1000..1000
	Audit    bool
	Access   Access
	Owner    Owner
}

// Quals returns q; it makes every type that embeds Qualifiers offer them.
func (q *Qualifiers) Quals() *Qualifiers { return q }

// FilePerm is a set of file permissions other than execution.
type FilePerm uint8

// The file permissions.
const (
	FileRead FilePerm = 1 << iota
	FileWrite
	FileAppend
	FileLink
	FileLock
	FileMmap
)

// Exec tells what happens when a matched file is executed.
type Exec uint8

// The exec modes, by their lower-case spelling. ExecDeny is the bare `x` of
// deny rules.
const (
	ExecNone              Exec = iota
	ExecDeny                   // x
	ExecInherit                // ix
	ExecUnconfined             // ux
	ExecProfile                // px
	ExecChild                  // cx
	ExecProfileInherit         // pix
	ExecChildInherit           // cix
	ExecProfileUnconfined      // pux
	ExecChildUnconfined        // cux
)

// FileRule is a rule on paths. A bare `file,` has All set and no Path: every
// path with read, write, link, lock, mmap and ix.
type FileRule struct {
	Span
	Qualifiers
	All    bool
	Path   Pattern
	Perms  FilePerm
	Exec   Exec
	Scrub  bool   // the environment is scrubbed: upper-case mode or `safe`
	Target string // profile behind `->` of an exec mode, literal text; empty: none
	// Link is the target of the link pair in the form `rl A -> B`, where
	// Perms has FileLink; empty otherwise.
	Link Pattern
}

// LinkRule is `link [subset] From -> To,` (also spelled `l [subset] From -> To,`).
type LinkRule struct {
	Span
	Qualifiers
	Subset   bool
	From, To Pattern
}

// CapabilityRule is `capability [names],`. No names means every capability.
type CapabilityRule struct {
	Span
	Qualifiers
	Names []string // lower case, without cap_
}

// NetPerm is a set of network permissions; zero means all.
type NetPerm uint16

// The network permissions; unix rules use them too.
const (
	NetCreate NetPerm = 1 << iota
	NetBind
	NetListen
	NetAccept
	NetConnect
	NetShutdown
	NetGetattr
	NetSetattr
	NetGetopt
	NetSetopt
	NetSend
	NetReceive
)

// NetEnd is one end of a network rule.
type NetEnd struct {
	IP        string // v4, v6 or "none"; empty: any
	Port      string // "N" or "N-M"; empty: any
	Interface Pattern
	Label     Pattern
}

// NetworkRule is `network [perms] [family] [type|protocol] [conds] [peer=( )],`.
type NetworkRule struct {
	Span
	Qualifiers
	Perms    NetPerm
	Family   string // inet, inet6, unix, ...; empty: any
	Type     string // stream, dgram, seqpacket, rdm, raw, packet; empty: any
	Protocol string // tcp, udp, icmp; empty: any
	Local    NetEnd
	Peer     NetEnd
}

// UnixEnd is one end of a unix rule. An address is `@name` for an abstract
// one, `none` for an unnamed one, `auto` for autobind.
type UnixEnd struct {
	Addr  Pattern
	Label Pattern
}

// UnixRule is `unix [perms] [type=] [addr=] [peer=( )],`.
type UnixRule struct {
	Span
	Qualifiers
	Perms NetPerm
	Type  string
	Local UnixEnd
	Peer  UnixEnd
}

// DBusPerm is a set of D-Bus permissions; zero means all that fit.
type DBusPerm uint8

// The D-Bus permissions.
const (
	DBusSend DBusPerm = 1 << iota
	DBusReceive
	DBusBind
	DBusEavesdrop
)

// DBusRule is `dbus [perms] [conds] [peer=(name= label=)],`.
type DBusRule struct {
	Span
	Qualifiers
	Perms     DBusPerm
	Bus       Pattern
	Name      Pattern
	Path      Pattern
	Interface Pattern
	Member    Pattern
	PeerName  Pattern
	PeerLabel Pattern
}

// SignalPerm is a set of signal permissions; zero means all.
type SignalPerm uint8

// The signal permissions.
const (
	SignalSend SignalPerm = 1 << iota
	SignalReceive
)

// SignalRule is `signal [perms] [set=( )] [peer=],`.
type SignalRule struct {
	Span
	Qualifiers
	Perms   SignalPerm
	Signals []string // hup, ..., rtmin+3; none: every signal
	Peer    Pattern
}

// PtracePerm is a set of ptrace permissions; zero means all.
type PtracePerm uint8

// The ptrace permissions.
const (
	PtraceTrace PtracePerm = 1 << iota
	PtraceRead
	PtraceTracedBy
	PtraceReadBy
)

// PtraceRule is `ptrace [perms] [peer=],`.
type PtraceRule struct {
	Span
	Qualifiers
	Perms PtracePerm
	Peer  Pattern
}

// MountOp is the operation of a mount rule.
type MountOp uint8

// The mount operations.
const (
	OpMount MountOp = iota
	OpRemount
	OpUmount
)

// MountCond is one `fstype=( )`, `options=( )` or `options in ( )`.
type MountCond struct {
	Span
	Options bool // options; otherwise fstype
	In      bool // `in`; otherwise `=`
	Values  []Pattern
}

// MountRule is `mount`, `remount` or `umount`.
type MountRule struct {
	Span
	Qualifiers
	Op       MountOp
	Conds    []MountCond
	Source   Pattern
	Detached bool // the source is `detached` or ""
	Target   Pattern
}

// PivotRootRule is `pivot_root [oldroot=] [new] [-> profile],`.
type PivotRootRule struct {
	Span
	Qualifiers
	OldRoot Pattern
	NewRoot Pattern
	Target  string
}

// Safety is the `safe` or `unsafe` of a change_profile rule.
type Safety uint8

// The safeties.
const (
	SafetyDefault Safety = iota // no word; the same as Safe
	Safe
	Unsafe
)

// ChangeProfileRule is `change_profile [safe|unsafe] [exec] [-> target],`.
type ChangeProfileRule struct {
	Span
	Qualifiers
	Safety Safety
	Exec   Pattern // empty: any
	Target Pattern // empty: any
}

// RlimitRule is `set rlimit name <= value [unit],`. It takes no qualifiers.
type RlimitRule struct {
	Span
	Qualifiers        // always zero
	Name       string // cpu, nofile, ...
	Value      string // a number or "infinity"
	Unit       string
}

// MqueuePerm is a set of message queue permissions; zero means all.
type MqueuePerm uint8

// The message queue permissions.
const (
	MqueueCreate MqueuePerm = 1 << iota
	MqueueOpen
	MqueueDelete
	MqueueRead
	MqueueWrite
	MqueueGetattr
	MqueueSetattr
)

// MqueueRule is `mqueue [perms] [type=] [label=] [name],`.
type MqueueRule struct {
	Span
	Qualifiers
	Perms MqueuePerm
	Type  string // posix, sysv; empty: implied by the name, or both
	Label Pattern
	Name  Pattern
}

// IOUringPerm is a set of io_uring permissions; zero means all.
type IOUringPerm uint8

// The io_uring permissions.
const (
	IOUringSQPoll IOUringPerm = 1 << iota
	IOUringOverrideCreds
)

// IOUringRule is `io_uring [perms] [label=],`.
type IOUringRule struct {
	Span
	Qualifiers
	Perms IOUringPerm
	Label Pattern
}

// UsernsRule is `userns [create],`.
type UsernsRule struct {
	Span
	Qualifiers
	Create bool // the word was written; the meaning is the same without
}

// AllRule is `all,`: every rule type.
type AllRule struct {
	Span
	Qualifiers
}

func (*FileRule) stmt()          {}
func (*LinkRule) stmt()          {}
func (*CapabilityRule) stmt()    {}
func (*NetworkRule) stmt()       {}
func (*UnixRule) stmt()          {}
func (*DBusRule) stmt()          {}
func (*SignalRule) stmt()        {}
func (*PtraceRule) stmt()        {}
func (*MountRule) stmt()         {}
func (*PivotRootRule) stmt()     {}
func (*ChangeProfileRule) stmt() {}
func (*RlimitRule) stmt()        {}
func (*MqueueRule) stmt()        {}
func (*IOUringRule) stmt()       {}
func (*UsernsRule) stmt()        {}
func (*AllRule) stmt()           {}
