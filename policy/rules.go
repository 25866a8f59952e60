// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"slices"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/diag"
)

// resolveBody makes the rules of a draft's profile.
func (r *resolver) resolveBody(d *draft) {
	p := d.out
	r.in = d
	p.Rules = make([]Rule, 0, len(d.rules))
	for _, raw := range d.rules {
		// Trying an alias costs a small part of what a statement does.
		r.steps += len(r.aliases) / 16
		if !r.step(raw.Origin) {
			return
		}
		rule := r.expandRule(raw.Rule, &d.env)
		*rule.Quals() = raw.quals
		copies := r.copies(rule, raw.Origin)
		r.squeezeRule(rule)
		p.Rules = append(p.Rules, Rule{rule, raw.Origin})
		for _, c := range copies {
			r.squeezeRule(c)
			p.Rules = append(p.Rules, Rule{c, raw.Origin})
		}
		r.warnRule(rule, raw.Origin)
	}
	for _, raw := range d.rlimits {
		if l, ok := r.rlimit(raw.Rule.(*ast.RlimitRule), raw.Origin); ok {
			p.setRlimit(l)
		}
	}
	for _, c := range conflicts(p.Name, p.Rules) {
		e := r.errorf(c.second, diag.CodeExecConflict, c.text, "%s", c.message)
		e.Related = append(e.Related, c.first.Position())
	}
}

// setRlimit adds a limit in the place of an earlier one of the same name.
func (p *Profile) setRlimit(l Rlimit) {
	i := slices.IndexFunc(p.Rlimits, func(old Rlimit) bool { return old.Name == l.Name })
	if i < 0 {
		p.Rlimits = append(p.Rlimits, l)
	} else {
		p.Rlimits[i] = l
	}
}

// expandRule returns a copy of a rule with the variables expanded where the
// language does that. Targets of exec, options of mount, conditions of
// network and labels of io_uring are taken as they are.
func (r *resolver) expandRule(raw Rule, e *env) ast.Rule {
	var c ast.Rule
	if s, ok := raw.Rule.(*ast.FileRule); ok {
		f := r.files.next()
		*f = *s
		c = f
	} else {
		c = ast.CloneRule(raw.Rule)
	}
	r.patterns = patternsOf(c, r.patterns[:0])
	for _, p := range r.patterns {
		if p.kind&variables != 0 {
			*p.Pattern = r.expand(*p.Pattern, e, raw.Origin)
		}
	}
	return c
}

// squeezeRule squeezes the slashes of everything that is a path.
func (r *resolver) squeezeRule(rule ast.Rule) {
	r.patterns = patternsOf(rule, r.patterns[:0])
	for _, p := range r.patterns {
		if p.kind&slashes != 0 {
			*p.Pattern = squeeze(*p.Pattern)
		}
	}
}
