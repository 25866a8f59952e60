// SPDX-License-Identifier: Apache-2.0

package apparmor_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestComments checks that every name that a user can see has a comment; see
// commented for what counts as one.
func TestComments(t *testing.T) {
	packages := map[string][]*ast.File{}
	fset := token.NewFileSet()
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || d.Name() == "internal"):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		file, err := parser.ParseFile(fset, name, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err == nil && file.Name.Name != "main" {
			dir := filepath.ToSlash(filepath.Dir(name))
			packages[dir] = append(packages[dir], file)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	total := 0
	for dir, files := range packages {
		// The comment of Devices describes the ID that each device has.
		var common []string
		if dir == "svirt" {
			common = []string{"ID"}
		}
		names, bare := commented(files, common)
		total += names
		for _, b := range bare {
			t.Errorf("%s: %s has no comment", fset.Position(b.pos), b.name)
		}
	}
	if len(packages) < 15 || total < 2000 {
		t.Errorf("only %d names of %d packages were looked at", total, len(packages))
	}
}

// bareName is an exported name without a comment.
type bareName struct {
	name string
	pos  token.Pos
}

// commented counts the exported names of a package and returns those without a
// comment. A constant or variable may share that of its group. A field or a
// method of an interface has a comment of its own, or is named, as a whole word,
// in that of its type or of another field. An embedded type is described where it
// is declared. Fields of the names in common have no comment.
func commented(files []*ast.File, common []string) (names int, bare []bareName) {
	c := commentCheck{common: common, visible: map[string]bool{}}
	// What exported types embed can be seen, too.
	for _, f := range files {
		ast.Inspect(f, func(n ast.Node) bool {
			if s, ok := n.(*ast.TypeSpec); ok && s.Name.IsExported() {
				c.visible[s.Name.Name] = true
				if t, ok := s.Type.(*ast.StructType); ok {
					for _, field := range t.Fields.List {
						if len(field.Names) == 0 {
							c.visible[typeName(field.Type)] = true
						}
					}
				}
			}
			return true
		})
	}
	for _, f := range files {
		for _, d := range f.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Recv == nil || c.visible[typeName(d.Recv.List[0].Type)] {
					name := d.Name.Name
					if d.Recv != nil {
						name = typeName(d.Recv.List[0].Type) + "." + name
					}
					c.name(d.Name, name, hasText(d.Doc))
				}
			case *ast.GenDecl:
				for _, s := range d.Specs {
					c.spec(d, s)
				}
			}
		}
	}
	return c.names, c.bare
}

type commentCheck struct {
	common  []string
	visible map[string]bool
	names   int
	bare    []bareName
}

func (c *commentCheck) name(id *ast.Ident, name string, ok bool) {
	if !id.IsExported() {
		return
	}
	c.names++
	if !ok {
		c.bare = append(c.bare, bareName{name, id.Pos()})
	}
}

func (c *commentCheck) spec(d *ast.GenDecl, s ast.Spec) {
	switch s := s.(type) {
	case *ast.ValueSpec:
		for _, id := range s.Names {
			c.name(id, id.Name, hasText(d.Doc) || hasText(s.Doc) || hasText(s.Comment))
		}
	case *ast.TypeSpec:
		doc := s.Doc
		if !hasText(doc) {
			doc = d.Doc
		}
		c.name(s.Name, s.Name.Name, hasText(doc))
		if !c.visible[s.Name.Name] {
			return
		}
		ast.Inspect(s.Type, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncType:
				return false // whose parameters are not fields
			case *ast.StructType:
				c.fields(s.Name.Name, doc, n.Fields)
			case *ast.InterfaceType:
				c.fields(s.Name.Name, doc, n.Methods)
			}
			return true
		})
	}
}

// fields checks the fields of a struct, or the methods of an interface.
func (c *commentCheck) fields(of string, doc *ast.CommentGroup, list *ast.FieldList) {
	texts := []string{doc.Text()}
	for _, f := range list.List {
		texts = append(texts, f.Doc.Text(), f.Comment.Text())
	}
	all := strings.Join(texts, "\n")
	for _, f := range list.List {
		for _, id := range f.Names {
			named := regexp.MustCompile(`\b` + id.Name + `\b`).MatchString(all)
			c.name(id, of+"."+id.Name, named || hasText(f.Doc) || hasText(f.Comment) || slices.Contains(c.common, id.Name))
		}
	}
}

func hasText(c *ast.CommentGroup) bool { return strings.TrimSpace(c.Text()) != "" }

// typeName returns the name of a type, of what a pointer points to, or of an
// instance.
func typeName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.StarExpr:
		return typeName(e.X)
	case *ast.IndexExpr:
		return typeName(e.X)
	case *ast.IndexListExpr:
		return typeName(e.X)
	}
	return ""
}

// TestCommented checks that commented finds what has no comment.
func TestCommented(t *testing.T) {
	const text = `package p

func Bare() {}

// F has one.
func F() {}

//go:noinline
func Directive() {}

func (T) Method() {}

func (unseen) Method() {}

func (*seen[K]) Method() {}

const Value = 1

// A group.
const (
	InGroup = 1
	inside  = 2
)

const (
	Line = 1 // the value
	Bald = 2
)

type Unexplained int

// T has Named and what it embeds.
type T struct {
	seen[int]
	Unexplained
	Named int
	Name  int
	// Other goes with Sibling.
	Other, Sibling int
	Line  int // a line
	ID    int
	inner int
	Deep  []struct{ Level int } // list
	Call  func(Parameter int) // called
}

type seen[K any] struct{ Field K }

type unseen struct{ Field int }

// I has Known.
type I interface {
	Known()
	Unknown()
	// Doc has a comment.
	Doc()
}
`
	file, err := parser.ParseFile(token.NewFileSet(), "p.go", text, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	names, bare := commented([]*ast.File{file}, []string{"ID"})
	var got []string
	for _, b := range bare {
		got = append(got, b.name)
	}
	want := []string{
		"Bare", "Directive", "T.Method", "seen.Method", "Value", "Bald", "Unexplained", "T.Name", "T.Level", "seen.Field", "I.Unknown",
	}
	if diff := cmp.Diff(want, got); diff != "" || names != 25 {
		t.Errorf("of %d names (want 25), without a comment (-want +got):\n%s", names, diff)
	}
}
