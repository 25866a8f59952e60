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
	Mode      Mode
}

// Mode is how a profile is enforced, and how the kernel as a whole does it.
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

// Accept is what is taken for confinement besides profiles that are known to
// be enforced. The zero value takes nothing else.
type Accept struct {
	// Complain takes profiles in complain mode, and a kernel that is in
	// complain mode as a whole.
	Complain bool
	// Unconfined takes profiles in unconfined mode, which allow everything,
	// and a kernel that is in that mode as a whole.
	Unconfined bool
	// Prompt takes profiles that ask a program of the user's.
	Prompt bool
	// Unverified takes what the kernel does not show for right: the content of
	// a profile on kernels that keep neither digests nor copies of policy, and
	// the mode of a kernel that the caller may not read.
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
		// Which of the profiles has which mode is not known.
		return a.Complain && a.Unconfined && a.Prompt
	}
	return false
}

func sortProfiles(list []Profile) {
	slices.SortFunc(list, func(a, b Profile) int {
		return cmp.Or(strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name))
	})
}
