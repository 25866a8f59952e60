// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// site is one small change of a source file.
type site struct {
	File string // relative to the module
	Line int
	Kind string
	// Edits replace parts of the file.
	Edits []edit
	// Text is what is changed, and into what.
	Text string
	// Global is set for what is in no function.
	Global bool
}

type edit struct {
	From, To int // offsets
	Text     string
}

func (s site) String() string { return fmt.Sprintf("%s:%d: %s: %s", s.File, s.Line, s.Kind, s.Text) }

// apply returns the changed source.
func (s site) apply(src []byte) []byte {
	edits := slices.Clone(s.Edits)
	slices.SortFunc(edits, func(a, b edit) int { return cmp.Compare(b.From, a.From) })
	for _, e := range edits {
		src = slices.Concat(src[:e.From], []byte(e.Text), src[e.To:])
	}
	return src
}

// lines returns the changed lines before and after the change.
func (s site) lines(src []byte) string {
	before, after := strings.Split(string(src), "\n"), strings.Split(string(s.apply(src)), "\n")
	for len(before) > 0 && len(after) > 0 && before[0] == after[0] {
		before, after = before[1:], after[1:]
	}
	for len(before) > 0 && len(after) > 0 && before[len(before)-1] == after[len(after)-1] {
		before, after = before[:len(before)-1], after[:len(after)-1]
	}
	var b strings.Builder
	for _, l := range before {
		fmt.Fprintf(&b, "- %s\n", l)
	}
	for _, l := range after {
		fmt.Fprintf(&b, "+ %s\n", l)
	}
	return b.String()
}

// The kinds of changes.
const (
	kindNegate  = "negate"   // a condition
	kindCompare = "compare"  // another comparison
	kindLogic   = "logic"    // && for ||, and the other way round
	kindDrop    = "drop"     // a statement
	kindNumber  = "number"   // another constant
	kindBits    = "bits"     // a constant left out of a set
	kindName    = "constant" // the next constant of the same prefix
	kindEscape  = "escape"   // what a text is made safe with
	kindLock    = "lock"     // a lock or a sync
)

// finder gathers the sites of a file.
type finder struct {
	name  string
	fset  *token.FileSet
	src   []byte
	names []string        // constants of the package, by their full names
	uses  map[string]bool // names of imports
	sites []site

	global bool // not in a function
}

// find returns the sites of a source file in the order of the text. Only what
// tests can see is changed: texts of messages, tests and generated tables are
// left alone.
func find(name string, src []byte, constants []string) ([]site, error) {
	f := &finder{name: name, fset: token.NewFileSet(), src: src, names: constants, uses: map[string]bool{}}
	file, err := parser.ParseFile(f.fset, name, src, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	for _, i := range file.Imports {
		name := path.Base(strings.Trim(i.Path.Value, "\"`"))
		if i.Name != nil {
			name = i.Name.Name
		}
		f.uses[name] = true
	}
	for _, d := range file.Decls {
		_, function := d.(*ast.FuncDecl)
		f.global = !function
		ast.Inspect(d, f.visit)
	}
	slices.SortStableFunc(f.sites, func(a, b site) int { return cmp.Compare(a.Edits[0].From, b.Edits[0].From) })
	return f.sites, nil
}

func (f *finder) offset(p token.Pos) int { return f.fset.Position(p).Offset }

func (f *finder) text(n ast.Node) string { return string(f.src[f.offset(n.Pos()):f.offset(n.End())]) }

func (f *finder) add(kind string, at ast.Node, text string, edits ...edit) {
	f.sites = append(f.sites, site{f.name, f.fset.Position(at.Pos()).Line, kind, edits, text, f.global})
}

// replace adds a site that replaces a node.
func (f *finder) replace(kind string, n ast.Node, with string) {
	f.add(kind, n, short(f.text(n))+" -> "+short(with), edit{f.offset(n.Pos()), f.offset(n.End()), with})
}

func short(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > 60 {
		s = s[:57] + "..."
	}
	return s
}

var compare = map[token.Token]string{
	token.EQL: "!=", token.NEQ: "==", token.LSS: "<=", token.LEQ: "<", token.GTR: ">=", token.GEQ: ">",
}

var (
	escapes = regexp.MustCompile(`(?i)^(escape|quote|literal|clean|sanitize|safe)`)
	locks   = regexp.MustCompile(`^(Lock|RLock|Sync|Fsync|Fdatasync|Flock)$`)
	unlocks = regexp.MustCompile(`^(Unlock|RUnlock)$`)
	bitName = regexp.MustCompile(`^(Perm|X|Class|All|file|old|ms|flag|Flag|Path|mediates|State|Features)[A-Z]`)
)

func (f *finder) visit(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.IfStmt:
		f.negate(n.Cond)
	case *ast.ForStmt:
		// A loop that begins with a negated condition seldom ends.
	case *ast.BinaryExpr:
		f.binary(n)
	case *ast.BlockStmt:
		f.statements(n.List)
	case *ast.CaseClause:
		f.statements(n.Body)
		for _, c := range n.List {
			if _, ok := c.(*ast.BinaryExpr); ok {
				f.negate(c)
			}
		}
	case *ast.CallExpr:
		if name := called(n); len(n.Args) == 1 && escapes.MatchString(name) && n.Ellipsis == token.NoPos {
			f.escape(n)
		}
	case *ast.BasicLit:
		if v, err := strconv.ParseInt(n.Value, 0, 64); n.Kind == token.INT && err == nil {
			f.replace(kindNumber, n, strconv.FormatInt(v+1, 10))
		}
	case *ast.SelectorExpr:
		if x, ok := n.X.(*ast.Ident); ok {
			f.constant(n, x.Name+".", n.Sel.Name)
		}
		return false
	case *ast.Ident:
		f.constant(n, "", n.Name)
	case *ast.ImportSpec, *ast.Field:
		return false
	case *ast.ValueSpec: // its names are not uses
		for _, v := range n.Values {
			ast.Inspect(v, f.visit)
		}
		return false
	case *ast.KeyValueExpr:
		ast.Inspect(n.Value, f.visit)
		return false
	case *ast.FuncDecl:
		if n.Name.Name == "String" || n.Name.Name == "Error" || n.Body == nil {
			return false
		}
		ast.Inspect(n.Body, f.visit)
		return false
	}
	return true
}

