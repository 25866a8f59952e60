// SPDX-License-Identifier: Apache-2.0

package query

import (
	"encoding/binary"
	"fmt"
	"iter"
	"net/netip"
	"slices"
	"sync"

	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/internal/linux"
)

// Network asks for a socket of a family, by the names that policy has for
// families and types.
//
// Addresses matter to inet and inet6 on kernels that mediate them, which the
// policy shows: there is no need to leave them out for others. Connect, Send
// and Receive are asked about both ends; everything else except Create is
// asked about the socket at its own address. A permission is looked up step by
// step: at the type, then, if the policy says to go on, at the protocol, the
// addresses and what follows them.
type Network struct {
	Family   string // inet, inet6, unix, netlink, ...
	Type     string // stream, dgram, raw, ...
	Protocol uint16 // 6.12 and older do not look at it
	Perms    Perms  // Create, Bind, Connect, ...; zero: Create
	// Local is the address of the socket and Remote that of its peer. The zero
	// value means none: a socket that is not bound, or the peer of one that is
	// connected. Binding to a port from 1 to 1023 is asked for as privileged.
	Local, Remote netip.AddrPort
	Option        SockOpt // for Getopt and Setopt
	Backlog       uint16  // for Listen
}

// SockOpt is an option of a socket: the numbers Level and Name of setsockopt(2).
type SockOpt struct{ Level, Name uint16 }

// firstUnprivileged is the default of net.ipv4.ip_unprivileged_port_start.
const firstUnprivileged = 1024

// String implements fmt.Stringer.
func (r Network) String() string {
	s := fmt.Sprintf("network %s %s", r.Family, r.Type)
	if r.Protocol != 0 {
		s += fmt.Sprintf(" protocol %d", r.Protocol)
	}
	if r.Perms != 0 && r.Perms != Create {
		s += " " + r.Perms.String()
	}
	if r.Local.IsValid() {
		s += " " + r.Local.String()
	}
	if r.Remote.IsValid() {
		s += " peer " + r.Remote.String()
	}
	if r.Option != (SockOpt{}) {
		s += fmt.Sprintf(" option %d/%d", r.Option.Level, r.Option.Name)
	}
	if r.Backlog != 0 {
		s += fmt.Sprintf(" backlog %d", r.Backlog)
	}
	return s
}

func (r Network) texts() iter.Seq2[textKind, string] { return texts(textAny, r.Family, r.Type) }

func (r Network) ask(p asked) (Decision, error) {
	family, ok := linux.Families.Number(r.Family)
	if !ok {
		return Decision{}, &RequestError{r, "address family", r.Family}
	}
	typ, ok := linux.SocketTypes.Number(r.Type)
	if !ok {
		return Decision{}, &RequestError{r, "socket type", r.Type}
	}
	want := r.Perms
	if want == 0 {
		want = Create
	}
	if err := onlyPerms(r, want, askedOfNet); err != nil {
		return Decision{}, err
	}
	class, s := netClass(p.Profile)
	if s == blob.TrapState {
		if p.Families != nil {
			return p.inFamily(family, typ, want), nil
		}
		return unmediated(want), nil
	}
	w := netWalk{asked: p, class: class, start: s, text: be16(be16(make([]byte, 0, 64), family), typ)}
	if family == linux.FamilyUnix && class == blob.ClassNetV9 {
		// Unix sockets are always asked for with the protocol.
		w.text = be16(w.text, int(r.Protocol))
		w.last(want)
		return w.all, nil
	}
	e := w.look(want)
	if w.open == 0 {
		return w.all, nil
	}
	w.text = be16(w.text, int(r.Protocol))
	if family != linux.FamilyInet && family != linux.FamilyInet6 || !w.hasAddress() {
		w.last(w.open)
		return w.all, nil
	}
	if c := w.open & Create; c != 0 { // which has no address
		w.all = w.all.and(decide(c, e))
	}
	r.atAddresses(&w)
	return w.all, nil
}

// netClass returns the class by which a profile decides on sockets, and the
// state after its byte. If there is anything of the newer class, the older one
// is not looked at.
func netClass(p *blob.Profile) (blob.Class, uint32) {
	if s := p.ClassState(blob.ClassNetV9); s != blob.TrapState {
		return blob.ClassNetV9, s
	}
	return blob.ClassNet, p.ClassState(blob.ClassNet)
}

