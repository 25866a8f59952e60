// SPDX-License-Identifier: Apache-2.0

package compile

import (
	"strings"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/features"
)

// changeProfile adds the strings of a change of profile: the label for an
// immediate change, the path and the path with the label for a change on exec.
func emitChangeProfile(t *translation, r *ast.ChangeProfileRule) {
	e := &t.emitter
	q := r.Quals()
	target := r.Target
	if target == "" {
		target = "**"
	}
	if strings.HasPrefix(string(target), "&") && !e.kernel.Supports(features.Stacking) {
		e.degrade(features.Stacking, "change_profile to a stack", true)
		return
	}
	if r.Exec != "" && r.Safety == ast.Safe && !e.has(features.Stacking) {
		e.degrade(features.Stacking, "the word safe of change_profile", false)
	}
	if t.changer == nil {
		t.changer = e.rule
	}
	label, labelExact := e.globExact(target)
	exec, execExact := cat(literal("/"), noneOf('/', 0), star(noneOf(0))), false
	atExec := record{priority: q.Priority, effect: effectOf(q.Access), perms: fileOnexec}
	pair := atExec
	if r.Exec != "" {
		exec, execExact = e.globExact(r.Exec)
		pair.perms |= both(fileExec, ast.AnyOwner)
		if q.Access == ast.Deny {
			pair.audit = both(fileExec, ast.AnyOwner) // which keeps it from becoming quiet
		}
		pair.exact = execExact && labelExact
		pair.rule = e.number()
		if r.Safety == ast.Unsafe {
			pair.exec = [2]uint32{blob.XUnsafe, blob.XUnsafe}
		}
	}
	atOnce := atExec
	atOnce.perms |= fileChangeProfile
	e.file(label, atOnce)
	e.file(exec, atExec)
	e.file(cat(exec, nul(), label), pair)
}
