// SPDX-License-Identifier: Apache-2.0

package compile

import (
	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/features"
)

// permPivot is the permission of the class mount for pivot_root.
const permPivot uint32 = 1

// preparePivotRoot notes the permission of a rule, see mountPerms.
func preparePivotRoot(t *translation, r *ast.PivotRootRule) {
	t.mounts.note(pivotKeyOf(r), permPivot)
}

// emitPivotRoot matches the new root and the place where the old one is put.
func emitPivotRoot(t *translation, r *ast.PivotRootRule) {
	e := &t.emitter
	if !e.enforced(features.Mount, "pivot_root rules") {
		return
	}
	n := cat(bytesNode(byte(blob.ClassMount)), e.globOr(r.NewRoot, text0()), nul(), e.globOr(r.OldRoot, text0()))
	e.add(n, r.Quals(), t.mounts[pivotKeyOf(r)])
}

func pivotRootPatterns(r *ast.PivotRootRule) []ast.Pattern {
	return []ast.Pattern{r.OldRoot, r.NewRoot}
}

func pivotKeyOf(r *ast.PivotRootRule) mountKey {
	return mountKey{quals: r.Qualifiers, source: r.OldRoot, target: r.NewRoot}
}
