// SPDX-License-Identifier: Apache-2.0

package query

import (
	"fmt"

	"github.com/goarmor/apparmor/blob"
)

// File asks for access to a path, as the kernel names it: absolute, without
// symbolic links, directories with a slash at the end.
type File struct {
	Path   string
	Access Access // Read, Write, Append, Exec, Mmap, Lock, ...
	// Owner is set when the file belongs to the task's fsuid.
	Owner bool
}

// String implements fmt.Stringer.
func (r File) String() string {
	s := fmt.Sprintf("file %v %s", r.Access, r.Path)
	if r.Owner {
		s += " (owner)"
	}
	return s
}

func (r File) ask(p asked) (Decision, error) {
	return decide(r.Access, p.onPath(r.Path, r.Owner, r.Access)), nil
}

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

func (r Link) ask(p asked) (Decision, error) {
	const link, test = Access(blob.PermLink), Access(blob.PermLinkSubset)
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
		p.onPath(r.Path, r.Owner, ^Access(0)) // all that it grants matters
	}
	target := p.onPath(r.Target, r.Owner, Access(name.Allow)&^link)
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

// ChangeProfile asks for a change to another label: at once, or with OnExec
// when Path is executed.
//
// The answer is what policy says. Kernels up to 7.3 let the exec of a path go
// on that no rule speaks of: with rules like "change_profile /bin/a -> t" alone
// a task may execute anything under t.
type ChangeProfile struct {
	Target string // a label: name, :ns:name, components joined by //&
	Stack  bool   // stack the target onto the present label
	OnExec bool
	Path   string // with OnExec: what will be executed; empty: only set the wish
}

// String implements fmt.Stringer.
func (r ChangeProfile) String() string {
	s := "change_profile"
	if r.OnExec {
		s += " on exec"
		if r.Path != "" {
			s += " of " + r.Path
		}
	}
	if r.Stack {
		return s + " -> &" + r.Target
	}
	return s + " -> " + r.Target
}

func (r ChangeProfile) ask(p asked) (Decision, error) {
	const change, onexec = Access(blob.PermChangeProf), Access(blob.PermOnexec)
	want := change
	if r.OnExec {
		want = onexec
	}
	prefix := ""
	if r.Stack {
		prefix = "&"
	}
	d := eachLabel(r.Target, want, func(label string, want Access) Decision {
		return decide(want, p.onPath(prefix+label, true, want))
	})
	if r.OnExec && r.Path != "" {
		d = d.and(decide(onexec, p.onPath(r.Path, true, onexec)))
		d = d.and(eachLabel(r.Target, onexec, func(label string, _ Access) Decision {
			return decide(onexec, p.onPair(r.Path, prefix+label, true, onexec))
		}))
	}
	return d, nil
}
