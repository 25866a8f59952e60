// SPDX-License-Identifier: Apache-2.0

package query

import (
	"fmt"
	"iter"

	"github.com/goarmor/apparmor/blob"
)

// Link asks for a hard link Path to the existing file Target. The permission
// is link alone.
type Link struct {
	Path, Target string
	Owner        bool // the target belongs to the task's fsuid
}

// String implements fmt.Stringer.
func (r Link) String() string {
	s := fmt.Sprintf("link %s -> %s", r.Path, r.Target)
	if r.Owner {
		s += " (owner)"
	}
	return s
}

func (r Link) texts() iter.Seq2[textKind, string] { return texts(textPath, r.Path, r.Target) }

func (r Link) ask(p asked) (Decision, error) {
	const link, test = Perms(blob.PermLink), Perms(blob.PermLinkSubset)
	name := p.onPath(r.Path, r.Owner, link)
	if name.Allow&blob.PermLink == 0 {
		return decide(link, name).in(wordsNone), nil
	}
	pair := p.onPair(r.Path, r.Target, r.Owner, link|test)
	d := decide(link, pair).in(wordsNone)
	if !d.Allowed() || pair.Allow&blob.PermLinkSubset == 0 {
		return d, nil
	}
	if p.lookups != nil {
		p.onPath(r.Path, r.Owner, ^Perms(0)) // everything that it grants matters
	}
	target := p.onPath(r.Target, r.Owner, Perms(name.Allow)&^link)
	if !subset(name, target) {
		d.Allow, d.Deny, d.Audit = 0, link, 0
		d.Info = "link is not a subset of its target"
	}
	return d, nil
}

// subset reports whether a link grants no more than its target does.
func subset(name, target blob.Effective) bool {
	if name.Allow&^blob.PermLink&^target.Allow != 0 {
		return false
	}
	if name.Allow&blob.PermExec == 0 {
		return true
	}
	a, b := name.Exec, target.Exec
	if a.Unsafe && !b.Unsafe {
		return false
	}
	a.Unsafe, b.Unsafe = false, false
	return a == b
}

// linkOf is what Link decides, in the bit for links.
func linkOf(name, pair, target blob.Effective) blob.Effective {
	switch {
	case name.Allow&blob.PermLink == 0:
		return name
	case pair.Allow&blob.PermLinkSubset != 0 && !subset(name, target):
		return blob.Effective{Quiet: pair.Quiet, Prompt: pair.Prompt}
	}
	return pair
}
