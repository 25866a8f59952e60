// SPDX-License-Identifier: Apache-2.0

package ast

// Include is `include <p>`, `include "p"`, `include p`, each with an optional
// `if exists`, or the same spelled `#include`.
type Include struct {
	Span
	Path     string      // as it is written: escapes are decoded when it is looked up
	Kind     IncludeKind // zero: looked up in the search path
	IfExists bool        // no error if the file does not exist
	Hash     bool        // spelled #include
}

// IncludeKind says how an include names its file.
type IncludeKind uint8

// The kinds of include.
const (
	IncludeMagic  IncludeKind = iota // <p>: looked up in the search path
	IncludeQuoted                    // "p": absolute, or relative to the working directory
	IncludeBare                      // p, without quotes; otherwise like IncludeQuoted
)

// ABI is an `abi` statement: the feature set that the policy is written for.
type ABI struct {
	Span
	Path string      // as it is written
	Kind IncludeKind // zero: looked up in the search path
}

// Alias is `alias From -> To,`.
type Alias struct {
	Span
	From, To Pattern
}

// AssignOp is the operator of an assignment.
type AssignOp uint8

// The assignment operators.
const (
	AssignSet     AssignOp = iota // =
	AssignAdd                     // +=
	AssignDefault                 // ?=
	AssignReplace                 // :=
)

var assignOps = [...]string{"=", "+=", "?=", ":="}

// String returns the operator as policy writes it.
func (o AssignOp) String() string {
	if int(o) < len(assignOps) {
		return assignOps[o]
	}
	return "?"
}

// VarAssign assigns to a set variable: `@{NAME} = v1 v2`.
type VarAssign struct {
	Span
	Name   string    // without @{}
	Op     AssignOp  // zero: =
	Values []Pattern // in the order of the text; the variable holds them as a set
}

// BoolAssign assigns to a boolean: `$NAME = true` or `$NAME = expression`.
type BoolAssign struct {
	Span
	Name  string   // without $ and braces
	Op    AssignOp // zero: =
	Value Expr     // what is assigned; never nil
}

// ProfileKind says what introduces a profile.
type ProfileKind uint8

// The kinds of profile.
const (
	KindProfile ProfileKind = iota // `profile name`
	KindPath                       // a path or :ns: name without a keyword
	KindHat                        // `hat name` or `^name`
)

// Profile is a profile, a child profile or a hat.
type Profile struct {
	Span
	Kind       ProfileKind // zero: the word profile
	Namespace  string      // of `:ns:name`, without colons
	Name       Pattern     // without the namespace; of a hat without ^, of a child without its parent
	Attachment Pattern     // empty: none was written
	Xattrs     []Xattr     // what the executable's extended attributes must be
	Identities []Pattern   // of `+ identities=( )`
	Flags      []Flag      // in the order of the text
	Body       []Stmt      // what is between the braces
	Open       Pos         // the opening brace
	Close      Pos         // the closing brace
}

// Xattr is one item of `xattrs=( )`. An empty Value means any value.
type Xattr struct {
	Span
	Name     string // user.tag, ...
	Value    Pattern
	HasValue bool // a value was written; implied by Value
}

// Flag is one item of `flags=( )`, with the value after its equals sign.
type Flag struct {
	Span
	Name  string // complain, attach_disconnected.path, ...
	Value string // a path, a signal or an error code; empty: none
}

// Block is a qualifier block: `audit deny owner { ... }`, or bare braces.
type Block struct {
	Span
	Qualifiers
	Body  []Stmt // what is between the braces
	Open  Pos    // the opening brace
	Close Pos    // the closing brace
}

// If is a conditional. Else is empty, the statements of `else { }`, or a
// single *If for `else if`.
type If struct {
	Span
	Cond    Expr   // never nil
	Then    []Stmt // the statements if Cond is true; may be empty
	Else    []Stmt
	HasElse bool // an else was written, even if it is empty
	ElseIf  bool // Else is exactly one *If written as `else if`
}

// Comment is a comment in a tree that was built by hand, one line without its
// `#`. The parser makes none: comments in a text are the gaps between nodes.
type Comment struct {
	Span
	Text string // without a line end
}

// Bad takes the place of a statement that could not be parsed. It prints as its
// source text.
type Bad struct {
	Span
	Err error // what is wrong: a *diag.Diagnostic, or the error of a context
}

func (*Include) stmt()    {}
func (*ABI) stmt()        {}
func (*Alias) stmt()      {}
func (*VarAssign) stmt()  {}
func (*BoolAssign) stmt() {}
func (*Profile) stmt()    {}
func (*Block) stmt()      {}
func (*If) stmt()         {}
func (*Comment) stmt()    {}
func (*Bad) stmt()        {}

// Expr is a boolean expression of a conditional or a boolean assignment.
type Expr interface {
	Node
	expr()
}

// BinaryExpr is `X and Y` or `X or Y`.
type BinaryExpr struct {
	Span
	Or   bool // or; otherwise and
	X, Y Expr
}

// NotExpr is `not X`.
type NotExpr struct {
	Span
	X Expr
}

// ParenExpr is `( X )`.
type ParenExpr struct {
	Span
	X Expr
}

// BoolLit is `true` or `false`.
type BoolLit struct {
	Span
	Value bool // true for `true`
}

// BoolVar is `$NAME`.
type BoolVar struct {
	Span
	Name string // without $ and braces
}

// DefinedExpr is `defined @{NAME}` or `defined $NAME`.
type DefinedExpr struct {
	Span
	Name string // without @, $ and braces
	Bool bool   // of a boolean variable
}

// CompareOp is the operator of a comparison.
type CompareOp uint8

// The comparison operators. CompareIn is the subset test `in`.
const (
	CompareEqual CompareOp = iota
	CompareNotEqual
	CompareIn
	CompareGreater
	CompareGreaterEqual
	CompareLess
	CompareLessEqual
)

var compareOps = [...]string{"==", "!=", "in", ">", ">=", "<", "<="}

// String returns the operator as policy writes it.
func (o CompareOp) String() string {
	if int(o) < len(compareOps) {
		return compareOps[o]
	}
	return "?"
}

// CompareExpr compares two words or set variables.
type CompareExpr struct {
	Span
	Op   CompareOp // zero: ==
	X, Y Pattern   // a word, or `@{NAME}` for a set variable
}

func (*BinaryExpr) expr()  {}
func (*NotExpr) expr()     {}
func (*ParenExpr) expr()   {}
func (*BoolLit) expr()     {}
func (*BoolVar) expr()     {}
func (*DefinedExpr) expr() {}
func (*CompareExpr) expr() {}
