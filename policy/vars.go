// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"slices"
	"strings"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/internal/lang"
)

// symbol is a variable. Set variables and booleans share their names.
type symbol struct {
	origin  Origin
	boolean bool
	value   bool            // of a boolean
	values  []string        // of a set variable: without repetition, not expanded
	seen    map[string]bool // the values

	expanding bool // its values are being expanded: a reference is recursive
	done      int  // the resolver's epoch that full and err are of; 0 for none
	full      []string
	err       *refError
}

// assign executes one assignment to a set variable.
func (r *resolver) assign(s *ast.VarAssign, o Origin) {
	if !ast.IsVariableName(s.Name) {
		r.errorf(o, diag.CodeVariable, s.Name, "the name of a variable must be a letter followed by letters, digits and underscores")
		return
	}
	old := r.syms[s.Name]
	switch s.Op {
	case ast.AssignSet:
		if old != nil {
			r.redefined(s.Name, o, old)
			return
		}
	case ast.AssignAdd:
		if old == nil {
			r.errorf(o, diag.CodeUndefined, "@{"+s.Name+"}", "the variable has no values to be added to").Hint = "give it a value with ="
			return
		}
		if old.boolean {
			r.redefined(s.Name, o, old)
			return
		}
	case ast.AssignDefault:
		if old != nil {
			return
		}
	case ast.AssignReplace:
		if old != nil && old.boolean {
			r.redefined(s.Name, o, old)
			return
		}
	}
	sym := old
	if s.Op != ast.AssignAdd {
		sym = &symbol{origin: o, seen: make(map[string]bool, len(s.Values))}
		r.syms[s.Name] = sym
	}
	r.epoch++
	for _, v := range s.Values {
		if v := string(v); !sym.seen[v] {
			sym.seen[v] = true
			sym.values = append(sym.values, v)
		}
	}
	if len(sym.values) > r.limits.Values {
		r.limit(o, "values of a variable", r.limits.Values, len(sym.values))
	}
}

func (r *resolver) redefined(name string, o Origin, old *symbol) {
	d := r.errorf(o, diag.CodeRedefined, name, "the variable %s has a value already", name)
	d.Hint = "use += to add to it, := to replace it or ?= to give it a default"
	if old.boolean {
		d.Hint = ""
	}
	d.Related = append(d.Related, old.origin.Position())
}

// assignBool executes one assignment to a boolean.
func (r *resolver) assignBool(s *ast.BoolAssign, f *frame) {
	o := f.origin(s.Pos())
	if !ast.IsVariableName(s.Name) {
		r.errorf(o, diag.CodeVariable, s.Name, "the name of a variable must be a letter followed by letters, digits and underscores")
		return
	}
	old := r.syms[s.Name]
	switch s.Op {
	case ast.AssignSet:
		if old != nil {
			r.redefined(s.Name, o, old)
			return
		}
	case ast.AssignAdd:
		r.errorf(o, diag.CodeVariable, "$"+s.Name, "a boolean variable cannot be added to")
		return
	case ast.AssignReplace:
		if old != nil && !old.boolean {
			r.redefined(s.Name, o, old)
			return
		}
	}
	value, ok := r.eval(s.Value, f, f.depth)
	if !ok || s.Op == ast.AssignDefault && old != nil {
		return
	}
	r.syms[s.Name] = &symbol{origin: o, boolean: true, value: value}
	r.epoch++
}

// cutRef splits text at its first reference to a variable. A backslash takes
// the meaning of the byte after it. What looks like a reference but has an
// invalid name is text.
func cutRef(text string) (before, name, after string, ok bool) {
	for i := 0; i+1 < len(text); i++ {
		switch {
		case text[i] == '\\':
			i++
		case text[i] == '@' && text[i+1] == '{':
			end := strings.IndexByte(text[i:], '}')
			if end < 0 {
				return text, "", "", false
			}
			if name := text[i+2 : i+end]; name == "" || ast.IsVariableName(name) {
				return text[:i], name, text[i+end+1:], true
			}
		}
	}
	return text, "", "", false
}

// hasRef is a cheap test that is true wherever cutRef may find something.
func hasRef(text string) bool { return strings.Contains(text, "@{") }

// env is what variables mean in one profile: those of the preamble, and the
// built-in ones.
type env struct {
	name   *string             // @{profile_name}: the full name, its glob characters escaped
	attach *string             // @{attach_path} and @{exec_path}
	local  map[string][]string // values that depend on the built-in ones
}

