// SPDX-License-Identifier: Apache-2.0

package query

import (
	"fmt"
	"iter"
	"strings"
	"sync"

	"github.com/goarmor/apparmor/blob"
)

// The permissions of Ptrace.
const (
	Trace    Perms = 1 << 1 // may trace the peer
	ReadPeer Perms = 1 << 2 // may read the peer's state
	TracedBy Perms = 1 << 3
	ReadBy   Perms = 1 << 4
)

// Ptrace asks to trace or read the peer, or to be traced or read by it.
type Ptrace struct {
	Perms Perms  // Trace, ReadPeer, TracedBy, ReadBy
	Peer  string // the peer's label
}

// String implements fmt.Stringer.
func (r Ptrace) String() string {
	return fmt.Sprintf("ptrace %s peer=%s", ptraceNames(r.Perms), r.Peer)
}

func ptraceNames(a Perms) string {
	var s []string
	for i, name := range []string{"trace", "read", "tracedby", "readby"} {
		if a&(Trace<<i) != 0 {
			s = append(s, name)
		}
	}
	return strings.Join(s, "|")
}

func (r Ptrace) texts() iter.Seq2[textKind, string] { return texts(textAny, r.Peer) }

func (r Ptrace) ask(p asked) (Decision, error) {
	if err := onlyPerms(r, r.Perms, askedOfPeers); err != nil {
		return Decision{}, err
	}
	// Mediation goes by the class, the string by that of labels.
	if !p.Mediates(blob.ClassPtrace) {
		return unmediated(r.Perms).in(wordsPtrace), nil
	}
	return eachLabel(r.Peer, r.Perms, func(label string, want Perms) Decision {
		rest := append([]byte{byte(blob.ClassPtrace)}, label...)
		return decide(want, p.after(blob.ClassLabel, p.ClassState(blob.ClassLabel), rest, want)).in(wordsPtrace)
	}), nil
}

func ptraceSide(p *Profile) side {
	if !p.Mediates(blob.ClassPtrace) {
		return everything()
	}
	return policydbSide(p, byte(blob.ClassLabel), byte(blob.ClassPtrace))
}

var ptraceGrammar = sync.OnceValue(func() grammar { return newGrammar(label(askedOfPeers)) })

func onPeers(in []byte, differ Perms, _ bool) []Request {
	return []Request{Ptrace{Perms: differ, Peer: string(in)}}
}
