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

// mqueue rules match a POSIX queue by name and a System V one by key.
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
	node, posix, sysv, ok := pc.mqueueName(r)
	if !ok {
		return
	}
	if r.Type == "" && posix && sysv {
		// A rule for every queue is enforced where either kind is.
		posix, sysv = pc.sup.has(features.PosixMqueue), pc.sup.has(features.SysvMqueue)
		posix = posix || !sysv
	}
	if posix && pc.enforced(features.PosixMqueue, "posix mqueue rules") {
		name := cat(bytesNode(byte(blob.ClassPosixMq)), node)
		pc.policydb.add(name, r.Quals(), perms)
		pc.policydb.add(cat(name, nul(), pc.globOr(r.Label, text0())), r.Quals(), perms)
	}
	if sysv && pc.enforced(features.SysvMqueue, "sysv mqueue rules") {
		if posix {
			node = cat(anyByte(), anyByte(), anyByte(), anyByte())
		}
		pc.policydb.add(cat(bytesNode(byte(blob.ClassSysVMq)), node, pc.globOr(r.Label, text0())), r.Quals(), perms)
	}
}

// mqueueName translates the name of a queue and tells which kinds it is of.
func (pc *profileCompiler) mqueueName(r *ast.MqueueRule) (n automaton.Node, posix, sysv, ok bool) {
	posix, sysv = r.Type != "sysv", r.Type != "posix"
	switch {
	case r.Name == "" && posix:
		return text0(), posix, sysv, true
	case r.Name == "":
		return cat(anyByte(), anyByte(), anyByte(), anyByte()), false, true, true
	case r.Name[0] == '/':
		return pc.glob(r.Name), posix, false, true
	}
	key, err := strconv.ParseUint(string(r.Name), 0, 32)
	if err != nil {
		pc.fail(&diag.Diagnostic{Code: CodeBadMqueue, Message: "message queue is neither a path nor a 32-bit key", Text: string(r.Name)})
		return n, false, false, false
	}
	return be32(uint32(key)), false, sysv, true
}
