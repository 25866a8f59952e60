// SPDX-License-Identifier: Apache-2.0

package command

import (
	"context"
	"os"
	"path/filepath"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/parser"
	"github.com/goarmor/apparmor/policy"
)

// parserConfig returns how an input is to be parsed.
func (r *run) parserConfig(res *result) parser.Config {
	dir := r.env.Dir
	if dir == "" {
		// Without a working directory only absolute includes are found.
		dir, _ = os.Getwd()
	}
	roots, names := r.roots()
	c := parser.Config{
		Limits:  r.options.parse,
		Context: parser.ContextFile, Roots: roots, RootNames: names, Abs: r.absolute(), Dir: filepath.ToSlash(dir),
		Cache: &r.parsed,
		Warn:  func(d *diag.Diagnostic) { res.found = append(res.found, d) },
	}
	if r.options.json {
		c.Recover = maxJSONErrors
	}
	return c
}

// parse reads the text and what it includes.
func (r *run) parse(ctx context.Context, res *result, src string) (*ast.Unit, error) {
	return r.parserConfig(res).ParseTree(ctx, res.in.shown(), src)
}

// maxJSONErrors is how many errors of one input are listed for programs, which
// want all of them; people get the first, as from the reference.
const maxJSONErrors = 100

// policyOptions returns how policy is resolved.
func (r *run) policyOptions() policy.Options {
	o := policy.Options{Limits: r.options.resolve, Namespace: r.options.namespace, Kernel: r.features, Default: r.defaults, ABI: r.abi}
	if r.override != nil {
		o.Kernel, o.Default = r.override, r.override
	}
	return o
}

// compileOptions returns how profiles are compiled.
func (r *run) compileOptions() compile.Options {
	return compile.Options{Kernel: r.features, Degrade: compile.Report, KeepDenials: r.options.optimize&optFilterDeny == 0, PlainNames: r.options.plainNames, Limits: r.options.limits}
}

// resolve turns a unit into profiles and applies options.
func (r *run) resolve(ctx context.Context, unit *ast.Unit, complain bool) (*policy.Set, error) {
	set, err := policy.Resolve(ctx, unit, r.policyOptions())
	if err != nil {
		return nil, err
	}
	for _, p := range set.Profiles {
		if r.override != nil {
			p.ABI = r.override // of abi <default>, too
		}
		if complain {
			p.Flags.Mode = policy.Complain
		}
		if r.options.readMmaps {
			for _, rule := range p.Rules {
				if f, ok := rule.Rule.(*ast.FileRule); ok && f.Access != ast.Deny && f.Perms&ast.FileRead != 0 {
					f.Perms |= ast.FileMmap
				}
			}
		}
	}
	return set, nil
}

// compile makes binary policies of the resolved profiles of an input, one for
// each namespace, as a kernel takes the profiles of one at a time.
func (r *run) compile(ctx context.Context, res *result) error {
	outs, err := compile.CompileAll(ctx, res.set, r.compileOptions())
	if err != nil {
		return err
	}
	for _, out := range outs {
		r.compiled(res, out)
	}
	return nil
}

// compiled takes note of one of the policies.
func (r *run) compiled(res *result, out *compile.Output) {
	res.policies = append(res.policies, out.Policy)
	res.stats = append(res.stats, out.Stats...)
	res.found = append(res.found, out.Warnings...)
	type once struct {
		profile, what, hint string
		dropped             bool
	}
	seen := map[once]bool{}
	for _, d := range out.Degraded {
		key := once{d.Profile, d.What, d.Hint, d.Dropped}
		if seen[key] {
			continue
		}
		seen[key] = true
		res.found = append(res.found, degraded(d))
	}
}

// degraded is the warning for what is not enforced as written. Like the
// reference's, it is about the profile and not about one of its lines.
func degraded(d compile.Degradation) *diag.Diagnostic {
	w := &diag.Diagnostic{
		Severity: diag.Warning, Class: diag.ClassRuleDowngraded, Code: "rule-downgraded",
		Profile: d.Profile, Message: d.What + " downgraded",
	}
	if d.Cause == compile.ByOperation {
		w.Pos, w.Via, w.Hint = d.Pos, d.Via, d.Hint
	}
	if d.Dropped {
		w.Class, w.Code, w.Message = diag.ClassRuleNotEnforced, "rule-not-enforced", d.What+" not enforced"
	}
	return w
}
