// SPDX-License-Identifier: Apache-2.0

package query

import (
	"iter"
	"sync"

	"github.com/goarmor/apparmor/blob"
)

// The permissions of the class, which has its own bits.
const (
	ioUringCreds  Perms = 1 << 3
	ioUringSQPoll Perms = 1 << 4
)

// IOUring asks for kernel-side polling of submissions or, with OverrideCreds
// set, to use the credentials of another label.
type IOUring struct {
	OverrideCreds bool
	Label         string // with OverrideCreds
}

// String implements fmt.Stringer.
func (r IOUring) String() string {
	if r.OverrideCreds {
		return "io_uring override_creds label=" + r.Label
	}
	return "io_uring sqpoll"
}

func (r IOUring) texts() iter.Seq2[textKind, string] { return texts(textAny, r.Label) }

func (r IOUring) ask(p asked) (Decision, error) {
	if !r.OverrideCreds {
		return p.inClass(blob.ClassIOUring, nil, ioUringSQPoll).in(wordsNone), nil
	}
	return eachLabel(r.Label, ioUringCreds, func(label string, want Perms) Decision {
		return p.inClass(blob.ClassIOUring, []byte(label), want).in(wordsNone)
	}), nil
}

var ioUringGrammar = sync.OnceValue(func() grammar {
	return newGrammar(alt(ends(ioUringSQPoll), label(ioUringCreds)))
})

func onIOUring(in []byte, _ Perms, _ bool) []Request {
	return []Request{IOUring{OverrideCreds: len(in) > 0, Label: string(in)}}
}
