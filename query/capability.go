// SPDX-License-Identifier: Apache-2.0

package query

import (
	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/internal/linux"
)

// Capability asks for a capability by its name without CAP_, in lower case.
// What decides is the profile's sets of capabilities: the class of strings that
// kernels since 7.2 take in their place is written by no compiler.
type Capability string

// String implements fmt.Stringer.
func (r Capability) String() string { return "capability " + string(r) }

func (r Capability) ask(p asked) (Decision, error) {
	// The kernel has no permission bits for capabilities; exec stands for
	// having it.
	n, ok := linux.Capabilities.Number(string(r))
	if !ok {
		return Decision{}, &RequestError{r, "capability", string(r)}
	}
	bit := uint64(1) << n
	var e blob.Effective
	for _, f := range []struct {
		set uint64
		to  *uint32
	}{{p.Caps.Allow, &e.Allow}, {p.Caps.Audit, &e.Audit}, {p.Caps.Quiet, &e.Quiet}} {
		if f.set&bit != 0 {
			*f.to = blob.PermExec
		}
	}
	if p.lookups != nil {
		p.note(blob.PartProfile, blob.ClassCap, true, Exec, e, string(r))
	}
	return decide(Exec, e).in(wordsNone), nil
}
