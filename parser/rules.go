// SPDX-License-Identifier: Apache-2.0

package parser

import (
	"strconv"
	"strings"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/internal/lex"
	"github.com/goarmor/apparmor/internal/linux"
)

// ruleParser returns the method that reads the rules that begin with a word,
// or nil when the word begins none but perhaps a file rule.
func ruleParser(word string) func(*parser, ast.Pos, ast.Qualifiers) (ast.Stmt, bool) {
	switch word {
	case "capability":
		return (*parser).capabilityRule
	case "network":
		return (*parser).networkRule
	case "unix":
		return (*parser).unixRule
	case "dbus":
		return (*parser).dbusRule
	case "signal":
		return (*parser).signalRule
	case "ptrace":
		return (*parser).ptraceRule
	case "mount", "remount", "umount", "unmount":
		return (*parser).mountRule
	case "pivot_root":
		return (*parser).pivotRootRule
	case "change_profile":
		return (*parser).changeProfileRule
	case "set":
		return (*parser).rlimitRule
	case "mqueue":
		return (*parser).mqueueRule
	case "io_uring":
		return (*parser).ioUringRule
	case "userns":
		return (*parser).usernsRule
	case "all":
		return (*parser).allRule
	case "link":
		return (*parser).linkRule
	}
	return nil
}

// ruleWords are the words that a statement may begin with, for hints and for
// going on behind an error.
var ruleWords = [...]string{
	"capability", "network", "unix", "dbus", "signal", "ptrace", "mount", "remount", "umount", "pivot_root",
	"change_profile", "set", "mqueue", "io_uring", "userns", "all", "link", "file", "profile", "include", "audit", "deny",
	"allow", "prompt", "owner", "other", "priority", "abi", "alias", "if", "else", "hat", "safe", "unsafe",
}

// noOwner checks that a rule which knows no owner has none.
func (p *parser) noOwner(q *ast.Qualifiers, rule string) bool {
	if q.Owner == ast.AnyOwner {
		return true
	}
	return p.fail(&p.tok, diag.CodeQualifier, "owner and other cannot stand before %s", rule)
}

func (p *parser) noPriority(q *ast.Qualifiers, rule string) bool {
	if q.Priority == 0 {
		return true
	}
	return p.fail(&p.tok, diag.CodeQualifier, "priority cannot stand before %s", rule)
}

func (p *parser) capabilityRule(from ast.Pos, q ast.Qualifiers) (ast.Stmt, bool) {
	if !p.noOwner(&q, "capability") {
		return nil, false
	}
	p.next()
	n := &ast.CapabilityRule{Qualifiers: q}
	for p.tok.Kind == lex.Word && !ast.IsReserved(p.tok.Text) {
		if name := p.tok.Text; !ast.Capabilities().Has(name) {
			if p.onNewLine() {
				break
			}
			return nil, p.failHint(&p.tok, nearestHint(ast.Capabilities(), strings.TrimPrefix(strings.ToLower(name), "cap_")), diag.CodeCapability, "unknown capability %q", name)
		}
		n.Names = append(n.Names, p.tok.Text)
		p.next()
	}
	if p.tok.Kind == lex.OpenParen || p.tok.Kind == lex.Illegal && p.tok.Text != "" && p.tok.Text[0] == '"' {
		return nil, p.failHint(&p.tok, "write the names as they are, with blanks between them", diag.CodeSyntax, "capabilities have neither parentheses nor quotes")
	}
	if !p.comma() {
		return nil, false
	}
	n.Span = p.span(from)
	return n, true
}

// A permReader decodes one word of a list of permissions. In a list the
// letters r and w may be repeated; a word outside is r, w, rw, wr or a name.
type permReader func(word string) (uint, bool)

