package render

import (
	"bytes"
	"cmp"
	"slices"
	"strings"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/diag"
)

// CodeEdit is the code of the diagnostics of an Editor.
const CodeEdit diag.Code = "edit"

// Verbatim returns the text of a parsed file as it was read, byte for byte.
// Statements without a place, which were put into the tree by hand, are
// written in canonical form, on lines of their own, behind the statement that
// they follow. The source must be covered by the tree: a statement that was
// taken out of it is an error; use an Editor to remove or change what was
// parsed. Changed fields of a parsed statement are not seen.
func Verbatim(f *ast.File) ([]byte, error) {
	e := NewEditor(f)
	if err := e.adopt(f); err != nil {
		return nil, err
	}
	return e.Bytes(), nil
}

// adopt checks that the source below a parsed node is covered by the tree, and
// inserts the statements that are not parsed.
func (e *Editor) adopt(n ast.Node) error {
	list, ok := bodies(e.file, n)
	if !ok {
		return e.fail(n, "is not laid out in the source as the tree says")
	}
	for i, b := range list {
		pos := b.from
		var prev ast.Stmt // the last parsed one
		for j, s := range b.list {
			if !isParsed(e.file, s) {
				if isElseIf(n, i) {
					return e.fail(s, "is put by hand where the source has another conditional")
				}
				var err error
				if prev != nil {
					err = e.InsertAfter(prev, s)
				} else {
					err = e.insertAt(e.bodyStart(n, i, b), s)
				}
				if err != nil {
					return err
				}
				continue
			}
			from, to := s.Pos().Offset(), s.End().Offset()
			if from < pos || to > b.to {
				return e.fail(b.list[j], "is not where it was in the source")
			}
			if err := e.covered(pos, from); err != nil {
				return err
			}
			if err := e.adopt(s); err != nil {
				return err
			}
			prev, pos = s, to
		}
		if err := e.covered(pos, b.to); err != nil {
			return err
		}
	}
	return nil
}

// covered reports source text that is not part of any node.
func (e *Editor) covered(from, to int) error {
	gap := e.file.Src[:to]
	if i := skipTrivia(gap, from); i < to {
		line, _, _ := strings.Cut(gap[i:], "\n")
		return unwritable(e.file, &ast.CheckError{Node: e.file, Text: line, Problem: "is in the source but not in the tree"})
	}
	return nil
}

// Editor changes a parsed file and leaves the rest of it as it is, byte for
// byte, comments and blanks included. The tree itself is not changed: every
// statement that a method is given as a place must be one that was parsed.
// What is inserted is written in canonical form, with the indentation and the
// line ends of its surroundings, on lines of its own where the place has one.
//
// An Editor is for one goroutine. A method that returns an error, which is a
// *diag.Diagnostic, has changed nothing.
type Editor struct {
	file  *ast.File
	owner map[ast.Stmt]place
	edits []edit
	gone  []ast.Span // statements that were removed or replaced
	crlf  bool
}

// place is where a statement hangs.
type place struct {
	parent ast.Node
	body   int // index into bodies of parent
}

// edit replaces a piece of the source.
type edit struct {
	from, to int    // what goes
	text     string // what comes
	spot     spot   // of an insertion
}

// NewEditor returns an Editor for a file that the parser made.
func NewEditor(f *ast.File) *Editor {
	e := &Editor{file: f, owner: map[ast.Stmt]place{}}
	if i := strings.IndexByte(f.Src, '\n'); i > 0 && f.Src[i-1] == '\r' {
		e.crlf = true
	}
	e.index(f)
	return e
}

func (e *Editor) index(n ast.Node) {
	list, _ := bodies(e.file, n)
	for i, b := range list {
		for _, s := range b.list {
			if isParsed(e.file, s) {
				e.owner[s] = place{n, i}
				e.index(s)
			}
		}
	}
}

func (e *Editor) fail(n ast.Node, problem string) error {
	err := &ast.CheckError{Node: n, Problem: problem}
	d := &diag.Diagnostic{Code: CodeEdit, Message: err.Error(), Err: err}
	if n != nil {
		d.Pos = e.file.Position(n.Pos())
	}
	return d
}

