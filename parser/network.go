// SPDX-License-Identifier: Apache-2.0

package parser

import (
	"strconv"
	"strings"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/internal/lang"
	"github.com/goarmor/apparmor/internal/lex"
)

// networkClass reads network rules.
type networkClass struct{}

func (networkClass) read(p *parser, from ast.Pos, q ast.Qualifiers) (ast.Stmt, bool) {
	word := p.tok
	p.next()
	n := &ast.NetworkRule{Qualifiers: q}
	bits, ok := p.perms(&lang.NetPerms, false)
	if !ok {
		return nil, false
	}
	kind := p.tok
	if !p.socket(n, &kind) {
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
		if cond.Op == lex.OpAssign && cond.Text == "label" {
			cond.Op = lex.OpEqual
		}
		return p.netCond(&n.Peer, &peer, cond, value)
	}) {
		return nil, false
	}
	if !p.valid(n, &word, func(e *ast.CheckError) lex.Token {
		switch e.Field {
		case "Protocol":
			return kind
		case "Local.IP":
			return local.ip
		case "Local.Port":
			return local.port
		case "Peer.IP":
			return peer.ip
		case "Peer.Port":
			return peer.port
		case "Peer.Interface":
			return peer.iface
		}
		return lex.Token{}
	}) {
		return nil, false
	}
	if p.tok.Kind == lex.Value && !p.onNewLine() {
		return nil, p.failHint(&p.tok, "the order is permissions, family, type or protocol, conditions", diag.CodeNetwork, "unexpected word, expected a comma at the end of the rule")
	}
	if !p.comma() {
		return nil, false
	}
	n.Span = p.span(from)
	return n, true
}

// socket reads the family and the type or protocol, whose token is kind.
func (p *parser) socket(n *ast.NetworkRule, kind *lex.Token) bool {
	if p.tok.Kind != lex.Value {
		return true
	}
	first := p.tok
	if first.Quoted {
		return p.fail(&first, diag.CodeNetwork, "a network rule takes no quoted words")
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
	*kind = first
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
	for _, v := range [...]ast.Vocabulary{ast.Families(), ast.NetTypes(), ast.NetProtocols()} {
		if hint := nearest(v, word); hint != "" {
			return hint
		}
	}
	return ""
}

// netSeen is the tokens of the conditions of one end: the value, and of an
// interface the name. Those of conditions that were not written are empty.
type netSeen struct{ ip, port, iface, label lex.Token }

func (p *parser) netCond(end *ast.NetEnd, seen *netSeen, cond, value *lex.Token) bool {
	if cond.Op != lex.OpEqual {
		return p.notEqual(cond)
	}
	switch cond.Text {
	case "ip":
		end.IP = string(p.match(value))
		return p.once(&seen.ip, cond, value)
	case "port":
		text := string(p.match(value))
		if canonical, ok := portRange(text); ok {
			text = canonical
		}
		end.Port = text
		return p.once(&seen.port, cond, value)
	case "interface":
		end.Interface = p.match(value)
		return p.once(&seen.iface, cond, cond)
	case "label":
		end.Label = p.match(value)
		return p.once(&seen.label, cond, value)
	}
	return p.noCond(cond, "network", "ip", "port", "interface", "label", "peer")
}

// once notes the token of a condition that may appear once.
func (p *parser) once(seen, cond, t *lex.Token) bool {
	if seen.To != 0 {
		return p.twice(cond)
	}
	*seen = *t
	return true
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
