// SPDX-License-Identifier: Apache-2.0

package ast

import (
	"iter"
	"slices"
	"strings"

	"github.com/goarmor/apparmor/internal/linux"
)

// A Vocabulary is a list of the words that policy knows for one purpose. It
// cannot be changed.
type Vocabulary struct {
	words []string // by number for some; those without a name are empty
	more  []string // other names of the same
}

// VocabularyOf returns the list of the given words.
func VocabularyOf(words ...string) Vocabulary { return Vocabulary{words: slices.Clone(words)} }

// Has reports whether word is in the list. Case matters.
func (v Vocabulary) Has(word string) bool {
	return word != "" && (slices.Contains(v.words, word) || slices.Contains(v.more, word))
}

// All returns the words in their canonical order, other names of the same last.
func (v Vocabulary) All() iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, words := range [...][]string{v.words, v.more} {
			for _, w := range words {
				if w != "" && !yield(w) {
					return
				}
			}
		}
	}
}

// Nearest returns the word that was probably meant by a misspelled one, and
// false when none is close enough.
func (v Vocabulary) Nearest(word string) (string, bool) {
	return nearest(v.All(), word)
}

// Capabilities returns the capabilities, in the order of their numbers in the
// kernel's <linux/capability.h>, from chown (0) to checkpoint_restore (40).
func Capabilities() Vocabulary { return Vocabulary{words: linux.Capabilities} }

// Families returns the address families of network rules, unspec first, in
// the order of their numbers.
func Families() Vocabulary { return Vocabulary{words: linux.Families} }

// NetTypes returns the socket types of network rules.
func NetTypes() Vocabulary { return Vocabulary{words: netTypes} }

// NetProtocols returns the protocols of network rules.
func NetProtocols() Vocabulary { return Vocabulary{words: netProtocols} }

// UnixTypes returns the socket types of unix rules.
func UnixTypes() Vocabulary { return Vocabulary{words: unixTypes} }

// Signals returns the signals except the real-time ones; see IsSignal.
func Signals() Vocabulary { return Vocabulary{words: linux.Signals, more: signalAliases} }

// Rlimits returns the resources of rlimit rules; ofile is nofile.
func Rlimits() Vocabulary { return Vocabulary{words: linux.Rlimits, more: rlimitAliases} }

// MountFlags returns the values of `options` in mount rules.
func MountFlags() Vocabulary { return Vocabulary{words: mountFlags} }

// ProfileFlags returns the names of profile flags, modes first.
func ProfileFlags() Vocabulary { return Vocabulary{words: profileFlags} }

// MqueueTypes returns the types of mqueue rules.
func MqueueTypes() Vocabulary { return Vocabulary{words: mqueueTypes} }

// MaxRealTimeSignal is the highest N of the signal rtmin+N.
const MaxRealTimeSignal = linux.MaxRealTime

// RealTimeSignal returns the N of the signal rtmin+N, whose canonical
// spelling is decimal without leading zeros, and false for other text.
func RealTimeSignal(name string) (n int, ok bool) {
	return linux.RealTime(name)
}

// IsSignal reports whether a signal rule may name the signal: one of Signals
// or rtmin+0 to rtmin+32.
func IsSignal(name string) bool {
	if _, ok := RealTimeSignal(name); ok {
		return true
	}
	return Signals().Has(name)
}

var (
	// What policy also calls stp, io and nofile.
	signalAliases = []string{"tstp", "poll"}
	rlimitAliases = []string{"ofile"}

	netTypes     = []string{"stream", "dgram", "seqpacket", "rdm", "raw", "packet"}
	netProtocols = []string{"tcp", "udp", "icmp"}
	unixTypes    = []string{"stream", "dgram", "seqpacket", "rdm", "raw", "packet", "dccp", "none"}
	mqueueTypes  = []string{"posix", "sysv"}
	mountFlags   = []string{
		"ro", "r", "read-only", "rw", "w", "suid", "nosuid", "dev", "nodev", "exec", "noexec", "sync", "async",
		"remount", "mand", "nomand", "dirsync", "symfollow", "nosymfollow", "atime", "noatime", "diratime",
		"nodiratime", "bind", "B", "move", "M", "rbind", "R", "verbose", "silent", "loud", "acl", "noacl",
		"unbindable", "make-unbindable", "runbindable", "make-runbindable", "private", "make-private", "rprivate",
		"make-rprivate", "slave", "make-slave", "rslave", "make-rslave", "shared", "make-shared", "rshared",
		"make-rshared", "relatime", "norelatime", "iversion", "noiversion", "strictatime", "nostrictatime",
		"lazytime", "nolazytime", "user", "nouser",
	}
	profileFlags = []string{
		"enforce", "complain", "kill", "unconfined", "prompt", "default_allow", "audit", "debug", "interruptible",
		"mediate_deleted", "delegate_deleted", "attach_disconnected", "no_attach_disconnected",
		"attach_disconnected.path", "attach_disconnected.ipc", "chroot_relative", "namespace_relative",
		"chroot_attach", "chroot_no_attach", "kill.signal", "error",
	}
)

