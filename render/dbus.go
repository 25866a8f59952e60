// SPDX-License-Identifier: Apache-2.0

package render

import (
	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/internal/lang"
)

func (p *printer) dbusRule(r *ast.DBusRule) {
	p.str("dbus")
	p.perms(&lang.DBusPerms, uint(r.Perms))
	p.assign("bus", string(r.Bus))
	p.assign("path", string(r.Path))
	p.assign("interface", string(r.Interface))
	p.assign("member", string(r.Member))
	p.assign("name", string(r.Name))
	p.peer(cond{"name", string(r.PeerName)}, cond{"label", string(r.PeerLabel)})
}
