// SPDX-License-Identifier: Apache-2.0

package parser

import (
	"errors"
	"strings"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/internal/lang"
	"github.com/goarmor/apparmor/internal/lex"
)

// profile reads a profile, child profile or hat.
func (p *parser) profile(kind ast.ProfileKind) (ast.Stmt, bool) {
	from := p.pos()
	top := len(p.names) == 0 && len(p.blocks) == 0
	if kind == ast.KindPath && !p.place(&p.tok, ContextFile, "a profile without the word profile") {
		return nil, false
	}
	n := &ast.Profile{Kind: kind}
	if kind != ast.KindPath {
		p.next()
	}
	name := p.tok
	switch p.tok.Kind {
	case lex.Value, lex.Path:
	default:
		return nil, p.unexpected("a profile name")
	}
	p.next()
	if p.gluedBrace(&name) {
		if p.stopped {
			return nil, false
		}
		p.failed = false
		p.resume(int(name.To)-1, int(name.To)-1)
	} else if !p.profileName(n, &name) || !p.attachment(n) || !p.profileHead(n) {
		// The body may still be worth reading.
		if p.stopped || !p.skipToBody() {
			return nil, false
		}
		p.failed = false
	}
	if p.tok.Kind != lex.Open {
		hint := ""
		switch {
		case strings.HasSuffix(p.raw(&name), "{}"):
			hint = "put a blank before the brace"
		case kind == ast.KindPath && top && p.tok.Kind == lex.Word:
			hint = "a rule must be inside a profile"
		case p.tok.Kind == lex.Word && n.Attachment == "":
			hint = "quote a name that has blanks; an attachment begins with a slash or a variable"
		case p.tok.Kind == lex.Cond && len(n.Flags) > 0:
			hint = "the order is name, attachment, xattrs, identities, flags"
		case p.tok.Kind == lex.Cond:
			hint = nearestOf(p.tok.Text, "flags", "xattrs")
		}
		if p.tok.Kind == lex.EOF || p.tok.Kind == lex.Illegal {
			return nil, p.unexpected("an opening brace")
		}
		return nil, p.failHint(&p.tok, hint, diag.CodeSyntax, "unexpected %s, expected an opening brace", describe(&p.tok))
	}
	if top && p.context != ContextBody {
		p.context = ContextFile
		p.profiles++
	}
	n.Open = p.pos()
	// What is in a child is not in the blocks around it.
	blocks := p.blocks
	p.blocks = nil
	p.names = append(p.names, string(n.Name))
	body, ok := p.body(&n.Close)
	p.names = p.names[:len(p.names)-1]
	p.blocks = blocks
	n.Body, n.Span = body, p.span(from)
	return n, ok
}

// gluedBrace reports a name that ends in the brace that should open the body.
func (p *parser) gluedBrace(name *lex.Token) bool {
	text := p.raw(name)
	switch {
	case text == "{":
		p.fail(name, diag.CodeSyntax, "the profile has no name")
		return true
	case name.Quoted || !strings.HasSuffix(text, "{"):
		return false
	}
	p.failHint(name, "put a blank before the brace", diag.CodeSyntax, "the brace belongs to the name of the profile")
	return true
}

// attachment reads the attachment of a profile, if there is one.
func (p *parser) attachment(n *ast.Profile) bool {
	switch p.tok.Kind {
	case lex.Path, lex.Var:
		n.Attachment = p.pattern()
		if c := string(n.Attachment); !strings.HasPrefix(c, "/") && !strings.HasPrefix(c, "@{") {
			return p.fail(&p.tok, diag.CodeAttachment, "an attachment must begin with a slash or a variable")
		}
		p.next()
	}
	return true
}

// profileName splits and checks the name of a profile.
func (p *parser) profileName(n *ast.Profile, t *lex.Token) bool {
	name := string(tokenPattern(p.src, t))
	switch {
	case name == "":
		return p.fail(t, diag.CodeName, "the name of a profile cannot be empty")
	case name[0] == '&':
		return p.fail(t, diag.CodeName, "the name of a profile cannot be a stack")
	case name[0] == ':':
		ns, rest, ok := strings.Cut(name[1:], ":")
		rest = strings.TrimPrefix(rest, "//")
		switch {
		case !ok:
			return p.failHint(t, "write :namespace:name", diag.CodeName, "the namespace must end in a colon")
		case ns == "":
			return p.fail(t, diag.CodeName, "the namespace is empty")
		case rest == "":
			return p.failHint(t, "write :namespace:name", diag.CodeName, "the namespace is not followed by a name")
		case strings.IndexByte(ns, '\\') >= 0:
			return p.fail(t, diag.CodeName, "a namespace cannot have escaped bytes")
		case rest[0] == ':', rest[0] == '&', strings.HasPrefix(rest, "//"):
			return p.fail(t, diag.CodeName, "the name after the namespace cannot begin with a colon, an ampersand or two slashes")
		}
		n.Namespace, name = ns, rest
	case n.Kind == ast.KindPath && name[0] != '/':
		return p.fail(t, diag.CodeName, "the name of a profile must begin with a slash or follow the word profile")
	}
	n.Name = ast.Pattern(name)
	return true
}

