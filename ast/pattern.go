// SPDX-License-Identifier: Apache-2.0

package ast

import (
	"fmt"
	"strings"
)

// Pattern is a word of policy as the language means it after the lexer's
// first pass: without its quotes, with numeric and letter escapes decoded. It
// is still glob text (AARE): `*`, `**`, `?`, `[ ]`, `{ , }` and `@{VAR}` are
// live, and a backslash makes the byte after it literal. It holds bytes, not
// characters, and never a NUL; a NUL of the text stays an escape (`\000`).
//
// Literal makes the Pattern that matches one path and nothing else, Exact does
// so for text that is not a path, Name makes the name of one profile, and Glob
// checks text that is meant as a pattern. The empty Pattern means absent.
type Pattern string

// MaxPath is the length of the longest path, in bytes, that Literal accepts:
// Linux's PATH_MAX without the NUL.
const MaxPath = 4095

// MaxNesting is the depth of braces that a pattern may have.
const MaxNesting = 49

// PatternProblem says why text cannot become a Pattern.
type PatternProblem uint8

// The problems.
const (
	PatternEmpty     PatternProblem = iota + 1 // there is no text
	PatternNUL                                 // a NUL byte
	PatternRelative                            // a path that does not begin with a slash
	PatternTooLong                             // a path of more than MaxPath bytes
	PatternSlashes                             // a run of slashes, which the language squeezes
	PatternBackslash                           // a backslash without a byte after it
	PatternEscape                              // an escape that only the lexer decodes
	PatternBrace                               // braces that do not pair
	PatternSingle                              // braces without a comma
	PatternNesting                             // braces nested deeper than MaxNesting
	PatternClass                               // a malformed [class]
	PatternVariable                            // a malformed @{VARIABLE}, or one in a name
	PatternPrefix                              // a name that begins like a namespace or a stack
	PatternBlank                               // a name with a blank at one of its ends
)

var patternProblems = [...]string{
	PatternEmpty:     "it is empty",
	PatternNUL:       "it has a NUL byte",
	PatternRelative:  "it does not begin with a slash",
	PatternTooLong:   "it is too long",
	PatternSlashes:   "it has a run of slashes",
	PatternBackslash: "it ends in a lone backslash",
	PatternEscape:    "it has an escape that was not decoded",
	PatternBrace:     "its braces do not pair",
	PatternSingle:    "it has braces without a comma",
	PatternNesting:   "its braces are nested too deep",
	PatternClass:     "it has a malformed character class",
	PatternVariable:  "it has a malformed variable name, or a variable where none can be",
	PatternPrefix:    "it begins like a namespace or a stack",
	PatternBlank:     "it begins or ends with a blank",
}

// String says what is wrong, as a clause whose subject is the text.
func (p PatternProblem) String() string {
	if p > 0 && int(p) < len(patternProblems) {
		return patternProblems[p]
	}
	return "it is malformed"
}

// PatternError says why text is not a Pattern.
type PatternError struct {
	Text    string         // as it was given
	Offset  int            // in Text, of the byte where the problem shows
	Problem PatternProblem // why it is not one
}

// Error implements error.
func (e *PatternError) Error() string {
	text := e.Text
	if len(text) > 64 {
		text = text[:64] + "..."
	}
	return fmt.Sprintf("not a pattern: %s (%q, byte %d)", e.Problem, text, e.Offset)
}

// isSpecial reports whether a decoded byte keeps a backslash in a Pattern.
func isSpecial(c byte) bool {
	switch c {
	case '*', '?', '[', ']', '{', '}', '^', ',', '\\':
		return true
	}
	return false
}

// Literal returns the Pattern that matches path, byte for byte, and nothing
// else. Any byte but NUL may be in it: glob bytes are escaped, and so is the
// brace of `@{`, so that no variable is seen. Rendering takes care of blanks,
// quotes and control bytes.
//
// The path must be absolute and at most MaxPath bytes long. A run of slashes
// is refused: policy squeezes it, so the pattern would match another path
// than the one given, and the kernel never asks for a path with a run in it.
// For the same reason it is of no use, though harmless, to have `.` or `..`
// for a component. A path that ends in a slash is a directory.
//
// The error is a *PatternError.
func Literal(path string) (Pattern, error) {
	switch {
	case path == "":
		return "", &PatternError{Problem: PatternEmpty}
	case path[0] != '/':
		return "", &PatternError{Text: path, Problem: PatternRelative}
	case len(path) > MaxPath:
		return "", &PatternError{Text: path, Offset: MaxPath, Problem: PatternTooLong}
	}
	if i := strings.Index(path, "//"); i >= 0 {
		return "", &PatternError{Text: path, Offset: i + 1, Problem: PatternSlashes}
	}
	return Exact(path)
}

