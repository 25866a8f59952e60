// SPDX-License-Identifier: Apache-2.0

package render

import "github.com/goarmor/apparmor/ast"

func (p *printer) capabilityRule(r *ast.CapabilityRule) {
	p.str("capability")
	for _, name := range r.Names {
		p.keyword(name)
	}
}
