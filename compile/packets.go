// SPDX-License-Identifier: Apache-2.0

package compile

import (
	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/compile/internal/automaton"
)

// Kernels with the feature network_v9_skb mediate packets, too, in a class of
// their own; with its entry iface, by the interface. The strings are those that
// 6.0 was seen to write. They are like those of inet, for every family, and
// have the name of an interface behind each address:
//
//	class family type protocol peer NUL [interface NUL] label NUL 01 address NUL [interface NUL] [label NUL]
//
// Where a packet is labelled its interface is not known yet: sending has an
// empty one as well, and there the permission to set a label.
const (
	networkPackets = "network_v9_skb"
	// networkIface is the feature that mediates packets by interface.
	networkIface = networkPackets + "/iface"

	permSetLabel uint32 = 1 << 31
)

// packetStrings adds what a network rule says about packets of one family. Two
// things are not as in 6.0: ports below 1024 are no others for packets, and a
// label of the socket is a condition without interfaces, too.
func (pc *profileCompiler) packetStrings(r *ast.NetworkRule, family uint16, typ int) {
	q := r.Quals()
	perms := netPerms(r.Perms)
	n := cat(bytesNode(byte(blob.ClassNetSkb)), be16(family), typeNode(typ))
	pc.goOn(n)
	if perms&inetPeerPerms == 0 {
		return
	}
	byIface := pc.sup.has(networkIface)
	var iface automaton.Node
	setLabel := uint32(0)
	if byIface {
		iface = cat(pc.globOr(r.Local.Interface, text0()), nul())
		if perms&blob.PermSend != 0 {
			iface, setLabel = alt(nul(), iface), permSetLabel
		}
	}
	n = cat(n, protocolNode(r), pc.packetAddr(r.Peer, endPeer))
	pc.goOn(n)
	if byIface {
		n = cat(n, iface)
		pc.policydb.add(n, &ast.Qualifiers{}, blob.PermContinue|setLabel)
	}
	n = cat(n, pc.globOr(r.Peer.Label, text0()))
	if byIface && r.Peer.Label == "" {
		pc.policydb.add(n, q, perms)
	}
	n = cat(n, nul())
	pc.goOn(n)
	n = cat(n, bytesNode(peerCommand), pc.packetAddr(r.Local, endLocal))
	if byIface {
		pc.goOn(n)
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
		pc.policydb.addRecord(n, rec)
		return
	}
	pc.policydb.add(n, &ast.Qualifiers{}, blob.PermContinue|setLabel)
	pc.policydb.add(cat(n, pc.glob(r.Local.Label), nul()), q, perms)
}

// packetAddr matches the address of a packet, with its NUL.
func (pc *profileCompiler) packetAddr(e ast.NetEnd, end byte) automaton.Node {
	if e.Port == "" {
		return cat(anyBytes(3), pc.ipNode(e.IP), nul())
	}
	return pc.inetAddr(e, end)
}
