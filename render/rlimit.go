// SPDX-License-Identifier: Apache-2.0

package render

import "github.com/goarmor/apparmor/ast"

func (p *printer) rlimitRule(r *ast.RlimitRule) {
	p.str("set rlimit ")
	p.str(r.Name)
	p.str(" <= ")
	p.str(r.Value)
	if u := r.Unit; u != "" {
		// Sizes are written as 10M, times as 10 min. After infinity a unit
		// means nothing, but it must not become part of the word.
		if u[0] >= 'a' || r.Value == "infinity" {
			p.byte(' ')
		}
		p.str(u)
	}
}
