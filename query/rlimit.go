// SPDX-License-Identifier: Apache-2.0

package query

import (
	"fmt"
	"iter"

	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/internal/linux"
)

func (c *comparison) limits() {
	for i, name := range linux.Rlimits {
		least := ^uint64(0)
		for _, p := range [...]*Profile{c.a, c.b} {
			if p.RlimitMask>>i&1 != 0 {
				least = min(least, p.Rlimits[i])
			}
		}
		if least != ^uint64(0) {
			c.add(blob.Difference{}, Rlimit{Resource: name, Value: least + 1})
		}
	}
}

// Rlimit asks to set a hard resource limit, as setrlimit(2) does. A profile
// grants all limits up to its own; resources for which it has no limit are not
// mediated. When a task enters the profile by executing a file, its limits are
// lowered to the profile's.
type Rlimit struct {
	Resource string // nofile, as, cpu, ...: as in setrlimit(2), in lower case
	// Value is the new limit in the units of setrlimit(2), all ones for none.
	// A limit that policy writes as nice n is n+20.
	Value uint64
}

// String implements fmt.Stringer.
func (r Rlimit) String() string {
	if r.Value == ^uint64(0) {
		return "rlimit " + r.Resource + " infinity"
	}
	return fmt.Sprintf("rlimit %s %d", r.Resource, r.Value)
}

func (r Rlimit) texts() iter.Seq2[textKind, string] { return texts(textAny, r.Resource) }

func (r Rlimit) ask(p asked) (Decision, error) {
	n, ok := linux.Rlimits.Number(r.Resource)
	if !ok {
		return Decision{}, &RequestError{r, "resource", r.Resource}
	}
	if p.RlimitMask>>n&1 == 0 {
		return unmediated(Exec).in(wordsNone), nil
	}
	var e blob.Effective
	if r.Value <= p.Rlimits[n] {
		e.Allow = blob.PermExec
	}
	if p.lookups != nil {
		p.note(blob.PartProfile, blob.ClassRlimits, true, Exec, e, r.Resource)
	}
	d := decide(Exec, e).in(wordsNone)
	if !d.Allowed() {
		d.Info = "above the limit of " + limitText(p.Rlimits[n])
	}
	return d, nil
}

func limitText(v uint64) string {
	if v == ^uint64(0) {
		return "infinity"
	}
	return fmt.Sprint(v)
}
