// SPDX-License-Identifier: Apache-2.0

package render

import "github.com/goarmor/apparmor/ast"

func (p *printer) fileRule(r *ast.FileRule) {
	switch {
	case r.All:
		p.str("file")
	case r.Link != "":
		p.filePerms(r.Perms)
		p.byte(' ')
		p.word(string(r.Path))
		p.target(string(r.Link))
	default:
		p.word(string(r.Path))
		p.byte(' ')
		p.filePerms(r.Perms)
		p.str(r.Exec.Spelling(r.Scrub))
		p.target(r.Target)
	}
}

func (p *printer) filePerms(perms ast.FilePerm) {
	p.dst, _ = perms.AppendText(p.dst) // never fails
}
