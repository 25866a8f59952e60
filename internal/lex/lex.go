// SPDX-License-Identifier: Apache-2.0

package lex

import "strings"

// mode is what the lexer expects next.
type mode uint8

const (
	modeDefault     mode = iota
	modeRule             // a rule whose words hold commas: network, unix, dbus, ...
	modeChange           // change_profile: like modeRule, without conditions
	modeName             // one word of any bytes, then base again
	modeHat              // the word right after a caret
	modeValue            // the value of a condition, then base again
	modeList             // ( ... ) of values
	modeCondList         // ( ... ) of conditions
	modeCondValue        // a value in a list of conditions
	modeCondParen        // a value in parentheses in a list of conditions
	modeAssign           // values up to the end of the line
	modeAssignExpr       // an expression up to the end of the line
	modeExpr             // an expression up to a brace
	modeABI              // the path of an abi statement
	modeABIEnd           // the comma of an abi statement
	modeRlimit           // set rlimit
	modeUserns           // userns
	modePriority         // = and a number
	modePriorityNum      // a number
)

// Lexer cuts a text into tokens. The zero Lexer has an empty text.
type Lexer struct {
	src     string
	pos     int
	mode    mode
	base    mode // what a name, value or list returns to
	last    int  // offset of the last newline, once it was looked for
	assign  bool // the last token was a variable
	boolVar bool // ... a boolean one
}

// New returns a Lexer for src, which must be shorter than 4 GiB.
func New(src string) Lexer { return Lexer{src: src} }

// Reset continues in the default mode at an offset.
func (l *Lexer) Reset(offset uint32) {
	*l = Lexer{src: l.src, pos: int(offset)}
}

// Byte classes.
const (
	clBlank  = 1 << iota // space, tab, newline, carriage return
	clStop               // ends a word: blanks, `"`, `!`, comma, backslash, NUL (the last three need a look)
	clLetter             // A-Z a-z
	clIdent              // letters, digits, underscore
	clList               // ends a value in a list: clStop and parentheses
)

var class = [256]uint8{
	' ': clBlank | clStop | clList, '\t': clBlank | clStop | clList,
	'\n': clBlank | clStop | clList, '\r': clBlank | clStop | clList,
	'"': clStop | clList, '!': clStop | clList, ',': clStop | clList, '\\': clStop | clList, 0: clStop | clList,
	'(': clList, ')': clList, '_': clIdent,
	'0': clIdent, '1': clIdent, '2': clIdent, '3': clIdent, '4': clIdent,
	'5': clIdent, '6': clIdent, '7': clIdent, '8': clIdent, '9': clIdent,
	'A': clLetter | clIdent, 'B': clLetter | clIdent, 'C': clLetter | clIdent, 'D': clLetter | clIdent,
	'E': clLetter | clIdent, 'F': clLetter | clIdent, 'G': clLetter | clIdent, 'H': clLetter | clIdent,
	'I': clLetter | clIdent, 'J': clLetter | clIdent, 'K': clLetter | clIdent, 'L': clLetter | clIdent,
	'M': clLetter | clIdent, 'N': clLetter | clIdent, 'O': clLetter | clIdent, 'P': clLetter | clIdent,
	'Q': clLetter | clIdent, 'R': clLetter | clIdent, 'S': clLetter | clIdent, 'T': clLetter | clIdent,
	'U': clLetter | clIdent, 'V': clLetter | clIdent, 'W': clLetter | clIdent, 'X': clLetter | clIdent,
	'Y': clLetter | clIdent, 'Z': clLetter | clIdent,
	'a': clLetter | clIdent, 'b': clLetter | clIdent, 'c': clLetter | clIdent, 'd': clLetter | clIdent,
	'e': clLetter | clIdent, 'f': clLetter | clIdent, 'g': clLetter | clIdent, 'h': clLetter | clIdent,
	'i': clLetter | clIdent, 'j': clLetter | clIdent, 'k': clLetter | clIdent, 'l': clLetter | clIdent,
	'm': clLetter | clIdent, 'n': clLetter | clIdent, 'o': clLetter | clIdent, 'p': clLetter | clIdent,
	'q': clLetter | clIdent, 'r': clLetter | clIdent, 's': clLetter | clIdent, 't': clLetter | clIdent,
	'u': clLetter | clIdent, 'v': clLetter | clIdent, 'w': clLetter | clIdent, 'x': clLetter | clIdent,
	'y': clLetter | clIdent, 'z': clLetter | clIdent,
}