// perms reads the permissions of a rule, if there are any: one word, or a list
// in parentheses, whose unknown words are an error unless lax.
func (p *parser) perms(read permReader, names ast.Vocabulary, lax bool) (set uint, ok bool) {
	if p.tok.Kind != lex.OpenParen {
		t := p.tok
		if t.Kind != lex.Value && t.Kind != lex.Word || t.Quoted {
			return 0, true
		}
		bits, known := read(t.Text)
		if !known || t.Text == "rr" || t.Text == "ww" || len(t.Text) > 2 && strings.Trim(t.Text, "rw") == "" {
			return 0, true
		}
		p.next()
		return bits, true
	}
	p.next()
	for {
		switch p.tok.Kind {
		case lex.Comma:
		case lex.CloseParen:
			p.next()
			return set, true
		case lex.Value:
			bits, known := read(p.tok.Text)
			if !known && !lax {
				return 0, p.failHint(&p.tok, nearestHint(names, p.tok.Text), diag.CodePermissions, "unknown permission %q", p.tok.Text)
			}
			set |= bits
		default:
			return 0, p.unexpected("a permission or a closing parenthesis")
		}
		p.next()
	}
}

func netPerm(word string) (uint, bool)     { v, ok := ast.ParseNetPerm(word); return uint(v), ok }
func dbusPerm(word string) (uint, bool)    { v, ok := ast.ParseDBusPerm(word); return uint(v), ok }
func signalPerm(word string) (uint, bool)  { v, ok := ast.ParseSignalPerm(word); return uint(v), ok }
func ptracePerm(word string) (uint, bool)  { v, ok := ast.ParsePtracePerm(word); return uint(v), ok }
func mqueuePerm(word string) (uint, bool)  { v, ok := ast.ParseMqueuePerm(word); return uint(v), ok }
func ioUringPerm(word string) (uint, bool) { v, ok := ast.ParseIOUringPerm(word); return uint(v), ok }

// condValues reads what stands behind the name of a condition: one value, or a
// list in parentheses, whose values are given to each one by one.
func (p *parser) condValues(each func(t *lex.Token) bool) bool {
	if p.tok.Kind != lex.OpenParen {
		t := p.tok
		if !p.expect(lex.Value, "a value") {
			return false
		}
		return each(&t)
	}
	p.next()
	for n := 0; ; {
		t := p.tok
		switch t.Kind {
		case lex.Comma:
		case lex.Value:
			n++
			if !each(&t) {
				return false
			}
		case lex.CloseParen:
			if n > 0 {
				p.next()
				return true
			}
			return p.unexpected("a value")
		default:
			return p.unexpected("a value or a closing parenthesis")
		}
		p.next()
	}
}

// condValue reads the one value of a condition whose name was read. A list in
// parentheses must hold one value too, unless more are ignored.
func (p *parser) condValue(cond *lex.Token, ignoreMore bool) (first lex.Token, ok bool) {
	if cond.Op != lex.OpEqual {
		return first, p.fail(cond, diag.CodeCondition, "only = may stand behind %s", cond.Text)
	}
	n := 0
	ok = p.condValues(func(t *lex.Token) bool {
		if n++; n == 1 {
			first = *t
		} else if !ignoreMore {
			return p.fail(t, diag.CodeCondition, "%s takes one value", cond.Text)
		}
		return true
	})
	return first, ok
}

