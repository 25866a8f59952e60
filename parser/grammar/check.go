// SPDX-License-Identifier: Apache-2.0

package grammar

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/alecthomas/participle/v2"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/internal/lex"
	"github.com/goarmor/apparmor/parser"
)

// The limits of Check.
const (
	// DefaultBytes is the longest text that Check takes if the configuration's
	// Limits.Bytes is zero: 256 KiB. For every byte of text the grammar's
	// parser allocates about 1 kB (6 kB inside 200 nested blocks), most of
	// which it drops at once.
	DefaultBytes = 256 << 10
	// MaxDepth is how deep braces and parentheses may nest, whatever
	// Limits.Depth says. With the default Limits package parser allows less.
	MaxDepth = 1024
)

// DisagreementError says that package parser and the grammar do not have the
// same view of a text.
type DisagreementError struct {
	// Pos is where they differ: the beginning of the statement that they read
	// differently, or the place at which one of them refuses the text.
	Pos ast.Position
	// Field is the path to the field of the tree that differs, such as
	// "[2].Body[0].Perms"; empty when one of them refuses the text.
	Field string
	// Parser and Grammar are the two views, in Go syntax: the values of the
	// field or, if one of them refuses the text, its error, and "accepted" for
	// the other.
	Parser, Grammar string
	// Err is the error of the one that refuses, a diag.List if it is package
	// parser; nil if none does.
	Err error
}

const accepted = "accepted"

// Error returns the place, the field and both views in one line.
func (e *DisagreementError) Error() string {
	what := ""
	if e.Field != "" {
		what = " on " + e.Field
	}
	return fmt.Sprintf("%s: the parser and the grammar disagree%s: parser: %s; grammar: %s", e.Pos, what, clip(e.Parser), clip(e.Grammar))
}

// Unwrap returns Err.
func (e *DisagreementError) Unwrap() error { return e.Err }

// clip bounds the length of a view.
func clip(s string) string {
	if len(s) > 200 {
		return s[:200] + "..."
	}
	return s
}

// Check parses the text of one file, as Config.Parse does, and compares the
// result with what the grammar makes of the text. It returns the tree if both
// agree on every statement and every field of it, and on where each statement
// begins and ends.
//
// An error is a *DisagreementError, or what Config.Parse returns for a text
// that the parser refuses: a diag.List, or what ctx says. No tree comes with
// an error, so Recover is ignored. ContextAuto means ContextFile. Includes are
// not followed: a program checks each file that it does not trust. Check is
// safe for concurrent use. It is about 100 times slower than the parser alone,
// and looks at ctx only before and after the grammar's part.
func Check(ctx context.Context, c parser.Config, name, src string) (*ast.File, error) {
	c.Recover = 0
	if c.Context == parser.ContextAuto {
		c.Context = parser.ContextFile
	}
	if c.Limits.Bytes <= 0 {
		c.Limits.Bytes = DefaultBytes
	}
	tree, err := c.Parse(ctx, name, src)
	var list diag.List
	if err != nil && (!errors.As(err, &list) || errors.Is(err, diag.ErrLimit) || !onSyntax(list[0])) {
		return nil, err // there is nothing to compare
	}
	if depth := nesting(src); depth > MaxDepth {
		if err != nil {
			return nil, err
		}
		limit := &diag.LimitError{What: "nesting depth", Limit: MaxDepth, Got: int64(depth)}
		return nil, diag.List{{Code: diag.CodeLimit, Pos: tree.Position(1), Message: limit.Error(), Err: limit}}
	}
	stmts, refusal := parse(src, c.Context)
	if ctxErr := ctx.Err(); ctxErr != nil {
		return nil, ctxErr
	}
	switch {
	case err != nil && refusal != nil:
		return nil, err
	case err != nil:
		return nil, &DisagreementError{Pos: list[0].Pos, Parser: list[0].Message, Grammar: accepted, Err: err}
	case refusal != nil:
		d := &DisagreementError{Pos: tree.Position(1), Parser: accepted, Grammar: refusal.Error(), Err: refusal}
		var at participle.Error
		if errors.As(refusal, &at) {
			d.Pos, d.Grammar = tree.Position(ast.Pos(at.Position().Offset+1)), at.Message()
		}
		return nil, d
	}
	if d := sameTree(tree, stmts); d != nil {
		return nil, d
	}
	return tree, nil
}

// sameTree compares the parser's tree with the grammar's statements.
func sameTree(tree *ast.File, stmts []ast.Stmt) *DisagreementError {
	d := differ{at: 1}
	if d.values("", reflect.ValueOf(tree.Stmts), reflect.ValueOf(stmts)) {
		return nil
	}
	return &DisagreementError{Pos: tree.Position(d.at), Field: d.field, Parser: d.a, Grammar: d.b}
}

