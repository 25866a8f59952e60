// SPDX-License-Identifier: Apache-2.0

package query

import (
	"iter"
	"strings"

	"github.com/goarmor/apparmor/blob"
)

// Execute asks to execute a file, and under which label the task goes on:
// Decision.Label. A File request with Exec says what the rules say; this one
// also looks for the profile that they lead to, and refuses what a kernel
// refuses if it finds none.
//
// The profile of an attachment is looked for in this policy, as if nothing
// else were loaded. A profile that a rule names is assumed to be loaded;
// Decision.Info says so if it is not in this policy.
type Execute struct {
	Path  string // of the executable, absolute
	Owner bool   // the file belongs to the task's fsuid
}

// String implements fmt.Stringer.
func (r Execute) String() string {
	if r.Owner {
		return "execute " + r.Path + " (owner)"
	}
	return "execute " + r.Path
}

// labelUnconfined is the label of tasks without a profile.
const labelUnconfined = "unconfined"

func (r Execute) texts() iter.Seq2[textKind, string] { return texts(textPath, r.Path) }

func (r Execute) ask(p asked) (Decision, error) {
	if p.EffectiveMode() == blob.Unconfined {
		// Such a profile is left for one that attaches.
		d := unmediated(Exec).in(wordsNone)
		d.Label = p.Name
		if q, _ := winner(r.Path, candidates(p, "", Attach{Path: r.Path})); q != nil {
			d.Label = q.Name
		}
		return d, nil
	}
	d := decide(Exec, p.onPath(r.Path, r.Owner, Exec)).in(wordsNone)
	if !d.Allowed() {
		return d, nil
	}
	p.transition(&d, r.Path)
	return d, nil
}

// transition finds the label that an execution leads to.
func (p asked) transition(d *Decision, path string) {
	x := d.Exec
	var err error
	switch {
	case x.Table:
		d.Label = x.Target
		name, stack := strings.CutPrefix(x.Target, "&")
		if stack {
			d.Label = compound(p.Name, name)
		}
		if p.set.Profile(name) == nil && name != labelUnconfined {
			d.Info = name + " is not in this policy"
		}
		return
	case x.ByName:
		parent := ""
		if x.Child {
			parent = p.Name
		}
		var q *Profile
		if q, err = winner(path, candidates(p, parent, Attach{Path: path})); q != nil {
			d.Label = q.Name
			return
		}
	}
	switch {
	case x.Inherit:
		d.Label = p.Name
	case x.Unconfined:
		d.Label = labelUnconfined
	default:
		d.Allow, d.Deny, d.Audit = 0, Exec, 0
		d.Info = "no profile of this policy attaches"
		if err != nil {
			d.Info = err.Error()
		}
	}
}

// ChangeHat asks to change to a hat, as aa_change_hat(3) does: to the first of
// the Hats, by their names alone, that the profile has. A task that is in a hat already changes to
// another one of the same profile. Decision.Label is the hat's.
//
// No rule decides it: it needs the hat, and access to a file below /proc,
// which policy grants to profiles with hats.
type ChangeHat struct{ Hats []string }

// String implements fmt.Stringer.
func (r ChangeHat) String() string { return "change_hat " + strings.Join(r.Hats, " ") }

func (r ChangeHat) texts() iter.Seq2[textKind, string] { return texts(textAny, r.Hats...) }

func (r ChangeHat) ask(p asked) (Decision, error) {
	d := decide(Exec, blob.Effective{}).in(wordsNone)
	parent := p.Name
	if p.Hat {
		parent = blob.ParentName(p.Name)
	}
	if p.EffectiveMode() == blob.Unconfined {
		d.Info = "unconfined profiles have no hats"
		return d, nil
	}
	d.Info = "no such hat"
	for _, hat := range r.Hats {
		q := p.set.Profile(parent + "//" + hat)
		if q == nil {
			continue
		}
		if q.Hat {
			d.Allow, d.Deny, d.Info, d.Label = Exec, 0, "", q.Name
		} else {
			d.Info = q.Name + " is a child, not a hat"
		}
		break
	}
	return d, nil
}
