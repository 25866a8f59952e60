// SPDX-License-Identifier: Apache-2.0

package render

import "github.com/goarmor/apparmor/ast"

func (p *printer) mountRule(r *ast.MountRule) {
	switch r.Op {
	case ast.OpMount:
		p.str("mount")
	case ast.OpRemount:
		p.str("remount")
	case ast.OpUmount:
		p.str("umount")
	}
	for i := range r.Conds {
		p.byte(' ')
		p.mountCond(&r.Conds[i])
	}
	if r.Op != ast.OpMount {
		p.operand(string(r.Target))
		return
	}
	if r.Detached {
		p.str(` ""`) // the word `detached` is a source to old parsers
	}
	p.operand(string(r.Source))
	p.target(string(r.Target))
}

func (p *printer) mountCond(c *ast.MountCond) {
	if c.Options {
		p.str("options")
	} else {
		p.str("fstype")
	}
	if !c.In && len(c.Values) == 1 {
		p.byte('=')
		p.item(string(c.Values[0]))
		return
	}
	if c.In {
		p.str(" in ")
	} else {
		p.byte('=')
	}
	p.byte('(')
	for i, v := range c.Values {
		p.comma(i)
		p.item(string(v))
	}
	p.byte(')')
}
