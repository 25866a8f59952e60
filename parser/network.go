// SPDX-License-Identifier: Apache-2.0

package parser

import (
	"strconv"
	"strings"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/internal/lex"
)

func (p *parser) networkRule(from ast.Pos, q ast.Qualifiers) (ast.Stmt, bool) {
	if !p.noOwner(&q, "network") || !p.noPriority(&q, "network") {
		return nil, false
	}
	word := p.tok
	p.next()
	n := &ast.NetworkRule{Qualifiers: q}
	bits, ok := p.perms(netPerm, ast.NetPerms(), false)
	if !ok || !p.socket(n) {
		return nil, false
	}
	n.Perms = ast.NetPerm(bits)
	var local, peer netSeen
	for p.tok.Kind == lex.Cond && !p.tok.Wide {
		cond := p.tok
		p.next()
		value, ok := p.condValue(&cond, true)
		if !ok || !p.netCond(&n.Local, &local, &cond, &value) {
			return nil, false
		}
	}
	if p.tok.Kind == lex.Cond && !p.peerConds(func(cond, value *lex.Token) bool {
		if cond.Text == "interface" {
			return p.fail(cond, diag.CodeCondition, "interface cannot stand in peer=( )")
		}
		if cond.Op == lex.OpAssign && cond.Text == "label" {
			cond.Op = lex.OpEqual
		}
		return p.netCond(&n.Peer, &peer, cond, value)
	}) {
		return nil, false
	}
	if n.Family != "" && n.Family != "inet" && n.Family != "inet6" && (local != netSeen{} || peer != netSeen{}) {
		return nil, p.fail(&word, diag.CodeCondition, "the family %s has no conditions; only inet and inet6 do", n.Family)
	}
	if n.Perms&ast.NetPeerless != 0 && (peer.ip || peer.port) {
		return nil, p.fail(&word, diag.CodeRule, "%s cannot stand with the address of a peer", n.Perms&ast.NetPeerless)
	}
	if p.tok.Kind == lex.Value && !p.onNewLine() {
		return nil, p.failHint(&p.tok, "the order is permissions, family, type or protocol, conditions", diag.CodeNetwork, "there is a word too many")
	}
	if !p.comma() {
		return nil, false
	}
	n.Span = p.span(from)
	return n, true
}

// socket reads the family and the type or protocol.
func (p *parser) socket(n *ast.NetworkRule) bool {
	if p.tok.Kind != lex.Value {
		return true
	}
	first := p.tok
	if first.Quoted {
		return p.fail(&first, diag.CodeNetwork, "a network rule has no quoted words")
	}
	if ast.Families().Has(first.Text) {
		n.Family = first.Text
		p.next()
		if p.tok.Kind != lex.Value || p.onNewLine() && p.tok.Text != "" && !isSocketWord(p.tok.Text) {
			return true
		}
		first = p.tok
	}
	switch {
	case ast.NetTypes().Has(first.Text):
		n.Type = first.Text
	case ast.NetProtocols().Has(first.Text):
		n.Protocol = first.Text
	default:
		return p.failHint(&first, networkHint(first.Text), diag.CodeNetwork, "unknown address family, socket type or protocol %q", first.Text)
	}
	switch {
	case n.Protocol == "":
	case n.Family != "" && n.Family != "inet" && n.Family != "inet6", n.Protocol == "icmp" && n.Family == "inet6":
		return p.fail(&first, diag.CodeNetwork, "the family %s has no protocol %s", n.Family, n.Protocol)
	}
	p.next()
	return true
}

func isSocketWord(word string) bool {
	return ast.NetTypes().Has(word) || ast.NetProtocols().Has(word)
}

func networkHint(word string) string {
	if glued(word) || strings.HasSuffix(word, ",}") {
		return "a comma ends a rule only if a blank follows it"
	}
	for _, v := range []ast.Vocabulary{ast.Families(), ast.NetTypes(), ast.NetProtocols()} {
		if hint := nearestHint(v, word); hint != "" {
			return hint
		}
	}
	return ""
}

// netSeen tells which conditions of one end were written.
type netSeen struct{ ip, port, iface, label bool }

