// SPDX-License-Identifier: Apache-2.0

package render

import "github.com/goarmor/apparmor/ast"

func (p *printer) changeProfileRule(r *ast.ChangeProfileRule) {
	p.str("change_profile")
	switch r.Safety {
	case ast.Safe:
		p.str(" safe")
	case ast.Unsafe:
		p.str(" unsafe")
	}
	p.operand(string(r.Exec))
	p.target(string(r.Target))
}
