// SPDX-License-Identifier: Apache-2.0

package command

import (
	"context"
	"slices"
	"strings"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/diag"
)

// flatten returns the text of a unit with its includes put in place, as -p of
// the reference prints it. A comment names what was included. A file is put in
// once for each scope, which is the preamble or the body of a profile; what is
// in a child is not in its parent. If includes make the text too large or nest
// too deeply, the error is a *diag.LimitError.
func flatten(unit *ast.Unit) ([]byte, error) {
	f := flattener{unit: unit, seen: map[string]bool{}}
	f.file(unit.Main)
	return f.out, f.err
}

// The limits on included text. A file that includes itself in a child of its
// own is a new one each time.
const (
	maxFlatten      = 256 << 20 // bytes
	maxFlattenDepth = 100       // files in files
)

type flattener struct {
	unit  *ast.Unit
	seen  map[string]bool
	out   []byte
	depth int
	err   error

	// stop is where the text ends because of an error. Without a file there is
	// none.
	stop      ast.Position
	wholeRule bool // and how much of the rule is left there
	stopped   bool
}

// flattenTo returns the text of an input up to the first of its errors, as far
// as a parser had to read to find it.
func (r *run) flattenTo(ctx context.Context, res *result, src string, err error) []byte {
	list := findings(err)
	if len(list) == 0 || !list[0].Pos.IsValid() {
		return nil
	}
	c := r.parserConfig(res)
	c.Warn, c.Recover = nil, maxJSONErrors
	unit, _ := c.ParseTree(ctx, res.in.shown(), src)
	if unit == nil {
		return nil
	}
	f := flattener{unit: unit, seen: map[string]bool{}, stop: list[0].Pos}
	f.stop.Offset += len(readText(list[0].Text))
	f.wholeRule = slices.Contains(ruleCodes, list[0].Code)
	f.file(unit.Main)
	return f.out
}

// readText is the part of the text of an error that the reference has read when
// it finds it: the name of a condition comes without its =.
func readText(text string) string {
	if name, ok := strings.CutSuffix(text, "="); ok && name != "" {
		return strings.TrimRight(name, " \t")
	}
	return text
}

// ruleCodes are the codes of errors that the reference finds after it has read
// the whole rule.
var ruleCodes = []diag.Code{
	diag.CodeNetwork, diag.CodeSignal, diag.CodeAddress, diag.CodeCondition,
	diag.CodeMountFlag, diag.CodeRule, diag.CodeQualifier,
}

// ruleRest returns the length of the text up to the comma that ends the rule,
// if it ends in this line: mistakes in a rule as a whole are found there.
func ruleRest(text string) int {
	line, _, _ := strings.Cut(text, "\n")
	line, _, _ = strings.Cut(line, "#")
	for i := range len(line) {
		if line[i] == ',' && strings.TrimLeft(line[i+1:], " \t\r") == "" {
			return i + 1
		}
	}
	return 0
}

func (f *flattener) file(file *ast.File) {
	switch {
	case f.err != nil || f.stopped:
		return
	case f.depth > maxFlattenDepth:
		f.err = &diag.LimitError{What: "include depth", Limit: maxFlattenDepth, Got: maxFlattenDepth + 1}
		return
	case len(f.out)+len(file.Src) > maxFlatten:
		f.err = &diag.LimitError{What: "bytes of text with its includes", Limit: maxFlatten, Got: int64(len(f.out) + len(file.Src))}
		return
	}
	f.depth++
	rest := f.stmts(file, file.Stmts, 0)
	f.copy(file, rest, len(file.Src))
	f.depth--
}

// copy writes the text of a file between two offsets, unless it ends before,
// and returns the second one.
func (f *flattener) copy(file *ast.File, from, to int) int {
	if f.stopped || from >= to {
		return max(from, to)
	}
	if f.stop.File != "" && f.stop.File == file.Name && f.stop.Offset <= to {
		f.stopped = true
		end := max(from, f.stop.Offset)
		if f.wholeRule {
			end += ruleRest(file.Src[end:])
		}
		f.out = append(f.out, file.Src[from:end]...)
		return to
	}
	f.out = append(f.out, file.Src[from:to]...)
	return to
}

// stmts writes the text of a file from an offset to the end of the last of the
// statements, and returns where it stopped.
func (f *flattener) stmts(file *ast.File, list []ast.Stmt, at int) int {
	src := file.Src
	copyTo := func(end int) { at = f.copy(file, at, end) }
	for _, s := range list {
		if f.stopped {
			break
		}
		switch s := s.(type) {
		case *ast.Include:
			copyTo(s.Pos().Offset())
			text := file.Text(s)
			at = s.Pos().Offset() + len(text)
			if !f.stopped {
				f.stopped = f.stop.File == file.Name && f.stop.Offset <= at && f.stop.File != ""
				f.include(s, text)
			}
		case *ast.VarAssign, *ast.BoolAssign:
			// What ends an assignment, a comment or the newline, is printed
			// twice.
			end := s.End().Offset()
			n := strings.IndexByte(src[end:], '\n')
			if n < 0 {
				break
			}
			line := src[end : end+n+1]
			copyTo(end + len(line))
			if f.stopped {
				break
			}
			if comment := strings.IndexByte(line, '#'); comment >= 0 {
				line = line[comment:]
			} else {
				line = line[len(strings.TrimRight(line, "\r\n")):]
			}
			f.out = append(f.out, line...)
		case *ast.Profile:
			outer := f.seen
			f.seen = map[string]bool{}
			at = f.stmts(file, s.Body, at)
			copyTo(s.End().Offset())
			f.seen = outer
		case *ast.Block:
			at = f.stmts(file, s.Body, at)
		case *ast.If:
			at = f.stmts(file, s.Then, at)
			at = f.stmts(file, s.Else, at)
		}
	}
	return at
}

// include writes what replaces an include statement.
func (f *flattener) include(s *ast.Include, text string) {
	name := `"` + s.Path + `"`
	if s.Kind == ast.IncludeMagic {
		name = "<" + s.Path + ">"
	}
	f.out = append(f.out, blanksBeforePath(text)...)
	mark := func(what string) { f.out = append(f.out, "\n\n##"+what+" "+name+"\n"...) }
	files := f.unit.Included[s]
	fresh := files[:0:0]
	for _, file := range files {
		if !f.seen[file.Name] {
			f.seen[file.Name] = true
			fresh = append(fresh, file)
		}
	}
	switch {
	case len(fresh) > 0:
		mark("included")
	case len(files) > 0:
		mark("skipped duplicate include")
	case (s.IfExists || f.stopped) && s.Kind == ast.IncludeMagic:
		mark("failed include")
	default: // a directory without files, or a file that is not there
		mark("included")
	}
	for _, file := range fresh {
		f.file(file)
	}
}

// blanksBeforePath returns the blanks of an include statement before what
// it names: the reference drops its words and keeps these.
func blanksBeforePath(text string) string {
	at := strings.LastIndexAny(text, "<")
	if at < 0 {
		if first := strings.IndexByte(text, '"'); first >= 0 {
			at = first
		} else {
			at = strings.LastIndexAny(text, " \t") + 1
		}
	}
	head := text[:max(at, 0)]
	return head[len(strings.TrimRight(head, " \t")):]
}
