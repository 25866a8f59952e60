// SPDX-License-Identifier: Apache-2.0

package render

import (
	"strconv"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/internal/lang"
)

func (p *printer) qualifiers(q *ast.Qualifiers) {
	if q.Priority != 0 {
		p.str("priority=")
		p.dst = strconv.AppendInt(p.dst, int64(q.Priority), 10)
		p.byte(' ')
	}
	if q.Audit {
		p.str("audit ")
	}
	switch q.Access {
	case ast.AllowExplicit:
		p.str("allow ")
	case ast.Deny:
		p.str("deny ")
	case ast.Prompt:
		p.str("prompt ")
	}
	switch q.Owner {
	case ast.OnlyOwner:
		p.str("owner ")
	case ast.OnlyOther:
		p.str("other ")
	}
}

// rule appends a rule without its qualifiers and comma. It is the table of the
// classes: one of functions would make every printer escape to the heap.
func (p *printer) rule(r ast.Rule) {
	switch r := r.(type) {
	case *ast.FileRule:
		p.fileRule(r)
	case *ast.LinkRule:
		p.linkRule(r)
	case *ast.CapabilityRule:
		p.capabilityRule(r)
	case *ast.NetworkRule:
		p.networkRule(r)
	case *ast.UnixRule:
		p.unixRule(r)
	case *ast.DBusRule:
		p.dbusRule(r)
	case *ast.SignalRule:
		p.signalRule(r)
	case *ast.PtraceRule:
		p.ptraceRule(r)
	case *ast.MountRule:
		p.mountRule(r)
	case *ast.PivotRootRule:
		p.pivotRootRule(r)
	case *ast.ChangeProfileRule:
		p.changeProfileRule(r)
	case *ast.RlimitRule:
		p.rlimitRule(r)
	case *ast.MqueueRule:
		p.mqueueRule(r)
	case *ast.IOUringRule:
		p.ioUringRule(r)
	case *ast.UsernsRule:
		p.usernsRule(r)
	case *ast.AllRule:
		p.allRule(r)
	}
}

// keyword appends a word of a closed vocabulary with a blank before it, and
// nothing when it is absent. Such words cannot be quoted.
func (p *printer) keyword(s string) {
	if s != "" {
		p.byte(' ')
		p.str(s)
	}
}

// operand appends a word with a blank before it, and nothing when it is absent.
func (p *printer) operand(s string) {
	if s != "" {
		p.byte(' ')
		p.free(s)
	}
}

// target appends `-> s`, and nothing when s is absent.
func (p *printer) target(s string) {
	if s != "" {
		p.str(" -> ")
		p.word(s)
	}
}

// assign appends `key=value`, and nothing when the value is absent.
func (p *printer) assign(key, value string) {
	if value != "" {
		p.byte(' ')
		p.str(key)
		p.byte('=')
		p.word(value)
	}
}

// cond is one condition on a peer.
type cond struct{ key, value string }

// peer appends `peer=(key=value ...)` with the conditions that are present.
func (p *printer) peer(conds ...cond) {
	open := false
	for _, c := range conds {
		if c.value == "" {
			continue
		}
		if open {
			p.byte(' ')
		} else {
			p.str(" peer=(")
			open = true
		}
		p.str(c.key)
		p.byte('=')
		p.quoted(c.value, (isPlain(c.value) || c.key == "addr" && isPlainAddr(c.value)) && !hasComma(c.value))
	}
	if open {
		p.byte(')')
	}
}

// perms appends the names of the bits of set: nothing for none, a bare word
// for one, a list for more.
func (p *printer) perms(perms *lang.Perms, set uint) {
	if set == 0 {
		return
	}
	list := set&(set-1) != 0
	p.byte(' ')
	if list {
		p.byte('(')
	}
	n := 0
	for i := range perms.Len() {
		if set&(1<<i) != 0 {
			p.comma(n)
			p.str(perms.Name(i))
			n++
		}
	}
	if list {
		p.byte(')')
	}
}
