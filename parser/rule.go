// SPDX-License-Identifier: Apache-2.0

package parser

import (
	"errors"
	"slices"
	"strings"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/internal/lang"
	"github.com/goarmor/apparmor/internal/lex"
)

// ruleClasses is how each class of rules is read. The words of a class begin
// its rules; other words and paths begin file rules.
var ruleClasses = [...]struct {
	words []string
	class ruleClass
}{
	ast.ClassFile:          {[]string{"file"}, fileClass{}},
	ast.ClassLink:          {[]string{"link"}, linkClass{}},
	ast.ClassCapability:    {[]string{"capability"}, capabilityClass{}},
	ast.ClassNetwork:       {[]string{"network"}, networkClass{}},
	ast.ClassUnix:          {[]string{"unix"}, unixClass{}},
	ast.ClassDBus:          {[]string{"dbus"}, dbusClass{}},
	ast.ClassSignal:        {[]string{"signal"}, signalClass{}},
	ast.ClassPtrace:        {[]string{"ptrace"}, ptraceClass{}},
	ast.ClassMount:         {[]string{"mount", "remount", "umount", "unmount"}, mountClass{}},
	ast.ClassPivotRoot:     {[]string{"pivot_root"}, pivotRootClass{}},
	ast.ClassChangeProfile: {[]string{"change_profile"}, changeProfileClass{}},
	ast.ClassRlimit:        {[]string{"set"}, rlimitClass{}},
	ast.ClassMqueue:        {[]string{"mqueue"}, mqueueClass{}},
	ast.ClassIOUring:       {[]string{"io_uring"}, ioUringClass{}},
	ast.ClassUserns:        {[]string{"userns"}, usernsClass{}},
	ast.ClassAll:           {[]string{"all"}, allClass{}},
}

// ruleClass reads the rules of one class.
type ruleClass interface {
	// read reads a rule that begins at from, qualifiers included. The next
	// token is the word of the class, or what a file rule begins with.
	read(p *parser, from ast.Pos, q ast.Qualifiers) (ast.Stmt, bool)
}

// classOf returns the class whose rules begin with a word, or nil when it is
// none of the words of a class.
func classOf(word string) ruleClass {
	for i := range ruleClasses {
		if slices.Contains(ruleClasses[i].words, word) {
			return ruleClasses[i].class
		}
	}
	return nil
}

// stmtWords are the words that a statement in a profile may begin with, other
// than those of the classes.
var stmtWords = [...]string{
	"profile", "include", "audit", "deny", "allow", "prompt", "owner", "other", "priority", "abi", "alias", "if", "else",
	"hat", "safe", "unsafe",
}

// beginsStmtWord reports whether a statement may begin with a word.
func beginsStmtWord(word string) bool {
	return classOf(word) != nil || slices.Contains(stmtWords[:], word)
}

// valid checks a rule of which all but the comma was read. What is wrong is
// reported at the token that at returns, or at the word of the rule when that
// is empty. The function at may change the hint.
func (p *parser) valid(n ast.Rule, word *lex.Token, at func(*ast.CheckError) lex.Token) bool {
	err := ast.CheckRule(n, ast.State{Access: p.access(&ast.Qualifiers{})})
	if err == nil {
		return true
	}
	var e *ast.CheckError
	if !errors.As(err, &e) {
		return p.fail(word, diag.CodeRule, "%v", err)
	}
	t := *word
	if at != nil {
		if found := at(e); found.To != 0 {
			t = found
		}
	}
	d := &diag.Diagnostic{
		Code: e.Code, Pos: p.file.Position(ast.Pos(t.From + 1)), Message: e.Problem, Text: p.raw(&t), Hint: e.Hint, Err: e,
	}
	return p.report(d)
}

// ruleEnd reads the comma of a rule that has permissions.
func (p *parser) ruleEnd(perms *lang.Perms) bool {
	if p.tok.Kind == lex.Value && !p.tok.Quoted && !p.onNewLine() {
		if near, ok := perms.Nearest(strings.ToLower(p.tok.Text)); ok {
			hint := didYouMean(near)
			if perms.Has(p.tok.Text) {
				hint = "put several permissions in parentheses"
			}
			return p.failHint(&p.tok, hint, diag.CodeSyntax, "unexpected word, expected a comma at the end of the rule")
		}
	}
	return p.comma()
}

// perms reads the permissions of a rule, if there are any: one word, or a list
// in parentheses, whose unknown words are an error unless lax. In a list the
// letters r and w may be repeated; a word outside is r, w, rw, wr or a name.
func (p *parser) perms(perms *lang.Perms, lax bool) (set uint, ok bool) {
	if p.tok.Kind != lex.OpenParen {
		t := p.tok
		if t.Kind != lex.Value && t.Kind != lex.Word || t.Quoted {
			return 0, true
		}
		bits, known := perms.Parse(t.Text)
		if !known || t.Text == "rr" || t.Text == "ww" || len(t.Text) > 2 && strings.Trim(t.Text, "rw") == "" {
			return 0, true
		}
		p.next()
		return bits, true
	}
	p.next()
	for {
		switch p.tok.Kind {
		case lex.Comma:
		case lex.CloseParen:
			p.next()
			return set, true
		case lex.Value:
			bits, known := perms.Parse(p.tok.Text)
			if !known && !lax {
				hint := ""
				if near, ok := perms.Nearest(strings.ToLower(p.tok.Text)); ok {
					hint = didYouMean(near)
				}
				return 0, p.failHint(&p.tok, hint, diag.CodePermissions, "unknown permission %q", p.tok.Text)
			}
			set |= bits
		default:
			return 0, p.unexpected("a permission or a closing parenthesis")
		}
		p.next()
	}
}
