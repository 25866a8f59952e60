// SPDX-License-Identifier: Apache-2.0

package render

import (
	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/internal/lang"
)

func (p *printer) ptraceRule(r *ast.PtraceRule) {
	p.str("ptrace")
	p.perms(&lang.PtracePerms, uint(r.Perms))
	p.assign("peer", string(r.Peer))
}
