// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/leanovate/gopter"
	"github.com/leanovate/gopter/gen"
	"github.com/leanovate/gopter/prop"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/policy"
)

// expandOne returns what a path becomes in a profile /t with the assignments.
func expandOne(tb testing.TB, path ast.Pattern, stmts ...ast.Stmt) (ast.Pattern, error) {
	tb.Helper()
	stmts = append(stmts, &ast.Profile{Name: "/t", Body: []ast.Stmt{
		&ast.SignalRule{Peer: path}, // a label: its slashes are not squeezed
	}})
	s, err := policy.Resolve(context.Background(), &ast.Unit{Main: &ast.File{Name: "test", Stmts: stmts}}, policy.Options{})
	if err != nil {
		return "", err
	}
	return s.Profiles[0].Rules[0].Rule.(*ast.SignalRule).Peer, nil
}

func set(name string, values ...ast.Pattern) ast.Stmt {
	return &ast.VarAssign{Name: name, Values: values}
}

// words returns what a pattern made of letters, commas, braces and slashes
// matches: its alternations multiplied out.
func words(p string) []string {
	var parse func(s string, inside bool) (out []string, rest string)
	parse = func(s string, inside bool) ([]string, string) {
		var all []string
		cur := []string{""}
		for s != "" {
			c := s[0]
			switch {
			case c == '{':
				var sub []string
				sub, s = parse(s[1:], true)
				var next []string
				for _, a := range cur {
					for _, b := range sub {
						next = append(next, a+b)
					}
				}
				cur = next
				continue
			case c == '}' && inside:
				return append(all, cur...), s[1:]
			case c == ',' && inside:
				all = append(all, cur...)
				cur = []string{""}
			default:
				for i := range cur {
					cur[i] += string(c)
				}
			}
			s = s[1:]
		}
		return append(all, cur...), ""
	}
	out, _ := parse(p, false)
	slices.Sort(out)
	return slices.Compact(out)
}

// TestExpandIsSubstitution checks that a pattern with variables matches just
// what comes of putting every combination of their values in its place.
func TestExpandIsSubstitution(t *testing.T) {
	value := gen.RegexMatch("^[a-c]{0,3}$")
	values := gen.SliceOfN(3, value)
	properties := gopter.NewProperties(nil)
	properties.Property("expand substitutes", prop.ForAll(
		func(a, b []string, shape uint8) string {
			vars := []ast.Stmt{set("A", patterns(a)...), set("B", patterns(b)...), set("N", "<@{A}@{B}>", "n")}
			text := [...]string{"x@{A}y", "@{A}@{B}", "{@{A},z}@{B}", "@{A}-@{A}", "-@{N}-", "p{q,@{N}}"}[shape%6]
			got, err := expandOne(t, ast.Pattern(text), vars...)
			if err != nil {
				return err.Error()
			}
			naive := []string{text}
			for _, v := range []struct {
				name   string
				values []string
			}{{"@{N}", []string{"<@{A}@{B}>", "n"}}, {"@{A}", a}, {"@{B}", b}} {
				for slices.ContainsFunc(naive, func(s string) bool { return strings.Contains(s, v.name) }) {
					var next []string
					for _, s := range naive {
						if !strings.Contains(s, v.name) {
							next = append(next, s)
							continue
						}
						for _, val := range v.values {
							next = append(next, strings.Replace(s, v.name, val, 1))
						}
					}
					naive = next
				}
			}
			var want []string
			for _, s := range naive {
				want = append(want, words(s)...)
			}
			slices.Sort(want)
			return cmp.Diff(slices.Compact(want), words(string(got)))
		}, values, values, gen.UInt8()))
	properties.TestingRun(t)
}

func patterns(list []string) []ast.Pattern {
	out := make([]ast.Pattern, len(list))
	for i, s := range list {
		out[i] = ast.Pattern(s)
	}
	return out
}