// known checks that s is a statement of the file that is still there.
func (e *Editor) known(s ast.Stmt) error {
	if _, ok := e.owner[s]; !ok {
		return e.fail(s, "is not a statement of this file")
	}
	for _, g := range e.gone {
		if g.From <= s.Pos() && s.End() <= g.To {
			return e.fail(s, "was removed or replaced")
		}
	}
	return nil
}

// movable checks that something can be put beside s or in its place.
func (e *Editor) movable(s ast.Stmt) error {
	if err := e.known(s); err != nil {
		return err
	}
	if isElseIf(e.owner[s].parent, e.owner[s].body) {
		return e.fail(s, "belongs to the else in front of it")
	}
	return nil
}

// isElseIf reports whether the i-th body of a node is the conditional of an
// `else if`, which is no list of statements.
func isElseIf(n ast.Node, i int) bool {
	c, ok := n.(*ast.If)
	return ok && c.ElseIf && i == 1
}

// InsertBefore inserts statements in front of one, below its comments.
func (e *Editor) InsertBefore(s ast.Stmt, list ...ast.Stmt) error {
	if err := e.movable(s); err != nil {
		return err
	}
	from := s.Pos().Offset()
	indent, first := e.indentAt(from)
	if first {
		return e.insertAt(spot{at: from - len(indent), indent: indent, lineStart: true}, list...)
	}
	return e.insertAt(spot{at: from, indent: indent, inline: true, before: true}, list...)
}

// InsertAfter inserts statements behind one, and behind the comment on its
// line. Statements that are inserted one after the other in the same place
// stand in that order.
func (e *Editor) InsertAfter(s ast.Stmt, list ...ast.Stmt) error {
	if err := e.movable(s); err != nil {
		return err
	}
	indent, _ := e.indentAt(s.Pos().Offset())
	return e.insertAt(e.behind(s.End().Offset(), indent), list...)
}

// behind returns the spot behind what ends at offset i: the next line, or the
// same one if there is more on it.
func (e *Editor) behind(i int, indent string) spot {
	src := e.file.Src
	j := i
	for j < len(src) && (src[j] == ' ' || src[j] == '\t' || src[j] == '\r') {
		j++
	}
	if isComment(src[j:]) {
		if n := strings.IndexByte(src[j:], '\n'); n >= 0 {
			j += n
		} else {
			j = len(src)
		}
	}
	switch {
	case j == len(src):
		return spot{at: j, indent: indent, lineEnd: true}
	case src[j] == '\n':
		return spot{at: j + 1, indent: indent, lineStart: true}
	}
	return spot{at: i, indent: indent, inline: true}
}

// Append inserts statements at the end of a file or of the body of a profile
// or block; of a conditional, at the end of its first branch.
func (e *Editor) Append(in ast.Node, list ...ast.Stmt) error {
	b, err := e.container(in)
	if err != nil {
		return err
	}
	if _, ok := in.(*ast.File); ok {
		s := spot{at: len(e.file.Src), lineStart: true}
		if n := len(e.file.Src); n > 0 && e.file.Src[n-1] != '\n' {
			s = spot{at: n, lineEnd: true}
		}
		return e.insertAt(s, list...)
	}
	var last ast.Stmt
	for _, s := range b.list {
		if isParsed(e.file, s) {
			last = s
		}
	}
	// The closing brace at the start of a line: above it.
	if outer, first := e.indentAt(b.to); first {
		indent := outer + "  "
		if last != nil {
			if i, ok := e.indentAt(last.Pos().Offset()); ok {
				indent = i
			}
		}
		return e.insertAt(spot{at: b.to - len(outer), indent: indent, lineStart: true}, list...)
	}
	if last == nil {
		return e.insertAt(e.bodyStart(in, 0, b), list...)
	}
	indent, _ := e.indentAt(last.Pos().Offset())
	return e.insertAt(spot{at: last.End().Offset(), indent: indent, inline: true}, list...)
}

