// SPDX-License-Identifier: Apache-2.0

package query

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/internal/linux"
)

// labelSep stands between the components of a compound label.
const labelSep = "//&"

// eachLabel asks about a label as a whole and, if it is compound, about each of
// its components for what that does not grant: all of them must grant it. The
// components are taken in the order of the text; kernels show labels in the
// order in which they look them up.
func eachLabel(label string, want Access, ask func(label string, want Access) Decision) Decision {
	if !strings.Contains(label, labelSep) {
		return ask(label, want)
	}
	parts := strings.Split(label, labelSep)
	d := ask(label, want)
	if d.Allowed() {
		return d
	}
	rest := d.Deny
	byPart := ask(parts[0], rest)
	for _, part := range parts[1:] {
		byPart = byPart.and(ask(part, rest))
	}
	if rest == want {
		return byPart
	}
	return d.only(d.Allow).and(byPart)
}

// compound returns the label of all these components as kernels write it, each
// once: outer namespaces before inner ones, then by name.
func compound(labels ...string) string {
	parts := strings.Split(strings.Join(labels, labelSep), labelSep)
	namespace := func(part string) (level int, name string) {
		ns, _, ok := strings.Cut(strings.TrimPrefix(part, ":"), ":")
		if part == "" || part[0] != ':' || !ok {
			return 0, ""
		}
		return 1 + strings.Count(ns, "//"), ns
	}
	slices.SortStableFunc(parts, func(a, b string) int {
		levelA, nsA := namespace(a)
		levelB, nsB := namespace(b)
		return cmp.Or(cmp.Compare(levelA, levelB), cmp.Compare(nsA, nsB), cmp.Compare(a, b))
	})
	return strings.Join(slices.Compact(parts), labelSep)
}

// Signal asks to send a signal to the peer, or to receive one from it.
type Signal struct {
	Signal string // by its policy name: term, kill, exists, rtmin+3, ...
	Access Access // Send or Receive
	Peer   string // the peer's label
}

// String implements fmt.Stringer.
func (r Signal) String() string {
	return fmt.Sprintf("signal %s %s peer=%s", sendReceive(r.Access), r.Signal, r.Peer)
}

func sendReceive(a Access) string {
	switch a {
	case Send:
		return "send"
	case Receive:
		return "receive"
	case Send | Receive:
		return "send|receive"
	}
	return a.String()
}

func (r Signal) ask(p asked) (Decision, error) {
	n, ok := linux.SignalNumber(r.Signal)
	if !ok {
		return Decision{}, &RequestError{r, "signal", r.Signal}
	}
	return eachLabel(r.Peer, r.Access, func(label string, want Access) Decision {
		return p.inClass(blob.ClassSignal, append([]byte{n}, label...), want).in(wordsMessage)
	}), nil
}

// The permissions of Ptrace.
const (
	Trace    Access = 1 << 1 // may trace the peer
	ReadPeer Access = 1 << 2 // may read the peer's state
	TracedBy Access = 1 << 3
	ReadBy   Access = 1 << 4
)

// Ptrace asks to trace or read the peer, or to be traced or read by it.
type Ptrace struct {
	Access Access // Trace, ReadPeer, TracedBy, ReadBy
	Peer   string // the peer's label
}

// String implements fmt.Stringer.
func (r Ptrace) String() string {
	return fmt.Sprintf("ptrace %s peer=%s", ptraceNames(r.Access), r.Peer)
}

func ptraceNames(a Access) string {
	var s []string
	for i, name := range []string{"trace", "read", "tracedby", "readby"} {
		if a&(Trace<<i) != 0 {
			s = append(s, name)
		}
	}
	return strings.Join(s, "|")
}

func (r Ptrace) ask(p asked) (Decision, error) {
	// Mediation goes by the class, the string by that of labels.
	if !p.Mediates(blob.ClassPtrace) {
		return unmediated(r.Access).in(wordsPtrace), nil
	}
	return eachLabel(r.Peer, r.Access, func(label string, want Access) Decision {
		rest := append([]byte{byte(blob.ClassPtrace)}, label...)
		return decide(want, p.after(blob.ClassLabel, p.ClassState(blob.ClassLabel), rest, want)).in(wordsPtrace)
	}), nil
}
