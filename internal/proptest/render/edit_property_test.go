// SPDX-License-Identifier: Apache-2.0

package render_test

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/leanovate/gopter"
	"github.com/leanovate/gopter/prop"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/internal/treetest"
	"github.com/goarmor/apparmor/render"
)

// scribe writes trees as people do: with comments, with blanks of every kind,
// several statements on a line.
type scribe struct {
	trees
	b strings.Builder
}

// gap writes what is between two statements.
func (w *scribe) gap(newline, glue bool) {
	switch w.Intn(7) {
	case 0:
		w.b.WriteString(pick(w.trees, []string{"\n", "\n\n", "\n \n\t", "\n    "}))
	case 1:
		if glue && w.Intn(3) == 0 {
			w.b.WriteString("#, }\n\t")
			return
		}
		w.b.WriteString(pick(w.trees, []string{" # beside\n", " # \"\n"}))
	case 2:
		w.b.WriteString(pick(w.trees, []string{"\n# above\n", "\n\n  # one\n\n\t# two {\n  ", " # beside\n # above\n"}))
	case 3:
		if !newline && glue {
			return
		}
		fallthrough
	case 4:
		if !newline {
			w.b.WriteString(pick(w.trees, []string{" ", "  ", "\t"}))
			return
		}
		fallthrough
	default:
		w.b.WriteString("\n" + pick(w.trees, []string{"", "  ", "\t", "      "}))
	}
}

