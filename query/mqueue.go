// SPDX-License-Identifier: Apache-2.0

package query

import (
	"cmp"
	"encoding/binary"
	"iter"
	"strconv"
	"strings"
	"sync"

	"github.com/goarmor/apparmor/blob"
)

// Mqueue asks for something on a message queue. Kernels that mediate queues
// look up the queue first and, for what that does not grant, the queue with
// its label.
type Mqueue struct {
	// Name is that of a POSIX queue, with its first slash. If it is empty, the
	// queue is the System V queue with the key Key.
	Name  string
	Key   uint32
	Label string // of the queue, which is that of its creator
	Perms Perms  // Create, MayOpen, Delete, Read, Write, Getattr, Setattr; zero: MayOpen
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

func (r Mqueue) want() Perms { return cmp.Or(r.Perms, MayOpen) }

func (r Mqueue) texts() iter.Seq2[textKind, string] {
	if r.Name == "" {
		return texts(textAny, r.Label)
	}
	return and(texts(textPath, r.Name), texts(textAny, r.Label))
}

func (r Mqueue) ask(p asked) (Decision, error) {
	if err := onlyPerms(r, r.want(), askedOfMqueue); err != nil {
		return Decision{}, err
	}
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
	byLabel := eachLabel(r.Label, d.Deny, func(label string, want Perms) Decision {
		return p.inClass(class, append(text[:len(text):len(text)], label...), want)
	})
	return d.only(d.Allow).and(byLabel), nil
}

var posixGrammar = sync.OnceValue(func() grammar {
	return newGrammar(seq(lit('/'), text, ends(askedOfMqueue), lit(0), gate, text, ends(askedOfMqueue)))
})

var sysvGrammar = sync.OnceValue(func() grammar {
	return newGrammar(seq(number(4), ends(askedOfMqueue), opt(seq(noneOf(0), gate, text, ends(askedOfMqueue)))))
})

// toLabel leads to the label of a queue, for what is not granted by its name.
func toLabel(_, at blob.Effective) (blob.Effective, bool) {
	at.Allow = at.Allow&^at.Deny | blob.PermContinue
	return at, true
}

func onPosix(in []byte, differ Perms, _ bool) []Request {
	name, label, _ := strings.Cut(string(in), "\x00")
	return []Request{Mqueue{Name: name, Label: label, Perms: differ}}
}

func onSysV(in []byte, differ Perms, _ bool) []Request {
	if len(in) < 4 {
		return nil
	}
	return []Request{Mqueue{Key: binary.BigEndian.Uint32(in), Label: string(in[4:]), Perms: differ}}
}
