// SPDX-License-Identifier: Apache-2.0

package compile

import (
	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/internal/lang"
)

// The strings of inet and inet6 if their addresses are mediated, as 6.0 writes
// them and the af_inet.c and net.c of Ubuntu's kernels read them:
//
//	class family type                             create
//	... protocol address NUL                      what is asked of the socket
//	... protocol peer NUL label NUL 01 address NUL  what is asked of both ends
//
// An address is a byte that says which end it is, the port, a byte for the
// length of the IP address and the IP address, with numbers in network order.
// After the type and after the NUL of an address a kernel takes the
// permissions of the state, unless some are missing and they include
// blob.PermContinue. Then it goes on: to the protocol or, through one more NUL
// (before which labels may come one day), to a command.
//
// Rules are split more finely than 6.0 splits them. 6.0 gives a rule's
// permissions to every string of it: with those of the peer at the socket's
// own address, where no port means any end, a condition on the peer has no
// effect. It denies creation and continuation along with conditions that a
// creation does not have. What is written here allows nothing that 6.0 does
// not allow, except for privileged ports and icmp (see inetAddr and
// protocolNode), and denies nothing that the rule does not name. Kernels do
// not match labels: a rule with one applies only to the empty label.
const (
	endLocal      = 0
	endPrivileged = 1 // the socket, in a bind that needs CAP_NET_BIND_SERVICE
	endPeer       = 2

	ipNone = 0
	ip4    = 1
	ip6    = 2
)

// The permissions that are asked for an inet socket by itself, and together
// with its peer. Accept is asked for the socket alone; 6.0 writes it for both.
const (
	inetPeerPerms   = blob.PermOpen | blob.PermSend | blob.PermReceive | blob.PermAccept
	inetLocalPerms  = blob.AllNetPerms&^(blob.PermCreate|inetPeerPerms) | blob.PermAccept
	inetOptPerms    = blob.PermGetopt | blob.PermSetopt
	inetNoCondition = blob.PermCreate // those without an address
)

const networkInetV9 = "network_v9/af_inet"

// byAddress reports whether kernel and policy share the mediation of addresses.
func byAddress(s *support) bool {
	_, ok := netClass(s)
	return ok && (s.has(features.NetworkInet) || s.has(networkInetV9))
}

// inetStrings adds a rule for one family. start is class, family and type.
func inetStrings(e *emitter, r *ast.NetworkRule, start node) {
	q := r.Quals()
	perms := netPerms(r.Perms)
	peer := r.Peer != (ast.NetEnd{})
	if q.Access == ast.Deny && r.Perms == 0 {
		// What the rule does not name is denied as far as its conditions
		// affect it.
		if hasConditions(r) {
			perms &^= inetNoCondition
		}
		if peer {
			perms &= inetPeerPerms &^ blob.PermAccept
		}
	}
	goOn(e, start)
	if p := perms & blob.PermCreate; p != 0 {
		e.add(start, q, p)
	}
	start = cat(start, protocolNode(r))
	if p := perms & inetLocalPerms &^ blob.PermBind; p != 0 {
		inetLocal(e, r, cat(start, inetAddr(r.Local, endLocal)), p)
	}
	if p := perms & blob.PermBind; p != 0 {
		inetLocal(e, r, cat(start, inetAddr(r.Local, endLocal, endPrivileged)), p)
	}
	if p := perms & inetPeerPerms; p != 0 {
		inetPeer(e, r, start, p)
	}
}

// goOn makes a kernel continue after a state.
func goOn(e *emitter, n node) {
	e.add(n, &ast.Qualifiers{}, blob.PermContinue)
}

