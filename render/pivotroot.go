// SPDX-License-Identifier: Apache-2.0

package render

import "github.com/goarmor/apparmor/ast"

func (p *printer) pivotRootRule(r *ast.PivotRootRule) {
	p.str("pivot_root")
	p.assign("oldroot", string(r.OldRoot))
	p.operand(string(r.NewRoot))
	p.target(r.Target)
}
