// SPDX-License-Identifier: Apache-2.0

package ast

import (
	"fmt"
	"strings"

	"github.com/goarmor/apparmor/diag"
)

// maxDepth is how deep a tree may be nested for Check to accept it.
const maxDepth = 1000

// CheckError says what is wrong with a node.
type CheckError struct {
	Node    Node      // the node that is wrong, or the part of it, such as a *MountCond
	Field   string    // of the node, as Go names it
	Index   int       // of the item that is wrong, in a field that is a list
	Text    string    // of the field or item, if it is text
	Code    diag.Code // identifies the mistake to programs
	Problem string    // one line, as the message of a diagnostic
	Hint    string    // what would be right, if it is known
	Err     error     // the cause, such as a *PatternError; or nil
}

// Error implements error.
func (e *CheckError) Error() string {
	var b strings.Builder
	b.WriteString(strings.TrimPrefix(fmt.Sprintf("%T", e.Node), "*ast."))
	if e.Field != "" {
		b.WriteByte('.')
		b.WriteString(e.Field)
	}
	b.WriteString(": ")
	b.WriteString(e.Problem)
	if text := e.Text; text != "" && !strings.Contains(e.Problem, text) {
		if len(text) > 64 {
			text = text[:64] + "..."
		}
		fmt.Fprintf(&b, " (at %q)", text)
	}
	if e.Hint != "" {
		b.WriteString("; ")
		b.WriteString(e.Hint)
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *CheckError) Unwrap() error { return e.Err }

// hint adds what would be right.
func (e *CheckError) hint(hint string) *CheckError {
	e.Hint = hint
	return e
}

// at adds the index of an item.
func (e *CheckError) at(i int) *CheckError {
	e.Index = i
	return e
}

// Check reports whether n, and everything below it, can be written as policy
// text that the parser takes and reads as the same values. It is for trees
// that were built by hand. It finds nil nodes and missing parts, names made of
// the wrong bytes, patterns that no text decodes to, unknown words, qualifiers
// and conditions that do not fit a rule or each other, and statements in the
// wrong place. Capabilities are left open, because kernels add to them: any
// word that could be one passes.
//
// Check does not judge what only a whole policy or a compiler knows: whether a
// variable is defined, a glob is well formed (see Pattern.Check), or two rules
// conflict. Every tree that the parser returns passes.
//
// Check does not allocate unless it fails. The error is a *CheckError.
func Check(n Node) error {
	if err := (checker{node: n, text: true}).check(); err != nil {
		return err
	}
	return nil
}

// State says what cannot be seen from a rule alone. The zero State is that of
// a rule as it is written in the body of a profile.
type State struct {
	// Access of the blocks around the rule; Allow if none has one.
	Access Access
	// Expanded means that variables were replaced by their values: a path may
	// then be any text, and an address or an executable may begin with the
	// brace of an alternation.
	Expanded bool
}

// CheckRule reports whether a rule is valid by itself. It checks what Check
// does, except whether the rule can be written as text. The parser, the
// resolver and the compiler all rely on its answer. It does not allocate
// unless it fails. The error is a *CheckError.
func CheckRule(r Rule, s State) error {
	c := checker{node: r, scope: scope{body: true, access: s.Access}, expanded: s.Expanded}
	if err := c.check(); err != nil {
		return err
	}
	return nil
}

// checker checks one node. Its methods return the typed pointer, so that a
// failing check can be returned as it is and chains stay readable.
type checker struct {
	node     Node
	depth    int
	scope    scope
	text     bool // also check whether it can be written as text
	expanded bool // see State
}

// scope describes what surrounds a node. The zero scope is unknown.
type scope struct {
	body   bool   // among rules
	access Access // of the blocks around it; Allow if none has one
}

// within returns the scope inside a block.
func (s scope) within(a Access) scope {
	s.body = true
	if a != Allow {
		s.access = a
	}
	return s
}

func (c checker) fail(code diag.Code, field, text, problem string) *CheckError {
	return &CheckError{Node: c.node, Field: field, Text: text, Code: code, Problem: problem}
}

// first returns the first failure.
func first(errs ...*CheckError) *CheckError {
	for _, e := range errs {
		if e != nil {
			return e
		}
	}
	return nil
}

func (c checker) check() *CheckError {
	if c.depth > maxDepth {
		return c.fail(diag.CodeLimit, "", "", "the tree is nested too deep")
	}
	if IsNil(c.node) {
		return c.fail(diag.CodeRule, "", "", "the node is nil")
	}
	switch n := c.node.(type) {
	case *File:
		return c.file(n)
	case *Include:
		return c.include(n.Path, n.Kind)
	case *ABI:
		return c.include(n.Path, n.Kind)
	case *Alias:
		return first(c.preamble(), c.path("From", n.From), c.needed("To", n.To))
	case *VarAssign:
		if len(n.Values) == 0 {
			return c.fail(diag.CodeVariable, "Values", "", "the assignment has no value")
		}
		return first(c.preamble(), c.variable("Name", n.Name), c.inRange("Op", int(n.Op), int(AssignReplace)), c.patterns("Values", n.Values))
	case *BoolAssign:
		if n.Op == AssignAdd {
			return c.fail(diag.CodeVariable, "Op", "", "a boolean variable cannot be added to")
		}
		return first(c.preamble(), c.variable("Name", n.Name), c.inRange("Op", int(n.Op), int(AssignReplace)), c.sub("Value", n.Value))
	case *Profile:
		return c.profile(n)
	case *Xattr:
		switch {
		case n.HasValue && n.Value == "":
			return c.fail(diag.CodeXattr, "Value", "", "the value of an xattr is empty").hint("the pattern {,} is the empty string")
		case n.Value != "" && strings.HasSuffix(n.Name, ":"):
			return c.fail(diag.CodeXattr, "Name", n.Name, "the name of an xattr with a value ends in a colon")
		}
		return first(c.xattrName(n.Name), c.pattern("Value", n.Value))
	case *Flag:
		return c.flag(n)
	case *Block:
		return first(c.qualifiers(&n.Qualifiers, takesOwner), c.stmts("Body", n.Body, c.scope.within(n.Access)))
	case *If:
		return c.conditional(n)
	case *Comment:
		if strings.ContainsAny(n.Text, "\n\r\x00") {
			return c.fail(diag.CodeCharacter, "Text", n.Text, "a comment is one line without NUL bytes")
		}
		return nil
	case *Bad:
		return nil
	case *MountCond:
		return n.check(c)
	case Expr:
		return c.expr(n)
	case Rule:
		if isOwn(n) {
			return n.check(c)
		}
	}
	return c.fail(diag.CodeRule, "", "", "a node of this type cannot be in a tree")
}

// sub checks a node below this one.
func (c checker) sub(field string, n Node) *CheckError {
	if IsNil(n) {
		return c.fail(diag.CodeRule, field, "", "a part is nil")
	}
	c.node = n
	c.depth++
	return c.check()
}

func (c checker) stmts(field string, list []Stmt, s scope) *CheckError {
	c.scope = s
	for _, s := range list {
		if err := c.sub(field, s); err != nil {
			return err
		}
	}
	return nil
}

// file checks a file, which is either a preamble and profiles or a fragment of
// a profile's body.
func (c checker) file(f *File) *CheckError {
	for _, s := range f.Stmts {
		switch s.(type) {
		case Rule, *Block, *If:
			return c.stmts("Stmts", f.Stmts, scope{body: true})
		}
	}
	profiles := false
	for _, s := range f.Stmts {
		switch s.(type) {
		case *Profile:
			profiles = true
		case *Alias, *VarAssign, *BoolAssign, *ABI:
			if profiles {
				return checker{node: s}.fail(diag.CodePlace, "", "", "the statement must come before the first profile")
			}
		}
	}
	return c.stmts("Stmts", f.Stmts, scope{})
}

// preamble checks that a statement is not among rules.
func (c checker) preamble() *CheckError {
	if c.scope.body {
		return c.fail(diag.CodePlace, "", "", "the statement is not allowed among rules")
	}
	return nil
}

// include checks a path, which is written as it is: nothing in it can be
// escaped.
func (c checker) include(path string, kind IncludeKind) *CheckError {
	_, isABI := c.node.(*ABI)
	if isABI && path == "" {
		return c.fail(diag.CodePath, "Path", "", "the path is empty")
	}
	ok := false
	switch kind {
	case IncludeMagic:
		// What cannot appear bare between the angle brackets is quoted there.
		bare := strings.Trim(path, " ") == path && !strings.ContainsAny(path, "\x00\t\r\n\">")
		ok = path != "" && (bare || endsQuoted(path))
	case IncludeQuoted:
		ok = endsQuoted(path)
	case IncludeBare:
		if strings.IndexByte(path, '\\') >= 0 {
			ok = endsBare(path, isABI)
		} else {
			ok = endsQuoted(path)
		}
	default:
		return c.fail(diag.CodePath, "Kind", "", "the kind is out of range")
	}
	if !ok {
		return c.fail(diag.CodePath, "Path", path, "the path has a byte that cannot appear there")
	}
	return nil
}

func isBlank(b byte) bool { return b == ' ' || b == '\t' || b == '\n' || b == '\r' }

// endsQuoted reports whether path ends where it should when it is put between
// quotes.
func endsQuoted(path string) bool {
	for i := 0; i < len(path); i++ {
		switch path[i] {
		case '"', 0:
			return false
		case '\\':
			if i++; i == len(path) || path[i] == 0 {
				return false
			}
		}
	}
	return true
}

// endsBare reports whether path ends where it should without quotes.
func endsBare(path string, abi bool) bool {
	for i := 0; i < len(path); i++ {
		switch b := path[i]; {
		case b == 0, b == '<', b == '>':
			return false
		case b == '\\':
			if i+1 == len(path) {
				return !abi // the comma after the path would belong to it
			}
			if strings.IndexByte(" \t\"!,", path[i+1]) >= 0 {
				i++
			}
		case isBlank(b), b == '"', abi && b == '!':
			return false
		case b == ',' && (i+1 == len(path) || path[i+1] == ','):
			return false // the comma would end the path
		}
	}
	return path != ""
}

func (c checker) conditional(n *If) *CheckError {
	inner := c.scope.within(Allow)
	if err := first(c.sub("Cond", n.Cond), c.stmts("Then", n.Then, inner)); err != nil {
		return err
	}
	if n.ElseIf {
		if len(n.Else) != 1 {
			return c.fail(diag.CodeSyntax, "Else", "", "else if must be followed by one If")
		}
		if _, ok := n.Else[0].(*If); !ok {
			return c.fail(diag.CodeSyntax, "Else", "", "else if must be followed by one If")
		}
	}
	return c.stmts("Else", n.Else, inner)
}

func (c checker) expr(n Expr) *CheckError {
	switch n := n.(type) {
	case *BinaryExpr:
		return first(c.sub("X", n.X), c.sub("Y", n.Y))
	case *NotExpr:
		return c.sub("X", n.X)
	case *ParenExpr:
		return c.sub("X", n.X)
	case *BoolVar:
		return c.variable("Name", n.Name)
	case *DefinedExpr:
		return c.variable("Name", n.Name)
	case *CompareExpr:
		return first(c.inRange("Op", int(n.Op), int(CompareLessEqual)), c.pattern("X", n.X), c.pattern("Y", n.Y))
	}
	return nil // BoolLit
}