// IsBlank reports whether c separates words.
func IsBlank(c byte) bool { return class[c]&clBlank != 0 }

// at returns the byte at offset i, and NUL after the end.
func (l *Lexer) at(i int) byte {
	if i < len(l.src) {
		return l.src[i]
	}
	return 0
}

// blanks skips blanks and newlines.
func (l *Lexer) blanks() {
	for l.pos < len(l.src) && class[l.src[l.pos]]&clBlank != 0 {
		l.pos++
	}
}

// spaces returns the offset of the first byte from i on that is neither space
// nor tab.
func (l *Lexer) spaces(i int) int {
	for i < len(l.src) && (l.src[i] == ' ' || l.src[i] == '\t') {
		i++
	}
	return i
}

// token makes a token of the text from the current place to the offset to,
// and goes there.
func (l *Lexer) token(t *Token, k Kind, to int) {
	*t = Token{Kind: k, From: uint32(l.pos), To: uint32(to), Text: l.src[l.pos:to]}
	l.pos = to
	if k == Path || k == Value {
		refuseEscape(t)
	}
}

// refuseEscape makes a word Illegal if it ends in a backslash that is not
// itself escaped.
func refuseEscape(t *Token) {
	if word := t.Text; word != "" && word[len(word)-1] == '\\' && endsInEscape(word) {
		t.Kind, t.Why = Illegal, "the backslash at the end of the word escapes nothing"
	}
}