// peerConds reads the conditions in peer=( ... ). The list is opened by cond,
// the next token; each condition is given to each.
func (p *parser) peerConds(each func(cond, value *lex.Token) bool) bool {
	p.next()
	if !p.expect(lex.OpenParen, "an opening parenthesis") {
		return false
	}
	for {
		cond := p.tok
		switch cond.Kind {
		case lex.Comma:
			p.next()
			continue
		case lex.CloseParen:
			p.next()
			return true
		case lex.Cond:
		case lex.Value:
			if p.onNewLine() {
				return p.failHint(&cond, "is a closing parenthesis missing in the line before?", diag.CodeSyntax, "unexpected word, expected a condition")
			}
			return p.failHint(&cond, "a comma ends a value here; quote a value that holds one", diag.CodeSyntax, "unexpected word, expected a condition")
		case lex.OpenParen:
			return p.failHint(&p.tok, "quote a value that holds a parenthesis", diag.CodeSyntax, "unexpected parenthesis, expected a condition or a closing parenthesis")
		default:
			return p.unexpected("a condition or a closing parenthesis")
		}
		p.next()
		paren := p.accept(lex.OpenParen)
		value := p.tok
		if !p.expect(lex.Value, "a value") || paren && !p.expect(lex.CloseParen, "a closing parenthesis") {
			return false
		}
		if !each(&cond, &value) {
			return false
		}
	}
}

// set stores the value of a condition that may stand once.
func (p *parser) set(dst *ast.Pattern, seen *bool, cond, value *lex.Token) bool {
	if *seen {
		return p.fail(cond, diag.CodeCondition, "%s stands twice", cond.Text)
	}
	*seen = true
	*dst = p.match(value)
	return true
}

func (p *parser) noCond(cond *lex.Token, rule string, known ast.Vocabulary) bool {
	hint := nearestHint(known, cond.Text)
	if hint == "" {
		hint = "there are " + list(known)
	}
	return p.failHint(cond, hint, diag.CodeCondition, "%s has no condition %q", rule, cond.Text)
}

func (p *parser) signalRule(from ast.Pos, q ast.Qualifiers) (ast.Stmt, bool) {
	if !p.noOwner(&q, "signal") {
		return nil, false
	}
	p.next()
	n := &ast.SignalRule{Qualifiers: q}
	bits, ok := p.perms(signalPerm, ast.SignalPerms(), false)
	if !ok {
		return nil, false
	}
	n.Perms = ast.SignalPerm(bits)
	peer := false
	for p.tok.Kind == lex.Cond {
		cond := p.tok
		if cond.Wide {
			return nil, p.failHint(&cond, "write the value without parentheses", diag.CodeSyntax, "peer takes one value here, not a list")
		}
		switch cond.Text {
		case "set":
			if cond.Op != lex.OpEqual {
				return nil, p.fail(&cond, diag.CodeCondition, "only = may stand behind set")
			}
			p.next()
			ok = p.condValues(func(t *lex.Token) bool {
				name, known := signalName(string(tokenPattern(p.src, t)))
				if !known {
					return p.failHint(t, signalHint(t.Text), diag.CodeSignal, "unknown signal %q", t.Text)
				}
				n.Signals = append(n.Signals, name)
				return true
			})
		case "peer":
			p.next()
			var value lex.Token
			value, ok = p.condValue(&cond, false)
			ok = ok && p.set(&n.Peer, &peer, &cond, &value)
		default:
			ok = p.noCond(&cond, "signal", ast.VocabularyOf("set", "peer"))
		}
		if !ok {
			return nil, false
		}
	}
	if !p.ruleEnd(ast.SignalPerms()) {
		return nil, false
	}
	n.Span = p.span(from)
	return n, true
}

// ruleEnd reads the comma of a rule that has permissions.
func (p *parser) ruleEnd(perms ast.Vocabulary) bool {
	if p.tok.Kind == lex.Value && !p.tok.Quoted && !p.onNewLine() {
		if hint := nearestHint(perms, p.tok.Text); hint != "" {
			if perms.Has(p.tok.Text) {
				hint = "put several permissions in parentheses"
			}
			return p.failHint(&p.tok, hint, diag.CodeSyntax, "unexpected word, expected a comma at the end of the rule")
		}
	}
	return p.comma()
}

