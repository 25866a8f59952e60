// SPDX-License-Identifier: Apache-2.0

package compile

import (
	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/internal/linux"
)

// Kernels before 4.17 have no class for sockets in general. They look at three
// masks of socket types for each address family, which apparmor_parser writes
// for every family it knows (measured with 3.0.8, read in 6.0): bit n is type
// n, a rule for a whole family has the types that rules can name, and one
// without any family, or a downgraded unix rule without a type, all bits.
const (
	maskNamedTypes = 1<<1 | 1<<2 | 1<<3 | 1<<4 | 1<<5 | 1<<10
	maskAllTypes   = 0xffff
)

// familyRules is what rules say about one family.
type familyRules struct {
	allow, audit, deny, quiet uint16
}

// familyMasks is what rules say about each family, by number; nil if no rule
// is about sockets.
type familyMasks []familyRules

// oldNetwork reports whether families are mediated by masks.
func oldNetwork(s *support) bool {
	_, ok := netClass(s)
	return !ok && s.has(features.NetworkOld)
}

// add adds a rule on types of sockets of a family. Masks have no permissions:
// any permission means all.
func (fs *familyMasks) add(family uint16, types uint16, q *ast.Qualifiers) {
	if *fs == nil {
		*fs = make(familyMasks, len(linux.Families))
	}
	f := &(*fs)[family]
	switch {
	case q.Access == ast.Deny && q.Audit:
		f.deny |= types
	case q.Access == ast.Deny:
		f.deny |= types
		f.quiet |= types
	default:
		f.allow |= types
		if q.Audit {
			f.audit |= types
		}
	}
}

// masks returns the masks of all families, nil when no rule is about
// sockets.
func (fs familyMasks) masks() []blob.FamilyMask {
	if fs == nil {
		return nil
	}
	masks := make([]blob.FamilyMask, len(fs))
	for i, f := range fs {
		allow := f.allow &^ f.deny
		masks[i] = blob.FamilyMask{Allow: allow, Audit: allow & f.audit, Quiet: f.quiet}
	}
	return masks
}

// typeMask returns the mask for a type or, if the rule has none, for any type,
// which depends on whether it has a family.
func typeMask(typ int, named bool) uint16 {
	switch {
	case typ != anyType:
		return 1 << typ
	case named:
		return maskNamedTypes
	}
	return maskAllTypes
}
