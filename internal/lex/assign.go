// SPDX-License-Identifier: Apache-2.0

package lex

// nextAssigned reads a value of an assignment. The end of the line ends the
// assignment.
func (l *Lexer) nextAssigned(t *Token) {
	for l.pos < len(l.src) {
		switch c := l.src[l.pos]; {
		case c == ' ' || c == '\t' || c == '\r':
			l.pos++
			continue
		case c == '\\' && l.at(l.pos+1) == '\n':
			l.pos += 2
			continue
		case c == '\\' && l.at(l.pos+1) == '\r' && l.at(l.pos+2) == '\n':
			l.pos += 3
			continue
		case c == '\n':
			l.mode = modeDefault
			l.nextDefault(t)
			return
		case c == '#':
			l.mode = modeDefault
			if l.comment(t) {
				l.nextDefault(t)
			}
			return
		case c == '"':
			l.quoted(t, Value)
			return
		case c == ',':
			if end := wordEnd(l.src, l.pos); end > l.pos {
				l.token(t, Value, end)
			} else {
				l.token(t, Comma, l.pos+1)
			}
			return
		}
		if end := wordEnd(l.src, l.pos); end > l.pos {
			l.token(t, Value, end)
		} else {
			l.unexpected(t)
		}
		return
	}
	l.mode = modeDefault
	l.token(t, EOF, l.pos)
}

func (l *Lexer) nextExpr(t *Token) {
	for l.pos < len(l.src) && IsBlank(l.src[l.pos]) {
		if l.src[l.pos] == '\n' && l.mode == modeAssignExpr {
			l.mode = modeDefault
			l.nextDefault(t)
			return
		}
		l.pos++
	}
	if l.pos >= len(l.src) {
		l.mode = modeDefault
		l.token(t, EOF, l.pos)
		return
	}
	switch c := l.src[l.pos]; {
	case c == '{' && l.mode == modeExpr:
		l.mode = modeDefault
		l.token(t, Open, l.pos+1)
		return
	case c == '#' && l.mode == modeAssignExpr:
		l.mode = modeDefault
		if l.comment(t) {
			l.nextDefault(t)
		}
		return
	case c == '(':
		l.token(t, OpenParen, l.pos+1)
		return
	case c == ')':
		l.token(t, CloseParen, l.pos+1)
		return
	case c == ',':
		l.token(t, Comma, l.pos+1)
		return
	case c == '"':
		l.quoted(t, Value)
		return
	case c == '@' || c == '$':
		if end, name := variableEnd(l.src, l.pos); end >= 0 {
			if word := exprEnd(l.src, end); word == end || c == '$' {
				l.token(t, Var, end)
				t.Text = name
				if c == '$' {
					t.Kind = BoolVar
				}
				return
			}
		}
	case c == '=' || c == '!':
		if l.at(l.pos+1) == '=' {
			l.token(t, Compare, l.pos+2)
		} else {
			l.unexpected(t)
		}
		return
	case c == '<' || c == '>':
		n := 1
		if l.at(l.pos+1) == '=' {
			n = 2
		}
		if exprEnd(l.src, l.pos+n) == l.pos+n {
			l.token(t, Compare, l.pos+n)
			return
		}
	}
	if end := exprEnd(l.src, l.pos); end > l.pos {
		l.token(t, Word, end)
		refuseEscape(t)
		return
	}
	l.unexpected(t)
}

// exprEnd returns the end of the word of an expression that begins at i.
func exprEnd(s string, i int) int {
	for i < len(s) {
		switch c := s[i]; {
		case c == '=' || c == '(' || c == ')':
			return i
		case c == ',':
			if i+1 >= len(s) || class[s[i+1]]&clStop != 0 {
				return i
			}
		case c == '\\':
			if i+1 < len(s) && isEscapable(s[i+1]) {
				i++
			}
		case class[c]&clStop != 0:
			return i
		}
		i++
	}
	return len(s)
}
