// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"github.com/goarmor/apparmor/ast"
)

// conflict is two rules that cannot both hold, found by comparing texts.
// Patterns that differ in text and overlap in meaning are for the compiler.
type conflict struct {
	first, second Origin
	text          string
	modes         [2]string // of the first and second, as they are written
	change        bool      // of change_profile rules
}

func (c conflict) message() string {
	if c.change {
		return "change_profile rules for one program and target, safe and unsafe"
	}
	return "exec of one path in different modes, " + c.modes[0] + " and " + c.modes[1]
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

// everyPath is what a bare `file,` stands for.
const everyPath = "/{**,}"

// conflicts compares the exec rules of one profile, whose full name is name.
// The owner's half and the others' half of a rule are compared apart.
func conflicts(name string, rules []Rule) []conflict {
	var found []conflict
	var execs map[execKey]*[2]execOwner
	type changeKey struct {
		exec, target ast.Pattern
		priority     int16
	}
	type changeMode struct {
		unsafe bool
		origin Origin
	}
	var changes map[changeKey]changeMode
	for i := range rules {
		switch s := rules[i].Rule.(type) {
		case *ast.FileRule:
			if s.Access == ast.Deny || !s.All && s.Exec <= ast.ExecDeny {
				continue
			}
			k := execKey{s.Path, s.Priority, s.Access == ast.Prompt}
			m := modeOf(name, s)
			if s.All {
				k.path = everyPath
			}
			if execs == nil {
				execs = map[execKey]*[2]execOwner{}
			}
			halves := execs[k]
			if halves == nil {
				halves = new([2]execOwner)
				execs[k] = halves
			}
			clash := -1
			for h, skipped := range [2]ast.Owner{ast.OnlyOther, ast.OnlyOwner} {
				if s.Owner == skipped {
					continue
				}
				if !halves[h].set {
					halves[h] = execOwner{m, rules[i].Origin, true}
				} else if halves[h].mode != m && clash < 0 {
					clash = h
				}
			}
			if clash >= 0 {
				found = append(found, conflict{
					first: halves[clash].origin, second: rules[i].Origin, text: string(k.path),
					modes: [2]string{halves[clash].mode.String(), m.String()},
				})
			}
		case *ast.ChangeProfileRule:
			if s.Exec == "" || s.Access == ast.Deny {
				continue
			}
			k := changeKey{s.Exec, s.Target, s.Priority}
			m := changeMode{s.Safety == ast.Unsafe, rules[i].Origin}
			if changes == nil {
				changes = map[changeKey]changeMode{}
			}
			if old, ok := changes[k]; !ok {
				changes[k] = m
			} else if old.unsafe != m.unsafe {
				found = append(found, conflict{first: old.origin, second: m.origin, text: string(s.Exec), change: true})
			}
		}
	}
	return found
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
