// SPDX-License-Identifier: Apache-2.0

package query

import (
	"fmt"
	"iter"
	"strings"
	"sync"

	"github.com/goarmor/apparmor/blob"
)

// DBusOp is what may be done on a bus.
type DBusOp uint8

// The operations.
const (
	DBusSend DBusOp = iota
	DBusReceive
	DBusBind
	DBusEavesdrop
)

// The permissions of the class.
const (
	dbusEavesdrop = Delete
	dbusBind      = MayOpen
)

// DBus asks for something on a bus, as bus daemons do. Bind uses only Bus and
// Name, eavesdropping only Bus. If the policy has nothing in the newer network
// class, kernels tell the daemons that nothing is mediated, whatever it says
// about buses.
type DBus struct {
	Op                            DBusOp // zero: DBusSend
	Bus                           string // system, session
	Name                          string // the connection's
	Peer                          string // the peer's label
	ObjectPath, Interface, Member string // of the message
}

// String implements fmt.Stringer.
func (r DBus) String() string {
	op := [...]string{"send", "receive", "bind", "eavesdrop"}[r.Op&3]
	s := "dbus " + op + " bus=" + r.Bus
	for _, f := range [][2]string{
		{"name", r.Name}, {"label", r.Peer}, {"path", r.ObjectPath}, {"interface", r.Interface}, {"member", r.Member},
	} {
		if f[1] != "" {
			s += " " + f[0] + "=" + f[1]
		}
	}
	return s
}

func (r DBus) texts() iter.Seq2[textKind, string] {
	return texts(textAny, r.Bus, r.Name, r.Peer, r.ObjectPath, r.Interface, r.Member)
}

func (r DBus) ask(p asked) (Decision, error) {
	var text string
	var want Perms
	words := wordsNone
	switch r.Op {
	case DBusSend, DBusReceive:
		text = strings.Join([]string{r.Bus, r.Name, r.Peer, r.ObjectPath, r.Interface, r.Member}, "\x00")
		want, words = Send, wordsMessage
		if r.Op == DBusReceive {
			want = Receive
		}
	case DBusBind:
		text, want = r.Bus+"\x00"+r.Name, dbusBind
	case DBusEavesdrop:
		text, want = r.Bus, dbusEavesdrop
	default:
		return Decision{}, &RequestError{r, "operation", fmt.Sprint(r.Op)}
	}
	if !mediatesDBus(p.Profile) {
		return unmediated(want).in(words), nil
	}
	return p.inClass(blob.ClassDBus, []byte(text), want).in(words), nil
}

// mediatesDBus reports whether kernels tell bus daemons that anything is
// mediated.
func mediatesDBus(p *blob.Profile) bool {
	return p.Mediates(blob.ClassNetV9) && p.Mediates(blob.ClassDBus)
}

func dbusSide(p *Profile) side {
	if !mediatesDBus(p.Profile) {
		return everything()
	}
	return inClass(blob.ClassDBus)(p)
}

var dbusGrammar = sync.OnceValue(func() grammar {
	nul := lit(0)
	return newGrammar(seq(word, ends(dbusEavesdrop), nul, text, ends(dbusBind),
		nul, text, nul, text, nul, text, nul, text, ends(Send|Receive)))
})

func onBuses(in []byte, differ Perms, _ bool) []Request {
	switch p := strings.Split(string(in), "\x00"); len(p) {
	case 1:
		return []Request{DBus{Op: DBusEavesdrop, Bus: p[0]}}
	case 2:
		return []Request{DBus{Op: DBusBind, Bus: p[0], Name: p[1]}}
	case 6:
		d := DBus{Bus: p[0], Name: p[1], Peer: p[2], ObjectPath: p[3], Interface: p[4], Member: p[5]}
		if differ&Send == 0 {
			d.Op = DBusReceive
		}
		return []Request{d}
	}
	return nil
}
