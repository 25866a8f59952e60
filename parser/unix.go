// SPDX-License-Identifier: Apache-2.0

package parser

import (
	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/internal/lang"
	"github.com/goarmor/apparmor/internal/lex"
)

// unixClass reads unix rules.
type unixClass struct{}

func (unixClass) read(p *parser, from ast.Pos, q ast.Qualifiers) (ast.Stmt, bool) {
	word := p.tok
	p.next()
	n := &ast.UnixRule{Qualifiers: q}
	bits, ok := p.perms(&lang.NetPerms, false)
	if !ok {
		return nil, false
	}
	n.Perms = ast.NetPerm(bits)
	var kind, addr, label, peerAddr, peerLabel lex.Token
	for p.tok.Kind == lex.Cond && !p.tok.Wide {
		cond := p.tok
		p.next()
		value, ok := p.condValue(&cond, false)
		if !ok {
			return nil, false
		}
		switch cond.Text {
		case "type":
			n.Type = string(p.match(&value))
			ok = p.once(&kind, &cond, &value)
		case "addr":
			n.Local.Addr = p.match(&value)
			ok = p.once(&addr, &cond, &value)
		case "label":
			n.Local.Label = p.match(&value)
			ok = p.once(&label, &cond, &cond)
		default:
			ok = p.noCond(&cond, "unix", "type", "addr", "peer")
		}
		if !ok {
			return nil, false
		}
	}
	if p.tok.Kind == lex.Cond && !p.peerConds(func(cond, value *lex.Token) bool {
		if cond.Op != lex.OpEqual {
			return p.notEqual(cond)
		}
		switch cond.Text {
		case "addr":
			n.Peer.Addr = p.match(value)
			return p.once(&peerAddr, cond, value)
		case "label":
			n.Peer.Label = p.match(value)
			return p.once(&peerLabel, cond, value)
		case "type":
			return p.fail(cond, diag.CodeCondition, "type is not allowed in peer=( )")
		}
		return p.noCond(cond, "the peer of unix", "addr", "label")
	}) {
		return nil, false
	}
	if !p.valid(n, &word, func(e *ast.CheckError) lex.Token {
		switch e.Field {
		case "Type":
			return kind
		case "Local.Addr":
			return addr
		case "Local.Label":
			return label
		case "Peer.Addr":
			return peerAddr
		}
		return lex.Token{}
	}) || !p.ruleEnd(&lang.NetPerms) {
		return nil, false
	}
	n.Span = p.span(from)
	return n, true
}
