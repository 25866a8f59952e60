// SPDX-License-Identifier: Apache-2.0

package lex

import "strings"

func (l *Lexer) nextInList(t *Token) {
	l.blanks()
	if l.pos >= len(l.src) {
		l.token(t, EOF, l.pos)
		return
	}
	switch c := l.src[l.pos]; {
	case c == ')':
		if l.mode == modeCondParen {
			l.mode = modeCondList
		} else {
			l.mode = l.base
		}
		l.token(t, CloseParen, l.pos+1)
		return
	case c == ',' && l.mode != modeCondValue:
		l.token(t, Comma, l.pos+1)
		return
	case c == '"' && l.mode != modeCondList:
		if l.mode == modeCondValue {
			l.mode = modeCondList
		}
		if strings.HasPrefix(l.src[l.pos:], `""`) && l.mode == modeCondList {
			l.illegal(t, l.pos+2, "an empty word is not allowed here")
			return
		}
		l.quoted(t, Value)
		return
	case c == '(' && (l.mode == modeCondList || l.mode == modeCondValue):
		// The first one opens the list of conditions itself.
		if l.mode == modeCondValue {
			l.mode = modeCondParen
		}
		l.token(t, OpenParen, l.pos+1)
		return
	}
	switch l.mode {
	case modeCondList:
		end := l.pos
		for end < len(l.src) && class[l.src[end]]&clList == 0 && l.src[end] != '=' {
			if l.src[end] == ':' && l.at(end+1) == '=' {
				break
			}
			end++
		}
		if end == l.pos {
			break
		}
		i := l.spaces(end)
		switch {
		case l.at(i) == '=':
			l.condInList(t, end, i+1, OpEqual)
		case l.at(i) == ':' && l.at(i+1) == '=':
			l.condInList(t, end, i+2, OpAssign)
		default:
			l.token(t, Value, end)
		}
		return
	case modeCondValue:
		l.mode = modeCondList
		fallthrough
	default:
		if end := listEnd(l.src, l.pos); end > l.pos {
			l.token(t, Value, end)
			return
		}
	}
	l.unexpected(t)
}

func (l *Lexer) condInList(t *Token, end, to int, op Op) {
	name := l.src[l.pos:end]
	l.token(t, Cond, to)
	t.Text, t.Op = name, op
	l.mode = modeCondValue
}
