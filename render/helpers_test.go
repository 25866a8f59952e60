package render_test

import (
	"fmt"
	"reflect"
	"testing"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/blob"
)

// differ compares trees by what they say: without places, and without the
// spellings that canonical text does not keep. It returns the first
// difference, or the empty string. (What cmp needs for nested trees grows
// with two to the depth.)
func differ(a, b ast.Node) string {
	return differAt("", reflect.ValueOf(a), reflect.ValueOf(b))
}

func differAt(path string, a, b reflect.Value) string {
	if a.IsValid() != b.IsValid() || a.IsValid() && a.Type() != b.Type() {
		return fmt.Sprintf("%s: %v | %v", path, a, b)
	}
	if !a.IsValid() {
		return ""
	}
	switch a.Type() {
	case reflect.TypeFor[ast.Span](), reflect.TypeFor[ast.Pos]():
		return ""
	case reflect.TypeFor[ast.IncludeKind]():
		magic := uint64(ast.IncludeMagic)
		if (a.Uint() == magic) != (b.Uint() == magic) {
			return path + ": kinds of include"
		}
		return ""
	}
	switch a.Kind() {
	case reflect.Pointer, reflect.Interface:
		return differAt(path, a.Elem(), b.Elem())
	case reflect.Slice:
		if a.Len() != b.Len() {
			return fmt.Sprintf("%s: %d | %d items", path, a.Len(), b.Len())
		}
		for i := range a.Len() {
			if d := differAt(fmt.Sprintf("%s[%d]", path, i), a.Index(i), b.Index(i)); d != "" {
				return d
			}
		}
		return ""
	case reflect.Struct:
		for i := range a.NumField() {
			f := a.Type().Field(i)
			switch {
			case !f.IsExported(),
				a.Type() == reflect.TypeFor[ast.File]() && f.Name != "Stmts",
				a.Type() == reflect.TypeFor[ast.Include]() && f.Name == "Hash":
				continue
			}
			if d := differAt(path+"."+f.Name, a.Field(i), b.Field(i)); d != "" {
				return d
			}
		}
		return ""
	}
	if !a.Equal(b) {
		return fmt.Sprintf("%s: %#v | %#v", path, a, b)
	}
	return ""
}

// grants reports whether the first profile of a binary policy lets everybody
// read a path.
func grants(t *testing.T, data []byte, path string) bool {
	t.Helper()
	policy, err := blob.Inspect(data)
	if err != nil {
		t.Fatal(err)
	}
	p := policy.Profiles()[0]
	if p.File == nil {
		return false
	}
	state := p.File.DFA.MatchString(blob.StartState, path)
	return p.FilePerms(state, false).Allow&blob.PermRead != 0
}
