// SPDX-License-Identifier: Apache-2.0

package compile

import (
	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/compile/internal/automaton"
)

// ruleset is the rules of one automaton: expressions, each with the record of
// what it grants. It is kept as it is until the automaton is built.
type ruleset struct {
	space   space
	records records
	entries []entry
}

// entry is one expression and its accept value.
type entry struct {
	node   automaton.Node
	accept automaton.Accept
}

func (rs *ruleset) addRecord(n automaton.Node, r record) {
	rs.entries = append(rs.entries, entry{n, rs.records.intern(r)})
}

// add adds a rule of a class without halves and execution.
func (rs *ruleset) add(n automaton.Node, q *ast.Qualifiers, perms uint32) {
	r := record{priority: q.Priority, effect: effectOf(q.Access), perms: perms}
	if q.Audit {
		r.audit = perms
	}
	rs.addRecord(n, r)
}
