// SPDX-License-Identifier: Apache-2.0

package query

import (
	"fmt"
	"iter"

	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/internal/linux"
)

// Capability asks for a capability by its name without CAP_, in lower case.
// The profile's sets of capabilities decide: kernels since 7.2 can take a
// class of strings instead, but no compiler writes it.
type Capability string

// String implements fmt.Stringer.
func (r Capability) String() string { return "capability " + string(r) }

func (r Capability) texts() iter.Seq2[textKind, string] { return texts(textAny, string(r)) }

func (r Capability) ask(p asked) (Decision, error) {
	// The kernel has no permission bits for capabilities; exec means to have
	// it.
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

// capAnswer sums up what is said about capabilities that have no name here.
func capAnswer(caps blob.Caps, known uint64) answer {
	fold := func(set uint64) Perms { return Perms(set&^known>>32 | set&^known) }
	a := answer{want: ^Perms(0), grant: fold(caps.Allow), audit: fold(caps.Audit), quiet: fold(caps.Quiet)}
	return a
}

func (c *comparison) capabilities() {
	for _, name := range linux.Capabilities {
		c.add(blob.Difference{}, Capability(name))
	}
	known := uint64(1)<<len(linux.Capabilities) - 1
	x, y := c.a.Caps, c.b.Caps
	if n := c.differ(capAnswer(x, known), capAnswer(y, known)); n != 0 {
		c.member("capabilities", fmt.Sprintf("%#x", x.Allow), fmt.Sprintf("%#x", y.Allow))
	}
}
