package command

import (
	"strings"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/diag"
)

// flatten returns the text of a unit with its includes put in place, as -p of
// the reference prints it. A comment names what was included. A file is put
// in once for each scope, which is the preamble or the body of a profile; what
// is in a child is not in its parent. What includes make too large or too deep
// is a *diag.LimitError.
func flatten(unit *ast.Unit) ([]byte, error) {
	f := flattener{unit: unit, seen: map[string]bool{}}
	f.file(unit.Main)
	return f.out, f.err
}

// The limits of what includes may come to. A file that includes itself in a
// child of its own is a new one each time.
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
}

func (f *flattener) file(file *ast.File) {
	switch {
	case f.err != nil:
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
	f.out = append(f.out, file.Src[rest:]...)
	f.depth--
}

// stmts writes the text of a file from an offset to the end of the last of the
// statements, and returns where it stopped.
func (f *flattener) stmts(file *ast.File, list []ast.Stmt, at int) int {
	src := file.Src
	copyTo := func(end int) {
		if end > at {
			f.out = append(f.out, src[at:end]...)
			at = end
		}
	}
	for _, s := range list {
		switch s := s.(type) {
		case *ast.Include:
			copyTo(s.Pos().Offset())
			text := file.Text(s)
			f.include(s, text)
			at = s.Pos().Offset() + len(text)
		case *ast.VarAssign, *ast.BoolAssign:
			// The newline that ends an assignment is printed twice.
			end := s.End().Offset()
			if n := strings.IndexByte(src[end:], '\n'); n >= 0 {
				copyTo(end + n + 1)
				if n > 0 && src[end+n-1] == '\r' {
					f.out = append(f.out, '\r')
				}
				f.out = append(f.out, '\n')
			}
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

// include writes what stands in the place of an include statement.
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
	case s.IfExists:
		mark("failed include")
	default: // a directory without files
		mark("included")
	}
	for _, file := range fresh {
		f.file(file)
	}
}

// blanksBeforePath returns the blanks of an include statement in front of what
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
