// SPDX-License-Identifier: Apache-2.0

package render

import (
	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/internal/lang"
)

func (p *printer) unixRule(r *ast.UnixRule) {
	p.str("unix")
	p.perms(&lang.NetPerms, uint(r.Perms))
	p.assign("type", r.Type)
	if addr := string(r.Local.Addr); addr != "" {
		p.str(" addr=")
		p.quoted(addr, isPlainAddr(addr))
	}
	p.peer(cond{"addr", string(r.Peer.Addr)}, cond{"label", string(r.Peer.Label)})
}
