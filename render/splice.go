// SPDX-License-Identifier: Apache-2.0

package render

import (
	"cmp"
	"slices"
	"strings"
)

// edit replaces a piece of the source.
type edit struct {
	spot
	text   string
	starts bool // within a line: the text begins a line
	ends   bool // ... ends one
}

// Bytes returns the edited text.
func (e *Editor) Bytes() []byte {
	edits := slices.Clone(e.edits)
	slices.SortStableFunc(edits, func(a, b edit) int {
		return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.rank, b.rank))
	})
	out := splicer{newline: e.newline}
	pos := 0
	for i, x := range edits {
		// An insertion may be within the blanks that went with a statement.
		if x.from > pos {
			out.source(e.file.Src[pos:x.from])
		}
		pos = max(pos, x.to)
		switch x.kind {
		case lineStart:
			out.line(x.indent, x.text)
		case newLine:
			out.line(x.indent, x.text)
			if next := i + 1; next == len(edits) || edits[next].kind != newLine || edits[next].from != x.from {
				out.dst = append(out.dst, x.closing...)
			}
		default:
			out.words(&x)
		}
	}
	out.source(e.file.Src[pos:])
	out.end()
	return out.dst
}

// splicer puts pieces of text together. It sees to it that they do not run
// into each other.
type splicer struct {
	dst     []byte
	newline string
	wants   wants
	indent  string // of the line that is wanted
}

// wants is what must come next.
type wants uint8

const (
	nothing wants = iota
	aBlank        // or the end of the text
	aLine
)

// source appends text of the source.
func (w *splicer) source(s string) {
	switch w.wants {
	case aBlank:
		if s != "" && !isBlank(s[0]) {
			w.dst = append(w.dst, ' ')
		}
	case aLine:
		if s = strings.TrimLeft(s, " \t"); s == "" {
			return
		}
		if !strings.HasPrefix(s, "\n") && !strings.HasPrefix(s, "\r\n") {
			w.dst = append(append(w.dst, w.newline...), w.indent...)
		}
	}
	if s != "" {
		w.wants = nothing
		w.dst = append(w.dst, s...)
	}
}

// line appends a line, and ends the one before it if need be.
func (w *splicer) line(indent, text string) {
	w.end()
	if n := len(w.dst); n > 0 && w.dst[n-1] != '\n' {
		w.dst = append(w.dst, w.newline...)
	}
	w.dst = append(append(append(w.dst, indent...), text...), w.newline...)
}

// words appends text within a line, or nothing in the place of what is gone.
func (w *splicer) words(x *edit) {
	n := len(w.dst)
	if x.text == "" {
		if w.wants == nothing && n > 0 && !isBlank(w.dst[n-1]) {
			w.wants = aBlank
		}
		return
	}
	switch {
	case w.wants == aLine:
		w.dst = append(append(w.dst, w.newline...), w.indent...)
	case x.starts:
		w.dst = append(append(w.dst, w.newline...), x.indent...)
	case n > 0 && !isBlank(w.dst[n-1]):
		w.dst = append(w.dst, ' ')
	}
	w.dst = append(w.dst, x.text...)
	w.wants, w.indent = aBlank, x.indent
	if x.ends {
		w.wants = aLine
	}
}

// end ends the line that was to be ended.
func (w *splicer) end() {
	if w.wants == aLine {
		w.dst = append(w.dst, w.newline...)
	}
	w.wants = nothing
}
