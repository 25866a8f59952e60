// SPDX-License-Identifier: Apache-2.0

// Package lex cuts policy text into tokens.
//
// The language's tokens depend on their context: a `#` is a comment in one
// rule and part of a word in another, a comma ends a rule or belongs to the
// word that it follows without a blank. The lexer carries that context as a mode, which the
// tokens themselves switch, so that a sequence of tokens needs no help from a
// parser. It never fails: what is not a token becomes an Illegal one.
package lex

// Kind is the kind of a token.
type Kind uint8

// The kinds of token.
const (
	EOF        Kind = iota
	Illegal         // a byte that is not allowed there, or something unfinished
	Open            // {
	Close           // }
	Comma           // , as the end of a rule or between the items of a list
	OpenParen       // (
	CloseParen      // )
	Arrow           // ->
	Assign          // = += ?= := after a variable
	LessEqual       // <= in an rlimit rule
	Plus            // + before identities
	Caret           // ^ before the name of a hat
	Word            // a keyword, name, permission list or other bare word
	Path            // a word that begins like a path, or a quoted word
	Var             // @{NAME} or @NAME, nothing more
	BoolVar         // $NAME or ${NAME}
	Cond            // the name of a condition, and its operator
	Value           // a word where any word may appear: a value, a name, a target
	Number          // digits with an optional sign
	Compare         // == != > >= < <= in an expression
	Include         // a whole include statement
	FileName        // the path of an abi statement
)

var kinds = [...]string{
	EOF: "EOF", Illegal: "Illegal", Open: "Open", Close: "Close", Comma: "Comma", OpenParen: "OpenParen",
	CloseParen: "CloseParen", Arrow: "Arrow", Assign: "Assign", LessEqual: "LessEqual", Plus: "Plus", Caret: "Caret",
	Word: "Word", Path: "Path", Var: "Var", BoolVar: "BoolVar", Cond: "Cond", Value: "Value", Number: "Number",
	Compare: "Compare", Include: "Include", FileName: "FileName",
}

// String returns the kind's name in the grammar.
func (k Kind) String() string {
	if int(k) < len(kinds) {
		return kinds[k]
	}
	return "?"
}

// Op is how a Cond relates its name to its value.
type Op uint8

// The operators of conditions.
const (
	OpEqual  Op = iota // name=value
	OpIn               // name in (values)
	OpAssign           // name:=value
)

// Form is how the path of an Include or FileName is written.
type Form uint8

// The forms of paths.
const (
	Angle  Form = iota // <path>
	Quotes             // "path"
	Bare               // path
)

// Stray is the Why of an Illegal token if there is nothing more specific to
// say.
const Stray = "this character is not allowed here"

// Token is one token. Text is a piece of the source wherever possible: what is
// between the quotes of a quoted word, the name without sigil and braces of a
// variable, the name of a condition, the path of an Include or FileName, and
// for an Illegal token the offending text; the token's own text otherwise.
type Token struct {
	Kind     Kind
	Quoted   bool
	Op       Op     // of a Cond
	Form     Form   // of an Include or FileName
	Hash     bool   // an Include spelled #include
	IfExists bool   // an Include with `if exists`
	Wide     bool   // a Cond whose value is a list of conditions: peer=( )
	From, To uint32 // offsets
	Text     string
	Why      string // of an Illegal token, a clause
}
