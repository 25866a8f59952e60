// SPDX-License-Identifier: Apache-2.0

package grammar

import (
	"io"
	"strings"
	"sync"

	"github.com/alecthomas/participle/v2/lexer"

	"github.com/goarmor/apparmor/internal/lang"
	"github.com/goarmor/apparmor/internal/lex"
)

// definition offers the hand-written lexer to participle. Beside the kinds of
// package lex it knows Keyword and Mode, which are Words, and CondList, which
// is a Cond before a list of conditions.
type definition struct{}

var (
	_ lexer.Definition       = definition{}
	_ lexer.StringDefinition = definition{}
)

// The types of the tokens that package lex has no kind for.
const (
	typeKeyword = lexer.TokenType(lex.FileName) + 1 + iota
	typeMode
	typeCondList
)

var symbols = sync.OnceValue(func() map[string]lexer.TokenType {
	m := map[string]lexer.TokenType{"EOF": lexer.EOF, "Keyword": typeKeyword, "Mode": typeMode, "CondList": typeCondList}
	for k := lex.Illegal; k <= lex.FileName; k++ {
		m[k.String()] = lexer.TokenType(k)
	}
	return m
})

// Symbols implements lexer.Definition.
func (definition) Symbols() map[string]lexer.TokenType { return symbols() }

// Lex implements lexer.Definition.
func (d definition) Lex(filename string, r io.Reader) (lexer.Lexer, error) {
	var b strings.Builder
	if _, err := io.Copy(&b, r); err != nil {
		return nil, err
	}
	return d.LexString(filename, b.String())
}

// LexString implements lexer.StringDefinition.
func (definition) LexString(filename, src string) (lexer.Lexer, error) {
	return &tokens{src: src, lex: lex.New(src), pos: lexer.Position{Filename: filename, Line: 1, Column: 1}}, nil
}

// tokens is the lexer of one text.
type tokens struct {
	src string
	lex lex.Lexer
	pos lexer.Position
}

// Next implements lexer.Lexer. It never fails.
func (l *tokens) Next() (lexer.Token, error) {
	var t lex.Token
	l.lex.Next(&t)
	l.pos.Advance(l.src[l.pos.Offset:t.From])
	// A keyword of the grammar is any token of that text, so that quotes and
	// operators have to stay: "audit" is a path, and allow= a condition.
	out := lexer.Token{Type: lexer.TokenType(t.Kind), Value: l.src[t.From:t.To], Pos: l.pos}
	switch t.Kind {
	case lex.EOF:
		out.Type = lexer.EOF
	case lex.Illegal:
		out.Value = "" // not a keyword, whatever its text
	case lex.Word:
		switch {
		case lex.IsFilePerms(l.src, &t):
			out.Type = typeMode
		case lang.IsReserved(t.Text):
			out.Type = typeKeyword
		}
	case lex.Cond:
		if t.Wide {
			out.Type = typeCondList
		}
		switch t.Text {
		case "flags", "identities", "peer", "xattrs":
			out.Value = t.Text
		}
	}
	return out, nil
}
