// SPDX-License-Identifier: Apache-2.0

package command

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/internal/policyfiles"
	"github.com/goarmor/apparmor/policy"
	"github.com/goarmor/apparmor/query"
	"github.com/goarmor/apparmor/query/explain"
	"github.com/goarmor/apparmor/render"
)

// The codes of findings. Others are those of warnings, see package diag.
const (
	codeVoid        = "void-rule"
	codeShadowed    = "shadowed-rule"
	codeDuplicate   = "duplicate-rule"
	codeNotEnforced = "not-enforced"
)

func newLint(out io.Writer) *cobra.Command {
	var format, kernel string
	var include []string
	c := &cobra.Command{
		Use:   "lint POLICY...",
		Short: "Find rules without effect",
		Long: `Lint looks in files and directories of policy for

  void-rule       a rule that allows nothing, because rules that deny are stronger
  shadowed-rule   the same, because of rules with a higher priority
  duplicate-rule  a rule that the profile has already, itself or by an include
  not-enforced    a rule that the kernel does not enforce as it is written

and shows the warnings of the parser and the compiler. The first two are decided
by the compiled policy: a rule is void only if none of the requests that it would
allow passes. Rules of included files are not looked at for the first three.

The exit status is 0 without findings, 1 with some, and 2 if the input is wrong.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, paths []string) error {
			if err := oneOf(format, "text", "json", "sarif"); err != nil {
				return err
			}
			set, err := kernelOf(kernel)
			if err != nil {
				return err
			}
			found, err := lint(c.Context(), paths, include, kernel, set)
			if err != nil {
				return err
			}
			if err := writeFindings(out, format, found); err != nil {
				return err
			}
			if len(found) > 0 {
				return errFound
			}
			return nil
		},
	}
	kernelFlag(c, &kernel)
	includeFlag(c, &include)
	formatFlag(c, &format, "text", "json", "sarif")
	return c
}

func writeFindings(w io.Writer, format string, found []finding) error {
	switch format {
	case "json":
		return writeJSON(w, found)
	case "sarif":
		summaries := map[string]string{
			codeVoid: "A rule that allows nothing", codeShadowed: "A rule that rules of a higher priority replace",
			codeDuplicate: "A rule that is there twice", codeNotEnforced: "A rule that the kernel does not enforce",
		}
		for _, f := range found {
			if summaries[f.Code] == "" {
				summaries[f.Code] = "A warning: " + f.Code
			}
		}
		return writeSARIF(w, found, summaries)
	}
	for _, f := range found {
		if _, err := fmt.Fprintf(w, "%v: %s (%s)\n", f.Pos, f.Message, f.Code); err != nil {
			return err
		}
	}
	return nil
}

func lint(ctx context.Context, paths, include []string, kernel string, set *features.Set) ([]finding, error) {
	files, err := policyfiles.Load(ctx, paths, policyfiles.Options{Include: include})
	if err != nil {
		return nil, err
	}
	all := []finding{}
	var errs []error
	for _, file := range files {
		l := linter{file: file, kernel: kernel, set: set}
		if err := l.lint(ctx); err != nil {
			errs = append(errs, err)
			continue
		}
		// In the order of the text, each once: an included file may be part of
		// several profiles.
		slices.SortStableFunc(l.found, func(a, b finding) int {
			return cmp.Or(cmp.Compare(a.Pos.File, b.Pos.File), cmp.Compare(a.Pos.Offset, b.Pos.Offset), cmp.Compare(a.Code, b.Code))
		})
		all = append(all, l.found...)
	}
	seen := map[string]bool{}
	all = slices.DeleteFunc(all, func(f finding) bool {
		key := f.Pos.String() + f.Code + f.Message
		again := seen[key]
		seen[key] = true
		return again
	})
	return all, errors.Join(errs...)
}

// linter looks at one file.
type linter struct {
	file   *policyfiles.File
	kernel string
	set    *features.Set
	found  []finding
}

func (l *linter) add(code string, pos diag.Position, message string, related ...diag.Position) {
	if related == nil {
		related = []diag.Position{}
	}
	l.found = append(l.found, finding{Code: code, Level: "warning", Pos: pos, Message: message, Related: related})
}

func (l *linter) lint(ctx context.Context) error {
	compiled, err := l.file.CompileWith(ctx, l.set, func(s *policy.Set) {
		// In other modes everything passes.
		for _, p := range s.Profiles {
			p.Flags.Mode = policy.Enforce
		}
	})
	if err != nil {
		return err
	}
	for _, w := range append(slices.Clone(l.file.Warnings), compiled.Warnings...) {
		l.add(string(w.Code), w.Pos, w.Message, w.Related...)
	}
	for _, d := range compiled.Degraded {
		l.add(codeNotEnforced, d.Pos, fmt.Sprintf("kernel %s does not enforce this: %s: %s", l.kernel, d.What, d.Reason()), d.Via...)
	}
	l.duplicates()
	for _, p := range compiled.Profiles() {
		q := compiled.Set.Lookup(p.Namespace, p.Name)
		if q == nil {
			continue
		}
		for _, rule := range q.Rules {
			if rule.Origin.File != l.file.Unit.Main || rule.Quals().Access != ast.Allow {
				continue
			}
			if err := l.void(ctx, p, q, rule); err != nil {
				return err
			}
		}
	}
	return nil
}

// void reports a rule of which nothing passes.
func (l *linter) void(ctx context.Context, p policyfiles.Profile, q *policy.Profile, rule policy.Rule) error {
	alone, err := policy.NewSet(&policy.Profile{Name: "x", ABI: q.ABI, Rules: []policy.Rule{rule}})
	if err != nil {
		return fmt.Errorf("%v: %w", rule.Origin.Position(), err)
	}
	requests, err := policyfiles.RequestsOf(ctx, alone, rule.Class(), l.set)
	if err != nil {
		return fmt.Errorf("%v: %w", rule.Origin.Position(), err)
	}
	if requests.Dropped != "" {
		return nil // said already
	}
	var refused []query.Difference
	for _, set := range requests.Sets {
		set.Perms, set.Exec = policyfiles.Perms(rule.Rule), true
		passing, err := p.Passing(ctx, set)
		if errors.Is(err, query.ErrRequests) {
			continue
		}
		if err == nil && len(passing) > 0 {
			return nil
		}
		var more []query.Difference
		if err == nil {
			more, err = p.Refused(ctx, set)
		}
		if err != nil {
			return fmt.Errorf("%v: %w", rule.Origin.Position(), err)
		}
		refused = append(refused, more...)
	}
	pos := rule.Origin.Position()
	for _, d := range refused {
		if d.Request == nil {
			continue
		}
		e, err := p.Explain(ctx, d.Request)
		if err != nil {
			return fmt.Errorf("%v: %w", pos, err)
		}
		by, why := stronger(e, pos)
		if by == nil {
			continue
		}
		code, text := codeVoid, "denies all that it allows"
		if why == explain.HigherPriority {
			code, text = codeShadowed, "has a higher priority and decides all that it is about"
		} else if why == explain.ExactFirst {
			text = "names the path without wildcards and decides all that it is about"
		}
		l.add(code, pos, fmt.Sprintf("%s has no effect: %s %s", render.String(rule.Rule), by.Text, text), by.Pos)
		return nil
	}
	return nil
}

// stronger returns a rule to which the one at a place yields, and why; nil if
// there is none.
func stronger(e *explain.Explanation, pos diag.Position) (by *explain.Rule, why explain.Reason) {
	for _, step := range e.Steps {
		for _, rule := range step.Rules {
			if rule.Pos != pos {
				continue
			}
			for _, o := range rule.Overridden {
				if other := &step.Rules[o.By]; other.Pos.IsValid() {
					return other, o.Why
				}
			}
		}
	}
	return by, why
}

// duplicates reports rules that a profile has twice, as far as the text shows.
func (l *linter) duplicates() {
	for n := range ast.All(l.file.Unit.Main) {
		if p, ok := n.(*ast.Profile); ok {
			d := duplicates{linter: l, first: map[string]place{}, included: map[inclusion]bool{}}
			d.body(l.file.Unit.Main, p.Body, "")
		}
	}
}

type duplicates struct {
	*linter
	first    map[string]place
	included map[inclusion]bool
}

// inclusion is a file that is included within blocks. Another time it has nothing
// new, and files that include others twice would be looked at endlessly.
type inclusion struct {
	file   *ast.File
	within string
}

// place is where a rule is.
type place struct {
	pos  diag.Position
	main bool
}

// body looks at statements. The parser bounds how deep they nest.
func (d *duplicates) body(file *ast.File, stmts []ast.Stmt, within string) {
	main := file == d.file.Unit.Main
	for _, s := range stmts {
		switch s := s.(type) {
		case *ast.Include:
			for _, f := range d.file.Unit.Included[s] {
				if at := (inclusion{f, within}); !d.included[at] {
					d.included[at] = true
					d.body(f, f.Stmts, within)
				}
			}
		case *ast.Block:
			d.body(file, s.Body, within+fmt.Sprintf("%+v ", s.Qualifiers))
		case ast.Rule:
			text := render.String(s)
			here := place{file.Position(s.Pos()), main}
			first, ok := d.first[within+text]
			switch {
			case !ok:
				d.first[within+text] = here
			case main:
				d.add(codeDuplicate, here.pos, fmt.Sprintf("%s is there already, at %v", text, first.pos), first.pos)
			case first.main:
				d.add(codeDuplicate, first.pos, fmt.Sprintf("%s is included as well, at %v", text, here.pos), here.pos)
			}
		}
	}
}