func (f *finder) negate(cond ast.Expr) {
	if cond != nil {
		f.replace(kindNegate, cond, "!("+f.text(cond)+")")
	}
}

// escape puts the argument of a call in its place. What is called stays used if
// it is imported, as an import that is not used does not build.
func (f *finder) escape(n *ast.CallExpr) {
	with := f.text(n.Args[0])
	if fun, ok := n.Fun.(*ast.SelectorExpr); ok {
		if x, ok := fun.X.(*ast.Ident); ok && f.uses[x.Name] {
			with += " + " + f.text(fun) + `("")[:0]`
		}
	}
	f.replace(kindEscape, n, "("+with+")")
}

func (f *finder) binary(n *ast.BinaryExpr) {
	op := func(kind, with string) {
		from := f.offset(n.OpPos)
		f.add(kind, n, short(f.text(n))+": "+n.Op.String()+" -> "+with, edit{from, from + len(n.Op.String()), with})
	}
	switch n.Op {
	case token.EQL, token.NEQ:
		// Negated conditions have these already.
	case token.LSS, token.LEQ, token.GTR, token.GEQ:
		op(kindCompare, compare[n.Op])
	case token.LAND:
		op(kindLogic, "||")
	case token.LOR:
		op(kindLogic, "&&")
	case token.OR:
		f.replace(kindBits, n, f.text(n.X))
	case token.AND_NOT:
		f.replace(kindBits, n, f.text(n.X))
	}
}

// statements adds the statements of a block that can be left out.
func (f *finder) statements(list []ast.Stmt) {
	drop := func(kind string, all ...ast.Stmt) {
		var edits []edit
		for _, s := range all {
			// What is assigned stays used.
			edits = append(edits, edit{f.offset(s.Pos()), f.offset(s.End()), "_ = 0"})
		}
		f.add(kind, all[0], short(f.text(all[0])), edits...)
	}
	for i, s := range list {
		switch s := s.(type) {
		case *ast.ExprStmt:
			call, ok := s.X.(*ast.CallExpr)
			switch name := called(call); {
			case !ok, name == "panic", unlocks.MatchString(name):
			case locks.MatchString(name):
				all := []ast.Stmt{s}
				for _, later := range list[i+1:] {
					if un := unlock(later); un != nil {
						all = append(all, un)
						break
					}
				}
				drop(kindLock, all...)
			default:
				drop(kindDrop, s)
			}
		case *ast.AssignStmt:
			if s.Tok != token.DEFINE {
				drop(kindDrop, s)
			}
		case *ast.IncDecStmt:
			drop(kindDrop, s)
		case *ast.DeferStmt:
			if !unlocks.MatchString(called(s.Call)) {
				drop(kindDrop, s)
			}
		case *ast.IfStmt:
			if init, ok := s.Init.(*ast.AssignStmt); ok && len(init.Rhs) == 1 {
				if call, ok := init.Rhs[0].(*ast.CallExpr); ok && locks.MatchString(called(call)) {
					drop(kindLock, s)
				}
			}
		}
	}
}

// unlock returns the statement if it is an unlock.
func unlock(s ast.Stmt) ast.Stmt {
	var call *ast.CallExpr
	switch s := s.(type) {
	case *ast.DeferStmt:
		call = s.Call
	case *ast.ExprStmt:
		call, _ = s.X.(*ast.CallExpr)
	}
	if call != nil && unlocks.MatchString(called(call)) {
		return s
	}
	return nil
}

// called is the name of the function that is called.
func called(call *ast.CallExpr) string {
	if call == nil {
		return ""
	}
	switch fun := call.Fun.(type) {
	case *ast.Ident:
		return fun.Name
	case *ast.SelectorExpr:
		return fun.Sel.Name
	}
	return ""
}

// constant adds the next one of the constants with the same prefix, such as
// another permission.
func (f *finder) constant(n ast.Node, pkg, name string) {
	if !bitName.MatchString(name) {
		return
	}
	prefix := bitName.FindString(name)
	prefix = prefix[:len(prefix)-1]
	i := slices.Index(f.names, pkg+name)
	if i < 0 {
		return
	}
	for k := 1; k < len(f.names); k++ {
		next := f.names[(i+k)%len(f.names)]
		if strings.HasPrefix(next, pkg+prefix) && next != pkg+name && bitName.MatchString(strings.TrimPrefix(next, pkg)) {
			f.replace(kindName, n, next)
			return
		}
	}
}

// constants returns the names of the constants of a file, with the name of the
// package before them if it is not the one that uses them.
func constants(src []byte, pkg string) []string {
	file, err := parser.ParseFile(token.NewFileSet(), "", src, parser.SkipObjectResolution)
	if err != nil {
		return nil
	}
	var all []string
	for _, d := range file.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.CONST {
			continue
		}
		for _, spec := range g.Specs {
			for _, name := range spec.(*ast.ValueSpec).Names {
				if name.Name != "_" && (pkg == "" || name.IsExported()) {
					all = append(all, pkg+name.Name)
				}
			}
		}
	}
	return all
}
