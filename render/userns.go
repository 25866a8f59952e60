// SPDX-License-Identifier: Apache-2.0

package render

import "github.com/goarmor/apparmor/ast"

func (p *printer) usernsRule(r *ast.UsernsRule) {
	p.str("userns")
	if r.Create {
		p.str(" create")
	}
}
