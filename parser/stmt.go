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

// stmts reads statements up to the end of the file, or to the brace that
// closes the block at open, which it leaves unread.
func (p *parser) stmts(open ast.Pos) []ast.Stmt {
	var list []ast.Stmt
	for n := 0; ; n++ {
		if n&0xff == 0xff && p.ctx.Err() != nil {
			p.stopped = true
		}
		if p.stopped {
			return list
		}
		switch p.tok.Kind {
		case lex.EOF:
			return list
		case lex.Close:
			if open.IsValid() {
				return list
			}
		}
		from, first := p.pos(), p.tok
		s, ok := p.stmt()
		if !ok {
			s = p.bad(from, &first)
		}
		list = append(list, s)
	}
}

// place decides the context, or reports a statement that does not fit it.
func (p *parser) place(t *lex.Token, where Context, what string) bool {
	if len(p.names) > 0 || len(p.blocks) > 0 {
		if where == ContextFile {
			return p.fail(t, diag.CodePlace, "%s is not allowed in a profile", what)
		}
		return true
	}
	if p.context == ContextAuto {
		p.context = where
	}
	if p.context == where {
		return true
	}
	if where == ContextFile {
		return p.fail(t, diag.CodePlace, "%s is not allowed among rules", what)
	}
	if hint := p.outsideHint(t); hint != "" {
		return p.failHint(t, hint, diag.CodePlace, "unknown statement %q", t.Text)
	}
	return p.fail(t, diag.CodePlace, "%s is not allowed outside a profile", what)
}

// preamble is place for statements that must come before the first profile.
func (p *parser) preamble(t *lex.Token, what string) bool {
	if !p.place(t, ContextFile, what) {
		return false
	}
	if p.profiles > 0 {
		return p.fail(t, diag.CodePlace, "%s must come before the first profile", what)
	}
	return true
}

// stmt reads one statement.
func (p *parser) stmt() (ast.Stmt, bool) {
	switch p.tok.Kind {
	case lex.Include:
		return p.include()
	case lex.Path:
		if len(p.names) == 0 && len(p.blocks) == 0 && p.context != ContextBody && (p.context == ContextFile || p.pathBeginsProfile()) {
			return p.profile(ast.KindPath)
		}
		return p.rule()
	case lex.Word:
		switch p.tok.Text {
		case "abi":
			return p.abi()
		case "alias", "rewrite":
			return p.alias()
		case "profile":
			return p.profile(ast.KindProfile)
		case "hat":
			return p.profile(ast.KindHat)
		case "if":
			return p.conditional()
		}
		return p.rule()
	case lex.Caret:
		return p.profile(ast.KindHat)
	case lex.Open:
		return p.rule()
	case lex.Var, lex.BoolVar:
		return p.assignOrRule()
	}
	if p.tok.Kind == lex.Cond {
		if hint := ruleHint(p.tok.Text); hint != "" {
			return nil, p.failHint(&p.tok, hint, diag.CodeSyntax, "unknown rule %q", p.tok.Text)
		}
	}
	if p.tok.Kind == lex.Comma {
		return nil, p.failHint(&p.tok, "a comma, brace or include is not followed by a comma", diag.CodeSyntax, "unexpected comma, expected %s", p.expectedStmt())
	}
	return nil, p.unexpected(p.expectedStmt())
}

func (p *parser) expectedStmt() string {
	switch {
	case len(p.names) > 0 || len(p.blocks) > 0:
		return "a rule or a closing brace"
	case p.context == ContextFile:
		return "a profile or a preamble statement"
	}
	return "a statement"
}

// pathBeginsProfile looks ahead, without reading, whether a path at the top of
// a file of unknown kind is the name of a profile rather than of a file.
func (p *parser) pathBeginsProfile() bool {
	l := p.lex
	var t lex.Token
	l.Next(&t)
	switch t.Kind {
	case lex.Open, lex.Path, lex.Var, lex.OpenParen, lex.Plus:
		return true
	case lex.Cond:
		return t.Text == "flags" || t.Text == "xattrs"
	}
	return false
}

// include reads an include statement, which is one token.
func (p *parser) include() (ast.Stmt, bool) {
	n := &ast.Include{Path: p.tok.Text, Kind: includeKind(p.tok.Form), IfExists: p.tok.IfExists, Hash: p.tok.Hash}
	from := p.pos()
	if n.Kind == ast.IncludeBare && (n.Path == "{" || n.Path == "}") {
		return nil, p.noPath(p.tok)
	}
	if n.Hash {
		p.warn(from, p.raw(&p.tok), diag.ClassPoundInclude, diag.WarnPoundInclude, "#include looks like a comment; write include")
	}
	p.next()
	n.Span = p.span(from)
	return n, true
}