// Prepend inserts statements at the start of a file or of the body of a
// profile or block; of a conditional, of its first branch. In a file that is
// in front of the first statement, below the comments at the top.
func (e *Editor) Prepend(in ast.Node, list ...ast.Stmt) error {
	b, err := e.container(in)
	if err != nil {
		return err
	}
	if _, ok := in.(*ast.File); ok {
		for _, s := range b.list {
			if isParsed(e.file, s) {
				return e.InsertBefore(s, list...)
			}
		}
		return e.Append(in, list...)
	}
	return e.insertAt(e.bodyStart(in, 0, b), list...)
}

// container returns the first body of a node of the file.
func (e *Editor) container(n ast.Node) (body, error) {
	if s, ok := n.(ast.Stmt); ok {
		if err := e.known(s); err != nil {
			return body{}, err
		}
	} else if n != ast.Node(e.file) {
		return body{}, e.fail(n, "is not a part of this file")
	}
	list, ok := bodies(e.file, n)
	if !ok || len(list) == 0 {
		return body{}, e.fail(n, "has no body to insert into")
	}
	return list[0], nil
}

// bodyStart returns the spot at the start of the i-th body of a node.
func (e *Editor) bodyStart(n ast.Node, i int, b body) spot {
	if _, ok := n.(*ast.File); ok {
		return spot{at: 0, lineStart: true}
	}
	outer, _ := e.indentAt(n.Pos().Offset())
	indent := outer + "  "
	for _, s := range b.list {
		if isParsed(e.file, s) {
			if i, ok := e.indentAt(s.Pos().Offset()); ok {
				indent = i
			}
			break
		}
	}
	s := e.behind(b.from, indent)
	if s.inline && skipTrivia(e.file.Src[:b.to], b.from) == b.to {
		// Nothing between the braces, and these on one line.
		return spot{at: b.from, to: b.to, indent: indent, closing: outer, lineEnd: true}
	}
	return s
}

// Replace writes statements in the place of one. With none it is Remove.
func (e *Editor) Replace(old ast.Stmt, list ...ast.Stmt) error {
	if len(list) == 0 {
		return e.Remove(old)
	}
	if err := e.free(old); err != nil {
		return err
	}
	from, to := old.Pos().Offset(), old.End().Offset()
	indent, _ := e.indentAt(from)
	text, err := e.text(list, indent)
	if err != nil {
		return err
	}
	src := e.file.Src
	if from > 0 && !isBlank(src[from-1]) {
		text = " " + text
	}
	switch rest := e.behind(to, indent); {
	case endsLine(list[len(list)-1]) && (rest.inline || isComment(strings.TrimLeft(src[to:], " \t"))):
		text += e.newline() + indent
	case to < len(src) && !isBlank(src[to]):
		text += " "
	}
	e.edits = append(e.edits, edit{from: from, to: to, text: text})
	e.gone = append(e.gone, ast.Span{From: old.Pos(), To: old.End()})
	return nil
}

// Remove takes a statement out, and its lines when nothing else is on them.
// Comments stay.
func (e *Editor) Remove(old ast.Stmt) error {
	if err := e.free(old); err != nil {
		return err
	}
	src := e.file.Src
	from, to := old.Pos().Offset(), old.End().Offset()
	x := edit{from: from, to: to}
	indent, first := e.indentAt(from)
	end := to
	for end < len(src) && (src[end] == ' ' || src[end] == '\t' || src[end] == '\r') {
		end++
	}
	switch {
	case first && end == len(src):
		x.from, x.to = from-len(indent), end
	case first && src[end] == '\n':
		x.from, x.to = from-len(indent), end+1
	case first || from > 0 && isBlank(src[from-1]):
		x.to = end // blanks in front remain
	case to < len(src) && !isBlank(src[to]):
		x.text = " "
	}
	e.edits = append(e.edits, x)
	e.gone = append(e.gone, ast.Span{From: old.Pos(), To: old.End()})
	return nil
}

// free checks that a statement may be removed: it is there and nothing in it
// has been edited.
func (e *Editor) free(s ast.Stmt) error {
	if err := e.movable(s); err != nil {
		return err
	}
	from, to := s.Pos().Offset(), s.End().Offset()
	for _, x := range e.edits {
		if from < x.to && x.from < to && (x.from < x.to || x.from > from) {
			return e.fail(s, "has edits inside")
		}
	}
	return nil
}

