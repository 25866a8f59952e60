// SPDX-License-Identifier: Apache-2.0

package render

import (
	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/internal/lang"
)

func (p *printer) networkRule(r *ast.NetworkRule) {
	p.str("network")
	p.perms(&lang.NetPerms, uint(r.Perms))
	p.keyword(r.Family)
	p.keyword(r.Type)
	p.keyword(r.Protocol)
	p.assign("ip", r.Local.IP)
	p.assign("port", r.Local.Port)
	p.assign("interface", string(r.Local.Interface))
	p.assign("label", string(r.Local.Label))
	p.peer(cond{"ip", r.Peer.IP}, cond{"port", r.Peer.Port}, cond{"label", string(r.Peer.Label)})
}
