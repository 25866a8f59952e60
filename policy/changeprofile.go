// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/diag"
)

func changeProfilePatterns(rule ast.Rule, list []pattern) []pattern {
	s := rule.(*ast.ChangeProfileRule)
	return append(list,
		pattern{&s.Exec, variables},
		pattern{&s.Target, variables},
	)
}

// warnAudit warns of a rule that no kernel audits as written: kernels log
// every denied change_profile and no allowed one, so audited permissions and
// quiet denials have no effect.
func (r *resolver) warnAudit(s *ast.ChangeProfileRule, o Origin) {
	switch denied := s.Access == ast.Deny; {
	case s.Audit == denied:
	case denied:
		r.warnf(o, diag.ClassRuleDowngraded, diag.WarnDowngraded, "", "kernels log every denied change_profile: write audit deny")
	default:
		r.warnf(o, diag.ClassRuleDowngraded, diag.WarnDowngraded, "", "no kernel audits change_profile: remove audit, which has no effect")
	}
}

// changes finds the change_profile rules of one profile that conflict.
type changes struct {
	seen map[changeKey]changeMode
}

// changeKey is what must be equal for two change_profile rules to meet.
type changeKey struct {
	exec, target ast.Pattern
	priority     int16
}

type changeMode struct {
	unsafe bool
	origin Origin
}

// add adds a rule and returns the conflict that it makes, if any.
func (c *changes) add(s *ast.ChangeProfileRule, o Origin) (conflict, bool) {
	if s.Exec == "" || s.Access == ast.Deny {
		return conflict{}, false
	}
	k := changeKey{s.Exec, s.Target, s.Priority}
	m := changeMode{s.Safety == ast.Unsafe, o}
	old, ok := c.seen[k]
	if !ok {
		if c.seen == nil {
			c.seen = map[changeKey]changeMode{}
		}
		c.seen[k] = m
		return conflict{}, false
	}
	return conflict{
		first: old.origin, second: o, text: string(s.Exec), message: "change_profile is safe and unsafe for one program and target",
	}, old.unsafe != m.unsafe
}
