// SPDX-License-Identifier: Apache-2.0

package parser

import (
	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/internal/lang"
	"github.com/goarmor/apparmor/internal/lex"
)

// fileClass reads rules on files, and the l form of link rules.
type fileClass struct{}

// modes are the permissions of a file rule.
type modes struct {
	perms ast.FilePerm
	exec  ast.Exec
	scrub bool
	upper bool // letters that should be lower case
}

// modes decodes the next token, which must be file permissions.
func (p *parser) modes() (m modes, ok bool) {
	t := p.tok
	if !lex.IsFilePerms(p.src, &t) {
		if t.Kind == lex.Word {
			return m, p.notPerms(&t)
		}
		return m, p.unexpected("file permissions")
	}
	s := t.Text
	for i := 0; i < len(s); {
		n := lang.FilePermLen(s[i:])
		switch group := s[i : i+n]; group {
		case "r":
			m.perms |= ast.FileRead
		case "w":
			m.perms |= ast.FileWrite
		case "a":
			m.perms |= ast.FileAppend
		case "l":
			m.perms |= ast.FileLink
		case "k":
			m.perms |= ast.FileLock
		case "m":
			m.perms |= ast.FileMmap
		case "R", "W", "L", "M":
			m.upper = true
			switch group {
			case "R":
				m.perms |= ast.FileRead
			case "W":
				m.perms |= ast.FileWrite
			case "L":
				m.perms |= ast.FileLink
			case "M":
				m.perms |= ast.FileMmap
			}
		default:
			exec, scrub := execMode(group)
			m.upper = m.upper || group[n-1] == 'X' || group[0] == 'I'
			if m.exec != ast.ExecNone && (m.exec != exec || m.scrub != scrub) {
				return m, p.fail(&t, diag.CodePermissions, "two different exec modes, %s and %s", m.exec.Spelling(m.scrub), exec.Spelling(scrub))
			}
			m.exec, m.scrub = exec, scrub
		}
		i += n
	}
	if m.upper {
		p.warn(p.pos(), t.Text, diag.ClassDeprecated, diag.WarnUpperCase, "upper-case permissions are deprecated")
	}
	p.next()
	return m, true
}

// execMode decodes the text of one exec mode.
func execMode(s string) (ast.Exec, bool) {
	scrub := s[0] == 'P' || s[0] == 'C' || s[0] == 'U'
	switch s[0] | 0x20 {
	case 'x':
		return ast.ExecDeny, false
	case 'i':
		return ast.ExecInherit, false
	case 'u':
		return ast.ExecUnconfined, scrub
	case 'p':
		return withFallback(s, ast.ExecProfile, ast.ExecProfileInherit, ast.ExecProfileUnconfined), scrub
	}
	return withFallback(s, ast.ExecChild, ast.ExecChildInherit, ast.ExecChildUnconfined), scrub
}

func withFallback(s string, none, inherit, unconfined ast.Exec) ast.Exec {
	switch s[1] | 0x20 {
	case 'i':
		return inherit
	case 'u':
		return unconfined
	}
	return none
}

