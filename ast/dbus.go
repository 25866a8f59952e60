// SPDX-License-Identifier: Apache-2.0

package ast

import (
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/internal/lang"
)

// DBusPerm is a set of D-Bus permissions; zero means all that fit the rule's
// conditions.
type DBusPerm uint8

// The D-Bus permissions.
const (
	DBusSend DBusPerm = 1 << iota
	DBusReceive
	DBusBind
	DBusEavesdrop
)

// String returns the names of the permissions, separated by blanks.
func (p DBusPerm) String() string { return lang.DBusPerms.String(uint(p)) }

// DBusRule is `dbus [perms] [conds] [peer=(name= label=)],`.
type DBusRule struct {
	Span
	Qualifiers
	Perms     DBusPerm // zero: all that fit the conditions
	Bus       Pattern  // system, session, ...; empty: any
	Name      Pattern  // of the service that is bound; empty: any
	Path      Pattern  // of the object; empty: any
	Interface Pattern  // of the message; empty: any
	Member    Pattern  // method or signal; empty: any
	PeerName  Pattern  // name of the peer's connection; empty: any
	PeerLabel Pattern  // empty: any
}

func (*DBusRule) stmt() {}

// Class implements Rule.
func (*DBusRule) Class() Class { return ClassDBus }

func (r *DBusRule) clone() Rule { c := *r; return &c }

func (r *DBusRule) check(c checker) *CheckError {
	if err := first(
		c.qualifiers(&r.Qualifiers, takesPriority),
		c.perms(uint(r.Perms), lang.DBusPerms.All()),
		c.pattern("Bus", r.Bus), c.pattern("Name", r.Name), c.pattern("Path", r.Path), c.pattern("Interface", r.Interface),
		c.pattern("Member", r.Member), c.pattern("PeerName", r.PeerName), c.pattern("PeerLabel", r.PeerLabel),
	); err != nil {
		return err
	}
	service := r.Name != ""
	message := r.Path != "" || r.Interface != "" || r.Member != "" || r.PeerName != "" || r.PeerLabel != ""
	switch {
	case service && message:
		return c.fail(diag.CodeRule, "Name", string(r.Name),
			"the rule has conditions on messages and on a service; name belongs to a service rule, name in peer=( ) to a message rule")
	case service && r.Perms&(DBusSend|DBusReceive) != 0:
		return c.fail(diag.CodeRule, "Perms", "", "send and receive cannot be used with name; write peer=(name=...)")
	case message && r.Perms&DBusBind != 0:
		return c.fail(diag.CodeRule, "Perms", "", "bind cannot be used with conditions on messages")
	case (service || message) && r.Perms&DBusEavesdrop != 0:
		return c.fail(diag.CodeRule, "Perms", "", "eavesdrop can be used only with bus")
	}
	return nil
}
