// SPDX-License-Identifier: Apache-2.0

package render

import (
	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/internal/lang"
)

func (p *printer) ioUringRule(r *ast.IOUringRule) {
	p.str("io_uring")
	p.perms(&lang.IOUringPerms, uint(r.Perms))
	p.assign("label", string(r.Label))
}