func isBuiltin(name string) bool {
	return name == "profile_name" || name == "attach_path" || name == "exec_path"
}

// builtin returns the value of a built-in variable, if it has one.
func (e *env) builtin(name string) (string, bool) {
	var v *string
	switch name {
	case "profile_name":
		v = e.name
	case "attach_path", "exec_path":
		v = e.attach
	}
	if v == nil {
		return "", false
	}
	return *v, true
}

// refError says why a reference cannot be expanded.
type refError struct {
	code diag.Code
	text string
	msg  string
	sym  *symbol // where it was said, if that helps
	hint string
}

// variableHint says which variable was probably meant.
func (r *resolver) variableHint(name string) string {
	if len(r.syms) == 0 {
		return "no variable has a value; is include <tunables/global> missing?"
	}
	names := make([]string, 0, len(r.syms))
	for name, sym := range r.syms {
		if !sym.boolean {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	if near, ok := lang.Nearest(names, name); ok {
		return didYouMean("@{" + near + "}")
	}
	return ""
}

// lookup returns the values of a variable, expanded. own reports whether they
// depend on the profile. Policy may define variables with the built-in names;
// they apply if the profile has no value of its own for them.
func (r *resolver) lookup(name string, e *env, o Origin, depth int) (values []string, own bool, err *refError) {
	if v, ok := e.builtin(name); ok {
		return []string{v}, true, nil
	}
	if name == "" {
		return nil, false, &refError{diag.CodeVariable, "@{}", "the reference to a variable has no name", nil, ""}
	}
	own = isBuiltin(name)
	sym := r.syms[name]
	switch {
	case sym == nil && own && name != "profile_name":
		return nil, true, &refError{diag.CodeUndefined, "@{" + name + "}", "the variable @{" + name + "} has no value: the profile has no attachment", nil, ""}
	case sym == nil:
		return nil, own, &refError{code: diag.CodeUndefined, text: "@{" + name + "}", msg: "the variable @{" + name + "} has no value", hint: r.variableHint(name)}
	case sym.boolean:
		return nil, own, &refError{diag.CodeUndefined, "@{" + name + "}", "the variable $" + name + " is a boolean, not a set of values", sym, ""}
	case sym.done == r.epoch:
		r.visited(sym.full)
		return sym.full, own, sym.err
	case sym.expanding:
		return nil, own, &refError{diag.CodeRecursive, "@{" + name + "}", "the variable @{" + name + "} refers to itself", sym, ""}
	}
	if v, ok := e.local[name]; ok {
		r.visited(v)
		return v, true, nil
	}
	if depth > r.limits.Nesting {
		r.limit(sym.origin, "variables in variables", r.limits.Nesting, depth)
		return nil, false, &refError{code: diag.CodeLimit}
	}
	sym.expanding = true
	full := make([]string, 0, len(sym.values))
	for _, v := range sym.values {
		var some bool
		full, some, err = r.multiply(full, v, e, o, sym, depth)
		own = own || some
		if err != nil {
			break
		}
	}
	sym.expanding = false
	r.steps += len(full) // which are going to be sorted
	if err == nil {
		slices.Sort(full)
		full = slices.Compact(full)
	}
	switch {
	case err != nil && (own || err.code == diag.CodeLimit || err.code == diag.CodeRecursive):
		return nil, own, err
	case own:
		if e.local == nil {
			e.local = map[string][]string{}
		}
		e.local[name] = full
	default:
		sym.done, sym.full, sym.err = r.epoch, full, err
	}
	return full, own, err
}

// visited counts values that are going to be looked at, each of which costs a
// small part of what a statement does.
func (r *resolver) visited(values []string) { r.steps += len(values) / 16 }

// told reports whether an error about a variable was reported before: one that
// is missing is missing in every rule. What built-in variables have depends on
// the profile.
func (r *resolver) told(err *refError) bool {
	if err.code != diag.CodeUndefined {
		return false
	}
	key := err.text
	if isBuiltin(strings.Trim(key, "@{}")) && r.in != nil {
		key += " " + r.in.out.Name
	}
	before := r.missing[key]
	if !before {
		if r.missing == nil {
			r.missing = map[string]bool{}
		}
		r.missing[key] = true
	}
	return before
}

// multiply appends to list the texts that one value of a variable stands for:
// one for each combination of the values of the variables in it. Unlike in a
// rule, nothing is trimmed and no alternation is made.
func (r *resolver) multiply(list []string, value string, e *env, o Origin, sym *symbol, depth int) ([]string, bool, *refError) {
	before, name, after, ok := cutRef(value)
	if !ok {
		return append(list, value), false, nil
	}
	own := false
	combos := []string{before}
	for {
		values, some, err := r.lookup(name, e, o, depth+1)
		own = own || some
		if err != nil {
			if err.sym == nil {
				err.sym = sym
			}
			return nil, own, err
		}
		before, name, after, ok = cutRef(after)
		if n := len(list) + len(combos)*len(values); n > r.limits.Values {
			r.limit(sym.origin, "values of a variable", r.limits.Values, n)
			return nil, own, &refError{code: diag.CodeLimit}
		}
		next := make([]string, 0, len(combos)*len(values))
		for _, c := range combos {
			for _, v := range values {
				t := c + v + before
				if !r.made(sym.origin, len(t)) {
					return nil, own, &refError{code: diag.CodeLimit}
				}
				next = append(next, t)
			}
		}
		combos = next
		if !ok {
			return append(list, combos...), own, nil
		}
	}
}

// expand puts the values of variables into a pattern. One value is pasted,
// several become an alternation. Leading slashes of values go if the text
// before ends in a slash, and their trailing ones if the text after begins
// with one. One value after the very first slash of a pattern keeps its own.
//
// 6.0 keeps the slashes of several values there, too: with two values of
// @{run}, `/@{run}/x` matches paths that begin with two slashes, which no
// kernel has. Policy that is written so, as Debian's is, has the meaning that
// 3.0.8 gives it.
func (r *resolver) expand(p ast.Pattern, e *env, o Origin) ast.Pattern {
	text := string(p)
	if !hasRef(text) {
		return p
	}
	before, name, after, ok := cutRef(text)
	if !ok {
		r.commaInRef(text, o)
		return p
	}
	var b strings.Builder
	for {
		r.commaInRef(before, o)
		if !ok {
			b.WriteString(before)
			out := b.String()
			if _, name, _, ok := cutRef(out); ok {
				// Only malformed globs can look like this.
				r.errorf(o, diag.CodeVariable, "@{"+name+"}", "the values of variables form a reference to another variable")
				return ""
			}
			return ast.Pattern(out)
		}
		values, _, err := r.lookup(name, e, o, 0)
		if err != nil {
			if err.code != diag.CodeLimit && !r.told(err) {
				d := r.errorf(o, err.code, err.text, "%s", err.msg)
				d.Hint = err.hint
				if err.sym != nil {
					d.Related = append(d.Related, err.sym.origin.Position())
				}
			}
			return ""
		}
		n := len(before)
		for _, v := range values {
			n += len(v) + 1
		}
		if !r.made(o, n) {
			return ""
		}
		b.Grow(n + 1 + len(after))
		b.WriteString(before)
		sofar := b.String()
		keep := len(values) == 1 && sofar != "" && strings.Trim(sofar, "/") == ""
		head := !keep && strings.HasSuffix(sofar, "/")
		tail := !keep && strings.HasPrefix(after, "/")
		for i, v := range values {
			if head {
				v = strings.TrimLeft(v, "/")
			}
			if tail {
				v = strings.TrimRight(v, "/")
			}
			switch {
			case i > 0:
				b.WriteByte(',')
			case len(values) > 1:
				b.WriteByte('{')
			}
			b.WriteString(v)
		}
		if len(values) > 1 {
			b.WriteByte('}')
		}
		before, name, after, ok = cutRef(after)
	}
}

// commaInRef warns of @{a,b}, which is an alternation after an @ and not a
// variable.
func (r *resolver) commaInRef(text string, o Origin) {
	for {
		i := strings.Index(text, "@{")
		if i < 0 {
			return
		}
		end := strings.IndexByte(text[i:], '}')
		if end < 0 {
			return
		}
		if ref := text[i : i+end+1]; strings.Contains(ref, ",") && (i == 0 || text[i-1] != '\\') {
			r.warnf(o, diag.ClassDeprecated, diag.WarnVariableComma, ref, "an alternation after @ looks like a variable; write \\@ if you mean it")
			return
		}
		text = text[i+2:]
	}
}