// spot is a place to insert at.
type spot struct {
	at        int
	to        int    // end of blanks that go; zero: none
	indent    string // of the new lines
	lineStart bool   // at the start of a line
	lineEnd   bool   // at the end of one, or between braces on one
	closing   string // indentation of the brace behind the new lines
	inline    bool   // within a line
	before    bool   // ... in front of a statement, not behind one
}

func (e *Editor) insertAt(s spot, list ...ast.Stmt) error {
	if len(list) == 0 {
		return nil
	}
	text, err := e.text(list, s.indent)
	if err != nil {
		return err
	}
	nl := e.newline()
	switch {
	case s.lineStart:
		text = s.indent + text + nl
	case s.lineEnd:
		// The line is ended once; what follows in the same spot joins in.
		for i := range e.edits {
			if x := &e.edits[i]; x.spot == s {
				x.text = strings.TrimSuffix(x.text, s.closing) + s.indent + text + nl + s.closing
				return nil
			}
		}
		text = nl + s.indent + text + nl + s.closing
	default:
		// One line, unless what is new needs lines of its own.
		pieces := make([]string, len(list))
		own := false
		for i, n := range list {
			if pieces[i], err = e.text(list[i:i+1], s.indent); err != nil {
				return err
			}
			own = own || endsLine(n) || strings.Contains(pieces[i], "\n")
		}
		if !own {
			text = strings.Join(pieces, " ")
		}
		switch {
		case own && s.before:
			text += nl + s.indent
		case own:
			text = nl + s.indent + text + nl + s.indent
		case s.before:
			text += " "
		default:
			text = " " + text
		}
		if s.before && s.at > 0 && !isBlank(e.file.Src[s.at-1]) {
			text = " " + text
		}
		if !s.before && !own && s.at < len(e.file.Src) && !isBlank(e.file.Src[s.at]) {
			text += " "
		}
	}
	e.edits = append(e.edits, edit{s.at, max(s.at, s.to), text, s})
	return nil
}

// endsLine reports whether a statement ends with its line.
func endsLine(s ast.Stmt) bool {
	switch s.(type) {
	case *ast.Comment, *ast.VarAssign, *ast.BoolAssign:
		return true
	}
	return false
}

// text returns the canonical text of statements, a line each, the first
// without indentation.
func (e *Editor) text(list []ast.Stmt, indent string) (string, error) {
	var dst []byte
	style := Style{Prefix: indent}
	for i, s := range list {
		if i > 0 {
			if setApart(list, i) {
				dst = append(dst, '\n')
			}
			dst = append(dst, '\n')
		}
		var err error
		if dst, err = style.Append(dst, s); err != nil {
			return "", err
		}
	}
	text := string(dst[len(indent):])
	if e.crlf {
		text = strings.ReplaceAll(text, "\n", "\r\n")
	}
	return text, nil
}

func (e *Editor) newline() string {
	if e.crlf {
		return "\r\n"
	}
	return "\n"
}

// indentAt returns the blanks that the line of offset i begins with, and
// whether there is nothing else in front of i on it.
func (e *Editor) indentAt(i int) (indent string, first bool) {
	src := e.file.Src
	start := strings.LastIndexByte(src[:i], '\n') + 1
	end := start
	for end < i && (src[end] == ' ' || src[end] == '\t') {
		end++
	}
	return src[start:end], end == i
}

// Bytes returns the edited text.
func (e *Editor) Bytes() []byte {
	edits := slices.Clone(e.edits)
	slices.SortStableFunc(edits, func(a, b edit) int { return cmp.Compare(a.from, b.from) })
	var out bytes.Buffer
	pos := 0
	for _, x := range edits {
		// An insertion may be within the blanks that went with a statement.
		if x.from > pos {
			out.WriteString(e.file.Src[pos:x.from])
		}
		out.WriteString(x.text)
		pos = max(pos, x.from, x.to)
	}
	out.WriteString(e.file.Src[pos:])
	return out.Bytes()
}
