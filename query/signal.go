// SPDX-License-Identifier: Apache-2.0

package query

import (
	"fmt"
	"iter"
	"sync"

	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/internal/linux"
)

// Signal asks to send a signal to the peer, or to receive one from it.
type Signal struct {
	Signal string // by its policy name: term, kill, exists, rtmin+3, ...
	Perms  Perms  // Send or Receive
	Peer   string // the peer's label
}

// String implements fmt.Stringer.
func (r Signal) String() string {
	return fmt.Sprintf("signal %s %s peer=%s", sendReceive(r.Perms), r.Signal, r.Peer)
}

func sendReceive(a Perms) string {
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

func (r Signal) texts() iter.Seq2[textKind, string] { return texts(textAny, r.Signal, r.Peer) }

func (r Signal) ask(p asked) (Decision, error) {
	n, ok := linux.SignalNumber(r.Signal)
	if !ok {
		return Decision{}, &RequestError{r, "signal", r.Signal}
	}
	if err := onlyPerms(r, r.Perms, askedOfSignals); err != nil {
		return Decision{}, err
	}
	return eachLabel(r.Peer, r.Perms, func(label string, want Perms) Decision {
		return p.inClass(blob.ClassSignal, append([]byte{n}, label...), want).in(wordsMessage)
	}), nil
}

// signalPrefixes are the numbers of all signals.
func signalPrefixes() []string {
	var all []string
	for n := range 256 {
		if linux.SignalName(byte(n)) != "" {
			all = append(all, string([]byte{byte(n)}))
		}
	}
	return all
}

// signalGrammar generates the peer of a signal.
var signalGrammar = sync.OnceValue(func() grammar { return newGrammar(label(askedOfSignals)) })

func onSignals(in []byte, differ Perms, _ bool) []Request {
	if len(in) == 0 {
		return nil
	}
	return []Request{Signal{Signal: linux.SignalName(in[0]), Perms: differ, Peer: string(in[1:])}}
}
