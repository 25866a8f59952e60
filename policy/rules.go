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
		squeezeRule(rule)
		p.Rules = append(p.Rules, Rule{rule, raw.Origin})
		for _, c := range copies {
			squeezeRule(c)
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
		e := r.errorf(c.second, diag.CodeExecConflict, c.text, "%s", c.message())
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

// fileSlab hands out file rules, which are most of all rules, from blocks.
type fileSlab struct{ free []ast.FileRule }

func (s *fileSlab) next() *ast.FileRule {
	if len(s.free) == 0 {
		s.free = make([]ast.FileRule, 64)
	}
	rule := &s.free[0]
	s.free = s.free[1:]
	return rule
}

// expandRule returns a copy of a rule with the variables expanded where the
// language does that. Targets of exec, options of mount, conditions of
// network and labels of io_uring are taken as they stand.
func (r *resolver) expandRule(raw Rule, e *env) ast.Rule {
	var c ast.Rule
	if s, ok := raw.Rule.(*ast.FileRule); ok {
		f := r.files.next()
		*f = *s
		c = f
	} else {
		c = cloneRule(raw.Rule)
	}
	eachPattern(c, func(p *ast.Pattern, variables bool) {
		if variables {
			*p = r.expand(*p, e, raw.Origin)
		}
	})
	return c
}

// cloneRule returns a copy that shares nothing that could be changed.
func cloneRule(rule ast.Rule) ast.Rule {
	switch s := rule.(type) {
	case *ast.FileRule:
		c := *s
		return &c
	case *ast.LinkRule:
		c := *s
		return &c
	case *ast.CapabilityRule:
		c := *s
		c.Names = slices.Clone(s.Names)
		return &c
	case *ast.NetworkRule:
		c := *s
		return &c
	case *ast.UnixRule:
		c := *s
		return &c
	case *ast.DBusRule:
		c := *s
		return &c
	case *ast.SignalRule:
		c := *s
		c.Signals = slices.Clone(s.Signals)
		return &c
	case *ast.PtraceRule:
		c := *s
		return &c
	case *ast.MountRule:
		c := *s
		c.Conds = slices.Clone(s.Conds)
		for i := range c.Conds {
			c.Conds[i].Values = slices.Clone(c.Conds[i].Values)
		}
		return &c
	case *ast.PivotRootRule:
		c := *s
		return &c
	case *ast.ChangeProfileRule:
		c := *s
		return &c
	case *ast.RlimitRule:
		c := *s
		return &c
	case *ast.MqueueRule:
		c := *s
		return &c
	case *ast.IOUringRule:
		c := *s
		return &c
	case *ast.UsernsRule:
		c := *s
		return &c
	case *ast.AllRule:
		c := *s
		return &c
	}
	return rule
}

// squeezeRule squeezes the slashes of everything that is a path: not of
// labels and targets, where they mean something.
func squeezeRule(rule ast.Rule) {
	switch s := rule.(type) {
	case *ast.FileRule:
		s.Path, s.Link = squeeze(s.Path), squeeze(s.Link)
	case *ast.LinkRule:
		s.From, s.To = squeeze(s.From), squeeze(s.To)
	case *ast.UnixRule:
		s.Local.Addr, s.Peer.Addr = squeeze(s.Local.Addr), squeeze(s.Peer.Addr)
	case *ast.DBusRule:
		s.Path = squeeze(s.Path)
	case *ast.MountRule:
		s.Source, s.Target = squeeze(s.Source), squeeze(s.Target)
	case *ast.PivotRootRule:
		s.OldRoot, s.NewRoot = squeeze(s.OldRoot), squeeze(s.NewRoot)
	}
}

// eachPattern calls f with every pattern of a rule, and whether the language
// expands variables in it.
func eachPattern(rule ast.Rule, f func(p *ast.Pattern, variables bool)) {
	switch s := rule.(type) {
	case *ast.FileRule:
		f(&s.Path, true)
		f(&s.Link, true)
	case *ast.LinkRule:
		f(&s.From, true)
		f(&s.To, true)
	case *ast.NetworkRule:
		f(&s.Local.Interface, false)
		f(&s.Local.Label, false)
		f(&s.Peer.Interface, false)
		f(&s.Peer.Label, false)
	case *ast.UnixRule:
		f(&s.Local.Addr, true)
		f(&s.Local.Label, true)
		f(&s.Peer.Addr, true)
		f(&s.Peer.Label, true)
	case *ast.DBusRule:
		f(&s.Bus, true)
		f(&s.Name, true)
		f(&s.Path, true)
		f(&s.Interface, true)
		f(&s.Member, true)
		f(&s.PeerName, true)
		f(&s.PeerLabel, true)
	case *ast.SignalRule:
		f(&s.Peer, true)
	case *ast.PtraceRule:
		f(&s.Peer, true)
	case *ast.MountRule:
		for i := range s.Conds {
			cond := &s.Conds[i]
			for j := range cond.Values {
				f(&cond.Values[j], !cond.Options)
			}
		}
		f(&s.Source, true)
		f(&s.Target, true)
	case *ast.PivotRootRule:
		f(&s.OldRoot, true)
		f(&s.NewRoot, true)
	case *ast.ChangeProfileRule:
		f(&s.Exec, true)
		f(&s.Target, true)
	case *ast.MqueueRule:
		f(&s.Label, true)
		f(&s.Name, true)
	case *ast.IOUringRule:
		f(&s.Label, false)
	}
}
