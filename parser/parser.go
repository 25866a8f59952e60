// SPDX-License-Identifier: Apache-2.0

// Package parser turns policy text into syntax trees.
//
// Parse reads one file: a whole policy, or a fragment such as an abstraction
// or a tunable. Config.ParseFS also follows its includes, Config.ParseDir does
// so for a directory of profiles. ParseRule reads one rule. Mistakes come back
// as a diag.List, with codes, places and hints; with Config.Recover set, the
// rest of the text is parsed as well.
//
// The text is read once, by recursive descent over an on-demand lexer. Nodes
// hold offsets into the text (see package ast), so whatever was parsed can be
// printed as it was written. Package parser/grammar has the grammar in a
// readable form, and a second parser to compare this one with.
//
// Nothing in this package keeps state between calls except an explicit Cache,
// and every function may be called from many goroutines at once.
package parser

import (
	"context"
	"fmt"
	"io/fs"
	"math"
	"strings"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/internal/lex"
)

// Context says where the text of a file belongs.
type Context uint8

// The contexts.
const (
	// ContextAuto lets the first statement decide that fits only one context:
	// an assignment, an alias or a profile without a keyword makes it
	// ContextFile, a rule, a block or a conditional ContextBody.
	ContextAuto Context = iota
	ContextFile         // a preamble and profiles
	ContextBody         // what a profile's body holds: an abstraction
)

// Config holds the options of parsing. The zero Config is ready for use: it
// parses with the default limits, stops at the first error and finds no
// includes.
type Config struct {
	// Context is where the text belongs; for ParseFS, ParseTree and ParseDir that
	// of the main file, where ContextAuto means ContextFile. What an include names is
	// read by where the include is.
	Context Context
	// Roots is the search path of `include <path>`: the first that has the
	// path wins. A path that leads out of a root by `..` is looked up in Abs,
	// below the root's name. The file system decides where links lead: those
	// of os.DirFS lead anywhere, those of an os.Root stay inside.
	Roots []fs.FS
	// RootNames are the paths of the Roots, such as /etc/apparmor.d; they are
	// put before the paths of files in positions. Roots beyond its length have
	// no name.
	RootNames []string
	// Abs is the root directory of the file system, for includes without angle
	// brackets. If it is nil, such includes are not found.
	Abs fs.FS
	// Dir is the directory, absolute in Abs, to which paths without angle
	// brackets are relative; the reference takes its working directory. Empty
	// means the root.
	Dir string
	// Trees are files that the caller has as syntax trees, by their paths as
	// in `include <path>`. They take precedence over the Roots and become part
	// of the unit, so they must not be changed while the unit is in use.
	Trees map[string]*ast.File
	// Cache keeps parsed includes between calls. If it is nil, every call
	// parses anew.
	Cache *Cache
	// Recover is how many errors are collected before parsing gives up. Up to
	// that number a broken statement becomes an ast.Bad and parsing goes on;
	// the tree is returned together with the errors. 0: parsing stops at the
	// first error and returns no tree.
	Recover int
	// Warn is called with every warning, in the order of the text of each
	// file, before the call returns. Nil: warnings are dropped.
	Warn func(*diag.Diagnostic)
	// Workers is how many files ParseDir parses at a time; 0: as many as there
	// are CPUs for Go.
	Workers int
	// Limits bounds what a text may ask for.
	Limits Limits
}

// Limits bounds the work that a text can cause. A zero field means its
// default. What exceeds a limit is a *diag.LimitError.
type Limits struct {
	// Depth of nested blocks, profiles and conditionals; 256. Parentheses, nots
	// and operators in one expression are bounded by twice as many.
	Depth int
	// Bytes of one file; 16 MiB. A longer file is refused before it is read.
	Bytes int64
	// IncludeDepth is how deep includes nest; 32.
	IncludeDepth int
	// Includes is the number of files that one unit may read; 4096.
	Includes int
	// TotalBytes of all files of a unit; 64 MiB.
	TotalBytes int64
	// DirEntries is how many entries a directory that is included or given to
	// ParseDir may have; 65536.
	DirEntries int
	// DirBytes of all files that ParseDir reads; 256 MiB.
	DirBytes int64
}