// Exact returns the Pattern that matches text, byte for byte, and nothing
// else. It is for names, labels and addresses; for paths there is Literal,
// which knows what paths look like. The text must not be empty or hold a NUL.
//
// The error is a *PatternError.
func Exact(text string) (Pattern, error) {
	if text == "" {
		return "", &PatternError{Problem: PatternEmpty}
	}
	extra := 0
	for i := 0; i < len(text); i++ {
		if text[i] == 0 {
			return "", &PatternError{Text: text, Offset: i, Problem: PatternNUL}
		}
		if isSpecial(text[i]) {
			extra++
		}
	}
	if extra == 0 {
		return Pattern(text), nil
	}
	var b strings.Builder
	b.Grow(len(text) + extra)
	for i := 0; i < len(text); i++ {
		if isSpecial(text[i]) {
			b.WriteByte('\\')
		}
		b.WriteByte(text[i])
	}
	return Pattern(b.String()), nil
}

// Name returns the Pattern that names a profile byte for byte, for the Name of
// a profile or the Target of an exec mode. Kernels get names as they are, not
// as patterns. A backslash before a byte would be part of the name, so nothing
// can be escaped, and a name that policy would read differently is refused:
// one with a NUL, a variable, malformed braces or brackets, or a backslash
// that would not stay as it is, one that begins with a colon (a namespace) or
// an ampersand (a stack), and one with blanks at its ends, which kernels
// strip.
//
// A name that begins with a slash is also the profile's attachment, as a
// pattern, unless the profile has an Attachment. In conditions that match
// labels, such as peer=, use Exact to mean one profile.
//
// The error is a *PatternError.
func Name(name string) (Pattern, error) {
	p := Pattern(name)
	switch {
	case name == "":
		return "", &PatternError{Problem: PatternEmpty}
	case name[0] == ':', name[0] == '&':
		return "", &PatternError{Text: name, Problem: PatternPrefix}
	case isKernelBlank(name[0]):
		return "", &PatternError{Text: name, Problem: PatternBlank}
	case isKernelBlank(name[len(name)-1]):
		return "", &PatternError{Text: name, Offset: len(name) - 1, Problem: PatternBlank}
	}
	if err := p.Check(); err != nil {
		return "", err
	}
	if i := strings.Index(name, "@{"); i >= 0 {
		return "", &PatternError{Text: name, Offset: i, Problem: PatternVariable}
	}
	return p, nil
}

// isKernelBlank is the kernel's isspace, which treats bytes as Latin-1.
func isKernelBlank(c byte) bool { return c == ' ' || '\t' <= c && c <= '\r' || c == 0xa0 }

// Glob checks text as it would be between the quotes of a policy and
// returns its Pattern: escapes such as `\x41` are decoded, glob syntax and
// variables stay live. It is Decode and Check in one.
//
// The error is a *PatternError.
func Glob(aare string) (Pattern, error) {
	if aare == "" {
		return "", &PatternError{Problem: PatternEmpty}
	}
	p := Decode(aare)
	if err := p.Check(); err != nil {
		return "", err
	}
	return p, nil
}

// Decode does the lexer's first pass over a word without its quotes. Escapes
// of bytes (`\\`, `\"`, `\a \e \f \n \r \t`, octal `\N` to `\NNN`, decimal
// `\dN` to `\dNNN`, hexadecimal `\xH` and `\xHH`) become the byte, with a
// backslash before it where the byte would be live in a glob. An escape whose
// value is NUL or above 255, and any other, stays as it is. Decoding what is
// decoded changes nothing.
func Decode(word string) Pattern {
	i := strings.IndexByte(word, '\\')
	if i < 0 {
		return Pattern(word)
	}
	var b strings.Builder
	b.Grow(len(word))
	b.WriteString(word[:i])
	for i < len(word) {
		if word[i] != '\\' {
			b.WriteByte(word[i])
			i++
			continue
		}
		c, n := decodeEscape(word[i+1:])
		switch {
		case n > 0 && isSpecial(c):
			b.WriteByte('\\')
			b.WriteByte(c)
		case n > 0:
			b.WriteByte(c)
		default:
			// The byte after the backslash must not begin an escape of its
			// own; a backslash at the very end is kept.
			n = min(1, len(word)-i-1)
			b.WriteString(word[i : i+1+n])
		}
		i += 1 + n
	}
	return Pattern(b.String())
}

