// SPDX-License-Identifier: Apache-2.0

package ast

import (
	goast "go/ast"
	goparser "go/parser"
	"go/token"
	"os"
	"slices"
	"strings"
	"testing"
)

// Every class has one type of rules, in the file of its name, which says so.
func TestClasses(t *testing.T) {
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	type method struct{ file, rule string }
	found := map[string]method{} // by the constant that Class returns
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), ".go") || strings.HasSuffix(f.Name(), "_test.go") {
			continue
		}
		file, err := goparser.ParseFile(token.NewFileSet(), f.Name(), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			fn, ok := d.(*goast.FuncDecl)
			if !ok || fn.Recv == nil || fn.Name.Name != "Class" {
				continue
			}
			rule := fn.Recv.List[0].Type.(*goast.StarExpr).X.(*goast.Ident).Name
			class := fn.Body.List[0].(*goast.ReturnStmt).Results[0].(*goast.Ident).Name
			if old, ok := found[class]; ok {
				t.Errorf("%s is the class of %s and %s", class, old.rule, rule)
			}
			found[class] = method{f.Name(), rule}
		}
	}
	n := 0
	for c := range Classes() {
		n++
		word := strings.ReplaceAll(c.String(), "_", "")
		for constant, m := range found {
			if !strings.EqualFold(constant, "Class"+word) {
				continue
			}
			if m.file != word+".go" || !strings.EqualFold(m.rule, word+"Rule") {
				t.Errorf("%s: %s is in %s", c, m.rule, m.file)
			}
			delete(found, constant)
			n--
		}
	}
	if n != 0 || len(found) != 0 {
		t.Errorf("%d classes have no type of rules; these are of no class: %v", n, found)
	}
}

func TestCloneRule(t *testing.T) {
	signals := &SignalRule{Signals: []string{"hup"}}
	caps := &CapabilityRule{Names: []string{"chown"}}
	mount := &MountRule{Conds: []MountCond{{Values: []Pattern{"ext4"}}}}
	CloneRule(signals).(*SignalRule).Signals[0] = "int"
	CloneRule(caps).(*CapabilityRule).Names[0] = "kill"
	m := CloneRule(mount).(*MountRule)
	m.Conds[0].Values[0] = "xfs"
	m.Conds[0].In = true
	if signals.Signals[0] != "hup" || caps.Names[0] != "chown" || mount.Conds[0].Values[0] != "ext4" || mount.Conds[0].In {
		t.Errorf("changed through the clone: %v %v %v", signals, caps, mount)
	}
	if all := slices.Collect(Classes()); len(all) != int(ClassAll)+1 || all[len(all)-1] != ClassAll {
		t.Errorf("classes are %v", all)
	}
}

// The values of variables may begin with the brace of their alternation.
func TestCheckExpanded(t *testing.T) {
	for _, r := range []Rule{
		&FileRule{Path: "{/a,/b}/c", Perms: FileRead},
		&UnixRule{Local: UnixEnd{Addr: "{@a,@b}"}},
		&ChangeProfileRule{Exec: "{/a,/b}"},
		&PivotRootRule{NewRoot: "{/a,/b}"},
	} {
		if err := CheckRule(r, State{Expanded: true}); err != nil {
			t.Error(err)
		}
		if err := CheckRule(r, State{}); err == nil {
			t.Errorf("%#v is valid as it is written", r)
		}
	}
}

// What a rule is not asked about by itself, the state says.
func TestCheckState(t *testing.T) {
	r := &FileRule{Path: "/a", Exec: ExecInherit}
	if err := CheckRule(r, State{}); err != nil {
		t.Error(err)
	}
	if err := CheckRule(r, State{Access: Deny}); err == nil {
		t.Error("a rule with ix is valid in a deny block")
	}
}
