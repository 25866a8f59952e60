// SPDX-License-Identifier: Apache-2.0

package lex

import "strings"

// include reads an include statement that begins at start and whose keyword
// ends at i.
func (l *Lexer) include(t *Token, start, i int, hash bool) {
	last := i
	from, exists := l.ifExists(i)
	if exists {
		i = from
	}
	for i < len(l.src) && IsBlank(l.src[i]) {
		i++
	}
	l.pos = start
	from, to, end, form, why := fileName(l.src, i)
	if why != "" {
		l.illegal(t, max(end, start+1), why)
		return
	}
	if hash && !l.newlineAfter(last) {
		l.illegal(t, end, "a line with #include must end in a newline")
		return
	}
	l.token(t, Include, end)
	t.Text, t.Form, t.Hash, t.IfExists = l.src[from:to], form, hash, exists
}

// ifExists reads the words `if exists` after the keyword that ends at i. They
// are on its line, with spaces or tabs on all sides.
func (l *Lexer) ifExists(i int) (end int, ok bool) {
	for _, word := range [...]string{"if", "exists"} {
		at := l.spaces(i)
		if at == i || !strings.HasPrefix(l.src[at:], word) {
			return i, false
		}
		i = at + len(word)
	}
	return i, l.spaces(i) > i
}

// newlineAfter reports whether there is a newline from offset i on.
func (l *Lexer) newlineAfter(i int) bool {
	if l.last < i {
		l.last = strings.LastIndexByte(l.src, '\n')
	}
	return l.last >= i
}

// fileName finds the path of an include or abi statement at i: the path itself
// is s[from:to], and the whole ends at end. If there is none, why is a clause
// and end is the end of what is wrong.
func fileName(s string, i int) (from, to, end int, form Form, why string) {
	if i >= len(s) {
		return 0, 0, len(s), 0, "the path is missing"
	}
	switch s[i] {
	case '<':
		return angleName(s, i)
	case '"':
		if end = quoteEnd(s, i); end < 0 {
			return 0, 0, lineEnd(s, i), 0, "the quote is not closed"
		}
		return i + 1, end - 1, end, Quotes, ""
	}
	end = wordEnd(s, i)
	if n := strings.IndexAny(s[i:end], "<>"); n >= 0 {
		end = i + n
	}
	if end == i {
		return 0, 0, min(i+1, len(s)), 0, "the path is missing"
	}
	return i, end, end, Bare, ""
}

// angleName is fileName for a path in angle brackets. Quotes in them must touch
// them; a path without quotes may have spaces around it.
func angleName(s string, i int) (from, to, end int, form Form, why string) {
	from = i + 1
	if from < len(s) && s[from] == '"' {
		if end = quoteEnd(s, from); end < 0 || end == len(s) || s[end] != '>' {
			return 0, 0, lineEnd(s, i), 0, "the path is not closed by \">"
		}
		from, to = from+1, end-1
	} else {
		to = from
		for to < len(s) && strings.IndexByte(">\"\t\r\n\x00", s[to]) < 0 {
			to++
		}
		if to == len(s) || s[to] != '>' {
			return 0, 0, to, 0, "the path is not closed by >"
		}
		end = to
		for from < to && s[from] == ' ' {
			from++
		}
		for from < to && s[to-1] == ' ' {
			to--
		}
	}
	if from >= to {
		return 0, 0, end + 1, 0, "this is not a path"
	}
	return from, to, end + 1, Angle, ""
}

func (l *Lexer) nextABI(t *Token) {
	l.blanks()
	if l.pos >= len(l.src) {
		l.token(t, EOF, l.pos)
		return
	}
	if l.src[l.pos] == ',' && (l.pos+1 >= len(l.src) || class[l.src[l.pos+1]]&clStop != 0) {
		l.mode = modeDefault
		l.token(t, Comma, l.pos+1)
		return
	}
	start := l.pos
	from, to, end, form, why := fileName(l.src, start)
	if why == "" && form != Bare && from == to {
		why = "the path is empty"
	}
	if why == "" && form == Bare && l.src[to-1] == '\\' {
		why = "the path ends in a backslash" // which would include the comma
	}
	if why != "" {
		l.illegal(t, max(end, start+1), why)
		return
	}
	l.token(t, FileName, end)
	t.Text, t.Form = l.src[from:to], form
}
