// SPDX-License-Identifier: Apache-2.0

package compile

import "github.com/goarmor/apparmor/ast"

// everyFile is the meaning of a bare file rule, and part of that of `all`:
// every access to every path.
func everyFile(q ast.Qualifiers) *ast.FileRule {
	return &ast.FileRule{
		Qualifiers: q, Path: "/{**,}", Exec: ast.ExecInherit,
		Perms: ast.FileRead | ast.FileWrite | ast.FileLink | ast.FileLock | ast.FileMmap,
	}
}

// emitFile translates a file rule into the string of its path and, where it
// grants links, the string of the link pair.
func emitFile(t *translation, r *ast.FileRule) {
	switch {
	case r.All:
		path(t, everyFile(r.Qualifiers))
	case r.Link != "" && r.Perms&ast.FileLink != 0:
		// `rl A -> B` is `r A` and the link rule.
		rest := *r
		rest.Perms &^= ast.FileLink
		if rest.Perms != 0 || rest.Exec != ast.ExecNone {
			path(t, &rest)
		}
		linkRule(&t.emitter, r.Quals(), r.Path, r.Link, false)
	default:
		path(t, r)
	}
}

// path adds the string of a path, and where links are granted, that of a pair
// with any target.
func path(t *translation, r *ast.FileRule) {
	e, q := &t.emitter, r.Quals()
	name, exact := e.globExact(r.Path)
	bits := both(fileBits(r.Perms), q.Owner)
	rec := record{priority: q.Priority, effect: effectOf(q.Access)}
	if r.Exec != ast.ExecNone {
		x, ok := t.execs.transition(e, r)
		if !ok {
			return
		}
		bits |= both(fileExec, q.Owner)
		rec.exact = exact
		if rec.effect != effectDeny {
			rec.rule = e.number()
			for h, bit := range fileSpace.exec {
				if bits&bit != 0 {
					rec.exec[h] = x
				}
			}
			t.execs.check(e, r.Path, rec)
		}
	}
	if q.Access == ast.Deny {
		// Both halves of a link pair have to allow the link, so denying the
		// pair is enough. Denying the first half would deny every other pair
		// with the same name.
		bits &^= both(fileLink, ast.AnyOwner)
	}
	if bits != 0 {
		rec.perms = bits
		if q.Audit {
			rec.audit = bits
		}
		e.file(name, rec)
	}
	if r.Perms&ast.FileLink != 0 {
		linkPair(e, q, name, cat(literal("/"), noneOf('/'), star(anyByte())), true)
	}
}
