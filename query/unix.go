// SPDX-License-Identifier: Apache-2.0

package query

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"iter"
	"strings"
	"sync"

	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/internal/linux"
)

// The addresses of unix sockets that are not names.
const (
	UnixUnnamed  = "none" // a socket without a name, such as one of socketpair(2)
	UnixAutobind = "auto" // bind without a name
)

// Unix asks for something on a unix socket. Sockets in the file system are
// asked for as files, except to create them.
type Unix struct {
	// Perms is one or more of Create, Bind, Accept, Getattr, Setattr,
	// Shutdown, Listen, Getopt, Setopt, Connect, Send and Receive. Zero:
	// Create.
	Perms    Perms
	Type     string // stream, dgram, seqpacket
	Protocol uint16 // 0 but for unusual sockets
	Addr     string // "@name" for abstract, or UnixUnnamed or UnixAutobind; empty: UnixUnnamed
	PeerAddr string // likewise, for Connect, Send and Receive
	Peer     string // the label at the other end, likewise
	Option   uint16 // for Getopt and Setopt
	Backlog  uint16 // for Listen
}

// String implements fmt.Stringer.
func (r Unix) String() string {
	s := fmt.Sprintf("unix %v %s", r.want(), r.Type)
	if r.Addr != "" {
		s += " addr=" + r.Addr
	}
	if r.PeerAddr != "" {
		s += " peer addr=" + r.PeerAddr
	}
	if r.Peer != "" {
		s += " peer label=" + r.Peer
	}
	return s
}

func (r Unix) want() Perms { return cmp.Or(r.Perms, Create) }

func (r Unix) texts() iter.Seq2[textKind, string] {
	return and(texts(textAny, r.Type, r.Peer), texts(textBinary, r.Addr, r.PeerAddr))
}

func (r Unix) ask(p asked) (Decision, error) {
	typ, ok := linux.SocketTypes.Number(r.Type)
	if !ok {
		return Decision{}, &RequestError{r, "socket type", r.Type}
	}
	for _, addr := range []string{r.Addr, r.PeerAddr} {
		if _, ok := unixAddr(addr); !ok {
			return Decision{}, &RequestError{r, "kind of address", addr}
		}
	}
	if err := onlyPerms(r, r.want(), askedOfUnix); err != nil {
		return Decision{}, err
	}
	class, start := unixClass(p.Profile, typ, r.Protocol)
	if start == blob.TrapState {
		// Such kernels see a unix socket as any other.
		return Network{Family: "unix", Type: r.Type, Protocol: r.Protocol, Perms: r.want()}.ask(p)
	}
	create := be16(be16(be16(nil, linux.FamilyUnix), typ), int(r.Protocol))
	local, _ := unixAddr(r.Addr)
	bound := append(append(append([]byte{}, create...), local...), 0, 0)
	var all Decision
	for i, group := range []struct {
		bits Perms
		text func() []byte
	}{
		{Create, func() []byte { return create }},
		{Bind | Accept | Getattr | Setattr | Shutdown, func() []byte { return bound }},
		{Listen, func() []byte { return be16(append(bound, 2), int(r.Backlog)) }},
		{Getopt | Setopt, func() []byte { return be16(append(bound, 4), int(r.Option)) }},
		{Connect | Send | Receive, func() []byte {
			peer, _ := unixAddr(r.PeerAddr)
			return append(append(append(bound, 1), peer...), 0)
		}},
	} {
		want := r.want() & group.bits
		if want == 0 {
			continue
		}
		text := group.text()
		if i < 4 { // only the last one ends in a label
			all = all.and(decide(want, p.after(class, start, text, want)))
			continue
		}
		for _, peer := range strings.Split(r.Peer, "//&") {
			all = all.and(decide(want, p.after(class, start, append(text[:len(text):len(text)], peer...), want)))
		}
	}
	return all, nil
}

