// SPDX-License-Identifier: Apache-2.0

package render

import (
	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/internal/lang"
)

func (p *printer) signalRule(r *ast.SignalRule) {
	p.str("signal")
	p.perms(&lang.SignalPerms, uint(r.Perms))
	switch len(r.Signals) {
	case 0:
	case 1:
		p.str(" set=")
		p.str(r.Signals[0])
	default:
		p.str(" set=(")
		for i, name := range r.Signals {
			p.comma(i)
			p.str(name)
		}
		p.byte(')')
	}
	p.assign("peer", string(r.Peer))
}