// The default limits.
const (
	DefaultDepth        = 256
	DefaultBytes        = 16 << 20
	DefaultIncludeDepth = 32
	DefaultIncludes     = 4096
	DefaultTotalBytes   = 64 << 20
	DefaultDirEntries   = 1 << 16
	DefaultDirBytes     = 256 << 20
)

// Untrusted returns limits for text of strangers, which go with
// policy.Untrusted and compile.Untrusted. What it includes, of files that the
// caller has, counts as well.
func Untrusted() Limits {
	return Limits{Depth: 64, Bytes: 1 << 20, IncludeDepth: 16, Includes: 256, TotalBytes: 4 << 20, DirEntries: 1 << 10, DirBytes: 16 << 20}
}

func (l Limits) withDefaults() Limits {
	if l.Depth <= 0 {
		l.Depth = DefaultDepth
	}
	if l.Bytes <= 0 {
		l.Bytes = DefaultBytes
	}
	l.Bytes = min(l.Bytes, math.MaxInt32)
	if l.IncludeDepth <= 0 {
		l.IncludeDepth = DefaultIncludeDepth
	}
	if l.Includes <= 0 {
		l.Includes = DefaultIncludes
	}
	if l.TotalBytes <= 0 {
		l.TotalBytes = DefaultTotalBytes
	}
	if l.DirEntries <= 0 {
		l.DirEntries = DefaultDirEntries
	}
	if l.DirBytes <= 0 {
		l.DirBytes = DefaultDirBytes
	}
	return l
}

// Parse parses one file with the zero Config. The name is used in positions.
// Includes are not followed. An error is a diag.List.
func Parse(name, src string) (*ast.File, error) {
	return Config{}.Parse(context.Background(), name, src)
}