// parse parses a text with the grammar alone.
func parse(src string, where parser.Context) ([]ast.Stmt, error) {
	if where == parser.ContextBody {
		p, err := fragmentParser()
		if err != nil {
			return nil, err
		}
		f, err := p.ParseString("", src)
		if err != nil {
			return nil, err
		}
		return lowerStmts(f.Stmts), nil
	}
	p, err := fileParser()
	if err != nil {
		return nil, err
	}
	f, err := p.ParseString("", src)
	if err != nil {
		return nil, err
	}
	return lowerFile(f), nil
}

// onSyntax reports whether an error of the parser is one that the grammar must
// find too. It is not if the parser refuses a word because of what it probably
// means: a word at the start of a line that cannot continue the rule before
// it, or a brace as a name, at the end of a name or as the path of an include.
// The grammar does not look at words.
func onSyntax(d *diag.Diagnostic) bool {
	if d.Code != diag.CodeSyntax && d.Code != diag.CodeCharacter {
		return false
	}
	return !strings.HasPrefix(d.Hint, "is a comma missing at the end of the line before") &&
		d.Hint != "put a blank before the brace" && d.Message != "the profile has no name" &&
		d.Message != "the include has no path"
}

// nesting returns how deep braces and parentheses nest. That bounds the depth
// of the grammar's parser, which recurses only there.
func nesting(src string) int {
	l := lex.New(src)
	var t lex.Token
	depth, most := 0, 0
	for {
		switch l.Next(&t); t.Kind {
		case lex.EOF:
			return most
		case lex.Open, lex.OpenParen:
			depth++
			most = max(most, depth)
		case lex.Close, lex.CloseParen:
			depth = max(depth-1, 0)
		}
	}
}

// differ compares two trees and keeps the first difference.
type differ struct {
	at    ast.Pos // where the innermost statement around it begins
	field string
	a, b  string
}

// values reports whether two values are the same.
func (d *differ) values(path string, a, b reflect.Value) bool {
	switch {
	case a.IsValid() != b.IsValid(), a.IsValid() && a.Type() != b.Type():
		return d.differ(path, a, b)
	case !a.IsValid():
		return true
	}
	switch a.Kind() {
	case reflect.Interface:
		return d.values(path, a.Elem(), b.Elem())
	case reflect.Pointer:
		if a.IsNil() || b.IsNil() {
			return a.IsNil() == b.IsNil() || d.differ(path, a, b)
		}
		if s, ok := a.Interface().(ast.Stmt); ok {
			d.at = s.Pos()
		}
		return d.values(path, a.Elem(), b.Elem())
	case reflect.Slice:
		for i := range min(a.Len(), b.Len()) {
			if !d.values(fmt.Sprintf("%s[%d]", path, i), a.Index(i), b.Index(i)) {
				return false
			}
		}
		return a.Len() == b.Len() || d.differ(path, a, b)
	case reflect.Struct:
		if a.Type() == reflect.TypeFor[ast.Span]() {
			return d.spans(path, a.Interface().(ast.Span), b.Interface().(ast.Span))
		}
		for i := range a.NumField() {
			f := a.Type().Field(i)
			if f.Type == reflect.TypeFor[ast.Span]() && a.Type() == reflect.TypeFor[ast.VarAssign]() {
				// What continues the line after the last value belongs to
				// the statement, and is not a token.
				assign := b.Interface().(ast.VarAssign)
				assign.To = a.Interface().(ast.VarAssign).To
				b = reflect.ValueOf(assign)
			}
			if !d.values(path+"."+f.Name, a.Field(i), b.Field(i)) {
				return false
			}
		}
		return true
	}
	return a.Equal(b) || d.differ(path, a, b)
}

// spans compares places. The grammar does not note those of expressions, flags
// and xattrs.
func (d *differ) spans(path string, a, b ast.Span) bool {
	if a == b || b == (ast.Span{}) {
		return true
	}
	return d.differ(path, reflect.ValueOf(a), reflect.ValueOf(b))
}

func (d *differ) differ(path string, a, b reflect.Value) bool {
	d.field, d.a, d.b = path, view(a), view(b)
	return false
}

// view shows a value: of nodes and lists only what they are.
func view(v reflect.Value) string {
	if !v.IsValid() {
		return "nothing"
	}
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return "nothing"
		}
		return strings.TrimPrefix(v.Type().String(), "*")
	case reflect.Slice:
		return fmt.Sprintf("%d items", v.Len())
	}
	return fmt.Sprintf("%#v", v)
}