// The names of permission bits, the lowest first.
var (
	netPerms = []string{
		"create", "bind", "listen", "accept", "connect", "shutdown", "getattr", "setattr", "getopt", "setopt",
		"send", "receive",
	}
	dbusPerms    = []string{"send", "receive", "bind", "eavesdrop"}
	signalPerms  = []string{"send", "receive"}
	ptracePerms  = []string{"trace", "read", "tracedby", "readby"}
	mqueuePerms  = []string{"create", "open", "delete", "read", "write", "getattr", "setattr"}
	ioUringPerms = []string{"sqpoll", "override_creds"}
)

// NetPerms returns the names of network permissions, the lowest bit first.
func NetPerms() Vocabulary { return Vocabulary{words: netPerms} }

// DBusPerms returns the names of D-Bus permissions, the lowest bit first.
func DBusPerms() Vocabulary { return Vocabulary{words: dbusPerms} }

// SignalPerms returns the names of signal permissions, the lowest bit first.
func SignalPerms() Vocabulary { return Vocabulary{words: signalPerms} }

// PtracePerms returns the names of ptrace permissions, the lowest bit first.
func PtracePerms() Vocabulary { return Vocabulary{words: ptracePerms} }

// MqueuePerms returns the names of message queue permissions, the lowest bit
// first.
func MqueuePerms() Vocabulary { return Vocabulary{words: mqueuePerms} }

// IOUringPerms returns the names of io_uring permissions, the lowest bit
// first.
func IOUringPerms() Vocabulary { return Vocabulary{words: ioUringPerms} }

// String returns the names of the permissions, separated by blanks.
func (p NetPerm) String() string { return permString(netPerms, uint(p)) }

// String returns the names of the permissions, separated by blanks.
func (p DBusPerm) String() string { return permString(dbusPerms, uint(p)) }

// String returns the names of the permissions, separated by blanks.
func (p SignalPerm) String() string { return permString(signalPerms, uint(p)) }

// String returns the names of the permissions, separated by blanks.
func (p PtracePerm) String() string { return permString(ptracePerms, uint(p)) }

// String returns the names of the permissions, separated by blanks.
func (p MqueuePerm) String() string { return permString(mqueuePerms, uint(p)) }

// String returns the names of the permissions, separated by blanks.
func (p IOUringPerm) String() string { return permString(ioUringPerms, uint(p)) }

// ParseNetPerm returns the permissions that a word of a network or unix rule
// stands for: a name, or read or r for receive and write or w for send, the
// letters also together.
func ParseNetPerm(word string) (NetPerm, bool) {
	p, ok := parsePerm(netPerms, word, uint(NetReceive), uint(NetSend))
	return NetPerm(p), ok
}

// ParseDBusPerm is ParseNetPerm for D-Bus rules.
func ParseDBusPerm(word string) (DBusPerm, bool) {
	p, ok := parsePerm(dbusPerms, word, uint(DBusReceive), uint(DBusSend))
	return DBusPerm(p), ok
}

// ParseSignalPerm is ParseNetPerm for signal rules.
func ParseSignalPerm(word string) (SignalPerm, bool) {
	p, ok := parsePerm(signalPerms, word, uint(SignalReceive), uint(SignalSend))
	return SignalPerm(p), ok
}

// ParsePtracePerm returns the permissions that a word of a ptrace rule stands
// for: a name, or r for read and write or w for trace, the letters also
// together.
func ParsePtracePerm(word string) (PtracePerm, bool) {
	p, ok := parsePerm(ptracePerms, word, uint(PtraceRead), uint(PtraceTrace))
	return PtracePerm(p), ok
}

// ParseMqueuePerm returns the permissions that a word of an mqueue rule stands
// for: a name, or r for read and w for write, the letters also together.
func ParseMqueuePerm(word string) (MqueuePerm, bool) {
	p, ok := parsePerm(mqueuePerms, word, uint(MqueueRead), uint(MqueueWrite))
	return MqueuePerm(p), ok
}

// ParseIOUringPerm returns the permission that a word of an io_uring rule
// stands for.
func ParseIOUringPerm(word string) (IOUringPerm, bool) {
	p, ok := permBit(ioUringPerms, word)
	return IOUringPerm(p), ok
}

func permBit(names []string, word string) (uint, bool) {
	for i, name := range names {
		if name == word {
			return 1 << i, true
		}
	}
	return 0, false
}

func parsePerm(names []string, word string, read, write uint) (uint, bool) {
	if p, ok := permBit(names, word); ok {
		return p, true
	}
	switch word {
	case "":
		return 0, false
	case "read":
		return read, true
	case "write":
		return write, true
	}
	var p uint
	for i := 0; i < len(word); i++ {
		switch word[i] {
		case 'r':
			p |= read
		case 'w':
			p |= write
		default:
			return 0, false
		}
	}
	return p, true
}