// endsInEscape reports whether a word ends in a backslash that is not itself
// escaped.
func endsInEscape(word string) bool {
	return (len(word)-len(strings.TrimRight(word, `\`)))%2 == 1
}

// illegal makes an Illegal token of the text up to an offset.
func (l *Lexer) illegal(t *Token, to int, why string) {
	l.token(t, Illegal, min(max(to, l.pos), len(l.src)))
	t.Why = why
}

func (l *Lexer) unexpected(t *Token) {
	why := Stray
	switch l.src[l.pos] {
	case 0:
		why = "a NUL byte is not allowed in policy"
	case '!':
		why = "an exclamation mark must be quoted or escaped"
		if l.at(l.pos+1) == '=' {
			why = "policy has no operator !=; list what is to match, or write not in a conditional"
		}
	case '"':
		if quoteEnd(l.src, l.pos) < 0 {
			l.illegal(t, lineEnd(l.src, l.pos), "the quote is not closed")
			return
		}
		why = "a quoted word is not allowed here"
	}
	to := l.pos + 1
	for to < len(l.src) && l.src[l.pos] >= 0x80 && l.src[to]&0xc0 == 0x80 {
		to++ // the rest of a character
	}
	l.illegal(t, to, why)
}

func lineEnd(s string, i int) int {
	if n := strings.IndexByte(s[i:], '\n'); n >= 0 {
		return i + n
	}
	return len(s)
}

// wordEnd returns the end of the word that begins at i. It runs to a blank, a
// quote, an exclamation mark, a NUL or a comma that ends a rule: one that no
// word byte follows. A backslash keeps a blank, quote, exclamation mark or
// comma in the word.
func wordEnd(s string, i int) int {
	for {
		for i < len(s) && class[s[i]]&clStop == 0 {
			i++
		}
		if i >= len(s) {
			return len(s)
		}
		switch s[i] {
		case '\\':
			if i+1 < len(s) && isEscapable(s[i+1]) {
				i++
			}
			i++
		case ',':
			if i+1 >= len(s) || class[s[i+1]]&clStop != 0 && s[i+1] != '\\' {
				return i
			}
			i++
		default:
			return i
		}
	}
}

func isEscapable(c byte) bool {
	return c == ' ' || c == '\t' || c == '"' || c == '!' || c == ','
}

// listEnd returns the end of the value in a list that begins at i. Unlike
// wordEnd, it ends at every comma and at parentheses.
func listEnd(s string, i int) int {
	for i < len(s) {
		c := s[i]
		switch {
		case class[c]&clList == 0:
			i++
		case c == '\\':
			if i+1 < len(s) && (isEscapable(s[i+1]) || s[i+1] == '(' || s[i+1] == ')') {
				i++
			}
			i++
		default:
			return i
		}
	}
	return len(s)
}

// quoteEnd returns the offset after the closing quote of the quoted word at
// i, or -1 when it is not closed or holds a NUL.
func quoteEnd(s string, i int) int {
	for i++; i < len(s); i++ {
		switch s[i] {
		case '"':
			return i + 1
		case '\\':
			if i++; i < len(s) && s[i] == 0 {
				return -1
			}
		case 0:
			return -1
		}
	}
	return -1
}

func identEnd(s string, i int) int {
	for i < len(s) && class[s[i]]&clIdent != 0 {
		i++
	}
	return i
}

// quoted makes a token of a quoted word.
func (l *Lexer) quoted(t *Token, k Kind) bool {
	end := quoteEnd(l.src, l.pos)
	if end < 0 {
		l.unexpected(t)
		return false
	}
	l.token(t, k, end)
	t.Quoted = true
	t.Text = t.Text[1 : len(t.Text)-1]
	return true
}

// Next stores the next token in t. After the end of the text every token is
// EOF.
func (l *Lexer) Next(t *Token) {
	switch l.mode {
	case modeDefault:
		l.nextDefault(t)
	case modeRule, modeChange:
		l.nextRule(t)
	case modeName, modeHat, modeValue:
		l.nextName(t)
	case modeList, modeCondList, modeCondValue, modeCondParen:
		l.nextInList(t)
	case modeAssign:
		l.nextAssigned(t)
	case modeExpr, modeAssignExpr:
		l.nextExpr(t)
	case modeABI, modeABIEnd:
		l.nextABI(t)
	default:
		l.nextRestricted(t)
	}
}

// comment skips the comment at the current place. A comment at the end of the
// text without a newline is an Illegal token.
func (l *Lexer) comment(t *Token) bool {
	n := strings.IndexByte(l.src[l.pos:], '\n')
	if n < 0 {
		l.illegal(t, len(l.src), "a comment must end in a newline")
		return false
	}
	l.pos += n + 1
	return true
}

// hashInclude begins an include that looks like a comment.
const hashInclude = "#include"

func (l *Lexer) nextDefault(t *Token) {
	for {
		l.blanks()
		if l.pos >= len(l.src) {
			l.token(t, EOF, l.pos)
			return
		}
		if l.src[l.pos] != '#' {
			break
		}
		if strings.HasPrefix(l.src[l.pos:], hashInclude) {
			l.include(t, l.pos, l.pos+len(hashInclude), true)
			return
		}
		if !l.comment(t) {
			return
		}
	}
	if l.assign {
		l.assign = false
		if n := assignLen(l.src[l.pos:]); n > 0 {
			l.mode = modeAssign
			if l.boolVar {
				l.mode = modeAssignExpr
			}
			l.token(t, Assign, l.pos+n)
			return
		}
	}
	switch c := l.src[l.pos]; c {
	case '/', ':', '&':
		l.token(t, Path, wordEnd(l.src, l.pos))
		if len(t.Text) > 0 {
			return
		}
	case '{':
		l.token(t, Open, l.pos+1)
		return
	case '}':
		l.token(t, Close, l.pos+1)
		return
	case ',':
		l.token(t, Comma, l.pos+1)
		return
	case '(':
		l.base, l.mode = modeDefault, modeList
		l.token(t, OpenParen, l.pos+1)
		return
	case ')':
		l.token(t, CloseParen, l.pos+1)
		return
	case '+':
		l.token(t, Plus, l.pos+1)
		return
	case '=':
		l.token(t, Assign, l.pos+1)
		return
	case '^':
		l.base, l.mode = modeDefault, modeHat
		l.token(t, Caret, l.pos+1)
		return
	case '-':
		if l.at(l.pos+1) == '>' {
			l.base, l.mode = modeDefault, modeName
			l.token(t, Arrow, l.pos+2)
			return
		}
	case '"':
		switch l.at(l.pos + 1) {
		case '/', '@', ':', '&':
			l.quoted(t, Path)
			return
		}
	case '@', '$':
		if l.variable(t) {
			return
		}
	default:
		if class[c]&clLetter != 0 {
			l.word(t)
			return
		}
	}
	l.unexpected(t)
}

// assignLen returns the length of the assignment operator that s begins with.
func assignLen(s string) int {
	switch {
	case s == "":
		return 0
	case s[0] == '=':
		return 1
	case len(s) > 1 && s[1] == '=' && (s[0] == '+' || s[0] == '?' || s[0] == ':'):
		return 2
	}
	return 0
}

// variableEnd returns the end of the variable name, with its braces, whose
// sigil is at i, and the name.
func variableEnd(s string, i int) (end int, name string) {
	from := i + 1
	brace := from < len(s) && s[from] == '{'
	if brace {
		from++
	}
	if from >= len(s) || class[s[from]]&clLetter == 0 {
		return -1, ""
	}
	to := identEnd(s, from)
	if !brace {
		return to, s[from:to]
	}
	if to >= len(s) || s[to] != '}' {
		return -1, ""
	}
	return to + 1, s[from:to]
}

// variable makes a token of a variable, or of a path that begins with one.
func (l *Lexer) variable(t *Token) bool {
	end, name := variableEnd(l.src, l.pos)
	if end < 0 {
		return false
	}
	kind := Var
	if l.src[l.pos] == '$' {
		kind = BoolVar
	} else if op := assignLen(l.src[end:]); l.at(end) != '+' && (op == 0 || l.src[end] == ':') {
		// A colon right after the name joins both into a word, a plus never
		// does.
		if to := wordEnd(l.src, end); to > end {
			l.token(t, Path, to)
			return true
		}
	}
	l.token(t, kind, end)
	t.Text = name
	l.assign, l.boolVar = true, kind == BoolVar
	return true
}

// word makes a token of a bare word in the default mode. Keywords change the
// mode; a word before an equals sign is the name of a condition.
func (l *Lexer) word(t *Token) {
	start := l.pos
	end := identEnd(l.src, start)
	text := l.src[start:end]
	switch text {
	case "include":
		if l.spaces(end) > end {
			l.include(t, start, end, false)
			return
		}
	case "priority":
		if l.at(l.spaces(end)) == '=' {
			l.token(t, Word, end)
			l.mode = modePriority
			return
		}
	}
	if i := l.spaces(end); l.at(i) == '=' && l.at(i+1) != '=' {
		l.cond(t, end, i+1, OpEqual, modeDefault)
		return
	}
	l.token(t, Word, end)
	switch text {
	case "network", "unix", "dbus", "signal", "ptrace", "mount", "remount", "umount", "unmount", "mqueue":
		l.mode = modeRule
	case "change_profile":
		l.mode = modeChange
	case "profile", "hat":
		l.base, l.mode = modeDefault, modeName
	case "abi":
		l.mode = modeABI
	case "if":
		l.mode = modeExpr
	case "rlimit":
		l.mode = modeRlimit
	case "userns":
		l.mode = modeUserns
	}
}

// cond makes a token of a condition's name, which ends at end, and its
// operator, which ends at to.
func (l *Lexer) cond(t *Token, end, to int, op Op, base mode) {
	name := l.src[l.pos:end]
	l.token(t, Cond, to)
	t.Text, t.Op = name, op
	l.base, l.mode = base, modeValue
	if name == "peer" || name == "xattrs" {
		i := to
		for i < len(l.src) && IsBlank(l.src[i]) {
			i++
		}
		t.Wide = l.at(i) == '('
	}
	if t.Wide {
		l.mode = modeCondList
	}
}

func (l *Lexer) nextRule(t *Token) {
	l.blanks()
	if l.pos >= len(l.src) {
		l.token(t, EOF, l.pos)
		return
	}
	switch c := l.src[l.pos]; {
	case c == ',':
		l.token(t, Comma, l.pos+1)
		l.mode = modeDefault
		return
	case c == '(' && l.mode == modeRule:
		l.base, l.mode = l.mode, modeList
		l.token(t, OpenParen, l.pos+1)
		return
	case c == '"':
		l.quoted(t, Value)
		return
	case class[c]&clLetter != 0 && l.mode == modeRule:
		end := identEnd(l.src, l.pos)
		i := l.spaces(end)
		if l.at(i) == '=' {
			l.cond(t, end, i+1, OpEqual, modeRule)
			return
		}
		if i > end && strings.HasPrefix(l.src[i:], "in") {
			if j := l.spaces(i + 2); l.at(j) == '(' {
				l.cond(t, end, i+2, OpIn, modeRule)
				return
			}
		}
	}
	end := wordEnd(l.src, l.pos)
	if l.mode == modeRule {
		switch l.src[l.pos] {
		case '/', '@', ':', '&':
		default:
			// Only what begins like a path holds an equals sign.
			if n := strings.IndexByte(l.src[l.pos:end], '='); n >= 0 {
				end = l.pos + n
			}
		}
		if n := strings.IndexByte(l.src[l.pos:end], '('); n == 0 {
			end = l.pos
		} else if n > 0 && class[l.src[l.pos]]&clLetter != 0 {
			end = l.pos + n
		}
	}
	switch {
	case end == l.pos:
		l.unexpected(t)
	case l.src[l.pos:end] == "->":
		l.token(t, Arrow, end)
		if l.mode == modeChange {
			l.base, l.mode = modeChange, modeName
		}
	default:
		l.token(t, Value, end)
	}
}

// nextName reads the one word that follows a keyword, an arrow or a
// condition's equals sign.
func (l *Lexer) nextName(t *Token) {
	if l.mode != modeHat {
		l.blanks()
	}
	if l.pos >= len(l.src) {
		l.token(t, EOF, l.pos)
		return
	}
	value := l.mode == modeValue
	l.mode = l.base
	switch c := l.src[l.pos]; {
	case c == '"':
		l.quoted(t, Value)
		return
	case c == '(' && value:
		l.mode = modeList
		l.token(t, OpenParen, l.pos+1)
		return
	case c == ',':
		l.unexpected(t)
		return
	}
	if end := wordEnd(l.src, l.pos); end > l.pos {
		l.token(t, Value, end)
		return
	}
	l.unexpected(t)
}

// nextRestricted reads the rule types that know few tokens: priority, rlimit
// and userns.
func (l *Lexer) nextRestricted(t *Token) {
	l.blanks()
	if l.pos >= len(l.src) {
		l.token(t, EOF, l.pos)
		return
	}
	c := l.src[l.pos]
	switch {
	case l.mode == modePriority && c == '=':
		l.mode = modePriorityNum
		l.token(t, Assign, l.pos+1)
		return
	case l.mode == modePriorityNum:
		l.mode = modeDefault
		if end := numberEnd(l.src, l.pos, "+-"); end > l.pos {
			l.token(t, Number, end)
			return
		}
	case c == ',':
		l.mode = modeDefault
		l.token(t, Comma, l.pos+1)
		return
	case class[c]&clLetter != 0:
		end := l.pos
		for end < len(l.src) && (class[l.src[end]]&clLetter != 0 || l.mode == modeUserns && class[l.src[end]]&clIdent != 0) {
			end++
		}
		l.token(t, Value, end)
		return
	case l.mode == modeRlimit && c == '<' && l.at(l.pos+1) == '=':
		l.token(t, LessEqual, l.pos+2)
		return
	case l.mode == modeRlimit:
		if end := numberEnd(l.src, l.pos, "-"); end > l.pos {
			l.token(t, Number, end)
			return
		}
	}
	l.unexpected(t)
}

// numberEnd returns the end of the number at i, or i when there is none.
func numberEnd(s string, i int, signs string) int {
	j := i
	if strings.IndexByte(signs, s[j]) >= 0 {
		j++
	}
	end := j
	for end < len(s) && '0' <= s[end] && s[end] <= '9' {
		end++
	}
	if end == j {
		return i
	}
	return end
}
