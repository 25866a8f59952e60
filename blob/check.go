// SPDX-License-Identifier: Apache-2.0

package blob

import (
	"fmt"

	"github.com/goarmor/apparmor/features"
)

// KernelLimits says what a kernel loads beyond the simplest portable target.
// The zero value is that target: old form, 16-bit tables, nothing optional.
// LimitsOf derives the fields from the kernel's feature files.
type KernelLimits struct {
	// MaxABI is the highest kernel ABI of a header: 8 for 6.1, 9 from 6.12
	// on; zero: 8. The features' policy/versions is one too high for 6.1.
	MaxABI uint32
	// PermTables allows permission tables and permsv up to that version:
	// policy/permstable32_version from 2 on. Version 1 counts as zero, because
	// such a kernel (6.12) mixes up entries of files.
	PermTables uint32
	Wide       bool // 32-bit state tables: policy/state32
	DiffEncode bool // policy/diff-encode
	Prompt     bool // mode prompt: 6.12 and later

	// Disconnected is the disconnected member, which kernels honoured before
	// they announced it: domain/disconnected.path or domain/stack.
	Disconnected bool
	// DisconnectedIPC is the disconnected_ipc member: domain/disconnected.ipc.
	DisconnectedIPC bool
	Kill            bool // the kill member: domain/kill.signal
	Error           bool // the error member: policy/profile/error
	Families        bool // the net_allowed_af member: network/af_mask
	CapsExtended    bool // the capsx member: caps/extended
}

// LimitsOf returns what a kernel with these features loads.
//
// Kernels have no feature for the mode prompt, and 6.1 lists an ABI among its
// versions that it refuses. Both follow from permission tables, even unusable
// ones: 6.12 brought all three.
func LimitsOf(f *features.Set) KernelLimits {
	l := KernelLimits{
		MaxABI:          8,
		PermTables:      uint32(f.PermTableVersion()),
		Wide:            f.Supports(features.State32),
		DiffEncode:      f.DiffEncode(),
		Prompt:          f.Supports(features.PermTable),
		Disconnected:    f.DisconnectedPath(),
		DisconnectedIPC: f.Supports(features.DisconnectedIPC),
		Kill:            f.KillSignal(),
		Error:           f.Supports(features.ErrorFlag),
		Families:        f.Supports(features.NetworkOld),
		CapsExtended:    f.Supports(features.CapsExtended),
	}
	if l.Prompt {
		l.MaxABI = 9
	}
	return l
}

// UsablePermTables is the lowest version of permission tables that can be
// relied on; see KernelLimits.
const UsablePermTables = 2

// MaxOldTargets is the number of exec targets that the old form can name.
const MaxOldTargets = oldXMax - oldXTable + 1

// fileNameMargin is how many bytes a profile's number may add to its name: a
// dot and more digits than a kernel will ever use.
const fileNameMargin = len(".4294967295")

// KernelError says which part of a policy a kernel does not load, or loads and
// gets wrong.
type KernelError struct {
	Profile string // name of the profile
	Member  string // the member of the profile or its automaton, by its name in the stream: "xmatch"
	Reason  string // what is wrong with it, one line
	Hint    string // what to do, if it is known
}

// Error returns profile, member and reason in one line.
func (e *KernelError) Error() string {
	s := fmt.Sprintf("profile %q, %s: %s", e.Profile, e.Member, e.Reason)
	if e.Hint != "" {
		s += "; " + e.Hint
	}
	return s
}

// Unwrap returns ErrKernel.
func (e *KernelError) Unwrap() error { return ErrKernel }

// Check reports, as a *KernelError, the first thing in the policy that a
// kernel with these limits refuses or does not understand.
func (p *Policy) Check(k KernelLimits) error {
	if p.checked != nil && *p.checked == k {
		return nil
	}
	for _, q := range p.profiles() {
		if err := q.check(k); err != nil {
			err.Profile = q.Name
			return err
		}
	}
	return nil
}

func (p *Profile) check(k KernelLimits) *KernelError {
	top := k.MaxABI
	if top == 0 {
		top = 8
	}
	_, name := splitName(p.Name)
	switch {
	case p.ABI() > top:
		return &KernelError{Member: "version", Reason: fmt.Sprintf("the header's kernel ABI %d is above %d", p.ABI(), top)}
	case safeLen(name)+fileNameMargin > maxFileName:
		return &KernelError{Member: "name", Reason: "with its number, the name may be too long for a file name, which blocks its namespace on some kernels", Hint: fmt.Sprintf("keep it within %d bytes", maxFileName-fileNameMargin)}
	case p.Disconnected != "" && !k.Disconnected:
		return &KernelError{Member: "disconnected", Reason: "the kernel does not know the member"}
	case p.DisconnectedIPC != "" && !k.DisconnectedIPC:
		return &KernelError{Member: "disconnected_ipc", Reason: "the kernel does not know the member"}
	case p.Error != 0 && !k.Error:
		return &KernelError{Member: "error", Reason: "the kernel does not know the member"}
	case p.Families != nil && !k.Families:
		return &KernelError{Member: "net_allowed_af", Reason: "the kernel does not know the member"}
	case p.Kill != 0 && !k.Kill:
		return &KernelError{Member: "kill", Reason: "the kernel does not know the member"}
	case p.Caps.Extended != 0 && !k.CapsExtended:
		return &KernelError{Member: "capsx", Reason: "the kernel does not know extended capabilities"}
	case p.Mode == Prompt && !k.Prompt:
		return &KernelError{Member: "mode", Reason: "the kernel does not know mode prompt"}
	}
	for _, part := range p.parts() {
		if err := part.db.check(k); err != nil {
			err.Member = part.kind.String()
			return err
		}
		if part.kind == PartXMatch && part.db.DFA.Flags&FlagDiff != 0 {
			return &KernelError{Member: "xmatch", Reason: "the DFA is differentially encoded, which kernels ignore when they attach"}
		}
	}
	return nil
}

func (db *PolicyDB) check(k KernelLimits) *KernelError {
	switch {
	case db.Perms != nil && k.PermTables < UsablePermTables:
		return &KernelError{Reason: "the kernel has no usable permission tables", Hint: "compile to the old form"}
	case db.PermsVersion > k.PermTables:
		return &KernelError{Reason: fmt.Sprintf("permsv %d is above %d", db.PermsVersion, k.PermTables)}
	case db.Perms == nil && db.PermsVersion != 0:
		return &KernelError{Reason: "permsv without a permission table"}
	case db.DFA.Wide && !k.Wide:
		return &KernelError{Reason: "the kernel has no 32-bit state tables"}
	case db.DFA.Flags&FlagDiff != 0 && !k.DiffEncode:
		return &KernelError{Reason: "the kernel does not announce differential encoding"}
	case db.Perms == nil && len(db.XTable) > MaxOldTargets:
		return &KernelError{Reason: fmt.Sprintf("%d exec targets are more than the %d that the old form can name", len(db.XTable), MaxOldTargets)}
	}
	return nil
}

type profilePart struct {
	kind Part
	db   *PolicyDB
}

// parts returns the automata that the profile has, in their order in the
// stream.
func (p *Profile) parts() []profilePart {
	var parts []profilePart
	for _, q := range [...]profilePart{{PartXMatch, p.XMatch}, {PartPolicydb, p.Policydb}, {PartFile, p.File}} {
		if q.db != nil {
			parts = append(parts, q)
		}
	}
	return parts
}
