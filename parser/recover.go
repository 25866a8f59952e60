// SPDX-License-Identifier: Apache-2.0

package parser

import (
	"strings"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/internal/lex"
)

// bad makes a node of a statement that failed, and goes to where the next one
// may begin. First is the statement's first token.
func (p *parser) bad(from ast.Pos, first *lex.Token) ast.Stmt {
	n := &ast.Bad{Err: p.ctx.Err()}
	if len(p.errs) > 0 {
		n.Err = p.errs[len(p.errs)-1]
	}
	if !p.stopped {
		p.skip(first)
	}
	p.failed = false
	n.Span = p.span(from)
	return n
}

// skip goes from the offending token to the end of the statement that it is
// in: after a comma or the block that ends it, before the brace that closes
// the block around it, or before a line that begins a new statement.
//
// What went wrong may have confused the lexer's modes, so the text is scanned
// without them.
func (p *parser) skip(first *lex.Token) {
	src, i := p.src, int(p.tok.From)
	paths := pathBegins(first.Text)
	inBlock := len(p.names)+len(p.blocks) > 0
	depth, word := 0, openInWord(src, i) // braces that are words, braces inside a word
	end := i
	for i < len(src) {
		c := src[i]
		start := i == 0 || lex.IsBlank(src[i-1])
		moved := i > int(first.From)
		if start {
			word = 0
		}
		switch {
		case lex.IsBlank(c):
			i++
			continue
		case moved && depth == 0 && p.lineBegins(i) && beginsStmt(src[i:], paths):
			p.resume(i, end)
			return
		case c == '#' && start:
			i = lineEnd(src, i)
			continue
		case c == '"':
			// A quote that is not closed on its line is taken for stray.
			if n := strings.IndexAny(src[i+1:], "\"\n"); n >= 0 && src[i+1+n] == '"' {
				i += n + 1
			}
		case c == '\\':
			i++
		case c == '{' && start:
			depth++
		case c == '{':
			word++
		case c == '}' && word > 0:
			word--
		case c == '}':
			if depth == 0 && inBlock {
				p.resume(i, end)
				return
			}
			depth--
			if rest := strings.TrimLeft(src[i+1:], " \t\r\n"); depth < 0 || depth == 0 && !strings.HasPrefix(rest, "else") {
				p.resume(i+1, i+1)
				return
			}
		case c == ',' && word == 0 && depth == 0 && endsRule(src, i):
			p.resume(i+1, i+1)
			return
		}
		i = min(i+1, len(src))
		end = i
	}
	p.resume(i, end)
}

// openInWord counts the braces that are open where offset i is inside a word.
func openInWord(src string, i int) (n int) {
	from := i
	for from > 0 && !lex.IsBlank(src[from-1]) {
		from--
	}
	for j := from; j < i; j++ {
		switch {
		case src[j] == '{' && j > from:
			n++
		case src[j] == '}' && n > 0:
			n--
		}
	}
	return n
}

// resume goes on reading at offset i, after a statement that ended at end.
func (p *parser) resume(i, end int) {
	p.lex.Reset(uint32(i))
	p.next()
	p.end = uint32(end)
}

// endsRule reports whether the comma at i ends a rule rather than being part
// of a word.
func endsRule(src string, i int) bool {
	if i+1 == len(src) || lex.IsBlank(src[i+1]) {
		return true
	}
	return src[i+1] == '}' || src[i+1] == '#' || src[i+1] == ','
}

// lineBegins reports whether only blanks come before offset i in its line.
func (p *parser) lineBegins(i int) bool {
	for i--; i >= 0; i-- {
		switch p.src[i] {
		case '\n':
			return true
		case ' ', '\t', '\r':
		default:
			return false
		}
	}
	return true
}

func lineEnd(src string, i int) int {
	if n := strings.IndexByte(src[i:], '\n'); n >= 0 {
		return i + n
	}
	return len(src)
}

// pathBegins reports whether a line that begins with a path is likely to be a
// new rule when a statement that begins with the given word is broken.
func pathBegins(word string) bool {
	switch word {
	case "mount", "remount", "umount", "unmount", "pivot_root", "change_profile", "link", "alias", "rewrite", "mqueue", "l":
		return false
	}
	return true
}

// beginsStmt reports whether a line is likely to begin a statement.
func beginsStmt(line string, paths bool) bool {
	switch line[0] {
	case '/':
		return paths
	case '"', '@':
		return paths && len(line) > 1 && (line[1] == '/' || line[1] == '{')
	case '$', '^':
		return true
	case '#':
		return strings.HasPrefix(line, "#include")
	}
	n := 0
	for n < len(line) && (line[n] == '_' || 'a' <= line[n] && line[n] <= 'z') {
		n++
	}
	if n == 0 || n < len(line) && !lex.IsBlank(line[n]) && line[n] != ',' {
		return false
	}
	return beginsStmtWord(line[:n])
}

// skipToBody goes to the brace that opens the body of a profile whose head is
// broken, and reports whether there is one.
func (p *parser) skipToBody() bool {
	src := p.src
	for i := int(p.tok.From); i < len(src); i++ {
		start := i > 0 && (lex.IsBlank(src[i-1]) || src[i-1] == ')')
		switch c := src[i]; {
		case c == '{' && start:
			p.resume(i, i)
			return true
		case c == '}' && start, c == ',' && endsRule(src, i) && p.tok.Kind != lex.Value && p.tok.Kind != lex.Comma:
			return false
		case c == '#' && start:
			i = lineEnd(src, i)
		case c == '\n' && i+1 < len(src):
			if rest := strings.TrimLeft(src[i:], " \t\r\n"); rest != "" && beginsStmt(rest, true) {
				return false
			}
		}
	}
	return false
}