// inFamily answers from the masks that policy had before there were classes of
// networks: they grant the socket, whatever is done with it.
func (p asked) inFamily(family, typ int, want Perms) Decision {
	var m blob.FamilyMask
	if family < len(p.Families) {
		m = p.Families[family]
	}
	bits := func(mask uint16) uint32 { return -(uint32(mask) >> typ & 1) }
	e := blob.Effective{Allow: bits(m.Allow), Audit: bits(m.Audit), Quiet: bits(m.Quiet)}
	if p.lookups != nil {
		p.note(blob.PartProfile, blob.ClassNetOld, true, want, e, linux.Families[family], " ", linux.SocketTypes[typ])
	}
	return decide(want, e)
}

// netWalk looks for permissions in several places on the way through one
// string. What a place grants is granted; the rest is decided there unless the
// place says to go on.
type netWalk struct {
	asked
	class blob.Class
	start uint32
	text  []byte // so far, without the class
	open  Perms  // what is to be decided further on
	all   Decision
}

// look decides what is wanted as far as it can be decided after the text.
func (w *netWalk) look(want Perms) blob.Effective {
	e := w.after(w.class, w.start, w.text, want|Perms(blob.PermContinue))
	w.open = 0
	if e.Allow&blob.PermContinue != 0 {
		w.open = want &^ Perms(e.Allow&^e.Deny)
	}
	if want &^= w.open; want != 0 {
		w.all = w.all.and(decide(want, e))
	}
	return e
}

// last decides what is wanted after the text.
func (w *netWalk) last(want Perms) {
	w.all = w.all.and(decide(want, w.after(w.class, w.start, w.text, want)))
}

// hasAddress reports whether any string continues with an address, which
// begins with the number of its end.
func (w *netWalk) hasAddress() bool {
	s := match(w.asked, w.Policydb.DFA, w.start, w.text)
	for end := range byte(3) {
		if match(w.asked, w.Policydb.DFA, s, []byte{end}) != blob.TrapState {
			return true
		}
	}
	return false
}

// The groups of permissions on inet sockets that have strings of their own.
const (
	netPeer   = Connect | Send | Receive
	netOption = Getopt | Setopt
	netLocal  = ^(Create | Bind | Listen | netOption | netPeer)
)

// atAddresses decides what is open, but for creation, after the protocol.
func (r Network) atAddresses(w *netWalk) {
	open, text := w.open, w.text
	for _, group := range [...]Perms{Bind, Listen, netOption, netPeer, netLocal} {
		want := open & group
		if want == 0 {
			continue
		}
		switch port := r.Local.Port(); {
		case group == netPeer:
			w.text = appendAddr(text, 2, r.Remote)
		case group == Bind && port > 0 && port < firstUnprivileged:
			w.text = appendAddr(text, 1, r.Local)
		default:
			w.text = appendAddr(text, 0, r.Local)
		}
		if w.look(want); w.open == 0 {
			continue
		}
		w.text = append(w.text, 0) // the place of a label
		switch group {
		case netPeer:
			w.text = appendAddr(append(w.text, 1), 0, r.Local)
			if w.look(w.open); w.open == 0 {
				continue
			}
			w.text = append(w.text, 0)
		case Listen:
			w.text = be16(append(w.text, 2), int(r.Backlog))
		case netOption:
			w.text = be16(be16(append(w.text, 4), int(r.Option.Level)), int(r.Option.Name))
		}
		w.last(w.open)
	}
}

// appendAddr appends one end of a socket: the byte that says which end, the
// port, the kind of the IP address, the IP address and a NUL.
func appendAddr(b []byte, end byte, a netip.AddrPort) []byte {
	b = be16(append(b, end), int(a.Port()))
	switch ip := a.Addr(); {
	case ip.Is4():
		b = append(b, 1)
		b = append(b, ip.AsSlice()...)
	case ip.Is6():
		b = append(b, 2)
		b = append(b, ip.AsSlice()...)
	default:
		b = append(b, 0)
	}
	return append(b, 0)
}

func be16(b []byte, v int) []byte { return binary.BigEndian.AppendUint16(b, uint16(v)) }

func netSide(p *Profile) side {
	if class, s := netClass(p.Profile); s != blob.TrapState {
		return policydbSide(p, byte(class))
	}
	return everything()
}