func (w *scribe) stmts(list []ast.Stmt) {
	newline, glue := false, true
	for _, s := range list {
		w.gap(newline, glue)
		w.stmt(s)
		newline, glue = false, false
		switch s := s.(type) {
		case *ast.VarAssign, *ast.BoolAssign, *ast.Comment:
			newline = true
		case *ast.Include:
			newline = true
			if strings.HasSuffix(s.Path, `\`) { // which would take a blank in
				w.b.WriteByte('\n')
			}
		case *ast.FileRule:
			glue = s.Target == "" && s.Link == "" && !s.All
		case *ast.Profile, *ast.Block, *ast.If:
			glue = true
		}
	}
	w.gap(newline, glue)
}

func (w *scribe) body(list []ast.Stmt) {
	w.b.WriteString(" {")
	w.stmts(list)
	w.b.WriteString("}")
}

func (w *scribe) stmt(s ast.Stmt) {
	switch s := s.(type) {
	case *ast.Profile:
		head := *s
		head.Body = nil
		text := render.String(&head)
		w.b.WriteString(strings.TrimSuffix(text, " {\n}"))
		w.body(s.Body)
	case *ast.Block:
		head := *s
		head.Body = nil
		w.b.WriteString(strings.TrimSuffix(render.String(&head), "{\n}"))
		w.body(s.Body)
	case *ast.If:
		w.b.WriteString("if " + render.String(s.Cond))
		w.body(s.Then)
		switch {
		case s.ElseIf:
			w.b.WriteString(" else ")
			w.stmt(s.Else[0])
		case s.HasElse:
			w.b.WriteString(" else")
			w.body(s.Else)
		}
	default:
		w.b.WriteString(render.String(s))
	}
}

// messy writes a file.
func (g trees) messy(f *ast.File) string {
	w := &scribe{trees: g}
	w.stmts(f.Stmts)
	text := w.b.String()
	if g.Intn(3) == 0 {
		text = strings.ReplaceAll(text, "\n", "\r\n")
	}
	if t := strings.TrimRight(text, "\n\r\t "); g.Intn(3) == 0 && !strings.Contains(lastLine(t), "#") {
		return t
	}
	return text
}

func lastLine(s string) string { return s[strings.LastIndexByte(s, '\n')+1:] }

// list is a list of statements as edits leave it.
type list struct {
	of            *[]ast.Stmt
	first, last   []ast.Stmt // put at its ends
	before, after map[ast.Stmt][]ast.Stmt
	instead       map[ast.Stmt][]ast.Stmt
}

// shadow does to a tree what an Editor does to its text.
type shadow struct {
	lists map[*[]ast.Stmt]*list
	where map[ast.Stmt]*list
	all   []ast.Stmt // statements that may be edited
	into  []ast.Node // nodes that may be inserted into

	comments []*ast.Comment // of the source
	gone     []ast.Span     // what was removed or replaced
	added    []string       // comments
}

func newShadow(f *ast.File, comments []*ast.Comment) *shadow {
	sh := &shadow{lists: map[*[]ast.Stmt]*list{}, where: map[ast.Stmt]*list{}, comments: comments}
	sh.into = append(sh.into, f)
	sh.add(&f.Stmts)
	return sh
}

func (sh *shadow) add(of *[]ast.Stmt) {
	l := &list{of: of, before: map[ast.Stmt][]ast.Stmt{}, after: map[ast.Stmt][]ast.Stmt{}, instead: map[ast.Stmt][]ast.Stmt{}}
	sh.lists[of] = l
	for _, s := range *of {
		sh.where[s] = l
		sh.all = append(sh.all, s)
		sh.children(s)
	}
}

func (sh *shadow) children(s ast.Stmt) {
	switch s := s.(type) {
	case *ast.Profile:
		sh.into = append(sh.into, s)
		sh.add(&s.Body)
	case *ast.Block:
		sh.into = append(sh.into, s)
		sh.add(&s.Body)
	case *ast.If:
		sh.into = append(sh.into, s)
		sh.add(&s.Then)
		if s.ElseIf {
			sh.children(s.Else[0])
		} else {
			sh.add(&s.Else)
		}
	}
}

func (sh *shadow) container(n ast.Node) *list {
	switch n := n.(type) {
	case *ast.File:
		return sh.lists[&n.Stmts]
	case *ast.Profile:
		return sh.lists[&n.Body]
	case *ast.Block:
		return sh.lists[&n.Body]
	case *ast.If:
		return sh.lists[&n.Then]
	}
	return nil
}

// commented notes comments that were written.
func (sh *shadow) commented(list []ast.Stmt) {
	for _, s := range list {
		for n := range ast.All(s) {
			if c, ok := n.(*ast.Comment); ok {
				sh.added = append(sh.added, strings.TrimSpace(c.Text))
			}
		}
	}
}

// remarks returns the texts of the comments that must be there, sorted.
func (sh *shadow) remarks() []string {
	out := slices.Clone(sh.added)
	for _, c := range sh.comments {
		if !slices.ContainsFunc(sh.gone, func(g ast.Span) bool { return g.From <= c.From && c.To <= g.To }) {
			out = append(out, strings.TrimSpace(c.Text))
		}
	}
	slices.Sort(out)
	return out
}

// apply brings the tree to what the lists say.
func (sh *shadow) apply() {
	for of, l := range sh.lists {
		out := slices.Clone(l.first)
		for _, s := range *of {
			out = append(out, l.before[s]...)
			if with, ok := l.instead[s]; ok {
				out = append(out, with...)
			} else {
				out = append(out, s)
			}
			out = append(out, l.after[s]...)
		}
		*of = append(out, l.last...)
	}
}

// edit makes a random edit. It returns the first and the last byte of the
// source that it is about.
func (g trees) edit(f *ast.File, e *render.Editor, sh *shadow) (what string, from, to int, err error) {
	var added []ast.Stmt
	for range 1 + g.Intn(2) {
		s := g.addition(f)
		for ast.Check(s) != nil {
			s = g.addition(f)
		}
		added = append(added, s)
	}
	defer func() {
		if err != nil {
			return
		}
		sh.commented(added)
		for _, s := range added {
			what += "\n+ " + render.String(s)
		}
	}()
	if len(sh.comments) > 0 && g.Intn(5) == 0 {
		return g.editComment(e, sh, &added)
	}
	if g.Intn(4) == 0 || len(sh.all) == 0 {
		n := pick(g, sh.into)
		l := sh.container(n)
		from, to = n.Pos().Offset(), n.End().Offset()
		if g.Intn(2) == 0 {
			if err = e.Prepend(n, added...); err == nil {
				l.first = append(l.first, added...)
			}
			return fmt.Sprintf("prepend to %q", f.Text(n)), from, to, err
		}
		if err = e.Append(n, added...); err == nil {
			l.last = append(l.last, added...)
		}
		return fmt.Sprintf("append to %q", f.Text(n)), from, to, err
	}
	s := pick(g, sh.all)
	l := sh.where[s]
	from, to = s.Pos().Offset(), s.End().Offset()
	switch g.Intn(4) {
	case 0:
		if err = e.InsertBefore(s, added...); err == nil {
			l.before[s] = append(l.before[s], added...)
		}
		return fmt.Sprintf("before %q", f.Text(s)), from, to, err
	case 1:
		if err = e.InsertAfter(s, added...); err == nil {
			l.after[s] = append(l.after[s], added...)
		}
		return fmt.Sprintf("after %q", f.Text(s)), from, to, err
	case 2:
		if err = e.Replace(s, added...); err == nil {
			l.instead[s] = added
			sh.gone = append(sh.gone, ast.Span{From: s.Pos(), To: s.End()})
		}
		return fmt.Sprintf("replace %q", f.Text(s)), from, to, err
	}
	added = nil
	if err = e.Remove(s); err == nil {
		l.instead[s] = nil
		sh.gone = append(sh.gone, ast.Span{From: s.Pos(), To: s.End()})
	}
	return fmt.Sprintf("remove %q", f.Text(s)), from, to, err
}

// editComment puts comments beside one or in its place.
func (g trees) editComment(e *render.Editor, sh *shadow, added *[]ast.Stmt) (what string, from, to int, err error) {
	c := pick(g, sh.comments)
	*added = []ast.Stmt{&ast.Comment{Text: pick(g, []string{"new", "{", " \"", ""})}}
	from, to = c.From.Offset(), c.To.Offset()
	switch g.Intn(4) {
	case 0:
		what, err = "before", e.InsertBefore(c, *added...)
	case 1:
		what, err = "after", e.InsertAfter(c, *added...)
	case 2:
		what, err = "replace", e.Replace(c, *added...)
	default:
		*added = nil
		what, err = "remove", e.Remove(c)
	}
	if err == nil && (what == "replace" || what == "remove") {
		sh.gone = append(sh.gone, c.Span)
	}
	return fmt.Sprintf("%s the comment %q", what, c.Text), from, to, err
}

// addition returns a statement to put into a file.
func (g trees) addition(f *ast.File) ast.Stmt {
	g.depth = 1
	types := bodyTypes
	if g.Intn(4) == 0 && parseContextIsFile(f) {
		types = append([]reflect.Type{reflect.TypeFor[ast.Profile]()}, preambleTypes...)
	}
	return g.stmt(types)
}

func parseContextIsFile(f *ast.File) bool {
	return !slices.ContainsFunc(f.Stmts, func(s ast.Stmt) bool {
		switch s.(type) {
		case ast.Rule, *ast.Block, *ast.If:
			return true
		}
		return false
	})
}

// sameOutside checks that text differs from src only on the lines of a piece
// of src.
func sameOutside(src, text string, from, to int) error {
	from = strings.LastIndexByte(src[:from], '\n') + 1
	if n := strings.IndexByte(src[to:], '\n'); n >= 0 {
		to += n + 1
	} else {
		to = len(src)
	}
	switch {
	case !strings.HasPrefix(text, src[:from]):
		return errors.New("something above was changed")
	case !strings.HasSuffix(text[from:], src[to:]):
		return errors.New("something below was changed")
	}
	return nil
}

// TestEdits holds for every file and edits in it: the other lines stay as they
// are, comments stay, and what is read then is the tree that was meant.
func TestEdits(t *testing.T) {
	done, refused := 0, 0
	property := func(g trees) string {
		tree := g.file()
		if ast.Check(tree) != nil {
			return ""
		}
		src := g.messy(tree)
		f, err := parseBack(tree, src)
		if err != nil {
			return fmt.Sprintf("%v\n%s", err, src) // the scribe is wrong
		}
		e := render.NewEditor(f)
		sh := newShadow(f, e.Comments())
		var log []string
		n := 1 + g.Intn(3)
		for range n {
			what, from, to, err := g.edit(f, e, sh)
			if err != nil {
				var d *diag.Diagnostic
				if !errors.As(err, &d) || d.Code != diag.CodeEdit {
					return fmt.Sprintf("%s: %v\n%s", what, err, src)
				}
				continue
			}
			log = append(log, what)
			if len(log) == 1 {
				if err := sameOutside(src, string(e.Bytes()), from, to); err != nil {
					return fmt.Sprintf("%v\n%s\nbefore:\n%q\nafter:\n%q", err, what, src, e.Bytes())
				}
			}
		}
		text := string(e.Bytes())
		context := &ast.File{Stmts: slices.Clone(f.Stmts)}
		sh.apply()
		if ast.Check(f) != nil {
			refused++ // not a file that makes sense
			return ""
		}
		done++
		back, err := parseBack(f, text)
		if err != nil {
			back, err = parseBack(context, text)
		}
		if unknownCapability(err) {
			return ""
		}
		where := fmt.Sprintf("%s\nbefore:\n%q\nafter:\n%q", strings.Join(log, "\n"), src, text)
		if err != nil {
			return fmt.Sprintf("%v\n%s", err, where)
		}
		var remarks []string
		for _, c := range render.NewEditor(back).Comments() {
			remarks = append(remarks, strings.TrimSpace(c.Text))
		}
		slices.Sort(remarks)
		if want := sh.remarks(); !slices.Equal(remarks, want) {
			return fmt.Sprintf("comments %q, should be %q\n%s", remarks, want, where)
		}
		if d := treetest.Diff(plain(f), plain(back)); d != "" {
			return d + "\n" + where
		}
		return ""
	}
	parameters := gopter.DefaultTestParameters()
	parameters.MinSuccessfulTests = 5000
	properties := gopter.NewProperties(parameters)
	properties.Property("edits do what they say and no more", prop.ForAll(property, anyTrees))
	properties.TestingRun(t)
	t.Logf("%d edited files, %d that make no sense", done, refused)
	if done < 1000 {
		t.Errorf("only %d files were edited", done)
	}
}