// signalName returns the canonical name of a signal. What stands behind rtmin+
// is a number; a missing one is 0.
func signalName(name string) (string, bool) {
	if ast.IsSignal(name) {
		return name, true
	}
	rest, ok := strings.CutPrefix(name, "rtmin+")
	if !ok {
		return "", false
	}
	// Like the C library's atoi: a sign and digits, and nothing is 0.
	digits := strings.TrimLeft(rest, "+-")
	if i := strings.IndexFunc(digits, func(r rune) bool { return r < '0' || r > '9' }); i >= 0 {
		digits = digits[:i]
	}
	n, err := strconv.Atoi(digits)
	if digits != "" && err != nil || n > 0 && strings.HasPrefix(rest, "-") {
		return "", false
	}
	return "rtmin+" + strconv.Itoa(n), n <= ast.MaxRealTimeSignal
}

func signalHint(name string) string {
	lower := strings.ToLower(name)
	if bare := strings.TrimPrefix(lower, "sig"); ast.Signals().Has(bare) {
		return didYouMean(bare)
	}
	if lower == "rtmin" {
		return didYouMean("rtmin+0")
	}
	if strings.HasPrefix(lower, "rtmin+") {
		return "the last one is rtmin+" + strconv.Itoa(ast.MaxRealTimeSignal)
	}
	if n, err := strconv.Atoi(name); err == nil && 0 < n && n < 32 {
		return didYouMean(linux.Signals[n])
	}
	return nearestHint(ast.Signals(), lower)
}

func (p *parser) ptraceRule(from ast.Pos, q ast.Qualifiers) (ast.Stmt, bool) {
	if !p.noOwner(&q, "ptrace") {
		return nil, false
	}
	p.next()
	n := &ast.PtraceRule{Qualifiers: q}
	bits, ok := p.perms(ptracePerm, ast.PtracePerms(), false)
	if !ok {
		return nil, false
	}
	n.Perms = ast.PtracePerm(bits)
	peer := false
	for p.tok.Kind == lex.Cond {
		cond := p.tok
		switch {
		case cond.Wide:
			return nil, p.failHint(&cond, "write the value without parentheses", diag.CodeSyntax, "peer takes one value here, not a list")
		case cond.Text != "peer":
			return nil, p.noCond(&cond, "ptrace", ast.VocabularyOf("peer"))
		}
		p.next()
		value, ok := p.condValue(&cond, false)
		if !ok || !p.set(&n.Peer, &peer, &cond, &value) {
			return nil, false
		}
	}
	if !p.ruleEnd(ast.PtracePerms()) {
		return nil, false
	}
	n.Span = p.span(from)
	return n, true
}