// unixClass returns the class by which a profile decides on unix sockets by
// address, and the state after its byte: the trap if it does not. In the newer
// class of networks there always are addresses, in the older ones those of some
// kernels only.
func unixClass(p *blob.Profile, typ int, protocol uint16) (blob.Class, uint32) {
	class, s := netClass(p)
	if class == blob.ClassNetV9 {
		return class, s
	}
	if s == blob.TrapState {
		class, s = blob.ClassNetOld, p.ClassState(blob.ClassNetOld)
	}
	if s == blob.TrapState || class == blob.ClassNetOld {
		return class, s
	}
	if p.Policydb.DFA.Match(s, be16(be16(be16(nil, linux.FamilyUnix), typ), int(protocol))) == blob.TrapState {
		return class, blob.TrapState
	}
	return class, s
}

// unixAddr returns an address as the kernel presents it.
func unixAddr(addr string) ([]byte, bool) {
	switch {
	case addr == "" || addr == UnixUnnamed:
		return []byte{1}, true
	case addr == UnixAutobind:
		return nil, true
	case addr[0] == '@':
		return append([]byte{0}, addr[1:]...), true
	}
	return nil, false
}

// unixSide is the side after the family. If there are no strings of unix
// sockets it is the trap, and the sockets are treated like those of any other
// family.
func unixSide(p *Profile) side {
	class, s := netClass(p.Profile)
	if s == blob.TrapState {
		class, s = blob.ClassNetOld, p.ClassState(blob.ClassNetOld)
	}
	if s == blob.TrapState {
		return everything()
	}
	return policydbSide(p, byte(class), 0, linux.FamilyUnix)
}

// unixGrammar generates unix sockets after the family. The name of an abstract
// address may hold NULs, so there can be several ways to read a string.
var unixGrammar = sync.OnceValue(func() grammar {
	addr := alt(seq(), lit(1), seq(lit(0), many(noneOf())))
	return newGrammar(seq(
		binaryPart, lit(0), binaryPart, anyOf(named(linux.SocketTypes)...), number(2), ends(Create),
		addr, lit(0, 0), ends(Bind|Accept|Getattr|Setattr|Shutdown),
		alt(
			seq(lit(2), number(2), ends(Listen)),
			seq(lit(4), number(2), ends(netOption)),
			seq(lit(1), addr, lit(0), text, ends(netPeer)),
		)))
})

// onUnix reads a string in every possible way: names may hold NULs.
func onUnix(in []byte, differ Perms, _ bool) []Request {
	if len(in) < 4 {
		return nil
	}
	u := Unix{Type: nameOf(linux.SocketTypes, in[:2]), Protocol: binary.BigEndian.Uint16(in[2:]), Perms: differ}
	if in = in[4:]; len(in) == 0 {
		return []Request{u}
	}
	var all []Request
	// The local address, NUL, the task's own label, which is left empty, and
	// NUL.
	eachUnixAddr(in, []byte{0, 0}, func(addr string, rest []byte) {
		u := u
		u.Addr = addr
		switch {
		case len(rest) == 0:
			all = append(all, u)
		case rest[0] == 1:
			eachUnixAddr(rest[1:], []byte{0}, func(addr string, label []byte) {
				u := u
				u.PeerAddr, u.Peer = addr, string(label)
				if bytes.IndexByte(label, 0) < 0 {
					all = append(all, u)
				}
			})
		case len(rest) == 3 && rest[0] == 2:
			u.Backlog = binary.BigEndian.Uint16(rest[1:])
			all = append(all, u)
		case len(rest) == 3 && rest[0] == 4:
			u.Option = binary.BigEndian.Uint16(rest[1:])
			all = append(all, u)
		}
	})
	return all
}

// eachUnixAddr calls yield for each address that in may begin with, up to end,
// and what follows it.
func eachUnixAddr(in, end []byte, yield func(addr string, rest []byte)) {
	for i := 0; i+len(end) <= len(in); i++ {
		if !bytes.HasPrefix(in[i:], end) {
			continue
		}
		rest := in[i+len(end):]
		switch name := in[:i]; {
		case i == 0:
			yield(UnixAutobind, rest)
		case name[0] == 0:
			yield("@"+string(name[1:]), rest)
		case i == 1 && name[0] == 1:
			yield(UnixUnnamed, rest)
		}
	}
}
