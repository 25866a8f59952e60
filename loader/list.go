// SPDX-License-Identifier: Apache-2.0

package loader

import (
	"cmp"
	"slices"
	"strings"
)

// Profile is a profile that is loaded.
type Profile struct {
	Name string // parent//child for children and hats
	// Namespace is relative to the Kernel that was asked, with // between
	// nested ones; empty for its own.
	Namespace string
	Mode      Mode // how it is enforced
}

// Mode is how a profile is enforced, or how the kernel as a whole enforces
// profiles.
type Mode string

// The modes, as kernels spell them (security/apparmor/lib.c).
const (
	ModeEnforce    Mode = "enforce"    // what no rule allows is denied
	ModeKill       Mode = "kill"       // what no rule allows ends the task
	ModeComplain   Mode = "complain"   // what no rule allows is allowed and logged
	ModeUnconfined Mode = "unconfined" // everything is allowed
	ModePrompt     Mode = "user"       // what no rule allows is asked for
	ModeMixed      Mode = "mixed"      // of a label whose profiles have different ones
)

// Accept says what counts as confinement besides profiles that are known to be
// enforced. With the zero value nothing else does.
type Accept struct {
	// Complain accepts profiles in complain mode, and a kernel that is in
	// complain mode as a whole.
	Complain bool
	// Unconfined accepts profiles in unconfined mode, which allow everything,
	// and a kernel that is in that mode as a whole.
	Unconfined bool
	// Prompt accepts profiles that ask a program of the user's.
	Prompt bool
	// Unverified accepts what the kernel does not show: the content of a
	// profile on kernels that keep neither digests nor copies of policy, and
	// the mode of a kernel if the caller may not read it.
	Unverified bool
}

// mode reports whether m is accepted.
func (a Accept) mode(m Mode) bool {
	switch m {
	case ModeEnforce, ModeKill:
		return true
	case ModeComplain:
		return a.Complain
	case ModeUnconfined:
		return a.Unconfined
	case ModePrompt:
		return a.Prompt
	case ModeMixed:
		// It is not known which of the profiles has which mode.
		return a.Complain && a.Unconfined && a.Prompt
	}
	return false
}

func sortProfiles(list []Profile) {
	slices.SortFunc(list, func(a, b Profile) int {
		return cmp.Or(strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name))
	})
}