// read reads a rule on a path, with or without the word file, and the l
// form of link rules.
func (fileClass) read(p *parser, from ast.Pos, q ast.Qualifiers) (ast.Stmt, bool) {
	word := p.tok
	if p.isWord("file") {
		p.next()
		if p.tok.Kind == lex.Comma {
			n := &ast.FileRule{Qualifiers: q, All: true}
			if !p.valid(n, &word, nil) {
				return nil, false
			}
			p.next()
			n.Span = p.span(from)
			return n, true
		}
	}
	safety, safetyTok := ast.SafetyDefault, p.tok
	switch {
	case p.isWord("safe"):
		safety = ast.Safe
		p.next()
	case p.isWord("unsafe"):
		safety = ast.Unsafe
		p.next()
	}
	n := &ast.FileRule{Qualifiers: q}
	first := p.tok
	leading := lex.IsFilePerms(p.src, &first)
	var m modes
	var ok bool
	var modesTok lex.Token
	subset := false
	if leading {
		modesTok = first
		if m, ok = p.modes(); !ok {
			return nil, false
		}
		if p.isWord("subset") {
			if m.perms != ast.FileLink || m.exec != ast.ExecNone {
				return nil, p.fail(&p.tok, diag.CodePermissions, "subset is allowed only with the permission l alone")
			}
			subset = true
			p.next()
		}
	}
	path := p.tok
	if !p.fileName() {
		return nil, false
	}
	n.Path = tokenPattern(p.src, &path)
	if !leading {
		modesTok = p.tok
		if !p.modesAfter(&path) {
			return nil, false
		}
		if m, ok = p.modes(); !ok {
			return nil, false
		}
	}
	n.Perms, n.Exec, n.Scrub = m.perms, m.exec, m.scrub
	if safety != ast.SafetyDefault {
		if m.exec <= ast.ExecDeny {
			return nil, p.fail(&safetyTok, diag.CodePermissions, "%s needs an exec mode", safetyTok.Text)
		}
		n.Scrub = safety == ast.Safe && m.exec != ast.ExecInherit
	}
	atModes := func(e *ast.CheckError) lex.Token {
		if e.Code == diag.CodePermissions {
			return modesTok
		}
		return lex.Token{}
	}
	if !p.valid(n, &word, atModes) {
		return nil, false
	}
	if p.tok.Kind == lex.Arrow {
		p.next()
		target := p.tok
		if !p.expect(lex.Value, "a target") {
			return nil, false
		}
		text := p.match(&target)
		switch {
		case leading && m.perms&ast.FileLink != 0 && m.exec != ast.ExecNone:
			return nil, p.fail(&modesTok, diag.CodePermissions, "link and exec permissions cannot share a target; write the permissions after the path")
		case m.perms == ast.FileLink && m.exec == ast.ExecNone:
			if !p.comma() {
				return nil, false
			}
			return &ast.LinkRule{Span: p.span(from), Qualifiers: q, Subset: subset, From: n.Path, To: text}, true
		case m.perms&ast.FileLink != 0 && m.exec == ast.ExecNone:
			n.Link = text
		default:
			if m.perms&ast.FileLink != 0 && m.exec != ast.ExecNone {
				p.warn(from, modesTok.Text, diag.ClassDeprecated, diag.WarnLinkExec, "the target could belong to l or to x; it is taken as that of x")
			}
			n.Target = string(tokenPattern(p.src, &target))
			if !p.notEmpty(n.Target, &target) {
				return nil, false
			}
		}
	} else if subset {
		return nil, p.unexpected("an arrow")
	}
	if lex.IsFilePerms(p.src, &p.tok) && !p.onNewLine() {
		return nil, p.failHint(&p.tok, "write the permissions as one word", diag.CodePermissions, "more permissions, expected a comma at the end of the rule")
	}
	if !p.comma() {
		return nil, false
	}
	n.Span = p.span(from)
	return n, true
}

// fileName reads the path of a file rule, which may also be a bare word.
func (p *parser) fileName() bool {
	switch p.tok.Kind {
	case lex.Path, lex.Var:
		p.next()
		return true
	case lex.Word:
		switch {
		case lang.IsReserved(p.tok.Text), lex.IsFilePerms(p.src, &p.tok):
		case lang.IsFilePerms(p.tok.Text):
			// The reference takes this as a name, which is a trap.
			return p.notPerms(&p.tok)
		default:
			p.next()
			return true
		}
	}
	if p.isWord("include") {
		return p.noPath(p.tok)
	}
	if p.isWord("else") {
		return p.fail(&p.tok, diag.CodeSyntax, "the else has no if before it")
	}
	if p.tok.Kind == lex.Comma {
		return p.failHint(&p.tok, "permissions are written as one word, before or after a path", diag.CodeSyntax, "unexpected comma, expected a path")
	}
	return p.unexpected("a rule, a path or file permissions")
}

// modesAfter checks that permissions follow a path, with a word on what is
// probably wrong.
func (p *parser) modesAfter(path *lex.Token) bool {
	if lex.IsFilePerms(p.src, &p.tok) {
		return true
	}
	if path.Kind == lex.Word {
		if caps := ast.Capabilities(); caps.Has(path.Text) {
			return p.failHint(path, "capabilities are separated by blanks; a comma ends the rule", diag.CodeSyntax, "unknown rule %q", path.Text)
		}
		if hint := ruleHint(path.Text); hint != "" || p.tok.Kind == lex.Word {
			return p.failHint(path, hint, diag.CodeSyntax, "unknown rule %q", path.Text)
		}
	}
	switch p.tok.Kind {
	case lex.EOF, lex.Illegal:
		return p.unexpected("file permissions")
	case lex.Word:
		return p.notPerms(&p.tok)
	}
	hint := ""
	if p.tok.Kind == lex.Comma && p.src[p.end-1] != ',' {
		hint = "permissions are missing"
	}
	return p.failHint(&p.tok, hint, diag.CodeSyntax, "unexpected %s, expected file permissions", describe(&p.tok))
}
