// SPDX-License-Identifier: Apache-2.0

package command

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/render"
)

// The limits on expanding variables.
const (
	maxValues        = 65536    // of one variable
	maxExpandedBytes = 64 << 20 // of all of them
)

// printVariables prints the variables that a unit assigns, as they are
// assigned or with the variables in them expanded.
func printVariables(unit *ast.Unit, expanded bool) ([]byte, error) {
	v := variables{sets: map[string]map[string]bool{}, booleans: map[string]string{}, seen: map[string]bool{}}
	v.collect(unit, unit.Main)
	var b []byte
	for _, name := range slices.Sorted(maps.Keys(v.booleans)) {
		b = fmt.Appendf(b, "$%s = %s\n", name, v.booleans[name])
	}
	for _, name := range slices.Sorted(maps.Keys(v.sets)) {
		values := v.sets[name]
		if expanded {
			out := map[string]bool{}
			for _, value := range slices.Sorted(maps.Keys(values)) {
				if err := v.expand("", value, []string{name}, out); err != nil {
					return nil, err
				}
			}
			values = out
		}
		b = fmt.Appendf(b, "@%s =", name)
		for _, value := range slices.Sorted(maps.Keys(values)) {
			b = fmt.Appendf(b, " \"%s\"", value)
		}
		b = append(b, '\n')
	}
	return b, nil
}

// variables are what the preamble of a unit assigns.
type variables struct {
	sets     map[string]map[string]bool
	booleans map[string]string
	seen     map[string]bool // files that were included
	bytes    int             // of what was expanded
}

func (v *variables) collect(unit *ast.Unit, file *ast.File) {
	for _, s := range file.Stmts {
		switch s := s.(type) {
		case *ast.Include:
			for _, in := range unit.Included[s] {
				if !v.seen[in.Name] {
					v.seen[in.Name] = true
					v.collect(unit, in)
				}
			}
		case *ast.VarAssign:
			v.assign(s)
		case *ast.BoolAssign:
			if _, ok := v.booleans[s.Name]; !ok || s.Op != ast.AssignDefault {
				v.booleans[s.Name] = render.String(s.Value)
			}
		}
	}
}

func (v *variables) assign(s *ast.VarAssign) {
	old := v.sets[s.Name]
	if s.Op == ast.AssignDefault && old != nil {
		return
	}
	if old == nil || s.Op != ast.AssignAdd {
		old = map[string]bool{}
		v.sets[s.Name] = old
	}
	for _, value := range s.Values {
		old[string(value)] = true
	}
}

// expand appends to out every text to which a value expands. Open are the
// variables that are being expanded.
func (v *variables) expand(done, rest string, open []string, out map[string]bool) error {
	if len(out) > maxValues {
		return &diag.LimitError{What: "values of a variable", Limit: maxValues, Got: maxValues + 1}
	}
	if v.bytes += len(done) + len(rest); v.bytes > maxExpandedBytes {
		return &diag.LimitError{What: "bytes of expanded variables", Limit: maxExpandedBytes, Got: int64(v.bytes)}
	}
	head, tail, ok := strings.Cut(rest, "@{")
	name, after, closed := strings.Cut(tail, "}")
	if !ok || !closed {
		out[done+rest] = true
		return nil
	}
	if slices.Contains(open, name) {
		return &diag.Diagnostic{Code: "recursive-variable", Message: "the variable refers to itself", Text: "@{" + name + "}"}
	}
	values, ok := v.sets[name]
	if !ok {
		return &diag.Diagnostic{Code: "unknown-variable", Message: "the variable has no value", Text: "@{" + name + "}"}
	}
	parts := map[string]bool{}
	for _, value := range slices.Sorted(maps.Keys(values)) {
		if err := v.expand("", value, append(open[:len(open):len(open)], name), parts); err != nil {
			return err
		}
	}
	for _, part := range slices.Sorted(maps.Keys(parts)) {
		if err := v.expand(done+head+part, after, open, out); err != nil {
			return err
		}
	}
	return nil
}
