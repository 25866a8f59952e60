// SPDX-License-Identifier: Apache-2.0

package compile

import (
	"cmp"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/internal/lang"
	"github.com/goarmor/apparmor/internal/linux"
)

// protocolTypes are the types of sockets that use a protocol.
var protocolTypes = map[string]struct {
	typ      uint16
	protocol uint16
	families []uint16
}{
	"tcp":  {1, 6, []uint16{linux.FamilyInet, linux.FamilyInet6}},
	"udp":  {2, 17, []uint16{linux.FamilyInet, linux.FamilyInet6}},
	"icmp": {3, 1, []uint16{linux.FamilyInet}},
}

// netPerms translates network permissions; none means all.
func netPerms(p ast.NetPerm) uint32 {
	if p == 0 {
		return blob.AllNetPerms
	}
	var perms uint32
	for _, m := range [...]struct {
		perm ast.NetPerm
		bit  uint32
	}{
		{ast.NetCreate, blob.PermCreate},
		{ast.NetBind, blob.PermBind},
		{ast.NetListen, blob.PermListen},
		{ast.NetAccept, blob.PermAccept},
		{ast.NetConnect, blob.PermOpen},
		{ast.NetShutdown, blob.PermDelete},
		{ast.NetGetattr, blob.PermGetattr},
		{ast.NetSetattr, blob.PermSetattr},
		{ast.NetGetopt, blob.PermGetopt},
		{ast.NetSetopt, blob.PermSetopt},
		{ast.NetSend, blob.PermSend},
		{ast.NetReceive, blob.PermReceive},
	} {
		if p&m.perm != 0 {
			perms |= m.bit
		}
	}
	return perms
}

// netClass returns the class of network strings that kernel and policy share.
func netClass(s *support) (blob.Class, bool) {
	switch {
	case s.has(features.NetworkV9):
		return blob.ClassNetV9, true
	case s.has(features.NetworkV8):
		return blob.ClassNet, true
	}
	return 0, false
}

// netFeature is the feature to name when there is no network mediation at all.
const netFeature = features.NetworkV8

// network rules match the class, the family and the type of the socket and, if
// inet is mediated by address, the rest of it. On kernels from before there
// were classes, they are masks.
func emitNetwork(t *translation, r *ast.NetworkRule) {
	e := &t.emitter
	class, ok := netClass(&e.support)
	old := oldNetwork(&e.support)
	if !ok && !old {
		e.enforced(netFeature, "network rules")
		return
	}
	fams, typ, err := netSockets(r)
	if err == nil {
		err = cmp.Or(checkNetEnd(r.Local), checkNetEnd(r.Peer))
	}
	if err != nil {
		e.invalid(err)
		return
	}
	if hasConditions(r) {
		conditions(e, r)
	}
	if old && r.Perms != 0 {
		e.degrade(netFeature, "permissions of network rules", false)
	}
	named := r.Family != "" || r.Protocol != "" || onlyInet(r)
	perms := netPerms(r.Perms)
	packets := e.has(networkPackets)
	for _, f := range fams {
		if packets {
			packetStrings(e, r, f, typ)
		}
		if packets && r.Access == ast.Deny && r.Local.Interface != "" {
			continue // sockets have no interface: the denial would be too coarse
		}
		start := cat(bytesNode(byte(class)), be16(f), typeNode(typ))
		switch {
		case old:
			t.families.add(f, typeMask(typ, named), r.Quals())
		case (f == linux.FamilyInet || f == linux.FamilyInet6) && byAddress(&e.support):
			inetStrings(e, r, start)
		default:
			e.add(start, r.Quals(), perms)
		}
		if f == linux.FamilyUnix && unixClass(&e.support) != 0 {
			u := &ast.UnixRule{Qualifiers: r.Qualifiers, Perms: r.Perms, Type: r.Type}
			// As in the reference, what such a rule denies is not quiet.
			u.Audit = u.Audit || u.Access == ast.Deny
			unixStrings(e, u, typ)
		}
	}
}

func networkPatterns(r *ast.NetworkRule) []ast.Pattern {
	return []ast.Pattern{r.Local.Interface, r.Local.Label, r.Peer.Label}
}

// checkNetEnd reports an address or port that is malformed.
func checkNetEnd(end ast.NetEnd) *diag.Diagnostic {
	if _, ok := lang.ParseIP(end.IP); !ok && end.IP != "" && end.IP != "none" {
		return unknown(diag.CodeAddress, end.IP)
	}
	if _, _, ok := lang.ParsePorts(end.Port); !ok && end.Port != "" {
		return unknown(diag.CodeAddress, end.Port)
	}
	return nil
}

// conditions reports those that are not enforced, and refuses malformed
// patterns whether they are enforced or not; labels that are not enforced may
// be anything, as in 6.0.
func conditions(e *emitter, r *ast.NetworkRule) {
	for _, end := range [...]*ast.NetEnd{&r.Local, &r.Peer} {
		e.glob(end.Interface)
	}
	byIface := e.has(networkIface)
	onlyIface := r.Local == (ast.NetEnd{Interface: r.Local.Interface}) && r.Peer == (ast.NetEnd{})
	switch {
	case !byAddress(&e.support) && !(onlyIface && byIface):
		e.degrade(features.NetworkInet, "addresses, ports, interfaces and labels of network rules", false)
	case r.Local.Interface != "" && !byIface:
		e.degrade(networkIface, "interfaces of network rules", false)
	}
}

// hasConditions reports whether a rule restricts more than the kind of socket.
func hasConditions(r *ast.NetworkRule) bool {
	return r.Local != (ast.NetEnd{}) || r.Peer != (ast.NetEnd{})
}

// onlyInet reports whether a rule has conditions that restrict it to inet and
// inet6. As in 6.0, the label of the peer is not one of them.
func onlyInet(r *ast.NetworkRule) bool {
	return r.Local != (ast.NetEnd{}) || r.Peer != (ast.NetEnd{Label: r.Peer.Label})
}

const anyType = -1

// netSockets returns the families and the type that a rule is about.
func netSockets(r *ast.NetworkRule) (fams []uint16, typ int, err *diag.Diagnostic) {
	typ = anyType
	if r.Type != "" {
		t, ok := linux.SocketTypes.Number(r.Type)
		if !ok {
			return nil, 0, unknown(diag.CodeNetwork, r.Type)
		}
		typ = t
	}
	if r.Protocol != "" {
		p, ok := protocolTypes[r.Protocol]
		if !ok {
			return nil, 0, unknown(diag.CodeNetwork, r.Protocol)
		}
		fams, typ = p.families, int(p.typ)
	}
	if r.Family == "" {
		if fams == nil && onlyInet(r) {
			fams = []uint16{linux.FamilyInet, linux.FamilyInet6} // others have no addresses and ports
		}
		if fams != nil {
			return fams, typ, nil
		}
		for f, name := range linux.Families {
			if name != "" || typ == anyType {
				fams = append(fams, uint16(f))
			}
		}
		return fams, typ, nil
	}
	if f, ok := linux.Families.Number(r.Family); ok {
		return []uint16{uint16(f)}, typ, nil
	}
	return nil, 0, unknown(diag.CodeNetwork, r.Family)
}

// typeNode matches the two bytes of a socket type.
func typeNode(typ int) node {
	if typ == anyType {
		return cat(anyByte(), anyByte())
	}
	return be16(uint16(typ))
}
