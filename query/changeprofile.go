// SPDX-License-Identifier: Apache-2.0

package query

import (
	"iter"

	"github.com/goarmor/apparmor/blob"
)

// ChangeProfile asks for a change to another label: at once, or with OnExec
// when Path is executed.
//
// The answer is what the policy says. Kernels up to 7.3 do not stop the exec
// of a path that no rule names: with only rules like "change_profile /bin/a ->
// t", a task may execute anything under t.
type ChangeProfile struct {
	Target string // a label: name, :ns:name, components joined by //&
	Stack  bool   // stack the target onto the present label
	OnExec bool
	Path   string // with OnExec: the path that will be executed; empty: only announce the change
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

func (r ChangeProfile) texts() iter.Seq2[textKind, string] {
	if r.Path == "" {
		return texts(textAny, r.Target)
	}
	return and(texts(textAny, r.Target), texts(textPath, r.Path))
}

func (r ChangeProfile) ask(p asked) (Decision, error) {
	const change, onexec = Perms(blob.PermChangeProf), Perms(blob.PermOnexec)
	want := change
	if r.OnExec {
		want = onexec
	}
	prefix := ""
	if r.Stack {
		prefix = "&"
	}
	d := eachLabel(r.Target, want, func(label string, want Perms) Decision {
		return decide(want, p.onPath(prefix+label, true, want))
	})
	if r.OnExec && r.Path != "" {
		d = d.and(decide(onexec, p.onPath(r.Path, true, onexec)))
		d = d.and(eachLabel(r.Target, onexec, func(label string, _ Perms) Decision {
			return decide(onexec, p.onPair(r.Path, prefix+label, true, onexec))
		}))
	}
	return d, nil
}

// onexecOf is what ChangeProfile decides when it is asked about a path.
func onexecOf(name, pair, label blob.Effective) blob.Effective { return all(name, pair, label) }
