// SPDX-License-Identifier: Apache-2.0

package parser

import (
	"strings"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/internal/lang"
	"github.com/goarmor/apparmor/internal/lex"
)

// didYouMean is the hint with a word that was probably meant.
func didYouMean(word string) string { return `did you mean "` + word + `"?` }

// nearest is the hint with the word of a vocabulary that was probably meant.
func nearest(v ast.Vocabulary, word string) string {
	if near, ok := v.Nearest(strings.ToLower(word)); ok {
		return didYouMean(near)
	}
	return ""
}

// nearestOf is the hint with one of some words.
func nearestOf(word string, words ...string) string {
	if near, ok := lang.Nearest(words, strings.ToLower(word)); ok {
		return didYouMean(near)
	}
	return ""
}

// headWords are the words that a statement outside a profile may begin with.
var headWords = [...]string{"abi", "alias", "hat", "include", "profile"}

// ruleHint is the hint on a word that does not begin a rule.
func ruleHint(word string) string {
	if word == "setrlimit" || word == "rlimit" {
		return didYouMean("set rlimit")
	}
	var words []string
	for i := range ruleClasses {
		words = append(words, ruleClasses[i].words...)
	}
	return nearestOf(word, append(words, stmtWords[:]...)...)
}

// outsideHint is the hint on a statement outside a profile.
func (p *parser) outsideHint(t *lex.Token) string {
	if t.Kind != lex.Word || beginsStmtWord(t.Text) {
		return ""
	}
	if hint := nearestOf(t.Text, headWords[:]...); hint != "" {
		return hint
	}
	if p.tok.From != t.From || !p.pathBeginsProfile() {
		return ""
	}
	return "a profile that is not named by a path begins with the word profile"
}

// permWords are what people write for the permissions of files.
var permWords = map[string]string{
	"read": "r", "write": "w", "append": "a", "lock": "k", "link": "l", "mmap": "m",
	"exec": "ix", "execute": "ix", "readwrite": "rw", "all": "rwlkm", "rx": "rix",
}

// notPerms reports a word that should be the permissions of a file: the whole
// of it, up to the next blank or comma.
func (p *parser) notPerms(t *lex.Token) bool {
	word := p.src[t.From:]
	if i := strings.IndexAny(word, " \t\r\n,"); i >= 0 {
		word = word[:i]
	}
	whole := *t
	whole.To = t.From + uint32(len(word))
	if before, _, ok := strings.Cut(word, "->"); ok && lang.IsFilePerms(before) {
		return p.failHint(&whole, "put blanks around the arrow", diag.CodePermissions, "unexpected text right after the permissions")
	}
	if before, ok := strings.CutSuffix(word, ";"); ok && lang.IsFilePerms(before) {
		return p.failHint(&whole, "a rule ends in a comma", diag.CodePermissions, "unexpected text right after the permissions")
	}
	if i := strings.IndexAny(word, "{}#\""); i > 0 && lang.IsFilePerms(word[:i]) {
		return p.failHint(&whole, "put a blank after them", diag.CodePermissions, "unexpected text right after the permissions")
	}
	hint := "permissions are letters of rwalkm and an exec mode such as ix, px, cx or ux"
	if letters, ok := permWords[strings.ToLower(word)]; ok {
		hint = didYouMean(letters)
	}
	for i := 0; i < len(word); {
		n := lang.FilePermLen(word[i:])
		if n == 0 {
			if i > 0 || lang.IsFilePerms(word[1:]) {
				return p.failHint(&whole, hint, diag.CodePermissions, "unknown file permission %q", word[i:i+1])
			}
			break
		}
		i += n
	}
	return p.failHint(&whole, hint, diag.CodePermissions, "the word is not a list of file permissions")
}

// list joins words as a sentence does.
func list(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " and " + words[last]
}
