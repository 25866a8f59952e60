// SPDX-License-Identifier: Apache-2.0

package automaton

import (
	"fmt"
	"strings"
)

// MaxNesting is the depth of braces that a pattern may have.
const MaxNesting = 49

// GlobOptions select a variant of the pattern language.
type GlobOptions struct {
	// NUL lets the wildcards match NUL bytes: `**` matches every string, `*`
	// and `?` stop at slashes only. Addresses of unix sockets and values of
	// extended attributes are matched so.
	NUL bool
	// Nodes is where expressions are kept; nil: each for itself.
	Nodes *Nodes
}

// GlobInfo is what the text of a pattern shows.
type GlobInfo struct {
	// Exact says that the pattern lists its strings: it has no `*`, `**`, `?`
	// and no negated class. Alternations and classes are exact.
	Exact bool
	// MinLen is the length of the shortest string that matches, in bytes.
	MinLen int
}

// GlobError says why text is not a pattern.
type GlobError struct {
	Pattern string
	Offset  int    // in Pattern, of the byte that is wrong
	Reason  string // in lower case, without a full stop
}

// Error implements error.
func (e *GlobError) Error() string {
	text := e.Pattern
	if len(text) > 64 {
		text = text[:64] + "..."
	}
	return fmt.Sprintf("pattern %q: %s at offset %d", text, e.Reason, e.Offset)
}

// Glob translates a pattern: `*`, `**`, `?`, classes, alternations in braces
// and escapes. What the lexer decodes has been decoded, variables are expanded
// and slashes are squeezed.
//
// The reference translates globs to the text of regular expressions, wildcards
// within a class included, so that `[*]` is the class of the bytes of `[^/\0`,
// repeated, and then a `]`. Glob does the same in one pass: it scans the glob
// and feeds the expression's symbols to a globParser.
//
// The error is a *GlobError.
func Glob(pattern string, o GlobOptions) (Node, GlobInfo, error) {
	if !strings.ContainsAny(pattern, `*?[]{}\`) {
		return o.Nodes.literal(pattern), GlobInfo{Exact: true, MinLen: len(pattern)}, nil
	}
	g := new(globScanner)
	if o.Nodes != nil {
		g = &o.Nodes.scan
	}
	g.start(pattern, o)
	if err := g.scan(); err != nil {
		return Node{}, GlobInfo{}, err
	}
	n := g.frame().finish(g.nodes)
	return n, GlobInfo{Exact: g.exact, MinLen: n.MinLen()}, nil
}

// globScanner reads the text of a glob.
type globScanner struct {
	globParser
	text    string
	pos     int
	nul     bool // the variant of GlobOptions.NUL
	inClass bool // between brackets, as the text has them
	commas  []int
}

// start makes the scanner read a pattern, in the memory of the one before.
func (g *globScanner) start(pattern string, o GlobOptions) {
	*g = globScanner{
		globParser: globParser{nodes: o.Nodes, frames: g.frames, exact: true},
		text:       pattern, nul: o.NUL, commas: g.commas[:0],
	}
	g.push()
}

func (g *globScanner) fail(pos int, reason string) error {
	return &GlobError{Pattern: g.text, Offset: pos, Reason: reason}
}

func (g *globScanner) scan() error {
	class := 0 // where the open class begins
	var open [MaxNesting]int
	for g.pos = 0; g.pos < len(g.text); g.pos++ {
		at := g.pos
		switch c := g.text[at]; {
		case c == '\\':
			if at+1 == len(g.text) {
				return g.fail(at, "lone backslash")
			}
			g.escape()
		case c == '*':
			g.wildcard()
		case c == '?':
			g.name()
		case c == '[' && !g.inClass:
			g.inClass, class = true, at
			g.symbol('[')
		case c == ']':
			if !g.inClass {
				return g.fail(at, "] without [")
			}
			g.inClass = false
			g.symbol(']')
		case g.inClass:
			g.symbol(c)
		case c == '{':
			if len(g.commas) == MaxNesting {
				return g.fail(at, fmt.Sprintf("more than %d nested braces", MaxNesting))
			}
			open[len(g.commas)] = at
			g.commas = append(g.commas, 0)
			g.group()
		case c == '}':
			depth := len(g.commas) - 1
			if depth < 0 {
				return g.fail(at, "} without {")
			}
			if g.commas[depth] == 0 {
				return g.fail(open[depth], "alternation of one item")
			}
			g.commas = g.commas[:depth]
			g.endGroup()
		case c == ',' && len(g.commas) > 0:
			g.commas[len(g.commas)-1]++
			g.or()
		default:
			// The run of bytes that mean themselves is a part of the text.
			end := at + 1
			for end < len(g.text) && !special[g.text[end]] {
				end++
			}
			g.run(g.text[at:end])
			g.pos = end - 1
		}
		if g.wrong != "" {
			return g.fail(at, g.wrong)
		}
	}
	if g.inClass {
		return g.fail(class, "[ without ]")
	}
	if n := len(g.commas); n > 0 {
		return g.fail(open[n-1], "{ without }")
	}
	return nil
}

// special are the bytes that may mean something else than themselves.
var special = [256]bool{'\\': true, '*': true, '?': true, '[': true, ']': true, '{': true, '}': true, ',': true}

// wildcard reads `*` or `**`. One that is a path component of its own needs a
// byte to match, so that `/a/*` is not the directory `/a/`.
func (g *globScanner) wildcard() {
	rest := g.text[g.pos:]
	if g.pos > 0 && g.text[g.pos-1] == '/' {
		after := strings.TrimLeft(rest, "*")
		if after == "" || after[0] == '/' {
			g.name()
		}
	}
	switch {
	case len(rest) == 1 || rest[1] != '*':
		g.name()
	case g.nul:
		g.pos++
		g.dot()
	default:
		g.pos++
		g.negated("\x00")
	}
	g.star()
}

// name is one byte of a file name.
func (g *globScanner) name() {
	if g.nul {
		g.negated("/")
	} else {
		g.negated("/\x00")
	}
}

// escape reads a backslash and what it protects.
func (g *globScanner) escape() {
	rest := g.text[g.pos+1:]
	if n := nulEscape(rest); n > 0 {
		g.literal(0)
		g.pos += n
		return
	}
	g.pos++
	switch c := rest[0]; c {
	case '^', '-':
		// Their backslash does not survive the reference's translation, so
		// they still negate classes and make ranges.
		g.symbol(c)
	default:
		g.literal(c)
	}
}

// nulEscape returns the length of the number at the start of s, the text after
// a backslash, if it is a NUL, and 0 otherwise. The lexer does not decode
// numbers of NUL, because no pattern can hold that byte; it decodes all
// others.
func nulEscape(s string) int {
	start, width := 0, 3
	switch s[0] {
	case 'd':
		start = 1
	case 'x':
		start, width = 1, 2
	}
	i := start
	for i < len(s) && i < start+width && s[i] == '0' {
		i++
	}
	if i == start || i < start+width && i < len(s) && isDigit(s[i], s[0]) {
		return 0
	}
	return i
}

// isDigit reports whether c is a digit in the numbers that begin with kind:
// x, d, or a digit for octal ones.
func isDigit(c, kind byte) bool {
	switch kind {
	case 'x':
		return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f'
	case 'd':
		return '0' <= c && c <= '9'
	}
	return '0' <= c && c <= '7'
}