// netGrammar generates sockets of all families, except unix if it has strings
// of its own.
var netGrammar = sync.OnceValue(func() grammar {
	others := slices.DeleteFunc(named(linux.Families), func(f byte) bool { return f == linux.FamilyInet || f == linux.FamilyInet6 })
	typ := seq(binaryPart, lit(0), binaryPart, anyOf(named(linux.SocketTypes)...), ends(askedOfNet))
	protocol := seq(binaryPart, noneOf(), gate, binaryPart, noneOf(), ends(askedOfNet))
	none := lit(0, 0, 0)
	addr := func(of byte, ip piece) piece { // the port and the IP address
		return seq(binaryPart, alt(none, seq(number(2), lit(of), ip)), lit(0))
	}
	at := func(family, of byte, ip piece) piece {
		local := addr(of, ip)
		return seq(binaryPart, lit(0, family), typ, protocol, binaryPart, alt(
			seq(lit(1), local, ends(Bind)),
			seq(lit(0), local, ends(netLocal&askedOfNet|Bind|Listen|netOption), binaryPart, lit(0), gate, ends(netLocal&askedOfNet|Bind), binaryPart, alt(
				seq(lit(2), number(2), ends(Listen)),
				seq(lit(4), number(4), ends(netOption)))),
			seq(lit(2), local, ends(netPeer), binaryPart, lit(0), gate, lit(1, 0), local, ends(netPeer), lit(0), gate, ends(netPeer)),
		))
	}
	return newGrammar(alt(
		seq(binaryPart, lit(0), binaryPart, anyOf(others...), typ, protocol),
		at(linux.FamilyInet, 1, number(4)),
		at(linux.FamilyInet6, 2, number(16)),
	))
})

// named returns the numbers that have a name.
func named(names []string) []byte {
	var all []byte
	for i, name := range names {
		if name != "" {
			all = append(all, byte(i))
		}
	}
	return all
}

// toNext goes on from places that say so, for what they do not grant; see
// netWalk.
func toNext(before, at blob.Effective) (blob.Effective, bool) {
	e := withNext(before, at)
	return e, e.Allow&blob.PermContinue != 0
}

// withNext adds what is granted at a place to what was granted on the way.
func withNext(before, at blob.Effective) blob.Effective {
	if before.Allow&blob.PermContinue == 0 {
		return before
	}
	granted := before.Allow &^ blob.PermContinue
	at.Audit = before.Audit&granted | at.Audit&^granted
	at.Allow |= granted
	at.Quiet &^= granted
	at.Prompt &^= granted
	at.Deny &^= granted
	return at
}

func onSockets(in []byte, differ Perms, _ bool) []Request {
	if len(in) < 4 {
		return nil
	}
	n := Network{Family: nameOf(linux.Families, in[:2]), Type: nameOf(linux.SocketTypes, in[2:4]), Perms: differ}
	if in = in[4:]; len(in) < 2 {
		return []Request{n}
	}
	n.Protocol = binary.BigEndian.Uint16(in)
	if in = in[2:]; len(in) == 0 {
		return []Request{n}
	}
	end := in[0]
	addr, rest, ok := cutAddr(in[1:])
	if !ok {
		return nil
	}
	if end == 2 {
		n.Remote = addr
		if n.Local = (netip.AddrPort{}); len(rest) > 3 {
			n.Local, _, ok = cutAddr(rest[3:]) // after NUL 01 00
		}
		return requestIf(ok, n)
	}
	n.Local = addr
	if privileged := addr.Port() > 0 && addr.Port() < firstUnprivileged; privileged != (end == 1) {
		n.Perms &^= Bind
	}
	switch len(rest) { // after NUL: 02 and the backlog, 04 and the option, or nothing
	case 4:
		n.Backlog = binary.BigEndian.Uint16(rest[2:])
	case 6:
		n.Option = SockOpt{binary.BigEndian.Uint16(rest[2:]), binary.BigEndian.Uint16(rest[4:])}
	}
	return requestIf(n.Perms != 0, n)
}

func requestIf(ok bool, r Request) []Request {
	if !ok {
		return nil
	}
	return []Request{r}
}

// cutAddr reads what appendAddr writes, except the first byte.
func cutAddr(in []byte) (a netip.AddrPort, rest []byte, ok bool) {
	if len(in) < 4 {
		return a, nil, false
	}
	port, n := binary.BigEndian.Uint16(in), 0
	switch in[2] {
	case 1:
		n = 4
	case 2:
		n = 16
	}
	if len(in) < 4+n {
		return a, nil, false
	}
	if ip, ok := netip.AddrFromSlice(in[3 : 3+n]); ok {
		a = netip.AddrPortFrom(ip, port)
	}
	return a, in[4+n:], true
}

// nameOf returns the name of a number of two bytes, or "".
func nameOf(names linux.Names, n []byte) string { return names.Name(int(binary.BigEndian.Uint16(n))) }