func permString(names []string, set uint) string {
	var b strings.Builder
	for i, name := range names {
		if set&(1<<i) == 0 {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(name)
	}
	return b.String()
}

// IsReserved reports whether a bare word is a keyword of the language, which
// cannot be the path of a file rule or the name of a capability.
func IsReserved(word string) bool {
	switch word {
	case "abi", "alias", "rewrite", "all", "allow", "deny", "prompt", "audit", "owner", "user", "other", "priority",
		"capability", "change_profile", "dbus", "defined", "else", "file", "hat", "if", "in", "include", "io_uring", "link",
		"mount", "mqueue", "network", "not", "pivot_root", "profile", "ptrace", "remount", "rlimit", "safe", "unsafe",
		"set", "signal", "subset", "umount", "unmount", "unix", "userns", "read", "write", "send", "receive", "bind",
		"trace", "tracedby", "readby", "eavesdrop", "peer":
		return true
	}
	return false
}

// IsFilePerms reports whether a word has the form of the permissions of a file
// rule, such as rw or rPix, whether or not they go together.
func IsFilePerms(word string) bool {
	if word == "all" { // the rule, although its letters are permissions
		return false
	}
	for i := 0; i < len(word); {
		n := FilePermLen(word[i:])
		if n == 0 {
			return false
		}
		i += n
	}
	return word != ""
}

// FilePermLen returns the length of the one permission letter or exec mode
// that s begins with, or 0.
func FilePermLen(s string) int {
	if s == "" {
		return 0
	}
	switch s[0] {
	case 'r', 'w', 'a', 'l', 'k', 'm', 'x', 'R', 'W', 'L', 'M', 'X':
		return 1
	case 'i', 'I', 'u', 'U':
		if len(s) > 1 && s[1]|0x20 == 'x' {
			return 2
		}
	case 'p', 'P', 'c', 'C':
		switch {
		case len(s) > 1 && s[1]|0x20 == 'x':
			return 2
		case len(s) > 2 && (s[1]|0x20 == 'i' || s[1]|0x20 == 'u') && s[2]|0x20 == 'x':
			return 3
		}
	}
	return 0
}

// filePermLetters are in the order in which they are written.
var filePermLetters = [...]struct {
	perm   FilePerm
	letter byte
}{
	{FileMmap, 'm'}, {FileRead, 'r'}, {FileWrite, 'w'}, {FileAppend, 'a'}, {FileLink, 'l'}, {FileLock, 'k'},
}

// AppendText appends the letters of the permissions in their canonical order.
func (p FilePerm) AppendText(dst []byte) ([]byte, error) {
	for _, c := range filePermLetters {
		if p&c.perm != 0 {
			dst = append(dst, c.letter)
		}
	}
	return dst, nil
}

// String returns the letters of the permissions in their canonical order.
func (p FilePerm) String() string {
	b, _ := p.AppendText(make([]byte, 0, len(filePermLetters)))
	return string(b)
}

var execModes = [...]string{
	ExecNone: "", ExecDeny: "x", ExecInherit: "ix", ExecUnconfined: "ux", ExecProfile: "px", ExecChild: "cx",
	ExecProfileInherit: "pix", ExecChildInherit: "cix", ExecProfileUnconfined: "pux", ExecChildUnconfined: "cux",
}

var execScrubbed = [...]string{
	ExecNone: "", ExecDeny: "x", ExecInherit: "ix", ExecUnconfined: "Ux", ExecProfile: "Px", ExecChild: "Cx",
	ExecProfileInherit: "Pix", ExecChildInherit: "Cix", ExecProfileUnconfined: "PUx", ExecChildUnconfined: "CUx",
}

// String returns the mode's spelling without scrubbing.
func (e Exec) String() string { return e.Spelling(false) }

// Spelling returns how the mode is written, with an upper-case letter when the
// environment is scrubbed. ExecInherit and ExecDeny have no such form.
func (e Exec) Spelling(scrub bool) string {
	switch {
	case int(e) >= len(execModes):
		return "?"
	case scrub:
		return execScrubbed[e]
	}
	return execModes[e]
}

// nearest finds the word at the smallest edit distance, which must be at most
// a third of the length of what was written, and at least one.
func nearest(words iter.Seq[string], word string) (string, bool) {
	const longest = 32
	if word == "" || len(word) > longest {
		return "", false
	}
	best, found := max(1, len(word)/3)+1, ""
	for w := range words {
		if len(w) > longest {
			continue
		}
		if d := distance(word, w); d < best {
			best, found = d, w
		}
	}
	return found, found != ""
}

// distance is the number of bytes to insert, delete, replace or swap with
// their neighbour to make b of a. Both have at most 32 bytes.
func distance(a, b string) int {
	var rows [3][33]int
	for j := range len(b) + 1 {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		cur, prev, prev2 := &rows[i%3], &rows[(i+2)%3], &rows[(i+1)%3]
		cur[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			cur[j] = min(prev[j]+1, cur[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				cur[j] = min(cur[j], prev2[j-2]+1)
			}
		}
	}
	return rows[len(a)%3][len(b)]
}
