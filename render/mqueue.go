// SPDX-License-Identifier: Apache-2.0

package render

import (
	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/internal/lang"
)

func (p *printer) mqueueRule(r *ast.MqueueRule) {
	p.str("mqueue")
	p.perms(&lang.MqueuePerms, uint(r.Perms))
	p.assign("type", r.Type)
	p.assign("label", string(r.Label))
	p.operand(string(r.Name))
}