// noPath reports an include that has only its keyword, the beginning of t.
func (p *parser) noPath(t lex.Token) bool {
	keyword := "include"
	if t.Hash {
		keyword = "#include"
	}
	t.To = t.From + uint32(len(keyword))
	return p.failHint(&t, "write include <path>", diag.CodeSyntax, "the include has no path")
}

func includeKind(f lex.Form) ast.IncludeKind {
	switch f {
	case lex.Quotes:
		return ast.IncludeQuoted
	case lex.Bare:
		return ast.IncludeBare
	}
	return ast.IncludeMagic
}

// abi reads an abi statement.
func (p *parser) abi() (ast.Stmt, bool) {
	from, word := p.pos(), p.tok
	if len(p.names) == 0 && len(p.blocks) == 0 && p.profiles > 0 && p.context != ContextBody {
		return nil, p.fail(&word, diag.CodePlace, "abi must come before the first profile")
	}
	p.next()
	n := &ast.ABI{Path: p.tok.Text, Kind: includeKind(p.tok.Form)}
	if !p.expect(lex.FileName, "a path") || !p.expect(lex.Comma, "a comma at the end of the abi statement") {
		return nil, false
	}
	n.Span = p.span(from)
	return n, true
}

// alias reads an alias.
func (p *parser) alias() (ast.Stmt, bool) {
	from := p.pos()
	if !p.preamble(&p.tok, "an alias") {
		return nil, false
	}
	p.next()
	n := &ast.Alias{From: p.pattern()}
	if !p.expect(lex.Path, "a path that begins with a slash") {
		return nil, false
	}
	if p.tok.Kind != lex.Arrow {
		return nil, p.failHint(&p.tok, "write alias /from -> /to", diag.CodeSyntax, "unexpected %s, expected an arrow", describe(&p.tok))
	}
	p.next()
	to := p.tok
	n.To = p.pattern()
	if !p.expect(lex.Value, "a path") || !p.notEmpty(string(n.To), &to) || !p.expect(lex.Comma, "a comma at the end of the alias") {
		return nil, false
	}
	n.Span = p.span(from)
	return n, true
}

// assignOrRule reads an assignment, or a rule on a path that is a variable.
func (p *parser) assignOrRule() (ast.Stmt, bool) {
	l := p.lex
	var t lex.Token
	l.Next(&t)
	if t.Kind != lex.Assign {
		if p.tok.Kind == lex.BoolVar {
			p.next()
			return nil, p.failHint(&p.tok, "variables in paths are written @{NAME}", diag.CodeSyntax, "unexpected %s, expected an assignment", describe(&p.tok))
		}
		if p.context == ContextFile && len(p.names) == 0 && len(p.blocks) == 0 {
			p.next()
			return nil, p.unexpected("an assignment (a profile that is named by a variable needs the word profile)")
		}
		return p.rule()
	}
	if !p.preamble(&p.tok, "an assignment") {
		return nil, false
	}
	from, name, boolean := p.pos(), p.tok.Text, p.tok.Kind == lex.BoolVar
	p.next()
	opTok, op := p.tok, assignOp(p.tok.Text)
	p.next()
	if boolean {
		if op == ast.AssignAdd {
			return nil, p.fail(&opTok, diag.CodeSyntax, "a boolean variable cannot be added to")
		}
		n := &ast.BoolAssign{Name: name, Op: op}
		var ok bool
		if n.Value, ok = p.expression(); !ok {
			return nil, false
		}
		n.Span = p.span(from)
		return n, p.noComma()
	}
	n := &ast.VarAssign{Name: name, Op: op}
	if p.tok.Kind != lex.Value {
		if !p.noComma() {
			return nil, false
		}
		if p.tok.Kind == lex.Illegal {
			return nil, p.unexpected("a value")
		}
		return nil, p.fail(&opTok, diag.CodeSyntax, "the assignment has no value; an empty one is written \"\"")
	}
	for p.tok.Kind == lex.Value {
		n.Values = append(n.Values, p.pattern())
		p.next()
	}
	n.Span = p.span(from)
	n.To += ast.Pos(continuation(p.src[p.end:max(p.end, p.tok.From)]))
	if p.tok.Kind == lex.Illegal {
		return nil, p.unexpected("a value")
	}
	return n, p.noComma()
}