// inetLocal adds the permissions of the socket at its address.
func inetLocal(e *emitter, r *ast.NetworkRule, addr node, perms uint32) {
	q := r.Quals()
	if r.Local.Label == "" {
		e.add(addr, q, perms)
		return
	}
	goOn(e, addr)
	labelled := cat(addr, e.glob(r.Local.Label), nul())
	// After a label these have a command and its operand.
	if p := perms & blob.PermListen; p != 0 {
		e.add(cat(labelled, bytesNode(listenCommand), anyByte(), anyByte()), q, p)
	}
	if p := perms & inetOptPerms; p != 0 {
		e.add(cat(labelled, bytesNode(optCommand), anyByte(), anyByte(), anyByte(), anyByte()), q, p)
	}
	if p := perms &^ (blob.PermListen | inetOptPerms); p != 0 {
		e.add(labelled, q, p)
	}
}

// inetPeer adds the permissions of both ends.
func inetPeer(e *emitter, r *ast.NetworkRule, start node, perms uint32) {
	peer := cat(start, inetAddr(r.Peer, endPeer))
	goOn(e, peer)
	peer = cat(peer, e.globOr(r.Peer.Label, text0()), nul())
	goOn(e, peer)
	both := cat(peer, bytesNode(peerCommand), inetAddr(r.Local, endLocal))
	if r.Local.Label != "" {
		goOn(e, both)
		both = cat(both, e.glob(r.Local.Label), nul())
	}
	e.add(both, r.Quals(), perms)
}

// protocolNode matches the two bytes of a protocol. 6.0 writes 0002 for icmp,
// the bit for the number that kernels use.
func protocolNode(r *ast.NetworkRule) node {
	if r.Protocol == "icmp" {
		return be16(protocolTypes[r.Protocol].protocol)
	}
	// Protocol 0 lets the kernel choose.
	return cat(anyByte(), anyByte())
}

// inetAddr matches an address of one of these ends, with its NUL.
//
// If a rule has bind, 6.0 treats its ports up to 1023 as privileged in all its
// strings: with `port=80` a socket can be bound but not put into listening.
// Where privilege begins is a setting of the kernel, and only binds are looked
// up that way, so here bind is granted for both and the rest for plain ends.
func inetAddr(end ast.NetEnd, ends ...byte) node {
	return cat(oneOf(ends...), portNode(end.Port), ipNode(end.IP), nul())
}

// ipNode matches an IP address with its length. A socket without one, and the
// peer of a connected one, are looked up as none, with port 0.
func ipNode(ip string) node {
	switch ip {
	case "":
		return alt(bytesNode(ipNone), cat(bytesNode(ip4), anyBytes(4)), cat(bytesNode(ip6), anyBytes(16)))
	case "none":
		return bytesNode(ipNone)
	}
	a, ok := lang.ParseIP(ip)
	if !ok {
		return empty() // refused by checkNetEnd
	}
	if a.Is4() {
		return cat(bytesNode(ip4), bytesNode(a.AsSlice()...))
	}
	return cat(bytesNode(ip6), bytesNode(a.AsSlice()...))
}

// portNode matches the two bytes of a port. As in 6.0, port 0 means any.
func portNode(port string) node {
	if port == "" {
		return anyBytes(2)
	}
	from, to, ok := lang.ParsePorts(port)
	switch {
	case !ok:
		return empty() // refused by checkNetEnd
	case to == 0:
		return anyBytes(2)
	}
	return portRange(from, to)
}

// portRange matches the numbers of a range in network order: the rest of the
// first high byte, whole ones, and the beginning of the last one.
func portRange(from, to uint16) node {
	first, last := byte(from>>8), byte(to>>8)
	if first == last {
		return cat(bytesNode(first), byteRange(byte(from), byte(to)))
	}
	parts := []node{
		cat(bytesNode(first), byteRange(byte(from), 0xff)),
		cat(bytesNode(last), byteRange(0, byte(to))),
	}
	if last-first > 1 {
		parts = append(parts, cat(byteRange(first+1, last-1), anyByte()))
	}
	return alt(parts...)
}

func byteRange(from, to byte) node {
	bs := make([]byte, 0, int(to)-int(from)+1)
	for b := int(from); b <= int(to); b++ {
		bs = append(bs, byte(b))
	}
	return oneOf(bs...)
}