// Parse parses one file without following its includes. The name is used in
// positions. An error is a diag.List, or what ctx says; a tree comes with it
// only if Recover is set.
func (c Config) Parse(ctx context.Context, name, src string) (*ast.File, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	c.Limits = c.Limits.withDefaults()
	file, errs, warnings := c.parse(ctx, name, src, c.Context)
	if c.Warn != nil {
		for _, w := range warnings {
			c.Warn(w)
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if len(errs) > 0 {
		if c.Recover <= 0 {
			file = nil
		}
		return file, errs
	}
	return file, nil
}

// ParseRule parses the text of one rule, with its comma. An error is a
// diag.List.
func ParseRule(src string) (ast.Rule, error) {
	c := Config{Limits: Limits{}.withDefaults()}
	file, errs, _ := c.parse(context.Background(), "", src, ContextBody)
	if len(errs) > 0 {
		return nil, errs
	}
	if len(file.Stmts) == 1 {
		if r, ok := file.Stmts[0].(ast.Rule); ok {
			return r, nil
		}
	}
	d := &diag.Diagnostic{Code: diag.CodeSyntax, Pos: file.Position(1), Message: "the text is not one rule"}
	if len(file.Stmts) > 1 {
		d.Pos = file.Position(file.Stmts[1].Pos())
	}
	return nil, diag.List{d}
}

// parser reads one file.
type parser struct {
	ctx  context.Context
	lex  lex.Lexer
	tok  lex.Token // the next token
	end  uint32    // end of the token before it
	file *ast.File
	src  string
	lim  Limits

	recover  int
	errs     diag.List
	warnings diag.List
	failed   bool // the statement being parsed is broken
	stopped  bool // no more errors are wanted

	context  Context
	profiles int               // profiles read at the top
	depth    int               // of nesting
	ops      int               // operators of the expression being read
	blocks   []*ast.Qualifiers // the blocks around the statement, innermost last
	names    []string          // the profiles around it
}

func (c Config) parse(ctx context.Context, name, src string, where Context) (*ast.File, diag.List, diag.List) {
	p := &parser{
		ctx: ctx, src: src, lex: lex.New(src), lim: c.Limits, recover: c.Recover, context: where,
		file: &ast.File{Name: name, Src: src},
	}
	if int64(len(src)) > c.Limits.Bytes {
		p.file.Src = ""
		return p.file, diag.List{tooLong(name, c.Limits.Bytes, int64(len(src)))}, nil
	}
	p.next()
	p.file.Stmts = p.stmts(0)
	p.errs.Sort()
	return p.file, p.errs, p.warnings
}

func tooLong(name string, limit, got int64) *diag.Diagnostic {
	return limitDiagnostic(ast.Position{File: name}, fileSize, limit, got)
}

const fileSize = "file size in bytes"

func limitDiagnostic(pos ast.Position, what string, limit, got int64) *diag.Diagnostic {
	err := &diag.LimitError{What: what, Limit: limit, Got: got}
	return &diag.Diagnostic{Code: diag.CodeLimit, Pos: pos, Message: err.Error(), Err: err}
}

// next goes to the next token.
func (p *parser) next() {
	p.end = p.tok.To
	p.lex.Next(&p.tok)
}

// pos is the place of the next token.
func (p *parser) pos() ast.Pos { return ast.Pos(p.tok.From + 1) }

// span ends a node, which began at from, with the token just read.
func (p *parser) span(from ast.Pos) ast.Span { return ast.Span{From: from, To: ast.Pos(p.end + 1)} }

// pattern is the meaning of the next token as a word.
func (p *parser) pattern() ast.Pattern { return tokenPattern(p.src, &p.tok) }

func tokenPattern(src string, t *lex.Token) ast.Pattern {
	text := t.Text
	if t.Kind == lex.Var {
		text = src[t.From:t.To]
	}
	return ast.Decode(text)
}

// nothing is the pattern that matches the empty string only. It is used for an
// empty word, since an empty Pattern is an absent one.
const nothing ast.Pattern = "{,}"

// match is the pattern of a word that may be empty.
func (p *parser) match(t *lex.Token) ast.Pattern {
	if pattern := tokenPattern(p.src, t); pattern != "" {
		return pattern
	}
	return nothing
}

// notEmpty reports text that is empty and may not be.
func (p *parser) notEmpty(text string, t *lex.Token) bool {
	if text != "" {
		return true
	}
	return p.fail(t, diag.CodePath, "this cannot be empty")
}

// raw is the text of a token as it is written.
func (p *parser) raw(t *lex.Token) string { return p.src[t.From:t.To] }

// fail reports an error at a token. Only the first error of a statement
// counts. It returns false for the convenience of its callers.
func (p *parser) fail(t *lex.Token, code diag.Code, format string, args ...any) bool {
	return p.failHint(t, "", code, format, args...)
}

func (p *parser) failHint(t *lex.Token, hint string, code diag.Code, format string, args ...any) bool {
	d := &diag.Diagnostic{
		Code: code, Pos: p.file.Position(ast.Pos(t.From + 1)), Message: fmt.Sprintf(format, args...), Text: p.raw(t), Hint: hint,
	}
	return p.report(d)
}

func (p *parser) report(d *diag.Diagnostic) bool {
	if p.failed {
		return false
	}
	p.failed = true
	d.Profile = p.profileNames()
	p.errs = append(p.errs, d)
	if len(p.errs) >= max(p.recover, 1) {
		p.stopped = true
	}
	return false
}

func (p *parser) warn(from ast.Pos, text string, class diag.Class, code diag.Code, message string) {
	const most = 1000
	if len(p.warnings) >= most {
		return
	}
	d := &diag.Diagnostic{
		Severity: diag.Warning, Class: class, Code: code, Pos: p.file.Position(from), Message: message, Text: text,
	}
	d.Profile = p.profileNames()
	p.warnings = append(p.warnings, d)
}

// profileNames is the name of the profile around the statement, cut off if it
// is unreasonably long.
func (p *parser) profileNames() string {
	const longest = 1024
	var b strings.Builder
	for i, name := range p.names {
		if i > 0 {
			b.WriteString("//")
		}
		b.WriteString(name[:min(len(name), longest-min(b.Len(), longest))])
	}
	return b.String()
}

// unexpected reports the next token, saying what was expected.
func (p *parser) unexpected(expected string) bool {
	t := &p.tok
	switch t.Kind {
	case lex.Illegal:
		if t.Why != lex.Stray {
			return p.fail(t, diag.CodeCharacter, "%s", t.Why)
		}
		return p.failHint(t, strayHint(t.Text), diag.CodeCharacter, "unexpected character, expected %s", expected)
	case lex.EOF:
		return p.fail(t, diag.CodeSyntax, "unexpected end of file, expected %s", expected)
	}
	hint := ""
	if strings.HasPrefix(expected, "a comma") {
		switch {
		case p.onNewLine():
			hint = "is a comma missing at the end of the line before?"
		case t.Kind == lex.Close:
			hint = "is a comma missing before the brace?"
		case glued(p.raw(t)):
			hint = "a comma ends a rule only if a blank follows it"
		}
	} else if t.Kind == lex.Close && p.onNewLine() && strings.Contains(expected, "parenthesis") {
		hint = "is a closing parenthesis missing in the line before?"
	}
	return p.failHint(t, hint, diag.CodeSyntax, "unexpected %s, expected %s", describe(t), expected)
}

// strayHint says what people usually mean by a character that has no meaning.
func strayHint(text string) string {
	switch text {
	case "'", "`":
		return `words are quoted with "`
	case ";":
		return "a rule ends in a comma"
	case "@":
		return "a variable is written @{NAME}"
	case "\ufeff":
		return "remove the byte order mark"
	case "<":
		return "an include is written include <path> or include if exists <path>"
	}
	return ""
}

// glued reports whether a word goes on with a brace or comment after a comma.
func glued(word string) bool {
	return strings.Contains(word, ",}") || strings.Contains(word, ",#")
}

func describe(t *lex.Token) string {
	switch t.Kind {
	case lex.Open, lex.Close:
		return "brace"
	case lex.Comma:
		return "comma"
	case lex.OpenParen, lex.CloseParen:
		return "parenthesis"
	case lex.Arrow:
		return "arrow"
	case lex.Assign, lex.LessEqual, lex.Compare, lex.Plus:
		return "operator"
	case lex.Caret:
		return "hat"
	case lex.Path:
		return "path"
	case lex.Var, lex.BoolVar:
		return "variable"
	case lex.Cond:
		return "condition"
	case lex.Number:
		return "number"
	case lex.Include:
		return "include"
	}
	return "word"
}

// onNewLine reports whether there is a newline before the next token.
func (p *parser) onNewLine() bool {
	return strings.IndexByte(p.src[min(p.end, p.tok.From):p.tok.From], '\n') >= 0
}

// accept reads a token of a kind if it is next.
func (p *parser) accept(k lex.Kind) bool {
	if p.tok.Kind != k {
		return false
	}
	p.next()
	return true
}

// expect reads a token of a kind, which must be next.
func (p *parser) expect(k lex.Kind, what string) bool {
	if p.tok.Kind == k {
		p.next()
		return true
	}
	return p.unexpected(what)
}

// comma reads the comma that ends a rule.
func (p *parser) comma() bool { return p.expect(lex.Comma, "a comma at the end of the rule") }

// isWord reports whether the next token is a given bare word.
func (p *parser) isWord(word string) bool { return p.tok.Kind == lex.Word && p.tok.Text == word }

// nest counts one level of nesting; the caller undoes it with p.depth--.
func (p *parser) nest() bool {
	p.depth++
	if p.depth <= p.lim.Depth {
		return true
	}
	p.limit("nesting depth", int64(p.lim.Depth), int64(p.depth))
	return false
}

// limit reports a limit that was hit at the next token and ends the parse.
func (p *parser) limit(what string, limit, got int64) {
	d := limitDiagnostic(p.file.Position(p.pos()), what, limit, got)
	d.Text = p.raw(&p.tok)
	p.report(d)
	p.stopped = true
}
