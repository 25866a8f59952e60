// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/diag"
)

// eval decides a boolean expression with what the variables hold so far. Both
// sides of `and` and `or` are evaluated, so that every mistake is found. ok is
// false if one was found and reported.
func (r *resolver) eval(x ast.Expr, f *frame, depth int) (value, ok bool) {
	o := f.origin(0)
	if x != nil {
		o.Pos = x.Pos()
	}
	if depth++; depth > r.limits.Nesting {
		r.limit(o, "nesting of policy", r.limits.Nesting, depth)
		return false, false
	}
	switch x := x.(type) {
	case *ast.BoolLit:
		return x.Value, true
	case *ast.ParenExpr:
		return r.eval(x.X, f, depth)
	case *ast.NotExpr:
		v, ok := r.eval(x.X, f, depth)
		return !v, ok
	case *ast.BinaryExpr:
		a, okA := r.eval(x.X, f, depth)
		b, okB := r.eval(x.Y, f, depth)
		if x.Or {
			return a || b, okA && okB
		}
		return a && b, okA && okB
	case *ast.BoolVar:
		sym := r.syms[x.Name]
		switch {
		case sym == nil:
			r.errorf(o, diag.CodeUndefined, "$"+x.Name, "the variable $%s has no value", x.Name)
			return false, false
		case !sym.boolean:
			d := r.errorf(o, diag.CodeUndefined, "$"+x.Name, "the variable @{%s} is a set of values, not a boolean", x.Name)
			d.Related = append(d.Related, sym.origin.Position())
			return false, false
		}
		return sym.value, true
	case *ast.DefinedExpr:
		sym := r.syms[x.Name]
		if x.Bool {
			if sym != nil && sym.boolean {
				r.warnf(o, diag.ClassUnexpected, diag.WarnDefinedBoolean, "$"+x.Name, "defined is false for every boolean, even for one with a value")
			}
			return false, true
		}
		return sym != nil && !sym.boolean, true
	case *ast.CompareExpr:
		return r.compare(x, o)
	}
	r.errorf(o, diag.CodeExpression, "", "the condition is missing")
	return false, false
}

// operand returns the set that a side of a comparison means: the values
// of a variable, sorted, or the one word.
func (r *resolver) operand(p ast.Pattern, o Origin) ([]string, bool) {
	text := string(p)
	name, ok := strings.CutPrefix(text, "@{")
	if ok {
		name, ok = strings.CutSuffix(name, "}")
	}
	if !ok || !ast.IsVariableName(name) {
		return []string{text}, true
	}
	// The values are known in full only where they do not need a profile.
	values, _, err := r.lookup(name, &env{}, o, 0)
	if err != nil {
		if err.code != diag.CodeLimit {
			r.errorf(o, err.code, err.text, "%s", err.msg).Hint = err.hint
		}
		return nil, false
	}
	return values, true
}

// compare decides a comparison. Equality, in and the order of two sets that
// are not numbers are decided on the texts. Two sides that are one number each
// are ordered as numbers; 010 is eight there, but is not equal to 8.
func (r *resolver) compare(x *ast.CompareExpr, o Origin) (value, ok bool) {
	a, okA := r.operand(x.X, o)
	b, okB := r.operand(x.Y, o)
	if !okA || !okB {
		return false, false
	}
	switch x.Op {
	case ast.CompareEqual:
		return slices.Equal(a, b), true
	case ast.CompareNotEqual:
		return !slices.Equal(a, b), true
	case ast.CompareIn:
		for _, v := range a {
			if _, found := slices.BinarySearch(b, v); !found {
				return false, true
			}
		}
		return true, true
	}
	order := slices.Compare(a, b)
	m, isNumA := number(a)
	n, isNumB := number(b)
	if isNumA != isNumB {
		r.errorf(o, diag.CodeExpression, string(x.X)+" "+x.Op.String()+" "+string(x.Y), "a number is compared with something else")
		return false, false
	}
	if isNumA {
		order = cmp.Compare(m, n)
	}
	switch x.Op {
	case ast.CompareGreater:
		return order > 0, true
	case ast.CompareGreaterEqual:
		return order >= 0, true
	case ast.CompareLess:
		return order < 0, true
	case ast.CompareLessEqual:
		return order <= 0, true
	}
	r.errorf(o, diag.CodeExpression, x.Op.String(), "unknown comparison")
	return false, false
}

// number returns the number that a set of one word is, with the base that its
// prefix says.
func number(set []string) (int64, bool) {
	if len(set) != 1 || strings.Contains(set[0], "_") {
		return 0, false
	}
	n, err := strconv.ParseInt(set[0], 0, 64)
	return n, err == nil
}