// decodeEscape decodes the escape whose backslash precedes s. It returns the
// byte and how much of s it took, or 0 when the escape is to be kept.
func decodeEscape(s string) (c byte, n int) {
	if s == "" {
		return 0, 0
	}
	switch s[0] {
	case '\\', '"':
		return s[0], 1
	case 'a':
		return '\a', 1
	case 'e':
		return 0x1b, 1
	case 'f':
		return '\f', 1
	case 'n':
		return '\n', 1
	case 'r':
		return '\r', 1
	case 't':
		return '\t', 1
	case 'd':
		return decodeNumber(s, 1, 10, 3)
	case 'x':
		return decodeNumber(s, 1, 16, 2)
	case '0', '1', '2', '3', '4', '5', '6', '7':
		return decodeNumber(s, 0, 8, 3)
	}
	return 0, 0
}

// decodeNumber reads up to width digits of s from start. NUL and values that
// do not fit a byte are not decoded.
func decodeNumber(s string, start, base, width int) (c byte, n int) {
	v, i := 0, start
	for ; i < len(s) && i < start+width; i++ {
		d := digit(s[i])
		if d >= base {
			break
		}
		v = v*base + d
	}
	if i == start || v == 0 || v > 0xff {
		return 0, 0
	}
	return byte(v), i
}

func digit(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return 255
}

// encodable finds the first byte of p that no policy text can produce, and -1
// when all is well: a NUL, a lone backslash at the end, or an escape that the
// lexer would have decoded.
func (p Pattern) encodable() (int, PatternProblem) {
	if strings.IndexByte(string(p), '\\') < 0 {
		if i := strings.IndexByte(string(p), 0); i >= 0 {
			return i, PatternNUL
		}
		return -1, 0
	}
	for i := 0; i < len(p); i++ {
		switch p[i] {
		case 0:
			return i, PatternNUL
		case '\\':
			if i+1 == len(p) {
				return i, PatternBackslash
			}
			if p[i+1] == 0 {
				return i + 1, PatternNUL
			}
			if c, n := decodeEscape(string(p[i+1:])); n > 0 && !(n == 1 && isSpecial(c)) {
				return i, PatternEscape
			}
			i++
		}
	}
	return -1, 0
}

// CheckText reports whether some policy text means p: p has no NUL, no lone
// backslash at its end and no escape that the lexer would have decoded. It
// does not look at globs. The error is a *PatternError.
func (p Pattern) CheckText() error {
	if i, problem := p.encodable(); i >= 0 {
		return &PatternError{Text: string(p), Offset: i, Problem: problem}
	}
	return nil
}

// Check reports whether p is a pattern that compiles: what CheckText demands,
// braces that pair, are nested at most MaxNesting deep and hold a comma,
// classes that close and have well-formed ranges, and variables that have a
// name. A `*` or `?` in a class is refused too, because the reference makes
// something else of it; escaped it is fine. The empty Pattern passes. The
// error is a *PatternError.
func (p Pattern) Check() error {
	if err := p.CheckText(); err != nil {
		return err
	}
	if i, problem := p.checkGlob(); i >= 0 {
		return &PatternError{Text: string(p), Offset: i, Problem: problem}
	}
	return nil
}

