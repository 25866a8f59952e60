// SPDX-License-Identifier: Apache-2.0

package compile

import (
	"strconv"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/compile/internal/automaton"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/features"
)

// Permissions of classes whose bits have names of their own.
const (
	permUsernsCreate  uint32 = 0x08
	permOverrideCreds uint32 = 0x08
	permSQPoll        uint32 = 0x10
	permMediated      uint32 = blob.PermRead // what the mediates strings grant
)

// userns rules are the class byte alone. Each rule brings a copy of the
// string that makes the class mediated, at its own priority.
func (pc *profileCompiler) userns(r *ast.UsernsRule) {
	if !pc.enforced(features.Userns, "userns rules") {
		return
	}
	class := bytesNode(byte(blob.ClassNamespaces))
	pc.policydb.add(class, &ast.Qualifiers{Priority: r.Priority}, permMediated)
	pc.policydb.add(class, r.Quals(), permUsernsCreate)
}

// io_uring rules match the class byte, which is what is asked for sqpoll, and
// for override_creds the label whose credentials are taken behind it.
func (pc *profileCompiler) ioUring(r *ast.IOUringRule) {
	if !pc.enforced(features.IOUring, "io_uring rules") {
		return
	}
	class := bytesNode(byte(blob.ClassIOUring))
	pc.policydb.add(class, &ast.Qualifiers{Priority: r.Priority}, permMediated)
	var perms uint32
	if r.Perms == 0 || r.Perms&ast.IOUringSQPoll != 0 {
		perms |= permSQPoll
	}
	if r.Perms == 0 || r.Perms&ast.IOUringOverrideCreds != 0 {
		perms |= permOverrideCreds
	}
	pc.policydb.add(class, r.Quals(), perms)
	if perms&permOverrideCreds != 0 {
		pc.policydb.add(cat(class, pc.globOr(r.Label, text0())), r.Quals(), perms)
	}
}

// permMqueueCreate is what is asked of a queue before it has a label.
const permMqueueCreate = blob.PermCreate | blob.PermRead | blob.PermWrite

// mqueue rules match a POSIX queue by name and a System V one by key, and
// behind a NUL its label. A queue that is being created has none.
func (pc *profileCompiler) mqueue(r *ast.MqueueRule) {
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
	names, ok := pc.mqueueNames(r)
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
	label := pc.globOr(r.Label, text1())
	for _, name := range names {
		if early != 0 {
			pc.policydb.add(name, r.Quals(), early)
		}
		pc.policydb.add(cat(name, nul(), label), r.Quals(), perms)
	}
}

// mqueueNames translates what a rule says about which queues it is for, with
// the classes in front. A rule for any kind of queue is enforced where either
// kind is.
func (pc *profileCompiler) mqueueNames(r *ast.MqueueRule) (names []automaton.Node, ok bool) {
	posix := bytesNode(byte(blob.ClassPosixMq))
	sysv := bytesNode(byte(blob.ClassSysVMq))
	switch {
	case r.Name == "" && r.Type == "":
		if !pc.sup.has(features.SysvMqueue) && !pc.enforced(features.PosixMqueue, "mqueue rules") {
			return nil, false
		}
		return []automaton.Node{cat(posix, text0()), cat(sysv, anyBytes(4))}, true
	case r.Name == "" && r.Type == "posix":
		return []automaton.Node{cat(posix, text0())}, pc.enforced(features.PosixMqueue, "posix mqueue rules")
	case r.Name == "":
		return []automaton.Node{cat(sysv, anyBytes(4))}, pc.enforced(features.SysvMqueue, "sysv mqueue rules")
	case r.Name[0] == '/':
		if !pc.enforced(features.PosixMqueue, "posix mqueue rules") {
			return nil, false
		}
		return []automaton.Node{cat(posix, pc.glob(r.Name))}, true
	}
	key, err := strconv.ParseUint(string(r.Name), 0, 32)
	if err != nil {
		pc.fail(&diag.Diagnostic{Code: CodeBadMqueue, Message: "message queue is neither a path nor a 32-bit key", Text: string(r.Name)})
		return nil, false
	}
	return []automaton.Node{cat(sysv, be32(uint32(key)))}, pc.enforced(features.SysvMqueue, "sysv mqueue rules")
}