// continuation returns the end of the last line continuation that the blanks
// after an assignment begin with. It is the assignment's, since it means
// nothing elsewhere.
func continuation(blanks string) int {
	end := 0
	for i := 0; i < len(blanks); i++ {
		switch blanks[i] {
		case '\\', ' ', '\t', '\r':
		case '\n':
			if line := strings.TrimSuffix(blanks[:i], "\r"); !strings.HasSuffix(line, "\\") {
				return end
			}
			end = i + 1
		default:
			return end
		}
	}
	return end
}

// noComma reports the comma that does not belong after an assignment.
func (p *parser) noComma() bool {
	if p.tok.Kind != lex.Comma {
		return true
	}
	return p.failHint(&p.tok, "remove it, or quote the value", diag.CodeSyntax, "an assignment does not end in a comma")
}

func assignOp(text string) ast.AssignOp {
	switch text {
	case "+=":
		return ast.AssignAdd
	case "?=":
		return ast.AssignDefault
	case ":=":
		return ast.AssignReplace
	}
	return ast.AssignSet
}

// rule reads qualifiers and the rule or block that they belong to.
func (p *parser) rule() (ast.Stmt, bool) {
	from, first := p.pos(), p.tok
	var q ast.Qualifiers
	if p.tok.Kind == lex.Word && !p.qualifiers(&q) {
		return nil, false
	}
	if !p.place(&first, ContextBody, "a rule") {
		return nil, false
	}
	if !p.agree(&q, &first) {
		return nil, false
	}
	if p.tok.Kind == lex.Open {
		return p.block(from, &first, q)
	}
	if p.tok.From != first.From {
		if what := noRule(&p.tok); what != "" {
			return nil, p.failHint(&p.tok, "qualifiers belong to rules and blocks", diag.CodeQualifier, "%s takes no qualifiers", what)
		}
	}
	if p.tok.Kind == lex.Word {
		if class := classOf(p.tok.Text); class != nil {
			return class.read(p, from, q)
		}
	}
	return fileClass{}.read(p, from, q)
}

// noRule says what statement other than a rule a token begins.
func noRule(t *lex.Token) string {
	if t.Kind == lex.Include {
		return "an include"
	}
	if t.Kind != lex.Word {
		return ""
	}
	switch t.Text {
	case "profile":
		return "a profile"
	case "hat":
		return "a hat"
	case "if":
		return "a conditional"
	case "abi":
		return "an abi statement"
	case "alias":
		return "an alias"
	}
	return ""
}

// agree checks that a rule's access does not contradict the blocks around it.
func (p *parser) agree(q *ast.Qualifiers, t *lex.Token) bool {
	if q.Access == ast.Allow {
		return true
	}
	for _, b := range p.blocks {
		if b.Access != ast.Allow && b.Access != q.Access {
			return p.fail(t, diag.CodeQualifiers, "the qualifier contradicts that of the block around it")
		}
	}
	return true
}

// access is what a rule with the given qualifiers does, those of the blocks
// around it included.
func (p *parser) access(q *ast.Qualifiers) ast.Access {
	if q.Access != ast.Allow {
		return q.Access
	}
	for i := len(p.blocks) - 1; i >= 0; i-- {
		if a := p.blocks[i].Access; a != ast.Allow {
			return a
		}
	}
	return ast.Allow
}

// The places of qualifiers in their fixed order.
const (
	atPriority = 1 + iota
	atAudit
	atAccess
	atOwner
)

func qualifierPlace(word string) int {
	switch word {
	case "priority":
		return atPriority
	case "audit":
		return atAudit
	case "allow", "deny", "prompt":
		return atAccess
	case "owner", "user", "other":
		return atOwner
	}
	return 0
}

