// SPDX-License-Identifier: Apache-2.0

package ast

import (
	"errors"
	"fmt"
	"strings"
)

// MaxDepth is how deep a tree may be nested for Check to accept it.
const MaxDepth = 1000

// CheckError says why a node cannot be written as policy.
type CheckError struct {
	Node    Node
	Field   string // of the node, as Go names it
	Text    string // the field's text, if it is text
	Problem string // a clause
	Err     error  // the cause, such as a *PatternError; or nil
}

// Error implements error.
func (e *CheckError) Error() string {
	kind := fmt.Sprintf("%T", e.Node)
	if len(kind) > len("*ast.") {
		kind = kind[len("*ast."):]
	}
	if e.Field != "" {
		kind += "." + e.Field
	}
	if e.Text == "" {
		return kind + ": " + e.Problem
	}
	text := e.Text
	if len(text) > 64 {
		text = text[:64] + "..."
	}
	return fmt.Sprintf("%s %q: %s", kind, text, e.Problem)
}

// Unwrap returns the cause.
func (e *CheckError) Unwrap() error { return e.Err }

var (
	errNil    = errors.New("is nil")
	errType   = errors.New("is of a type that no tree holds")
	errEmpty  = errors.New("must not be empty")
	errBytes  = errors.New("has a byte that cannot stand there")
	errRange  = errors.New("is not one of its type's values")
	errUnused = errors.New("cannot be written in this rule")
)

// Check reports whether n, and everything below it, can be written as policy
// text that the parser takes and reads as the same values. It is for trees
// that were built by hand. It finds nil nodes and missing parts, names made of
// the wrong bytes, patterns that no text decodes to, unknown words, qualifiers
// and conditions that do not go with a rule or with each other, and statements
// in places where they cannot stand. Capabilities are left open, as kernels
// add to them: any word that could be one passes.
//
// Check does not judge what only a whole policy or a compiler knows: whether a
// variable is defined, a glob well formed (see Pattern.Check), or two rules
// conflict. What the parser returns passes.
//
// Check does not allocate unless it fails. The error is a *CheckError.
func Check(n Node) error {
	if err := (checker{node: n}).check(); err != nil {
		return err
	}
	return nil
}

// checker checks one node. Its methods return the typed pointer, so that a
// failing check can be returned as it is and chains stay readable.
type checker struct {
	node  Node
	depth int
	scope scope
}

// scope is what a node's surroundings say. The zero scope is unknown.
type scope struct {
	body   bool   // among rules
	access Access // of the blocks around; Allow: none says
}

// within returns the scope inside a block.
func (s scope) within(a Access) scope {
	s.body = true
	if a != Allow {
		s.access = a
	}
	return s
}

func (c checker) fail(field, text string, err error) *CheckError {
	e := &CheckError{Node: c.node, Field: field, Text: text, Problem: err.Error()}
	if pe := (*PatternError)(nil); errors.As(err, &pe) {
		e.Problem, e.Err = pe.Problem.String(), pe
	}
	return e
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
	if c.depth > MaxDepth {
		return c.fail("", "", errors.New("is nested too deep"))
	}
	if IsNil(c.node) {
		return c.fail("", "", errNil)
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
			return c.fail("Values", "", errEmpty)
		}
		return first(c.preamble(), c.variable("Name", n.Name), c.inRange("Op", int(n.Op), int(AssignReplace)), c.patterns("Values", n.Values))
	case *BoolAssign:
		if n.Op == AssignAdd {
			return c.fail("Op", "", errors.New("a boolean variable cannot be added to"))
		}
		return first(c.preamble(), c.variable("Name", n.Name), c.inRange("Op", int(n.Op), int(AssignReplace)), c.sub("Value", n.Value))
	case *Profile:
		return c.profile(n)
	case *Xattr:
		switch {
		case n.HasValue && n.Value == "":
			return c.fail("Value", "", errors.New("must not be empty; the pattern {,} is the empty string"))
		case n.Value != "" && strings.HasSuffix(n.Name, ":"):
			return c.fail("Name", n.Name, errors.New("must not end in a colon before a value"))
		}
		return first(c.word("Name", n.Name, isXattrByte), c.pattern("Value", n.Value))
	case *Flag:
		return c.flag(n)
	case *Block:
		return first(c.qualifiers(&n.Qualifiers, takesOwner), c.stmts("Body", n.Body, c.scope.within(n.Access)))
	case *If:
		return c.conditional(n)
	case *Comment:
		return c.text("Text", n.Text, func(b byte) bool { return b != '\n' && b != '\r' && b != 0 })
	case *Bad:
		return nil
	case Rule:
		return c.rule(n)
	case Expr:
		return c.expr(n)
	case *MountCond:
		if len(n.Values) == 0 {
			return c.fail("Values", "", errEmpty)
		}
		return c.patterns("Values", n.Values)
	}
	return c.fail("", "", errType)
}

// sub checks a node below this one.
func (c checker) sub(field string, n Node) *CheckError {
	if IsNil(n) {
		return c.fail(field, "", errNil)
	}
	return checker{n, c.depth + 1, c.scope}.check()
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
		case Rule, *If:
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
				return checker{node: s}.fail("", "", errors.New("must stand before the first profile"))
			}
		}
	}
	return c.stmts("Stmts", f.Stmts, scope{})
}

// preamble checks that a statement is not among rules.
func (c checker) preamble() *CheckError {
	if c.scope.body {
		return c.fail("", "", errors.New("cannot stand among rules"))
	}
	return nil
}

// include checks a path, which is written as it is: nothing in it can be
// escaped.
func (c checker) include(path string, kind IncludeKind) *CheckError {
	_, isABI := c.node.(*ABI)
	if isABI && path == "" {
		return c.fail("Path", "", errEmpty)
	}
	ok := false
	switch kind {
	case IncludeMagic:
		// What cannot stand bare between the brackets is put in quotes there.
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
		return c.fail("Kind", "", errRange)
	}
	if !ok {
		return c.fail("Path", path, errBytes)
	}
	return nil
}

func isBlank(b byte) bool { return b == ' ' || b == '\t' || b == '\n' || b == '\r' }

// endsQuoted reports whether path ends where it should when it stands between
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
		case b == 0, b == '<' && (i == 0 || !abi):
			return false
		case b == '\\':
			if i+1 == len(path) {
				return !abi // the comma behind the path would belong to it
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
			return c.fail("Else", "", errors.New("must be one If"))
		}
		if _, ok := n.Else[0].(*If); !ok {
			return c.fail("Else", "", errors.New("must be one If"))
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
