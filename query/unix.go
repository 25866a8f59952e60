// SPDX-License-Identifier: Apache-2.0

package query

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/internal/linux"
)

// The addresses of unix sockets that are not names.
const (
	UnixUnnamed  = "none" // a socket without a name, such as one of a pair
	UnixAutobind = "auto" // bind without a name
)

// Unix asks for something on a unix socket. Sockets in the file system are
// asked for as files, except to create them.
type Unix struct {
	// Access is one or more of Create, Bind, Accept, Getattr, Setattr,
	// Shutdown, Listen, Getopt, Setopt, Connect, Send and Receive. Zero:
	// Create.
	Access   Access
	Type     string // stream, dgram, seqpacket
	Protocol uint16
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

func (r Unix) want() Access { return cmp.Or(r.Access, Create) }

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
	class, start := unixClass(p.Profile, typ, r.Protocol)
	if start == blob.TrapState {
		// Such kernels see a unix socket as any other.
		return Network{Family: "unix", Type: r.Type, Protocol: r.Protocol, Access: r.want()}.ask(p)
	}
	create := be16(be16(be16(nil, linux.FamilyUnix), typ), int(r.Protocol))
	local, _ := unixAddr(r.Addr)
	bound := append(append(append([]byte{}, create...), local...), 0, 0)
	var all Decision
	for i, group := range []struct {
		bits Access
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
		if i < 4 { // the last one alone ends in a label
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