func (p *parser) dbusRule(from ast.Pos, q ast.Qualifiers) (ast.Stmt, bool) {
	if !p.noOwner(&q, "dbus") {
		return nil, false
	}
	word := p.tok
	p.next()
	n := &ast.DBusRule{Qualifiers: q}
	bits, ok := p.perms(dbusPerm, ast.DBusPerms(), false)
	if !ok {
		return nil, false
	}
	n.Perms = ast.DBusPerm(bits)
	var bus, name, path, iface, member, label, peerName bool
	set := func(cond, value *lex.Token, peer bool) bool {
		if cond.Op != lex.OpEqual {
			return p.fail(cond, diag.CodeCondition, "only = may stand behind %s", cond.Text)
		}
		switch cond.Text {
		case "bus":
			return p.set(&n.Bus, &bus, cond, value)
		case "name":
			if name || peerName {
				return p.fail(cond, diag.CodeCondition, "name stands twice")
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
			return p.failHint(cond, "write peer=(label=...)", diag.CodeCondition, "label can stand only in peer=( )")
		}
		return p.noCond(cond, "dbus", ast.VocabularyOf("bus", "name", "path", "interface", "member", "label", "peer"))
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
	message := path || iface || member || peerName || label
	switch {
	case name && message:
		return nil, p.fail(&word, diag.CodeRule, "the rule has conditions on messages and on a service; name belongs to a service rule, name in peer=( ) to a message rule")
	case name && n.Perms&(ast.DBusSend|ast.DBusReceive) != 0:
		return nil, p.fail(&word, diag.CodeRule, "send and receive cannot stand with name; write peer=(name=...)")
	case message && n.Perms&ast.DBusBind != 0:
		return nil, p.fail(&word, diag.CodeRule, "bind cannot stand with conditions on messages")
	case (name || message) && n.Perms&ast.DBusEavesdrop != 0:
		return nil, p.fail(&word, diag.CodeRule, "eavesdrop can stand only with bus")
	}
	if !p.ruleEnd(ast.DBusPerms()) {
		return nil, false
	}
	n.Span = p.span(from)
	return n, true
}

func (p *parser) pivotRootRule(from ast.Pos, q ast.Qualifiers) (ast.Stmt, bool) {
	if !p.noOwner(&q, "pivot_root") {
		return nil, false
	}
	p.next()
	n := &ast.PivotRootRule{Qualifiers: q}
	for p.tok.Kind == lex.Cond {
		cond := p.tok
		if cond.Text != "oldroot" {
			return nil, p.noCond(&cond, "pivot_root", ast.VocabularyOf("oldroot"))
		}
		p.next()
		value, ok := p.condValue(&cond, false)
		if !ok {
			return nil, false
		}
		n.OldRoot = p.match(&value)
	}
	switch p.tok.Kind {
	case lex.Path, lex.Var:
		n.NewRoot = p.pattern()
		p.next()
	}
	if p.accept(lex.Arrow) {
		target := p.tok
		n.Target = string(p.pattern())
		if !p.expect(lex.Value, "a profile name") || !p.notEmpty(n.Target, &target) {
			return nil, false
		}
	}
	if !p.comma() {
		return nil, false
	}
	n.Span = p.span(from)
	return n, true
}

func (p *parser) changeProfileRule(from ast.Pos, q ast.Qualifiers) (ast.Stmt, bool) {
	if !p.noOwner(&q, "change_profile") {
		return nil, false
	}
	p.next()
	n := &ast.ChangeProfileRule{Qualifiers: q}
	word := p.tok
	if p.tok.Kind == lex.Value && !p.tok.Quoted {
		switch p.tok.Text {
		case "safe":
			n.Safety = ast.Safe
			p.next()
		case "unsafe":
			n.Safety = ast.Unsafe
			p.next()
		}
	}
	if p.tok.Kind == lex.Value {
		n.Exec = p.pattern()
		if e := string(n.Exec); !strings.HasPrefix(e, "/") && !strings.HasPrefix(e, "@{") {
			hint := ""
			if strings.HasPrefix(e, "->") {
				hint = "put blanks around the arrow"
			} else if n.Safety == ast.SafetyDefault {
				hint = "the profile to change to stands behind an arrow"
			}
			return nil, p.failHint(&p.tok, hint, diag.CodePath, "the executable must begin with a slash or a variable")
		}
		p.next()
	} else if n.Safety != ast.SafetyDefault {
		return nil, p.fail(&word, diag.CodeRule, "%s needs an executable", word.Text)
	}
	if p.accept(lex.Arrow) {
		n.Target = p.match(&p.tok)
		if !p.expect(lex.Value, "a profile name") {
			return nil, false
		}
	}
	if !p.comma() {
		return nil, false
	}
	n.Span = p.span(from)
	return n, true
}

func (p *parser) mqueueRule(from ast.Pos, q ast.Qualifiers) (ast.Stmt, bool) {
	if !p.noOwner(&q, "mqueue") {
		return nil, false
	}
	p.next()
	n := &ast.MqueueRule{Qualifiers: q}
	bits, ok := p.perms(mqueuePerm, ast.MqueuePerms(), false)
	if !ok {
		return nil, false
	}
	n.Perms = ast.MqueuePerm(bits)
	label := false
	for p.tok.Kind == lex.Cond && !p.tok.Wide {
		cond := p.tok
		p.next()
		value, ok := p.condValue(&cond, false)
		if !ok {
			return nil, false
		}
		switch cond.Text {
		case "type":
			n.Type = value.Text
			if !ast.MqueueTypes().Has(value.Text) {
				return nil, p.failHint(&value, nearestHint(ast.MqueueTypes(), value.Text), diag.CodeCondition, "unknown type of message queue %q", value.Text)
			}
		case "label":
			if !p.set(&n.Label, &label, &cond, &value) {
				return nil, false
			}
		default:
			return nil, p.noCond(&cond, "mqueue", ast.VocabularyOf("type", "label"))
		}
	}
	if p.tok.Kind == lex.Value {
		n.Name = p.pattern()
		if !p.mqueueName(n) {
			return nil, false
		}
		p.next()
	}
	if !p.comma() {
		return nil, false
	}
	n.Span = p.span(from)
	return n, true
}

// mqueueName checks the name of a queue, the next token, against its type.
func (p *parser) mqueueName(n *ast.MqueueRule) bool {
	name := string(n.Name)
	switch {
	case strings.HasPrefix(name, "/"):
		if n.Type == "sysv" {
			return p.fail(&p.tok, diag.CodeCondition, "the name of a sysv message queue is a number")
		}
	case name != "" && strings.Trim(name, "0123456789") == "":
		if n.Type == "posix" {
			return p.fail(&p.tok, diag.CodeCondition, "the name of a posix message queue begins with a slash")
		}
	default:
		return p.fail(&p.tok, diag.CodeCondition, "the name of a message queue begins with a slash or is a number")
	}
	return true
}

func (p *parser) ioUringRule(from ast.Pos, q ast.Qualifiers) (ast.Stmt, bool) {
	if !p.noOwner(&q, "io_uring") {
		return nil, false
	}
	p.next()
	n := &ast.IOUringRule{Qualifiers: q}
	bits, ok := p.perms(ioUringPerm, ast.IOUringPerms(), true)
	if !ok {
		return nil, false
	}
	n.Perms = ast.IOUringPerm(bits)
	label := false
	for p.tok.Kind == lex.Cond && !p.tok.Wide {
		cond := p.tok
		p.next()
		value, ok := p.condValue(&cond, false)
		if !ok {
			return nil, false
		}
		if cond.Text != "label" {
			return nil, p.noCond(&cond, "io_uring", ast.VocabularyOf("label"))
		}
		if !p.set(&n.Label, &label, &cond, &value) {
			return nil, false
		}
	}
	if p.tok.Kind == lex.Cond && !p.peerConds(func(cond, value *lex.Token) bool {
		if cond.Text != "label" || cond.Op != lex.OpEqual {
			return p.noCond(cond, "io_uring", ast.VocabularyOf("label"))
		}
		return p.set(&n.Label, &label, cond, value)
	}) {
		return nil, false
	}
	if !p.comma() {
		return nil, false
	}
	n.Span = p.span(from)
	return n, true
}

func (p *parser) usernsRule(from ast.Pos, q ast.Qualifiers) (ast.Stmt, bool) {
	if !p.noOwner(&q, "userns") {
		return nil, false
	}
	p.next()
	n := &ast.UsernsRule{Qualifiers: q}
	if p.tok.Kind == lex.Value && p.tok.Text == "create" {
		n.Create = true
		p.next()
	}
	if !p.ruleEnd(ast.VocabularyOf("create")) {
		return nil, false
	}
	n.Span = p.span(from)
	return n, true
}

func (p *parser) allRule(from ast.Pos, q ast.Qualifiers) (ast.Stmt, bool) {
	if !p.noOwner(&q, "all") || !p.noPriority(&q, "all") {
		return nil, false
	}
	p.next()
	if !p.comma() {
		return nil, false
	}
	return &ast.AllRule{Span: p.span(from), Qualifiers: q}, true
}
