// SPDX-License-Identifier: Apache-2.0

package command

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/policy"
)

// names returns the profiles of a unit by their names alone. As in the
// reference, variables in names stay as they were written, and mistakes in
// rules beyond their syntax do not keep profiles from being listed.
func (r *run) names(ctx context.Context, unit *ast.Unit) (*policy.Set, error) {
	s := skeleton{unit: unit, files: map[*ast.File]*ast.File{}, included: map[*ast.Include][]*ast.File{}}
	main := s.file(unit.Main)
	set, err := r.resolve(ctx, &ast.Unit{Main: main, Included: s.included}, false)
	if err != nil {
		return nil, err
	}
	for _, p := range set.Profiles {
		p.Name = shownVariables.Replace(p.Name)
	}
	return set, nil
}

// Control characters replace the marks of variables while names are resolved,
// so that none are found.
var shownVariables = strings.NewReplacer("\x01", "@{", "\x02", "}")

func hideVariables(name ast.Pattern) ast.Pattern {
	var b strings.Builder
	rest := string(name)
	for {
		before, after, found := strings.Cut(rest, "@{")
		b.WriteString(before)
		if !found {
			return ast.Pattern(b.String())
		}
		rest = after
		if i := strings.IndexAny(after, "{}"); i >= 0 && after[i] == '}' {
			b.WriteString("\x01" + after[:i] + "\x02")
			rest = after[i+1:]
		} else {
			b.WriteString("@{")
		}
	}
}

// skeleton copies a unit without its rules, and its profiles with nothing but
// their names.
type skeleton struct {
	unit     *ast.Unit
	files    map[*ast.File]*ast.File
	included map[*ast.Include][]*ast.File
}

func (s *skeleton) file(f *ast.File) *ast.File {
	if bare := s.files[f]; bare != nil {
		return bare
	}
	bare := &ast.File{Name: f.Name, Src: f.Src}
	s.files[f] = bare // before what it includes, which may be itself
	bare.Stmts = s.stmts(f.Stmts)
	return bare
}

func (s *skeleton) stmts(list []ast.Stmt) (out []ast.Stmt) {
	for _, stmt := range list {
		switch n := stmt.(type) {
		case *ast.Include:
			if _, ok := s.included[n]; !ok {
				s.included[n] = nil
				for _, f := range s.unit.Included[n] {
					s.included[n] = append(s.included[n], s.file(f))
				}
			}
		case *ast.Profile:
			bare := *n
			bare.Name, bare.Body = hideVariables(n.Name), s.stmts(n.Body)
			bare.Attachment, bare.Xattrs, bare.Flags = "", nil, nil
			stmt = &bare
		case *ast.Block:
			bare := *n
			bare.Body = s.stmts(n.Body)
			stmt = &bare
		case *ast.If:
			bare := *n
			bare.Then, bare.Else = s.stmts(n.Then), s.stmts(n.Else)
			stmt = &bare
		case ast.Rule:
			continue
		}
		out = append(out, stmt)
	}
	return out
}

func (r *run) printNames(res *result) int {
	var b bytes.Buffer
	for _, policy := range res.policies {
		for _, p := range policy.Profiles() {
			if p.Namespace != "" {
				fmt.Fprintf(&b, ":%s://", p.Namespace)
			}
			fmt.Fprintln(&b, p.Name)
		}
	}
	if res.set != nil {
		for _, p := range res.set.Profiles {
			fmt.Fprintln(&b, p.FullName())
		}
	}
	if _, err := r.env.Stdout.Write(b.Bytes()); err != nil {
		r.report.say("%v", err)
		return statusFailed
	}
	return 0
}
