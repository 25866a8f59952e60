package query

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/goarmor/apparmor/blob"
)

// labelSep stands between the components of a compound label.
const labelSep = "//&"

// eachLabel asks about a label as a whole and, if that is refused and it is
// compound, about each of its components, all of which must be granted.
func eachLabel(label string, ask func(string) Decision) Decision {
	if !strings.Contains(label, labelSep) {
		return ask(label)
	}
	parts := components(label)
	d := ask(strings.Join(parts, labelSep))
	if d.Allowed() {
		return d
	}
	d = ask(parts[0])
	for _, part := range parts[1:] {
		d = d.and(ask(part))
	}
	return d
}

// components splits a label. A label is a set: kernels present its components
// in one order, outer namespaces before inner ones, then by name.
func components(label string) []string {
	parts := strings.Split(label, labelSep)
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
	return slices.Compact(parts)
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
	n, ok := signalNumber(r.Signal)
	if !ok {
		return Decision{}, &RequestError{r, "signal", r.Signal}
	}
	return eachLabel(r.Peer, func(label string) Decision {
		return p.inClass(blob.ClassSignal, append([]byte{n}, label...), r.Access).in(wordsMessage)
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
	return eachLabel(r.Peer, func(label string) Decision {
		rest := append([]byte{byte(blob.ClassPtrace)}, label...)
		return decide(r.Access, p.after(blob.ClassLabel, p.ClassState(blob.ClassLabel), rest, r.Access)).in(wordsPtrace)
	}), nil
}
