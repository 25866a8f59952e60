// SPDX-License-Identifier: Apache-2.0

package compile

import (
	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/features"
)

// ptrace rules match the peer's label after the classes of labels and ptrace;
// the class alone says that ptrace is mediated.
func emitPtrace(e *emitter, r *ast.PtraceRule) {
	if !e.enforced(features.Ptrace, "ptrace rules") {
		return
	}
	var perms uint32
	for _, m := range [...]struct {
		perm ast.PtracePerm
		bit  uint32
	}{
		{ast.PtraceTrace, blob.PermWrite},
		{ast.PtraceRead, blob.PermRead},
		{ast.PtraceTracedBy, blob.PermAppend},
		{ast.PtraceReadBy, blob.PermCreate},
	} {
		if r.Perms == 0 || r.Perms&m.perm != 0 {
			perms |= m.bit
		}
	}
	peer := text1()
	if r.Peer != "" {
		peer = e.glob(r.Peer)
	}
	head := cat(opt(bytesNode(byte(blob.ClassLabel))), bytesNode(byte(blob.ClassPtrace)))
	e.add(cat(head, peer), r.Quals(), perms)
}

func ptracePatterns(r *ast.PtraceRule) []ast.Pattern { return []ast.Pattern{r.Peer} }
