// SPDX-License-Identifier: Apache-2.0

package compile

import (
	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/features"
)

// dbus rules come in three forms: a name to own on a bus, a message to send or
// receive, and a bus to listen in on. A rule becomes each form that its
// permissions and conditions fit.
func emitDBus(e *emitter, r *ast.DBusRule) {
	if !e.enforced(features.DBus, "dbus rules") {
		return
	}
	if e.kernel.Supports(features.NetworkV9) && !e.has(features.NetworkV9) {
		// Such kernels tell bus daemons that nothing is mediated as long as the
		// policy has nothing of that class.
		e.degrade(features.NetworkV9, "dbus rules", true)
	}
	message := r.Path != "" || r.Interface != "" || r.Member != "" || r.PeerName != "" || r.PeerLabel != ""
	perms := r.Perms
	if perms == 0 {
		switch {
		case r.Name != "":
			perms = ast.DBusBind
		case message:
			perms = ast.DBusSend | ast.DBusReceive
		default:
			perms = ast.DBusSend | ast.DBusReceive | ast.DBusBind | ast.DBusEavesdrop
		}
	}
	q := r.Quals()
	bus := cat(bytesNode(byte(blob.ClassDBus)), e.globOr(r.Bus, text0()))
	if perms&ast.DBusBind != 0 {
		e.add(cat(bus, nul(), e.globOr(r.Name, text0())), q, blob.PermOpen)
	}
	var talk uint32
	if perms&ast.DBusSend != 0 {
		talk |= blob.PermSend
	}
	if perms&ast.DBusReceive != 0 {
		talk |= blob.PermReceive
	}
	if talk != 0 {
		e.add(cat(bus,
			nul(), e.globOr(r.PeerName, text0()),
			nul(), e.globOr(r.PeerLabel, text0()),
			nul(), e.globOr(r.Path, text0()),
			nul(), e.globOr(r.Interface, text0()),
			nul(), e.globOr(r.Member, text0())), q, talk)
	}
	if perms&ast.DBusEavesdrop != 0 {
		e.add(bus, q, blob.PermDelete)
	}
}

func dbusPatterns(r *ast.DBusRule) []ast.Pattern {
	return []ast.Pattern{r.Bus, r.Name, r.Path, r.Interface, r.Member, r.PeerName, r.PeerLabel}
}
