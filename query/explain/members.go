// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"strconv"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/policy"
	"github.com/goarmor/apparmor/query"
	"github.com/goarmor/apparmor/render"
)

// linkPerms is what Link asks for.
const linkPerms = query.Perms(blob.PermLink)

// members returns what decides a lookup outside of the automata of rules:
// resource limits and attachments. They decide every such lookup.
func (p *Policy) members(profile string, l query.Lookup) []Rule {
	q := p.profiles[profile]
	effect := ast.Deny
	if l.Found.Allow&uint32(l.Perms) != 0 {
		effect = ast.Allow
	}
	member := func(o policy.Origin, rule ast.Rule, text string) Rule {
		return Rule{Rule: rule, Text: text, Pos: o.Position(), Via: o.Chain(), Effect: effect, Says: l.Perms, Decides: l.Perms}
	}
	var all []Rule
	switch l.Class {
	case blob.ClassRlimits:
		for i := range q.Rlimits {
			if limit := &q.Rlimits[i]; limit.Name == l.Input {
				rule := limitRule(limit)
				all = append(all, member(limit.Origin, rule, render.String(rule)))
			}
		}
	case blob.ClassXMatch:
		text := "profile name " + q.Name
		if q.Attachment != "" {
			text = "attachment " + string(q.Attachment)
		}
		all = append(all, member(q.Origin, nil, text))
		for _, pattern := range q.Alternates {
			all = append(all, member(q.Origin, nil, "attachment "+string(pattern)))
		}
	}
	return all
}

// limitRule writes a limit as a rule.
func limitRule(l *policy.Rlimit) *ast.RlimitRule {
	r := &ast.RlimitRule{Name: l.Name, Value: strconv.FormatUint(l.Value, 10)}
	switch {
	case l.Value == policy.Infinity:
		r.Value = "infinity"
	case l.Name == "nice":
		r.Value = strconv.FormatInt(int64(l.Value)-20, 10)
	case l.Name == "cpu":
		r.Unit = "s"
	case l.Name == "rttime":
		r.Unit = "us"
	}
	return r
}