// qualifiers reads the qualifiers of a rule or block.
func (p *parser) qualifiers(q *ast.Qualifiers) bool {
	at := 0
	for p.tok.Kind == lex.Word {
		place := qualifierPlace(p.tok.Text)
		if place == 0 {
			return true
		}
		word := p.tok
		switch {
		case place == at:
			return p.fail(&word, diag.CodeQualifier, "a second %s qualifier", placeNames[place])
		case place < at:
			return p.failHint(&word, "the order is priority, audit, allow or deny, owner", diag.CodeQualifier, "%s comes too late", word.Text)
		}
		at = place
		p.next()
		switch word.Text {
		case "priority":
			if p.tok.Kind != lex.Assign {
				return p.unexpected("an equals sign and a number")
			}
			p.next()
			number := p.tok
			if !p.expect(lex.Number, "a number") {
				return false
			}
			if !p.priority(q, &number) {
				return false
			}
		case "audit":
			q.Audit = true
		case "allow":
			q.Access = ast.AllowExplicit
		case "deny":
			q.Access = ast.Deny
		case "prompt":
			q.Access = ast.Prompt
		case "owner", "user":
			q.Owner = ast.OnlyOwner
		case "other":
			q.Owner = ast.OnlyOther
		}
	}
	return true
}

var placeNames = [...]string{atPriority: "priority", atAudit: "audit", atAccess: "access", atOwner: "owner"}

func (p *parser) priority(q *ast.Qualifiers, t *lex.Token) bool {
	n, err := strconv.ParseInt(strings.TrimPrefix(t.Text, "+"), 10, 32)
	if err != nil || n < lang.MinPriority || n > lang.MaxPriority {
		return p.fail(t, diag.CodeQualifier, "the priority must be from %d to %d", lang.MinPriority, lang.MaxPriority)
	}
	q.Priority = int16(n)
	return true
}

// block reads a qualifier block.
func (p *parser) block(from ast.Pos, first *lex.Token, q ast.Qualifiers) (ast.Stmt, bool) {
	if q.Priority != 0 {
		return nil, p.fail(first, diag.CodeQualifier, "a block cannot have a priority")
	}
	n := &ast.Block{Qualifiers: q, Open: p.pos()}
	p.blocks = append(p.blocks, &n.Qualifiers)
	body, ok := p.body(&n.Close)
	p.blocks = p.blocks[:len(p.blocks)-1]
	n.Body, n.Span = body, p.span(from)
	return n, ok
}

// body reads statements in braces.
func (p *parser) body(closing *ast.Pos) ([]ast.Stmt, bool) {
	open := p.tok
	if !p.expect(lex.Open, "an opening brace") || !p.nest() {
		return nil, false
	}
	list := p.stmts(ast.Pos(open.From + 1))
	p.depth--
	if p.stopped {
		p.failed = true
		return list, false
	}
	*closing = p.pos()
	if p.tok.Kind == lex.EOF {
		d := &diag.Diagnostic{
			Code: diag.CodeSyntax, Pos: p.file.Position(p.pos()), Message: "unexpected end of file, expected a closing brace",
			Related: []ast.Position{p.file.Position(ast.Pos(open.From + 1))},
		}
		return list, p.report(d)
	}
	p.next()
	return list, true
}

// conditional reads an if statement with its else branches.
func (p *parser) conditional() (ast.Stmt, bool) {
	if !p.place(&p.tok, ContextBody, "a conditional") {
		return nil, false
	}
	depth := p.depth
	defer func() { p.depth = depth }()
	first := &ast.If{}
	for n := first; ; {
		from := p.pos()
		p.next() // if
		var ok bool
		if n.Cond, ok = p.expression(); !ok {
			return nil, false
		}
		var closing ast.Pos
		p.blocks = append(p.blocks, &ast.Qualifiers{})
		n.Then, ok = p.body(&closing)
		p.blocks = p.blocks[:len(p.blocks)-1]
		if !ok {
			return nil, false
		}
		n.Span = p.span(from)
		if !p.isWord("else") {
			break
		}
		p.next()
		n.HasElse = true
		if p.isWord("if") {
			if !p.nest() {
				return nil, false
			}
			next := &ast.If{}
			n.Else, n.ElseIf = []ast.Stmt{next}, true
			n = next
			continue
		}
		if p.tok.Kind != lex.Open {
			return nil, p.unexpected("if or an opening brace")
		}
		p.blocks = append(p.blocks, &ast.Qualifiers{})
		n.Else, ok = p.body(&closing)
		p.blocks = p.blocks[:len(p.blocks)-1]
		if !ok {
			return nil, false
		}
		n.Span = p.span(from)
		break
	}
	// Every link of the chain ends where the last one does.
	for n := first; ; {
		n.To = ast.Pos(p.end + 1)
		if !n.ElseIf {
			return first, true
		}
		n = n.Else[0].(*ast.If)
	}
}
