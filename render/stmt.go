// SPDX-License-Identifier: Apache-2.0

package render

import (
	"strings"

	"github.com/goarmor/apparmor/ast"
)

// body appends statements in braces.
func (p *printer) body(b body) {
	p.byte('{')
	p.depth++
	p.list(b, false)
	p.depth--
	p.newline()
	p.byte('}')
}

// stmt appends a statement, without indentation before or newline after.
func (p *printer) stmt(s ast.Stmt) {
	if p.opaque(s) {
		p.str(p.file.Text(s))
		return
	}
	switch s := s.(type) {
	case *ast.Include:
		p.str("include ")
		if s.IfExists {
			p.str("if exists ")
		}
		p.includePath(s.Path, s.Kind)
	case *ast.ABI:
		p.str("abi ")
		p.includePath(s.Path, s.Kind)
		p.byte(',')
	case *ast.Alias:
		p.str("alias ")
		p.quoted(string(s.From), isPlain(string(s.From)) && s.From[0] != '@') // a bare variable is none to it
		p.target(string(s.To))
		p.byte(',')
	case *ast.VarAssign:
		p.str("@{")
		p.str(s.Name)
		p.str("} ")
		p.str(s.Op.String())
		for _, v := range s.Values {
			p.byte(' ')
			p.word(string(v))
		}
	case *ast.BoolAssign:
		p.byte('$')
		p.str(s.Name)
		p.byte(' ')
		p.str(s.Op.String())
		p.byte(' ')
		p.expr(s.Value, 0)
	case *ast.Profile:
		p.profile(s)
	case *ast.Block:
		p.qualifiers(&s.Qualifiers)
		p.body(p.sourceBody(s, 0, s.Body))
	case *ast.If:
		p.conditional(s)
	case *ast.Comment:
		p.byte('#')
		// A blank keeps `# include` from being an include.
		t := strings.TrimRight(s.Text, " \t")
		if t != "" && t[0] != ' ' && t[0] != '\t' && t[0] != '#' {
			p.byte(' ')
		}
		p.str(t)
	case *ast.Bad:
		p.bad(s)
	case ast.Rule:
		p.qualifiers(s.Quals())
		p.rule(s)
		p.byte(',')
	}
}

// bad appends the source text of what could not be parsed.
func (p *printer) bad(s *ast.Bad) {
	text := ""
	if p.file != nil {
		text = p.file.Text(s)
	}
	if text == "" && p.err == nil {
		p.err = unwritable(p.file, &ast.CheckError{Node: s, Problem: "has no source text", Err: s.Err})
	}
	p.str(text)
}

// includePath appends the path of an include or abi statement, in which no
// escape is decoded.
func (p *printer) includePath(path string, kind ast.IncludeKind) {
	switch {
	case kind == ast.IncludeMagic && (strings.Trim(path, " ") != path || strings.ContainsAny(path, "\t\r\n\">")):
		p.str(`<"`)
		p.str(path)
		p.str(`">`)
	case kind == ast.IncludeMagic:
		p.byte('<')
		p.str(path)
		p.byte('>')
	case kind == ast.IncludeBare && strings.IndexByte(path, '\\') >= 0:
		p.str(path) // a backslash means something else between quotes
	default:
		p.byte('"')
		p.str(path)
		p.byte('"')
	}
}

