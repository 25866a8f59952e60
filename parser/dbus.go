// SPDX-License-Identifier: Apache-2.0

package parser

import (
	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/internal/lang"
	"github.com/goarmor/apparmor/internal/lex"
)

// dbusClass reads dbus rules.
type dbusClass struct{}

func (dbusClass) read(p *parser, from ast.Pos, q ast.Qualifiers) (ast.Stmt, bool) {
	word := p.tok
	p.next()
	n := &ast.DBusRule{Qualifiers: q}
	bits, ok := p.perms(&lang.DBusPerms, false)
	if !ok {
		return nil, false
	}
	n.Perms = ast.DBusPerm(bits)
	var bus, name, path, iface, member, label, peerName bool
	set := func(cond, value *lex.Token, peer bool) bool {
		if cond.Op != lex.OpEqual {
			return p.notEqual(cond)
		}
		switch cond.Text {
		case "bus":
			return p.set(&n.Bus, &bus, cond, value)
		case "name":
			if name || peerName {
				return p.twice(cond)
			}
			if peer {
				return p.set(&n.PeerName, &peerName, cond, value)
			}
			return p.set(&n.Name, &name, cond, value)
		case "path":
			return p.set(&n.Path, &path, cond, value)
		case "interface":
			return p.set(&n.Interface, &iface, cond, value)
		case "member":
			return p.set(&n.Member, &member, cond, value)
		case "label":
			if peer {
				return p.set(&n.PeerLabel, &label, cond, value)
			}
			return p.failHint(cond, "write peer=(label=...)", diag.CodeCondition, "label is allowed only in peer=( )")
		}
		return p.noCond(cond, "dbus", "bus", "name", "path", "interface", "member", "label", "peer")
	}
	for p.tok.Kind == lex.Cond && !p.tok.Wide {
		cond := p.tok
		p.next()
		value, ok := p.condValue(&cond, false)
		if !ok || !set(&cond, &value, false) {
			return nil, false
		}
	}
	if p.tok.Kind == lex.Cond && !p.peerConds(func(cond, value *lex.Token) bool { return set(cond, value, true) }) {
		return nil, false
	}
	if !p.valid(n, &word, nil) || !p.ruleEnd(&lang.DBusPerms) {
		return nil, false
	}
	n.Span = p.span(from)
	return n, true
}
