// SPDX-License-Identifier: Apache-2.0

package render

import "github.com/goarmor/apparmor/ast"

func (p *printer) linkRule(r *ast.LinkRule) {
	p.str("link ")
	if r.Subset {
		p.str("subset ")
	}
	p.word(string(r.From))
	p.target(string(r.To))
}
