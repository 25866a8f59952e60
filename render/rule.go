// SPDX-License-Identifier: Apache-2.0

package render

import (
	"strconv"

	"github.com/goarmor/apparmor/ast"
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

// rule appends a rule without its qualifiers and comma.
func (p *printer) rule(r ast.Rule) {
	switch r := r.(type) {
	case *ast.FileRule:
		p.fileRule(r)
	case *ast.LinkRule:
		p.str("link ")
		if r.Subset {
			p.str("subset ")
		}
		p.word(string(r.From))
		p.target(string(r.To))
	case *ast.CapabilityRule:
		p.str("capability")
		for _, name := range r.Names {
			p.keyword(name)
		}
	case *ast.NetworkRule:
		p.network(r)
	case *ast.UnixRule:
		p.str("unix")
		p.perms(ast.NetPerms(), uint(r.Perms))
		p.assign("type", r.Type)
		if addr := string(r.Local.Addr); addr != "" {
			p.str(" addr=")
			p.quoted(addr, isPlainAddr(addr))
		}
		p.peer(cond{"addr", string(r.Peer.Addr)}, cond{"label", string(r.Peer.Label)})
	case *ast.DBusRule:
		p.str("dbus")
		p.perms(ast.DBusPerms(), uint(r.Perms))
		p.assign("bus", string(r.Bus))
		p.assign("path", string(r.Path))
		p.assign("interface", string(r.Interface))
		p.assign("member", string(r.Member))
		p.assign("name", string(r.Name))
		p.peer(cond{"name", string(r.PeerName)}, cond{"label", string(r.PeerLabel)})
	case *ast.SignalRule:
		p.signal(r)
	case *ast.PtraceRule:
		p.str("ptrace")
		p.perms(ast.PtracePerms(), uint(r.Perms))
		p.assign("peer", string(r.Peer))
	case *ast.MountRule:
		p.mount(r)
	case *ast.PivotRootRule:
		p.str("pivot_root")
		p.assign("oldroot", string(r.OldRoot))
		p.operand(string(r.NewRoot))
		p.target(r.Target)
	case *ast.ChangeProfileRule:
		p.str("change_profile")
		switch r.Safety {
		case ast.Safe:
			p.str(" safe")
		case ast.Unsafe:
			p.str(" unsafe")
		}
		p.operand(string(r.Exec))
		p.target(string(r.Target))
	case *ast.RlimitRule:
		p.str("set rlimit ")
		p.str(r.Name)
		p.str(" <= ")
		p.str(r.Value)
		if u := r.Unit; u != "" {
			// Sizes are written as 10M, times as 10 min. Behind infinity a unit
			// means nothing, but it must not become part of the word.
			if u[0] >= 'a' || r.Value == "infinity" {
				p.byte(' ')
			}
			p.str(u)
		}
	case *ast.MqueueRule:
		p.str("mqueue")
		p.perms(ast.MqueuePerms(), uint(r.Perms))
		p.assign("type", r.Type)
		p.assign("label", string(r.Label))
		p.operand(string(r.Name))
	case *ast.IOUringRule:
		p.str("io_uring")
		p.perms(ast.IOUringPerms(), uint(r.Perms))
		p.assign("label", string(r.Label))
	case *ast.UsernsRule:
		p.str("userns")
		if r.Create {
			p.str(" create")
		}
	case *ast.AllRule:
		p.str("all")
	}
}

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

func (p *printer) network(r *ast.NetworkRule) {
	p.str("network")
	p.perms(ast.NetPerms(), uint(r.Perms))
	p.keyword(r.Family)
	p.keyword(r.Type)
	p.keyword(r.Protocol)
	p.assign("ip", r.Local.IP)
	p.assign("port", r.Local.Port)
	p.assign("interface", string(r.Local.Interface))
	p.assign("label", string(r.Local.Label))
	p.peer(cond{"ip", r.Peer.IP}, cond{"port", r.Peer.Port}, cond{"label", string(r.Peer.Label)})
}

func (p *printer) signal(r *ast.SignalRule) {
	p.str("signal")
	p.perms(ast.SignalPerms(), uint(r.Perms))
	switch len(r.Signals) {
	case 0:
	case 1:
		p.str(" set=")
		p.str(r.Signals[0])
	default:
		p.str(" set=(")
		for i, name := range r.Signals {
			p.comma(i)
			p.str(name)
		}
		p.byte(')')
	}
	p.assign("peer", string(r.Peer))
}

func (p *printer) mount(r *ast.MountRule) {
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

// keyword appends a word of a closed vocabulary with a blank in front, and
// nothing when it is absent. Such words cannot be quoted.
func (p *printer) keyword(s string) {
	if s != "" {
		p.byte(' ')
		p.str(s)
	}
}

// operand appends a word with a blank in front, and nothing when it is absent.
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
func (p *printer) perms(names ast.Vocabulary, set uint) {
	if set == 0 {
		return
	}
	list := set&(set-1) != 0
	p.byte(' ')
	if list {
		p.byte('(')
	}
	bit, n := uint(1), 0
	for name := range names.All() {
		if set&bit != 0 {
			p.comma(n)
			p.str(name)
			n++
		}
		bit <<= 1
	}
	if list {
		p.byte(')')
	}
}