func (p Pattern) checkGlob() (int, PatternProblem) {
	var open [MaxNesting]int // offset of every open brace
	var comma [MaxNesting]bool
	depth := 0
	for i := 0; i < len(p); i++ {
		switch p[i] {
		case '\\':
			i++
		case '@':
			if i+1 == len(p) || p[i+1] != '{' {
				continue
			}
			n := variable(string(p[i:]))
			if n == 0 {
				return i, PatternVariable
			}
			i += n - 1
		case '{':
			if depth == MaxNesting {
				return i, PatternNesting
			}
			open[depth], comma[depth] = i, false
			depth++
		case ',':
			if depth > 0 {
				comma[depth-1] = true
			}
		case '}':
			if depth == 0 {
				return i, PatternBrace
			}
			depth--
			if !comma[depth] {
				return open[depth], PatternSingle
			}
		case '[':
			n := class(string(p[i:]))
			if n == 0 {
				return i, PatternClass
			}
			i += n - 1
		case ']':
			return i, PatternClass
		}
	}
	if depth > 0 {
		return open[depth-1], PatternBrace
	}
	return -1, 0
}

// variable returns the length of the `@{NAME}` that s begins with, or 0.
func variable(s string) int {
	if !strings.HasPrefix(s, "@{") {
		return 0
	}
	end := strings.IndexByte(s, '}')
	if end < 0 || !IsVariableName(s[2:end]) {
		return 0
	}
	return end + 1
}

// IsVariableName reports whether name can appear in `@{name}` or `$name`: a
// letter, then letters, digits and underscores.
func IsVariableName(name string) bool {
	for i := 0; i < len(name); i++ {
		c := name[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z':
		case i > 0 && ('0' <= c && c <= '9' || c == '_'):
		default:
			return false
		}
	}
	return name != ""
}

// class returns the length of the character class that s begins with, or 0
// when it is malformed: `[` [`^`] [`-`] (byte | byte `-` byte)* `]`, with one
// item at least. A minus at the beginning means itself.
func class(s string) int {
	i := 1
	if i < len(s) && s[i] == '^' {
		i++
	}
	// item returns the offset after the byte at i, or 0 when there is none.
	item := func(i int) int {
		switch {
		case i >= len(s), s[i] == ']', s[i] == '*', s[i] == '?', s[i] == '-':
			return 0
		case s[i] == '\\':
			return i + 2
		}
		return i + 1
	}
	first := true
	if i < len(s) && s[i] == '-' {
		i++
		first = false
	}
	for ; ; first = false {
		if !first && i < len(s) && s[i] == ']' {
			return i + 1
		}
		if i = item(i); i == 0 {
			return 0
		}
		if i < len(s) && s[i] == '-' {
			if i = item(i + 1); i == 0 {
				return 0
			}
		}
	}
}

// IsLiteral reports whether p matches one string only: it has no live glob
// byte and no variable.
func (p Pattern) IsLiteral() bool {
	for i := 0; i < len(p); i++ {
		switch p[i] {
		case '\\':
			i++
		case '*', '?', '[', ']', '{', '}':
			return false
		}
	}
	return p != ""
}

// HasVariable reports whether p refers to a variable.
func (p Pattern) HasVariable() bool {
	for i := 0; i < len(p); i++ {
		switch p[i] {
		case '\\':
			i++
		case '@':
			if i+1 < len(p) && p[i+1] == '{' {
				return true
			}
		}
	}
	return false
}

// Unescape returns the one string that a literal p matches, and false when p
// is not literal or its text is malformed. It undoes Literal and Exact. The
// string may hold a NUL where p has one escaped.
func (p Pattern) Unescape() (string, bool) {
	if !p.IsLiteral() {
		return "", false
	}
	if strings.IndexByte(string(p), '\\') < 0 {
		return string(p), true
	}
	var b strings.Builder
	b.Grow(len(p))
	for i := 0; i < len(p); i++ {
		if p[i] != '\\' {
			b.WriteByte(p[i])
			continue
		}
		i++
		if i == len(p) {
			return "", false
		}
		if n := nulEscape(string(p[i:])); n > 0 {
			b.WriteByte(0)
			i += n - 1
			continue
		}
		b.WriteByte(p[i])
	}
	return b.String(), true
}

// nulEscape returns the length of the numeric escape of NUL that s, text
// after a backslash, begins with, or 0.
func nulEscape(s string) int {
	start, base, width := 0, 8, 3
	switch s[0] {
	case 'd':
		start, base = 1, 10
	case 'x':
		start, base, width = 1, 16, 2
	}
	i := start
	for ; i < len(s) && i < start+width && digit(s[i]) < base; i++ {
		if s[i] != '0' {
			return 0
		}
	}
	if i == start {
		return 0
	}
	return i
}
