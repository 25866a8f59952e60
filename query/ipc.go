// SPDX-License-Identifier: Apache-2.0

package query

import (
	"cmp"
	"encoding/binary"
	"strconv"

	"github.com/goarmor/apparmor/blob"
)

// The permissions of the classes, which have bits of their own.
const (
	usernsCreate  Access = 1 << 3
	ioUringCreds  Access = 1 << 3
	ioUringSQPoll Access = 1 << 4
)

// Userns asks to create a user namespace.
type Userns struct{}

// String implements fmt.Stringer.
func (Userns) String() string { return "userns create" }

func (r Userns) ask(p asked) (Decision, error) {
	return p.inClass(blob.ClassNamespaces, nil, usernsCreate).in(wordsUserns), nil
}

// IOUring asks for kernel-side polling of submissions or, with Creds set, to
// use the credentials of another label.
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

func (r IOUring) ask(p asked) (Decision, error) {
	if !r.OverrideCreds {
		return p.inClass(blob.ClassIOUring, nil, ioUringSQPoll).in(wordsNone), nil
	}
	return eachLabel(r.Label, ioUringCreds, func(label string, want Access) Decision {
		return p.inClass(blob.ClassIOUring, []byte(label), want).in(wordsNone)
	}), nil
}

// Mqueue asks for something on a message queue. Kernels with mediation of
// queues look at the queue first, and for what that does not grant at the queue
// with its label.
type Mqueue struct {
	// Name is that of a POSIX queue, with the slash in front. Empty: a System V
	// queue, which Key is the key of.
	Name   string
	Key    uint32
	Label  string // of the queue, which is that of its creator
	Access Access // Create, MayOpen, Delete, Read, Write, Getattr, Setattr; zero: MayOpen
}

// String implements fmt.Stringer.
func (r Mqueue) String() string {
	s := "mqueue " + r.want().String() + " "
	if r.Name != "" {
		s += r.Name
	} else {
		s += strconv.FormatUint(uint64(r.Key), 10)
	}
	if r.Label != "" {
		s += " label=" + r.Label
	}
	return s
}

func (r Mqueue) want() Access { return cmp.Or(r.Access, MayOpen) }

func (r Mqueue) ask(p asked) (Decision, error) {
	class, text := blob.ClassPosixMq, []byte(r.Name)
	if r.Name == "" {
		class, text = blob.ClassSysVMq, binary.BigEndian.AppendUint32(nil, r.Key)
	}
	want := r.want()
	d := p.inClass(class, text, want)
	if d.Allowed() {
		return d, nil
	}
	if class == blob.ClassPosixMq {
		text = append(text, 0)
	}
	byLabel := eachLabel(r.Label, d.Deny, func(label string, want Access) Decision {
		return p.inClass(class, append(text[:len(text):len(text)], label...), want)
	})
	return d.only(d.Allow).and(byLabel), nil
}
