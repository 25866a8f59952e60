// SPDX-License-Identifier: Apache-2.0

package svirt

import (
	"slices"
	"strconv"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/query"
)

// filePerms returns the permissions of policy for those of the kernel, and
// whether execution is one of them.
func filePerms(a query.Perms) (p ast.FilePerm, exec bool) {
	for _, l := range [...]struct {
		kernel query.Perms
		policy ast.FilePerm
	}{
		{query.Read | query.MayOpen | query.Getattr, ast.FileRead},
		{query.Write | query.Create | query.Delete | query.Rename | query.Setattr | query.Chmod | query.Chown, ast.FileWrite},
		{query.Append, ast.FileAppend},
		{query.Lock, ast.FileLock},
		{query.Mmap, ast.FileMmap},
	} {
		if a&l.kernel != 0 {
			p |= l.policy
		}
	}
	if a == query.MayOpen|query.Write || a == query.MayOpen|query.Append {
		p &^= ast.FileRead // opening comes with either
	}
	return merged(p, 0), a&query.Exec != 0
}

// ruleFor returns the narrowest rule that allows a request, or nil where no
// single rule does or a text of the request cannot be part of a rule.
func ruleFor(r query.Request) ast.Rule {
	rule := makeRule(r)
	if rule == nil || ast.CheckRule(rule, ast.State{}) != nil {
		return nil
	}
	return rule
}

func makeRule(r query.Request) ast.Rule {
	switch r := r.(type) {
	case query.File:
		perms, exec := filePerms(r.Perms)
		return fileRule(r.Path, perms, exec, r.Owner)
	case query.Execute:
		return fileRule(r.Path, 0, true, r.Owner)
	case query.Link:
		from, ok := literal(r.Path)
		to, also := literal(r.Target)
		if !ok || !also {
			return nil
		}
		return &ast.LinkRule{From: from, To: to}
	case query.Capability:
		return &ast.CapabilityRule{Names: []string{string(r)}}
	case query.Network:
		return &ast.NetworkRule{Family: r.Family, Type: r.Type}
	case query.Unix:
		return &ast.UnixRule{Type: r.Type}
	case query.Signal:
		if p, ok := label(r.Peer); ok {
			rule := &ast.SignalRule{Signals: []string{r.Signal}, Peer: p}
			if r.Perms&query.Send != 0 {
				rule.Perms |= ast.SignalSend
			}
			if r.Perms&query.Receive != 0 {
				rule.Perms |= ast.SignalReceive
			}
			return rule
		}
	case query.Ptrace:
		if p, ok := label(r.Peer); ok {
			rule := &ast.PtraceRule{Peer: p}
			for kernel, policy := range map[query.Perms]ast.PtracePerm{
				query.Trace: ast.PtraceTrace, query.ReadPeer: ast.PtraceRead, query.TracedBy: ast.PtraceTracedBy, query.ReadBy: ast.PtraceReadBy,
			} {
				if r.Perms&kernel != 0 {
					rule.Perms |= policy
				}
			}
			return rule
		}
	case query.Mount:
		return mountRule(r)
	case query.Umount:
		if p, ok := literal(r.Target); ok {
			return &ast.MountRule{Op: ast.OpUmount, Target: p}
		}
	case query.Rlimit:
		return &ast.RlimitRule{Name: r.Resource, Value: strconv.FormatUint(r.Value, 10)}
	case query.Userns:
		return &ast.UsernsRule{Create: true}
	case query.IOUring:
		if !r.OverrideCreds {
			return &ast.IOUringRule{Perms: ast.IOUringSQPoll}
		}
		if p, ok := label(r.Label); ok {
			return &ast.IOUringRule{Perms: ast.IOUringOverrideCreds, Label: p}
		}
	case query.ChangeProfile:
		if p, ok := label(r.Target); ok && !r.Stack {
			return &ast.ChangeProfileRule{Target: p}
		}
	}
	// Queues and buses: a record does not say enough for a narrow rule.
	return nil
}

// fileRule is a rule for one path. Link rules have no place here.
func fileRule(path string, perms ast.FilePerm, exec, owner bool) ast.Rule {
	p, ok := literal(path)
	if !ok || perms == 0 && !exec {
		return nil
	}
	rule := &ast.FileRule{Path: p, Perms: perms}
	if owner {
		rule.Owner = ast.OnlyOwner
	}
	if exec {
		rule.Exec = ast.ExecInherit
	}
	return rule
}

func literal(path string) (ast.Pattern, bool) {
	p, err := ast.Literal(path)
	return p, err == nil
}

func label(name string) (ast.Pattern, bool) {
	p, err := ast.Exact(name)
	return p, err == nil && name != ""
}

// mountWords are the options of mount rules for the flags of mount(2).
var mountWords = []struct {
	flag query.MountFlags
	word string
}{
	{query.MountReadOnly, "ro"}, {query.MountNoSuid, "nosuid"}, {query.MountNoDev, "nodev"}, {query.MountNoExec, "noexec"},
	{query.MountRemount, "remount"}, {query.MountMove, "move"}, {query.MountSilent, "silent"},
}

// mountRule is a rule for a new mount, a bind mount, a move or a remount.
func mountRule(r query.Mount) ast.Rule {
	target, ok := literal(r.Target)
	if !ok {
		return nil
	}
	rule := &ast.MountRule{Op: ast.OpMount, Target: target}
	var words []ast.Pattern
	flags := r.Flags
	if flags&query.MountBind != 0 {
		word := ast.Pattern("bind")
		if flags&query.MountRec != 0 {
			word = "rbind"
		}
		words, flags = append(words, word), flags&^(query.MountBind|query.MountRec)
	}
	for _, w := range mountWords {
		if flags&w.flag != 0 {
			words, flags = append(words, ast.Pattern(w.word)), flags&^w.flag
		}
	}
	if flags != 0 {
		return nil
	}
	if len(words) > 0 {
		rule.Conds = append(rule.Conds, ast.MountCond{Options: true, Values: words})
	}
	if r.Flags&(query.MountBind|query.MountMove|query.MountRemount) == 0 {
		if fstype, err := ast.Exact(r.FSType); err == nil && r.FSType != "" {
			rule.Conds = slices.Insert(rule.Conds, 0, ast.MountCond{Values: []ast.Pattern{fstype}})
		}
	}
	if r.Flags&query.MountRemount == 0 {
		source, err := ast.Exact(r.Source)
		if err != nil || r.Source == "" {
			return nil
		}
		rule.Source = source
	}
	return rule
}
