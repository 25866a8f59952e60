// SPDX-License-Identifier: Apache-2.0

package compile

import "github.com/goarmor/apparmor/ast"

// emitLink translates a link rule into the string of the link pair.
func emitLink(e *emitter, r *ast.LinkRule) {
	linkRule(e, r.Quals(), r.From, r.To, r.Subset)
}

// linkRule grants links of names to targets.
func linkRule(e *emitter, q *ast.Qualifiers, from, to ast.Pattern, subset bool) {
	name := e.glob(from)
	if q.Access != ast.Deny {
		rec := record{priority: q.Priority, effect: effectOf(q.Access), perms: both(fileLink, q.Owner)}
		if q.Audit {
			rec.audit = rec.perms
		}
		e.file(name, rec)
	}
	linkPair(e, q, name, e.glob(to), subset)
}

// linkPair adds the string name NUL target. Kernels look for the subset test
// only in the owner's half.
func linkPair(e *emitter, q *ast.Qualifiers, name, target node, subset bool) {
	rec := record{priority: q.Priority, effect: effectOf(q.Access), perms: both(fileLink, q.Owner)}
	if q.Audit {
		rec.audit = rec.perms
	}
	if subset && rec.perms&fileLink != 0 {
		rec.perms |= fileSubset
		if rec.effect == effectDeny {
			rec.audit |= fileSubset // which keeps it from becoming quiet
		}
	}
	e.file(cat(name, nul(), target), rec)
}
