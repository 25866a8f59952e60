// SPDX-License-Identifier: Apache-2.0

package compile

import (
	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/features"
)

// dbus rules come in three forms: a name to own on a bus, a message to send
// or receive, and a bus to listen in on. A rule takes each form that its
// permissions and conditions fit.
func (pc *profileCompiler) dbus(r *ast.DBusRule) {
	if !pc.enforced(features.DBus, "dbus rules") {
		return
	}
	if pc.sup.kernel.Supports(features.NetworkV9) && !pc.sup.has(features.NetworkV9) {
		// Such kernels tell bus daemons that nothing is mediated as long as the
		// policy has nothing of that class.
		pc.degrade(features.NetworkV9, "dbus rules", true)
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
	bus := cat(bytesNode(byte(blob.ClassDBus)), pc.globOr(r.Bus, text0()))
	if perms&ast.DBusBind != 0 {
		pc.policydb.add(cat(bus, nul(), pc.globOr(r.Name, text0())), q, blob.PermOpen)
	}
	var talk uint32
	if perms&ast.DBusSend != 0 {
		talk |= blob.PermSend
	}
	if perms&ast.DBusReceive != 0 {
		talk |= blob.PermReceive
	}
	if talk != 0 {
		pc.policydb.add(cat(bus,
			nul(), pc.globOr(r.PeerName, text0()),
			nul(), pc.globOr(r.PeerLabel, text0()),
			nul(), pc.globOr(r.Path, text0()),
			nul(), pc.globOr(r.Interface, text0()),
			nul(), pc.globOr(r.Member, text0())), q, talk)
	}
	if perms&ast.DBusEavesdrop != 0 {
		pc.policydb.add(bus, q, blob.PermDelete)
	}
}
