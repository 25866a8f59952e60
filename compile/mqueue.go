// SPDX-License-Identifier: Apache-2.0

package compile

import (
	"strconv"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/features"
)

// permMqueueCreate is the permission that is asked for before a queue has a
// label.
const permMqueueCreate = blob.PermCreate | blob.PermRead | blob.PermWrite

// mqueue rules match a POSIX queue by name and a System V one by key, and
// its label after a NUL. A queue that is being created has none.
func emitMqueue(e *emitter, r *ast.MqueueRule) {
	var perms uint32
	for _, m := range [...]struct {
		perm ast.MqueuePerm
		bit  uint32
	}{
		{ast.MqueueCreate, blob.PermCreate},
		{ast.MqueueOpen, blob.PermOpen},
		{ast.MqueueDelete, blob.PermDelete},
		{ast.MqueueRead, blob.PermRead},
		{ast.MqueueWrite, blob.PermWrite},
		{ast.MqueueGetattr, blob.PermGetattr},
		{ast.MqueueSetattr, blob.PermSetattr},
	} {
		if r.Perms == 0 || r.Perms&m.perm != 0 {
			perms |= m.bit
		}
	}
	names, ok := mqueueNames(e, r)
	if !ok {
		return
	}
	early := perms
	if r.Label != "" {
		early = 0
		if perms&blob.PermCreate != 0 {
			early = perms & permMqueueCreate
		}
	}
	label := e.globOr(r.Label, text1())
	for _, name := range names {
		if early != 0 {
			e.add(name, r.Quals(), early)
		}
		e.add(cat(name, nul(), label), r.Quals(), perms)
	}
}

func mqueuePatterns(r *ast.MqueueRule) []ast.Pattern { return []ast.Pattern{r.Label, r.Name} }

// mqueueNames translates the part of a rule that names queues, after the
// classes. A rule for any kind of queue is enforced if either kind is
// mediated.
func mqueueNames(e *emitter, r *ast.MqueueRule) (names []node, ok bool) {
	posix := bytesNode(byte(blob.ClassPosixMq))
	sysv := bytesNode(byte(blob.ClassSysVMq))
	switch {
	case r.Name == "" && r.Type == "":
		if !e.has(features.SysvMqueue) && !e.enforced(features.PosixMqueue, "mqueue rules") {
			return nil, false
		}
		return []node{cat(posix, text0()), cat(sysv, anyBytes(4))}, true
	case r.Name == "" && r.Type == "posix":
		return []node{cat(posix, text0())}, e.enforced(features.PosixMqueue, "posix mqueue rules")
	case r.Name == "":
		return []node{cat(sysv, anyBytes(4))}, e.enforced(features.SysvMqueue, "sysv mqueue rules")
	case r.Name[0] == '/':
		if !e.enforced(features.PosixMqueue, "posix mqueue rules") {
			return nil, false
		}
		return []node{cat(posix, e.glob(r.Name))}, true
	}
	key, err := strconv.ParseUint(string(r.Name), 0, 32)
	if err != nil {
		e.invalid(&diag.Diagnostic{Code: diag.CodeCondition, Message: "the key of a message queue must be a number of 32 bits", Text: string(r.Name)})
		return nil, false
	}
	return []node{cat(sysv, be32(uint32(key)))}, e.enforced(features.SysvMqueue, "sysv mqueue rules")
}