func (p *parser) netCond(end *ast.NetEnd, seen *netSeen, cond, value *lex.Token) bool {
	if cond.Op != lex.OpEqual {
		return p.fail(cond, diag.CodeCondition, "only = may stand behind %s", cond.Text)
	}
	var text ast.Pattern
	switch cond.Text {
	case "ip":
		if !p.set(&text, &seen.ip, cond, value) {
			return false
		}
		end.IP = string(text)
		if _, ok := ast.ParseIP(end.IP); end.IP != "none" && !ok {
			hint := ""
			if strings.Contains(end.IP, "/") {
				hint = "a rule names one address, not a network"
			}
			return p.failHint(value, hint, diag.CodeAddress, "this is no IP address, nor none")
		}
		return true
	case "port":
		if !p.set(&text, &seen.port, cond, value) {
			return false
		}
		var ok bool
		if end.Port, ok = portRange(string(text)); !ok {
			hint := ""
			if low, high, ok := strings.Cut(string(text), "-"); ok {
				if _, ok := portRange(high + "-" + low); ok {
					hint = "the lower port comes first"
				}
			}
			return p.failHint(value, hint, diag.CodeAddress, "this is no port from 0 to 65535, nor a range of ports")
		}
		return true
	case "interface":
		return p.set(&end.Interface, &seen.iface, cond, value)
	case "label":
		return p.set(&end.Label, &seen.label, cond, value)
	}
	return p.noCond(cond, "network", ast.VocabularyOf("ip", "port", "interface", "label", "peer"))
}

// portRange returns the canonical form of N or N-M.
func portRange(s string) (string, bool) {
	low, high, isRange := strings.Cut(s, "-")
	a, ok := port(low)
	if !ok || !isRange {
		return strconv.Itoa(a), ok
	}
	b, ok := port(high)
	return strconv.Itoa(a) + "-" + strconv.Itoa(b), ok && a <= b
}

func port(s string) (int, bool) {
	s = strings.TrimPrefix(s, "+")
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseUint(s, 10, 16)
	return int(n), err == nil
}

func (p *parser) unixRule(from ast.Pos, q ast.Qualifiers) (ast.Stmt, bool) {
	if !p.noOwner(&q, "unix") {
		return nil, false
	}
	word := p.tok
	p.next()
	n := &ast.UnixRule{Qualifiers: q}
	bits, ok := p.perms(netPerm, ast.NetPerms(), false)
	if !ok {
		return nil, false
	}
	n.Perms = ast.NetPerm(bits)
	var kind, addr, peerAddr, peerLabel bool
	for p.tok.Kind == lex.Cond && !p.tok.Wide {
		cond := p.tok
		p.next()
		value, ok := p.condValue(&cond, false)
		if !ok {
			return nil, false
		}
		switch cond.Text {
		case "type":
			var text ast.Pattern
			if !p.set(&text, &kind, &cond, &value) {
				return nil, false
			}
			n.Type = string(text)
			if !ast.UnixTypes().Has(n.Type) {
				return nil, p.failHint(&value, nearestHint(ast.UnixTypes(), n.Type), diag.CodeNetwork, "unknown socket type %q", n.Type)
			}
		case "addr":
			if !p.set(&n.Local.Addr, &addr, &cond, &value) || !p.unixAddr(n.Local.Addr, &value) {
				return nil, false
			}
		case "label":
			return nil, p.failHint(&cond, "write peer=(label=...)", diag.CodeCondition, "label can stand only in peer=( )")
		default:
			return nil, p.noCond(&cond, "unix", ast.VocabularyOf("type", "addr", "peer"))
		}
	}
	if p.tok.Kind == lex.Cond && !p.peerConds(func(cond, value *lex.Token) bool {
		if cond.Op != lex.OpEqual {
			return p.fail(cond, diag.CodeCondition, "only = may stand behind %s", cond.Text)
		}
		switch cond.Text {
		case "addr":
			return p.set(&n.Peer.Addr, &peerAddr, cond, value) && p.unixAddr(n.Peer.Addr, value)
		case "label":
			return p.set(&n.Peer.Label, &peerLabel, cond, value)
		case "type":
			return p.fail(cond, diag.CodeCondition, "type cannot stand in peer=( )")
		}
		return p.noCond(cond, "the peer of unix", ast.VocabularyOf("addr", "label"))
	}) {
		return nil, false
	}
	if n.Perms&ast.NetPeerless != 0 && (peerAddr || peerLabel) {
		return nil, p.fail(&word, diag.CodeRule, "%s cannot stand with conditions on a peer", n.Perms&ast.NetPeerless)
	}
	if !p.ruleEnd(ast.NetPerms()) {
		return nil, false
	}
	n.Span = p.span(from)
	return n, true
}

func (p *parser) unixAddr(addr ast.Pattern, t *lex.Token) bool {
	if addr == "none" || addr == "auto" || strings.HasPrefix(string(addr), "@") {
		return true
	}
	return p.fail(t, diag.CodeAddress, "the address of a unix socket is none, auto or begins with an at sign")
}