// profileHead reads what is between a profile's attachment and its brace:
// xattrs, identities and flags, in this order.
func (p *parser) profileHead(n *ast.Profile) bool {
	if p.tok.Kind == lex.Cond && p.tok.Wide {
		switch {
		case p.tok.Text != "xattrs":
			return p.fail(&p.tok, diag.CodeSyntax, "a profile has no condition %s", p.tok.Text)
		case n.Kind == ast.KindHat && len(p.names) > 0:
			return p.fail(&p.tok, diag.CodeXattr, "a hat cannot have xattrs")
		}
		if !p.xattrs(n) {
			return false
		}
	}
	for p.tok.Kind == lex.Plus {
		p.next()
		if p.tok.Kind == lex.Cond && p.tok.Text != "identities" {
			return p.failHint(&p.tok, didYouMean("identities"), diag.CodeSyntax, "unknown condition %q", p.tok.Text)
		}
		if p.tok.Kind != lex.Cond {
			return p.unexpected("identities=( )")
		}
		p.next()
		if !p.expect(lex.OpenParen, "an opening parenthesis") {
			return false
		}
		if !p.identities(n) {
			return false
		}
	}
	switch {
	case p.tok.Kind == lex.Cond && p.tok.Text == "flags":
		p.next()
	case p.tok.Kind != lex.OpenParen:
		return true
	}
	if !p.expect(lex.OpenParen, "an opening parenthesis") {
		return false
	}
	return p.flags(n)
}

// identities reads a list of identities after its parenthesis.
func (p *parser) identities(n *ast.Profile) bool {
	for first := len(n.Identities); ; {
		switch p.tok.Kind {
		case lex.Comma:
			p.next()
			continue
		case lex.Value:
			id := p.pattern()
			if !p.notEmpty(string(id), &p.tok) {
				return false
			}
			if strings.ContainsAny(string(id), " \t") && id[0] != '/' {
				return p.fail(&p.tok, diag.CodeName, "an identity with a blank must begin with a slash")
			}
			n.Identities = append(n.Identities, id)
			p.next()
			continue
		case lex.CloseParen:
			if len(n.Identities) > first {
				p.next()
				return true
			}
		}
		return p.unexpected("an identity")
	}
}

func (p *parser) xattrs(n *ast.Profile) bool {
	p.next()
	if !p.expect(lex.OpenParen, "an opening parenthesis") {
		return false
	}
	for {
		from := p.pos()
		switch p.tok.Kind {
		case lex.CloseParen:
			p.next()
			return true
		case lex.Comma:
			p.next()
		case lex.Value:
			if !p.xattrName() {
				return false
			}
			n.Xattrs = append(n.Xattrs, ast.Xattr{Name: p.tok.Text})
			p.next()
			n.Xattrs[len(n.Xattrs)-1].Span = p.span(from)
		case lex.Cond:
			x := ast.Xattr{Name: p.tok.Text, HasValue: true}
			if p.tok.Op != lex.OpEqual {
				return p.fail(&p.tok, diag.CodeXattr, "the name of an xattr must be followed by =")
			}
			if !p.xattrName() {
				return false
			}
			p.next()
			paren := p.accept(lex.OpenParen)
			x.Value = p.pattern()
			if !p.expect(lex.Value, "a value") {
				return false
			}
			if paren && !p.expect(lex.CloseParen, "a closing parenthesis after the one value") {
				return false
			}
			x.Span = p.span(from)
			n.Xattrs = append(n.Xattrs, x)
		default:
			return p.unexpected("an xattr or a closing parenthesis")
		}
	}
}

// xattrName checks the name of an xattr, the next token.
func (p *parser) xattrName() bool {
	for i := range len(p.tok.Text) {
		switch c := p.tok.Text[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("_.:@/+-", c) >= 0:
		default:
			return p.fail(&p.tok, diag.CodeXattr, "the name of an xattr cannot have the byte %q", c)
		}
	}
	return true
}

// flags reads the list of flags after its parenthesis.
func (p *parser) flags(n *ast.Profile) bool {
	for {
		switch p.tok.Kind {
		case lex.Comma:
			p.next()
			continue
		case lex.Value:
			if !p.flag(n) {
				return false
			}
			continue
		case lex.CloseParen:
			if len(n.Flags) == 0 {
				return p.fail(&p.tok, diag.CodeFlag, "the list of flags is empty")
			}
			p.next()
			return true
		}
		return p.unexpected("a flag or a closing parenthesis")
	}
}

// flag reads one flag and checks it against those before it.
func (p *parser) flag(n *ast.Profile) bool {
	t := p.tok
	from := p.pos()
	p.next()
	name, value, hasValue := strings.Cut(string(tokenPattern(p.src, &t)), "=")
	if !ast.ProfileFlags().Has(name) && p.raw(&t) == "{" {
		return p.fail(&t, diag.CodeFlag, "the list of flags is not closed by a parenthesis")
	}
	n.Flags = append(n.Flags, ast.Flag{Span: p.span(from), Name: name, Value: value})
	last := len(n.Flags) - 1
	if err := (*ast.CheckError)(nil); errors.As(ast.Check(&n.Flags[last]), &err) {
		return p.failHint(&t, err.Hint, diag.CodeFlag, "%s", err.Problem)
	}
	if hasValue && value == "" {
		return p.fail(&t, diag.CodeFlag, "the value of the flag %s is empty", name)
	}
	for i := range last {
		g := &n.Flags[i]
		switch {
		case g.Name == name && g.Value == value:
			n.Flags = n.Flags[:last] // a repetition adds nothing
			return true
		case !lang.FlagsExclude(g.Name, g.Value, name, value):
		case g.Name == name:
			return p.fail(&t, diag.CodeFlagConflict, "the flag %s has two values, %s and %s", name, g.Value, value)
		default:
			return p.fail(&t, diag.CodeFlagConflict, "the flags %s and %s exclude each other", g.Name, name)
		}
	}
	return true
}
