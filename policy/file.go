// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/diag"
)

func filePatterns(rule ast.Rule, list []pattern) []pattern {
	s := rule.(*ast.FileRule)
	return append(list,
		pattern{&s.Path, variables | slashes},
		pattern{&s.Link, variables | slashes},
	)
}

// aliased returns a copy of a rule with the beginnings that an alias names
// replaced, or nil if there are none.
func (a *alias) file(s *ast.FileRule, slab *fileSlab) (c *ast.FileRule, made int) {
	path, hit := a.apply(s.Path)
	link, hitLink := a.apply(s.Link)
	if s.All || !hit && !hitLink {
		return nil, 0
	}
	c = slab.next()
	*c = *s
	c.Path, c.Link = path, link
	return c, len(path) + len(link)
}

// fileSlab allocates file rules, which are most rules, in blocks.
type fileSlab struct{ free []ast.FileRule }

func (s *fileSlab) next() *ast.FileRule {
	if len(s.free) == 0 {
		s.free = make([]ast.FileRule, 64)
	}
	rule := &s.free[0]
	s.free = s.free[1:]
	return rule
}

// warnExec warns of a rule that leaves a program more than it may be trusted
// with. The access is that with the blocks around the rule.
func (r *resolver) warnExec(s *ast.FileRule, access ast.Access, o Origin) {
	if s.Exec == ast.ExecUnconfined && !s.Scrub && access != ast.Deny {
		r.warnf(o, diag.ClassDangerous, diag.WarnUnconfinedExec, string(s.Path), "ux keeps environment variables that can take over an unconfined process")
	}
}

// execKey is what must be equal for two exec rules to meet. Rules of different
// priority do not meet: the higher one wins. Nor does a prompt rule meet
// another one: it is the weaker.
type execKey struct {
	path     ast.Pattern
	priority int16
	prompt   bool
}

// execMode is what must be equal between rules that meet.
type execMode struct {
	exec   ast.Exec
	scrub  bool
	target string
}

func (m execMode) String() string {
	s := m.exec.Spelling(m.scrub)
	if m.target != "" {
		s += " -> " + m.target
	}
	return s
}

type execOwner struct {
	mode   execMode
	origin Origin
	set    bool
}

// everyPath is the meaning of a bare `file,`.
const everyPath = "/{**,}"

// execs finds the exec rules of one profile that conflict. The owner's half and
// the others' half of a rule are compared apart.
type execs struct {
	profile string // its full name
	seen    map[execKey]*[2]execOwner
}

// add adds a rule and returns the conflict that it makes, if any.
func (e *execs) add(s *ast.FileRule, o Origin) (c conflict, ok bool) {
	if s.Access == ast.Deny || !s.All && s.Exec <= ast.ExecDeny {
		return c, false
	}
	k := execKey{s.Path, s.Priority, s.Access == ast.Prompt}
	m := modeOf(e.profile, s)
	if s.All {
		k.path = everyPath
	}
	if e.seen == nil {
		e.seen = map[execKey]*[2]execOwner{}
	}
	halves := e.seen[k]
	if halves == nil {
		halves = new([2]execOwner)
		e.seen[k] = halves
	}
	for h, skipped := range [2]ast.Owner{ast.OnlyOther, ast.OnlyOwner} {
		if s.Owner == skipped {
			continue
		}
		if half := &halves[h]; !half.set {
			*half = execOwner{m, o, true}
		} else if half.mode != m && !ok {
			ok = true
			c = conflict{
				first: half.origin, second: o, text: string(k.path),
				message: "one path is executed in different modes, " + half.mode.String() + " and " + m.String(),
			}
		}
	}
	return c, ok
}

// modeOf returns how a rule executes, with a named child written as the
// profile that it is, so that `cx -> c` equals `px -> parent//c`.
func modeOf(name string, s *ast.FileRule) execMode {
	m := execMode{s.Exec, s.Scrub, s.Target}
	if s.All {
		m.exec = ast.ExecInherit
	}
	if m.target == "" {
		return m
	}
	switch m.exec {
	case ast.ExecChild:
		m.exec = ast.ExecProfile
	case ast.ExecChildInherit:
		m.exec = ast.ExecProfileInherit
	case ast.ExecChildUnconfined:
		m.exec = ast.ExecProfileUnconfined
	default:
		return m
	}
	m.target = name + "//" + m.target
	return m
}
