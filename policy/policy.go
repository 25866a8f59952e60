// SPDX-License-Identifier: Apache-2.0

// Package policy turns syntax trees into resolved profiles: includes are
// followed, variables expanded, aliases applied, conditionals decided,
// qualifier blocks dissolved into their rules, children and hats named, and
// what makes no sense is refused with its place.
//
// The result is still rules of package ast's own types, but each one is
// complete: no file, variable or surrounding block is needed to understand it.
// A program that builds policy from values, such as package svirt, makes a
// Profile directly and skips text altogether.
package policy

import (
	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/features"
)

// Set is the resolved profiles of one unit.
type Set struct {
	// Profiles holds every profile, child and hat, flat: sorted by name at
	// the top, each followed depth first by its children, sorted. A parent is
	// always before its children, as the kernel needs it.
	Profiles []*Profile
	// Warnings of resolving, in the order of the text.
	Warnings diag.List
}

// Mode is how violations are treated; the numbers are the kernel's.
type Mode uint8

// The modes. DefaultAllow and Unconfined are the same in the kernel.
const (
	Enforce      Mode = 0
	Complain     Mode = 1
	Kill         Mode = 2
	Unconfined   Mode = 3
	PromptMode   Mode = 4
	DefaultAllow Mode = 5 // written to the kernel as Unconfined
)

// Flags are the resolved flags of a profile.
type Flags struct {
	Mode  Mode // how violations are treated; zero: Enforce
	Audit bool // everything that is allowed is logged
	Debug bool // more messages of the kernel, for those who debug it

	// Path flags. Each pair has a word for on and one for off, and the stream
	// differs between off and absent; PathWords reports whether any of the
	// path words was written.
	PathWords             bool
	AttachDisconnected    bool // paths that have no name from the root are taken as if they began there
	AttachDisconnectedIPC bool // the same for paths of IPC objects
	ChrootRelative        bool // paths are named from the task's root
	// ChrootAttach goes with ChrootRelative: paths outside of the task's root are
	// taken as if they began there (PATH_CHROOT_NSCONNECT,
	// security/apparmor/path.c).
	ChrootAttach   bool
	MediateDeleted bool // deleted files are decided by the names that they had

	DisconnectedPath    string // of attach_disconnected.path=
	DisconnectedIPCPath string // of attach_disconnected.ipc=
	KillSignal          string // of kill.signal=; empty: SIGKILL
	Error               string // of error=
	Interruptible       bool   // a signal ends the waiting for an answer of user space
}

// Xattr is a resolved item of a profile's xattrs list.
type Xattr struct {
	Name     string      // of the extended attribute
	Value    ast.Pattern // variables are not expanded in it; empty when HasValue is false: any value
	HasValue bool        // a value was written
}

// Origin says where a rule or profile came from. The zero Origin belongs to
// values that were not read from text.
type Origin struct {
	File *ast.File // nil if there is none
	Pos  ast.Pos   // in File
	// Via is the chain of includes that led to File, innermost first.
	Via *Via
}

// Via is one link of an include chain.
type Via struct {
	File *ast.File // the file that includes
	Pos  ast.Pos   // of the include statement in File
	Up   *Via      // how File itself was included; nil for the main file
}

// Position resolves the place.
func (o Origin) Position() ast.Position {
	if o.File == nil {
		return ast.Position{}
	}
	return o.File.Position(o.Pos)
}

// Chain resolves the include chain, innermost first.
func (o Origin) Chain() []ast.Position {
	var chain []ast.Position
	for v := o.Via; v != nil; v = v.Up {
		chain = append(chain, v.File.Position(v.Pos))
	}
	return chain
}

// Rule is a resolved rule. Its patterns hold no variables and no runs of
// slashes where they are paths, its qualifiers include those of the blocks
// around it, and it is never an RlimitRule (see Profile.Rlimits). What the
// language takes literally stays as it was written: targets of exec (the `c`
// of `cx -> c` is a child's own name), options of mount, conditions of network
// rules. An AllRule and a FileRule with All set stay as they are, too.
//
// The rule shares nothing with the tree that it was read from: it may be kept
// and changed.
type Rule struct {
	ast.Rule
	Origin Origin // where it was written
}

// Rlimit is a resolved resource limit.
type Rlimit struct {
	Name  string // cpu, fsize, ... as in setrlimit(2), lower case
	Value uint64 // bytes, seconds (rttime: microseconds) or a count; nice n as n+20; all ones: infinity

	// Origin is the place of the rule. Limits that differ only in it are
	// equal.
	Origin Origin
}

// Profile is one resolved profile, child or hat.
type Profile struct {
	Namespace string     // empty: the namespace that the policy is loaded into
	Name      string     // the full name, `parent//child` for children and hats
	Hat       bool       // named parent//hat, and entered with aa_change_hat(3) only
	Parent    *Profile   // nil at the top
	Children  []*Profile // children and hats, by name

	// Attachment is the pattern of executables that the profile attaches to,
	// empty for none. A profile that is named by a path attaches to it.
	// Alternates are the further attachments that aliases gave it.
	Attachment ast.Pattern
	Alternates []ast.Pattern
	Xattrs     []Xattr       // conditions of the attachment
	Identities []ast.Pattern // of `+ identities=( )`; no kernel yet takes them
	Flags      Flags         // zero: enforce, and no path flags
	Rules      []Rule        // in the order of the text, aliases' copies after their originals
	Rlimits    []Rlimit      // one per name, the last one written
	Origin     Origin        // where it was written

	// ABI is the feature set that the policy was written for: classes that it
	// lacks are not mediated, even if the kernel could.
	ABI *features.Set
}
