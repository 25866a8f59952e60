// SPDX-License-Identifier: Apache-2.0

package compile

import (
	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/compile/internal/automaton"
	"github.com/goarmor/apparmor/internal/trace"
)

// ruleset holds the rules of one automaton: expressions, each with the record
// of what it grants.
type ruleset struct {
	space   space
	records records
	entries []entry
}

// entry is one expression, its accept value, and where it comes from.
type entry struct {
	node   node
	accept automaton.Accept
	source source
}

// source is where an expression comes from: the index of a rule, or the
// negative of a trace.Implied.
type source int32

func impliedBy(i trace.Implied) source { return -source(i) }

func (rs *ruleset) add(n node, r record, from source) {
	var a automaton.Accept
	if i := len(rs.entries) - 1; i >= 0 && *rs.records.at(rs.entries[i].accept) == r {
		a = rs.entries[i].accept // as most rules have what the one before has
	} else {
		a = rs.records.intern(r)
	}
	rs.entries = append(rs.entries, entry{n, a, from})
}

// builder returns what makes the automaton. Owners are the sources of the
// expressions.
func (rs *ruleset) builder(r *resolver) *automaton.Builder {
	b := &automaton.Builder{Covers: r.covers}
	b.Grow(len(rs.entries))
	for _, e := range rs.entries {
		b.AddFor(e.node, e.accept, int32(e.source))
	}
	return b
}

// space says where in a permission word execution is.
type space struct {
	exec [2]uint32 // the exec bit of each half; zero where there is none
}

// effect is what an accept record does with its permissions. The order is the
// order of strength within one priority.
type effect uint8

const (
	effectPrompt effect = iota
	effectAllow
	effectExact // allowed execution by a pattern without wildcards
	effectDeny
)

// effectOf translates the access word of a rule.
func effectOf(a ast.Access) effect {
	switch a {
	case ast.Deny:
		return effectDeny
	case ast.Prompt:
		return effectPrompt
	}
	return effectAllow
}

// halves of a file permission: what holds for the owner of a file, and what
// for everybody else. Rules of the policydb have only one half.
const (
	ownerHalf = iota
	otherHalf
)

// record is what a rule grants or denies to the strings that its expression
// matches, before it is weighed against other rules. Equal records are one
// accept value of the automaton.
type record struct {
	priority int16
	effect   effect
	exact    bool      // the expression has no wildcards
	perms    uint32    // in the bits of the automaton's own space
	audit    uint32    // the part of perms whose use is logged
	exec     [2]uint32 // blob.Perm.XIndex for each half that has execution
	// rule is the index of the rule in the profile, plus one, for records
	// with execution: two of them may conflict and are then named.
	rule int32
}

// records interns the records of one automaton, after those of another one if
// there is one.
type records struct {
	base  *records // nil: none
	all   []record
	index map[record]automaton.Accept
}

// at returns the record of an accept value.
func (rs *records) at(a automaton.Accept) *record {
	if rs.base != nil {
		n := automaton.Accept(len(rs.base.all))
		if a < n {
			return &rs.base.all[a]
		}
		a -= n
	}
	return &rs.all[a]
}

func (rs *records) intern(r record) automaton.Accept {
	a := automaton.Accept(len(rs.all))
	if rs.base != nil {
		if a, ok := rs.base.index[r]; ok {
			return a
		}
		a += automaton.Accept(len(rs.base.all))
	}
	if a, ok := rs.index[r]; ok {
		return a
	}
	if rs.index == nil {
		rs.index = map[record]automaton.Accept{}
	}
	rs.all = append(rs.all, r)
	rs.index[r] = a
	return a
}
