// SPDX-License-Identifier: Apache-2.0

package compile

import (
	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/blob"
)

// Kernels with the feature network_v9_skb mediate packets, too, in a class of
// their own; with its entry iface, by the interface. The strings are those that
// 6.0 was seen to write. They are like those of inet, for every family, and
// have the name of an interface after each address:
//
//	class family type protocol peer NUL [interface NUL] label NUL 01 address NUL [interface NUL] [label NUL]
//
// When a packet is labelled, its interface is not known yet: sending also has
// a string with an empty one, with the permission to set a label.
const (
	networkPackets = "network_v9_skb"
	// networkIface is the feature that mediates packets by interface.
	networkIface = networkPackets + "/iface"

	permSetLabel uint32 = 1 << 31
)

// packetStrings adds what a network rule says about packets of one family. Two
// things differ from 6.0: ports below 1024 are not special for packets, and a
// label of the socket is a condition without interfaces, too.
func packetStrings(e *emitter, r *ast.NetworkRule, family uint16, typ int) {
	q := r.Quals()
	perms := netPerms(r.Perms)
	n := cat(bytesNode(byte(blob.ClassNetSkb)), be16(family), typeNode(typ))
	goOn(e, n)
	if perms&inetPeerPerms == 0 {
		return
	}
	byIface := e.has(networkIface)
	var iface node
	setLabel := uint32(0)
	if byIface {
		iface = cat(e.globOr(r.Local.Interface, text0()), nul())
		if perms&blob.PermSend != 0 {
			iface, setLabel = alt(nul(), iface), permSetLabel
		}
	}
	n = cat(n, protocolNode(r), packetAddr(r.Peer, endPeer))
	goOn(e, n)
	if byIface {
		n = cat(n, iface)
		e.add(n, &ast.Qualifiers{}, blob.PermContinue|setLabel)
	}
	n = cat(n, e.globOr(r.Peer.Label, text0()))
	if byIface && r.Peer.Label == "" {
		e.add(n, q, perms)
	}
	n = cat(n, nul())
	goOn(e, n)
	n = cat(n, bytesNode(peerCommand), packetAddr(r.Local, endLocal))
	if byIface {
		goOn(e, n)
		n = cat(n, iface)
	}
	if r.Local.Label == "" {
		rec := record{priority: q.Priority, effect: effectOf(q.Access), perms: perms | setLabel}
		if q.Audit {
			rec.audit = perms
		}
		if rec.effect == effectDeny {
			rec.audit |= setLabel // which keeps it from becoming quiet
		}
		e.record(n, rec)
		return
	}
	e.add(n, &ast.Qualifiers{}, blob.PermContinue|setLabel)
	e.add(cat(n, e.glob(r.Local.Label), nul()), q, perms)
}

// packetAddr matches the address of a packet, with its NUL.
func packetAddr(end ast.NetEnd, which byte) node {
	if end.Port == "" {
		return cat(anyBytes(3), ipNode(end.IP), nul())
	}
	return inetAddr(end, which)
}