func (p *printer) profile(s *ast.Profile) {
	plain := isPlain(string(s.Name)) && !isReserved(string(s.Name)) && (s.Namespace == "" || isPlain(s.Namespace))
	switch s.Kind {
	case ast.KindProfile:
		p.str("profile ")
	case ast.KindHat:
		if plain && s.Namespace == "" {
			p.byte('^')
		} else {
			p.str("hat ")
		}
	}
	if !plain {
		p.byte('"')
	}
	if s.Namespace != "" {
		p.byte(':')
		p.name(s.Namespace, plain)
		p.byte(':')
	}
	p.name(string(s.Name), plain)
	if !plain {
		p.byte('"')
	}
	if s.Attachment != "" {
		p.byte(' ')
		p.word(string(s.Attachment))
	}
	if len(s.Xattrs) > 0 {
		p.str(" xattrs=(")
		for i := range s.Xattrs {
			p.comma(i)
			p.xattr(&s.Xattrs[i])
		}
		p.byte(')')
	}
	if len(s.Identities) > 0 {
		p.str(" + identities=(")
		for i, id := range s.Identities {
			if i > 0 {
				p.byte(' ')
			}
			p.item(string(id))
		}
		p.byte(')')
	}
	if len(s.Flags) > 0 {
		p.str(" flags=(")
		for i := range s.Flags {
			p.comma(i)
			p.flag(&s.Flags[i])
		}
		p.byte(')')
	}
	p.byte(' ')
	p.body(p.sourceBody(s, 0, s.Body))
}

// name appends a part of a word that is in quotes unless it is plain.
func (p *printer) name(s string, plain bool) {
	if plain {
		p.str(s)
	} else {
		p.escaped(s)
	}
}

func (p *printer) xattr(x *ast.Xattr) {
	p.str(x.Name)
	if x.HasValue || x.Value != "" {
		p.byte('=')
		p.item(string(x.Value))
	}
}

func (p *printer) flag(f *ast.Flag) {
	// A flag is one word together with its value.
	quote := f.Value != "" && (!isPlain(f.Value) || hasComma(f.Value))
	if quote {
		p.byte('"')
	}
	p.str(f.Name)
	if f.Value != "" {
		p.byte('=')
		p.name(f.Value, !quote)
	}
	if quote {
		p.byte('"')
	}
}

func (p *printer) conditional(s *ast.If) {
	for {
		p.str("if ")
		p.expr(s.Cond, 0)
		p.byte(' ')
		p.body(p.sourceBody(s, 0, s.Then))
		if !s.HasElse && len(s.Else) == 0 {
			return
		}
		p.str(" else ")
		if !s.ElseIf {
			p.body(p.sourceBody(s, 1, s.Else))
			return
		}
		s = s.Else[0].(*ast.If)
		if p.opaque(s) {
			p.str(p.file.Text(s))
			return
		}
	}
}

// comma appends what is before the i-th item of a list.
func (p *printer) comma(i int) {
	if i > 0 {
		p.str(", ")
	}
}

// The precedence of the operators, lowest first.
const (
	strengthOr = iota + 1
	strengthAnd
	strengthNot
)

// expr appends an expression, in parentheses when it binds less than min.
func (p *printer) expr(e ast.Expr, min int) {
	switch e := e.(type) {
	case *ast.BinaryExpr:
		strength, op := strengthAnd, " and "
		if e.Or {
			strength, op = strengthOr, " or "
		}
		open, shut := "", ""
		if strength < min {
			open, shut = "(", ")"
		}
		p.str(open)
		p.expr(e.X, strength)
		p.str(op)
		p.expr(e.Y, strength+1)
		p.str(shut)
	case *ast.NotExpr:
		p.str("not ")
		p.expr(e.X, strengthNot)
	case *ast.ParenExpr:
		p.byte('(')
		p.expr(e.X, 0)
		p.byte(')')
	case *ast.BoolLit:
		if e.Value {
			p.str("true")
		} else {
			p.str("false")
		}
	case *ast.BoolVar:
		p.byte('$')
		p.str(e.Name)
	case *ast.DefinedExpr:
		if e.Bool {
			p.str("defined $")
			p.str(e.Name)
		} else {
			p.str("defined @{")
			p.str(e.Name)
			p.byte('}')
		}
	case *ast.CompareExpr:
		p.free(string(e.X))
		p.byte(' ')
		p.str(e.Op.String())
		p.byte(' ')
		p.free(string(e.Y))
	}
}
