// SPDX-License-Identifier: Apache-2.0

package render

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/goarmor/apparmor/ast"
)

// word appends a decoded word so that the lexer reads the same word back:
// bare where that is safe anywhere, else in quotes. Something that announces
// a word must come before it, such as an equals sign or an arrow.
func (p *printer) word(s string) { p.quoted(s, isPlain(s)) }

// free appends a word that nothing announces, so that a keyword could be
// meant.
func (p *printer) free(s string) { p.quoted(s, isPlain(s) && !isReserved(s)) }

// item appends a word of a parenthesised list, where a bare comma
// ends it.
func (p *printer) item(s string) { p.quoted(s, isPlain(s) && !hasComma(s)) }

func (p *printer) quoted(s string, plain bool) {
	if plain {
		p.str(s)
		return
	}
	p.byte('"')
	p.escaped(s)
	p.byte('"')
}

// escaped appends s as it is between quotes. All that would not show on a
// line of UTF-8 text is escaped.
func (p *printer) escaped(s string) {
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == '\\':
			// A backslash goes with its byte, whatever that is: escaping the
			// byte too would give it another meaning.
			n := min(2, len(s)-i)
			p.str(s[i : i+n])
			i += n
			continue
		case c == '"':
			p.str(`\"`)
		case c == '\n':
			p.str(`\n`)
		case c == '\t':
			p.str(`\t`)
		case c == '\r':
			p.str(`\r`)
		case c < ' ' || c == 0x7f:
			p.hex(c)
		case c < utf8.RuneSelf:
			p.byte(c)
		default:
			r, n := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && n == 1 || !unicode.IsPrint(r) {
				for range n {
					p.hex(s[i])
					i++
				}
				continue
			}
			p.str(s[i : i+n])
			i += n
			continue
		}
		i++
	}
}

func (p *printer) hex(c byte) {
	const digits = "0123456789abcdef"
	p.dst = append(p.dst, '\\', 'x', digits[c>>4], digits[c&0xf])
}

// Where ASCII bytes may appear in a plain word.
const (
	plainNever = iota
	plainByte
	plainOpen  // if it is closed
	plainClose // if it was opened
	plainComma // within braces
)

var plainClass = [utf8.RuneSelf]uint8{
	'/': plainByte, '.': plainByte, '_': plainByte, '-': plainByte, '+': plainByte, '*': plainByte, '?': plainByte, '@': plainByte, '[': plainByte, ']': plainByte,
	'^': plainByte, ':': plainByte, '~': plainByte, '%': plainByte, '&': plainByte, '\\': plainByte,
	'0': plainByte, '1': plainByte, '2': plainByte, '3': plainByte, '4': plainByte, '5': plainByte, '6': plainByte, '7': plainByte, '8': plainByte, '9': plainByte,
	'A': plainByte, 'B': plainByte, 'C': plainByte, 'D': plainByte, 'E': plainByte, 'F': plainByte, 'G': plainByte, 'H': plainByte, 'I': plainByte, 'J': plainByte, 'K': plainByte, 'L': plainByte, 'M': plainByte,
	'N': plainByte, 'O': plainByte, 'P': plainByte, 'Q': plainByte, 'R': plainByte, 'S': plainByte, 'T': plainByte, 'U': plainByte, 'V': plainByte, 'W': plainByte, 'X': plainByte, 'Y': plainByte, 'Z': plainByte,
	'a': plainByte, 'b': plainByte, 'c': plainByte, 'd': plainByte, 'e': plainByte, 'f': plainByte, 'g': plainByte, 'h': plainByte, 'i': plainByte, 'j': plainByte, 'k': plainByte, 'l': plainByte, 'm': plainByte,
	'n': plainByte, 'o': plainByte, 'p': plainByte, 'q': plainByte, 'r': plainByte, 's': plainByte, 't': plainByte, 'u': plainByte, 'v': plainByte, 'w': plainByte, 'x': plainByte, 'y': plainByte, 'z': plainByte,
	'{': plainOpen, '}': plainClose, ',': plainComma,
}

// isPlain reports whether a word can be written without quotes wherever a word
// may appear. It is narrower than the lexer's own rules, which differ by
// place.
func isPlain(s string) bool {
	if s == "" {
		return false
	}
	switch s[0] {
	case '-', '+', '{', ',', '^':
		return false
	case '@':
		// It must be the sigil of a variable in some places.
		if !strings.HasPrefix(s, "@{") {
			return false
		}
		name, rest, _ := strings.Cut(s[2:], "}")
		if !ast.IsVariableName(name) || strings.HasPrefix(rest, "+") { // the plus of an assignment
			return false
		}
	}
	depth := 0
	for i := 0; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && n == 1 || !unicode.IsPrint(r) {
				return false
			}
			i += n - 1
			continue
		}
		switch plainClass[s[i]] {
		case plainByte:
		case plainOpen:
			depth++
		case plainClose:
			if depth--; depth < 0 {
				return false
			}
		case plainComma:
			// A word ends at a comma that another one follows.
			if depth == 0 || i+1 < len(s) && s[i+1] == ',' {
				return false
			}
		default:
			return false
		}
	}
	// After a backslash the blank that ends the word would belong to it.
	return depth == 0 && s[len(s)-1] != '\\'
}

// isPlainAddr is isPlain for the address of a unix socket.
func isPlainAddr(s string) bool {
	return isPlain(s) || len(s) > 1 && s[0] == '@' && isPlain(s[1:]) && s[1] != '@'
}

func hasComma(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] == ',' {
			return true
		}
	}
	return false
}

// isReserved reports whether a bare word that nothing announces could be taken
// for something else than a word.
func isReserved(s string) bool {
	switch s {
	case "addr", "allow", "and", "audit", "bus", "defined", "deny", "detached", "exec", "flags", "fstype", "hat",
		"identities", "if", "in", "interface", "ip", "label", "member", "name", "not", "oldroot", "option", "options",
		"or", "path", "peer", "port", "profile", "prompt", "safe", "set", "subset", "true", "false", "type", "unsafe", "vfstype", "xattrs":
		return true
	}
	return false
}
