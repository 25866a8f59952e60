// SPDX-License-Identifier: Apache-2.0

package compile

import (
	"strings"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/internal/linux"
)

// The permissions that are asked for a unix socket at each length of its
// string.
const (
	unixLocalPerms = blob.PermBind | blob.PermAccept | blob.PermGetattr | blob.PermSetattr | blob.PermDelete
	unixOptPerms   = blob.PermGetopt | blob.PermSetopt
	unixPeerPerms  = blob.PermOpen | blob.PermSend | blob.PermReceive | blob.PermAccept

	// The commands that continue a string after the local end.
	peerCommand   = 1
	listenCommand = 2
	optCommand    = 4
)

const (
	networkUnix   = "network/af_unix"
	networkUnixV9 = "network_v9/af_unix"
)

// unixClass returns the class of unix strings that kernel and policy share,
// zero when sockets of the family are mediated as network only. Where the old
// feature meets a newer class of network, the strings are in that one
// (measured with 3.0.8, read in 6.0), and Ubuntu's kernels look for them there.
func unixClass(s *support) blob.Class {
	switch {
	case s.has(networkUnixV9):
		return blob.ClassNetV9
	case s.has(networkUnix):
		if class, ok := netClass(s); ok {
			return class
		}
		return blob.ClassNetOld
	}
	return 0
}

// unix rules match the socket, its address and, for operations between two
// sockets, the address and label of the peer. In addition, an allow rule
// grants its permissions on the family, which is all that kernels without
// mediation of unix sockets look at, and which others ignore for this family.
// A denial there would be too coarse.
func emitUnix(t *translation, r *ast.UnixRule) {
	e := &t.emitter
	// A mistake is one on every kernel, whether it looks at addresses or not.
	typ, ok := unixType(e, r)
	if !ok || !checkUnixAddr(e, r.Local.Addr) || !checkUnixAddr(e, r.Peer.Addr) {
		return
	}
	mediated := unixClass(&e.support) != 0
	class, network := netClass(&e.support)
	old := oldNetwork(&e.support)
	if (network || old) && r.Access != ast.Deny {
		q := r.Qualifiers
		q.Priority = 0 // like all network rules
		if old {
			t.families.add(linux.FamilyUnix, typeMask(typ, false), &q)
		} else {
			e.add(cat(bytesNode(byte(class)), be16(linux.FamilyUnix), typeNode(typ)), &q, netPerms(r.Perms))
		}
		if !mediated {
			e.degrade(unixFeature, "unix rules", false)
		}
	} else if !mediated {
		e.enforced(unixFeature, "unix rules")
	}
	if mediated {
		unixStrings(e, r, typ)
	}
}

// checkUnixAddr reports an address that no unix rule can have.
func checkUnixAddr(e *emitter, addr ast.Pattern) bool {
	if addr == "" || addr == "none" || addr == "auto" || strings.HasPrefix(string(addr), "@") {
		return true
	}
	// Package ast also lets an alternation pass, which variables can make.
	e.invalid(&diag.Diagnostic{
		Code: diag.CodeAddress, Message: "the address of a unix socket cannot begin with an alternation", Text: string(addr),
		Hint: "write a rule for each address",
	})
	return false
}

// unixFeature is the feature to name when unix sockets are not mediated.
const unixFeature = networkUnixV9

func unixPatterns(r *ast.UnixRule) []ast.Pattern {
	return []ast.Pattern{r.Local.Addr, r.Peer.Addr, r.Peer.Label}
}

func unixType(e *emitter, r *ast.UnixRule) (int, bool) {
	if r.Type == "" {
		return anyType, true
	}
	t, ok := linux.SocketTypes.Number(r.Type)
	if !ok {
		e.invalid(unknown(diag.CodeNetwork, r.Type))
	}
	return t, ok
}

// unixStrings adds the strings of a rule that has been checked.
func unixStrings(e *emitter, r *ast.UnixRule, typ int) {
	q := r.Quals()
	perms := netPerms(r.Perms)
	toPeer := r.Peer != (ast.UnixEnd{})

	prefix := cat(bytesNode(byte(unixClass(&e.support))), be16(linux.FamilyUnix), typeNode(typ), anyByte(), anyByte())
	if perms&blob.PermCreate != 0 && !toPeer {
		e.add(prefix, q, blob.PermCreate)
	}
	// Binding without a name is looked up with the empty address, whatever the
	// kernel picks then.
	if perms&blob.PermBind != 0 && (r.Local.Addr == "" || r.Local.Addr == "auto") {
		e.add(cat(prefix, nul(), text0(), nul()), q, blob.PermBind)
		if r.Local.Addr == "auto" {
			perms &^= blob.PermBind
		}
	}
	if toPeer {
		perms &= unixPeerPerms
	}
	local := cat(prefix, unixAddr(e, r.Local.Addr), nul(), e.globOr(r.Local.Label, text0()), nul())
	if p := perms & unixLocalPerms; p != 0 {
		e.add(local, q, p)
	}
	if perms&blob.PermListen != 0 {
		e.add(cat(local, bytesNode(listenCommand), anyByte(), anyByte()), q, blob.PermListen)
	}
	if p := perms & unixOptPerms; p != 0 {
		e.add(cat(local, bytesNode(optCommand), anyByte(), anyByte()), q, p)
	}
	if p := perms & unixPeerPerms; p != 0 {
		peer := cat(unixAddr(e, r.Peer.Addr), nul(), e.globOr(r.Peer.Label, text0()))
		e.add(cat(local, bytesNode(peerCommand), peer), q, p)
	}
}

// unixAddr matches an address: the name of an abstract one after a NUL, 01
// for none, five hexadecimal digits after a NUL for one that the kernel
// picked. Names are counted, not terminated, so any address may hold NULs.
func unixAddr(e *emitter, addr ast.Pattern) node {
	switch {
	case addr == "":
		return star(anyByte())
	case addr == "none":
		return bytesNode(1)
	case addr == "auto":
		digit := oneOf([]byte("0123456789abcdef")...)
		return cat(nul(), digit, digit, digit, digit, digit)
	}
	name := strings.TrimPrefix(string(addr), "@")
	return cat(nul(), e.globNul(ast.Pattern(name)))
}
