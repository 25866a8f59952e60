// SPDX-License-Identifier: Apache-2.0

package render

import "github.com/goarmor/apparmor/ast"

func (p *printer) allRule(_ *ast.AllRule) {
	p.str("all")
}
