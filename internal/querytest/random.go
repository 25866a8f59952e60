// SPDX-License-Identifier: Apache-2.0

// Package querytest holds what tests of several packages ask of questions to
// policy: random policies and requests, and what must be true of answers.
package querytest

import (
	"math/rand/v2"
	"net/netip"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/policy"
	"github.com/goarmor/apparmor/query"
)

// Inert is a rule that no request of this package asks for. It keeps a profile
// from being without rules on files.
func Inert() policy.Rule {
	return policy.Rule{Rule: &ast.FileRule{Path: "/never/asked/for", Perms: ast.FileRead}}
}

// Source makes policies and requests of few words, so that they meet.
type Source struct{ *rand.Rand }

// New returns the source of a seed.
func New(seed uint64) Source { return Source{rand.New(rand.NewPCG(seed, 0))} }

func pick[T any](r Source, all ...T) T { return all[r.IntN(len(all))] }

// Set returns the policy of a profile t, with a hat now and then.
func (r Source) Set() *policy.Set {
	p := &policy.Profile{Name: "t", Rules: []policy.Rule{Inert()}}
	for range 5 + r.IntN(20) {
		p.Rules = append(p.Rules, policy.Rule{Rule: r.Rule()})
	}
	set := &policy.Set{Profiles: []*policy.Profile{p}}
	if r.IntN(4) == 0 {
		hat := &policy.Profile{Name: "t//hat", Hat: true, Parent: p}
		p.Children = append(p.Children, hat)
		set.Profiles = append(set.Profiles, hat)
	}
	return set
}

func (r Source) quals() ast.Qualifiers {
	return ast.Qualifiers{
		Priority: pick[int16](r, 0, 0, 0, 1, -1),
		Audit:    r.IntN(4) == 0,
		Access:   pick(r, ast.Allow, ast.Allow, ast.Allow, ast.Deny, ast.Prompt),
	}
}

func (r Source) pattern() ast.Pattern {
	return pick[ast.Pattern](r, "/a", "/b", "/a/b", "/*", "/**", "/a*", "/{a,b}", "/[ab]", "/a/**", "/proc/1/attr/*")
}

func (r Source) label() ast.Pattern { return pick[ast.Pattern](r, "", "x", "y", "*", "{x,y}", "**") }

// Rule returns a rule of any class.
func (r Source) Rule() ast.Rule {
	q := r.quals()
	switch r.IntN(24) {
	case 0:
		return &ast.LinkRule{Qualifiers: q, Subset: r.IntN(2) == 0, From: r.pattern(), To: r.pattern()}
	case 1:
		return &ast.CapabilityRule{Qualifiers: q, Names: pick(r, nil, []string{"kill"}, []string{"kill", "chown"})}
	case 2, 3:
		return &ast.NetworkRule{Qualifiers: q, Perms: pick(r, 0, ast.NetCreate, ast.NetSend|ast.NetBind),
			Family: pick(r, "", "inet", "inet6", "unix"), Type: pick(r, "", "stream", "dgram")}
	case 4:
		return &ast.UnixRule{Qualifiers: q, Perms: pick(r, 0, ast.NetSend, ast.NetCreate|ast.NetConnect), Type: pick(r, "", "stream"),
			Local: ast.UnixEnd{Addr: pick[ast.Pattern](r, "", "@a*", "none")}, Peer: ast.UnixEnd{Label: r.label(), Addr: pick[ast.Pattern](r, "", "@b")}}
	case 5, 6:
		return &ast.SignalRule{Qualifiers: q, Perms: pick(r, 0, ast.SignalSend, ast.SignalReceive),
			Signals: pick(r, nil, []string{"term"}, []string{"term", "kill"}), Peer: r.label()}
	case 7:
		return &ast.PtraceRule{Qualifiers: q, Perms: pick(r, 0, ast.PtraceTrace, ast.PtraceRead|ast.PtraceReadBy), Peer: r.label()}
	case 8:
		m := &ast.MountRule{Qualifiers: q, Source: r.pattern(), Target: r.pattern()}
		if r.IntN(2) == 0 {
			m.Conds = []ast.MountCond{{Options: true, In: r.IntN(2) == 0, Values: []ast.Pattern{"ro"}}}
		}
		return m
	case 9:
		return &ast.MountRule{Qualifiers: q, Op: ast.OpUmount, Target: r.pattern()}
	case 10:
		return &ast.PivotRootRule{Qualifiers: q, OldRoot: r.pattern(), NewRoot: r.pattern()}
	case 11, 12:
		c := &ast.ChangeProfileRule{Qualifiers: q, Target: r.label(), Safety: pick(r, ast.SafetyDefault, ast.Unsafe)}
		c.Access = ast.Allow
		if r.IntN(2) == 0 {
			c.Exec = r.pattern()
		}
		return c
	case 13:
		return &ast.DBusRule{Qualifiers: q, Perms: pick(r, 0, ast.DBusSend), Bus: pick[ast.Pattern](r, "", "system"), PeerLabel: r.label()}
	case 14:
		return &ast.UsernsRule{Qualifiers: q}
	case 15:
		return &ast.IOUringRule{Qualifiers: q, Perms: pick(r, 0, ast.IOUringSQPoll), Label: pick[ast.Pattern](r, "", "x")}
	case 22:
		return &ast.MqueueRule{Qualifiers: q, Perms: pick(r, 0, ast.MqueueRead, ast.MqueueOpen|ast.MqueueCreate),
			Name: pick[ast.Pattern](r, "", "/a", "/*", "7"), Label: r.label()}
	case 23:
		q.Priority, q.Access = 0, pick(r, ast.Allow, ast.Deny)
		return &ast.NetworkRule{Qualifiers: q, Perms: pick(r, 0, ast.NetBind, ast.NetSend|ast.NetConnect), Family: pick(r, "inet", "inet6"),
			Local: r.netEnd(), Peer: r.netEnd()}
	case 16:
		if r.IntN(4) == 0 {
			return &ast.AllRule{Qualifiers: q}
		}
	}
	f := &ast.FileRule{Qualifiers: q, Path: r.pattern(), Perms: ast.FilePerm(r.IntN(64))}
	f.Owner = pick(r, ast.AnyOwner, ast.AnyOwner, ast.OnlyOwner, ast.OnlyOther)
	switch {
	case r.IntN(3) != 0:
	case f.Access == ast.Deny:
		f.Exec = ast.ExecDeny
	default:
		f.Exec = pick(r, ast.ExecInherit, ast.ExecInherit, ast.ExecProfile, ast.ExecChildInherit)
		f.Scrub = f.Exec != ast.ExecInherit && r.IntN(2) == 0
		if f.Exec == ast.ExecProfile && r.IntN(2) == 0 {
			f.Target = "x"
		}
	}
	if f.Perms == 0 && f.Exec == ast.ExecNone {
		f.Perms = ast.FileRead
	}
	return f
}

func (r Source) netEnd() ast.NetEnd {
	return ast.NetEnd{Port: pick(r, "", "", "80", "1-1024"), IP: pick(r, "", "", "127.0.0.1", "none")}
}

func (r Source) addr() netip.AddrPort {
	return pick(r, netip.AddrPort{}, netip.MustParseAddrPort("127.0.0.1:80"), netip.MustParseAddrPort("1.2.3.4:8080"), netip.MustParseAddrPort("[::1]:80"))
}

func (r Source) path() string {
	return pick(r, "/a", "/b", "/a/b", "/c", "/ab", "/proc/1/attr/current")
}
func (r Source) peer() string { return pick(r, "x", "y", "x//&y", "z") }

// Request returns a request that the rules may speak of.
func (r Source) Request() query.Request {
	switch r.IntN(26) {
	case 24:
		return query.Mqueue{Name: pick(r, "", "/a", "/b"), Key: uint32(r.IntN(2) * 7), Label: r.peer(), Perms: pick(r, 0, query.Read, query.Create|query.MayOpen)}
	case 25:
		return query.Network{Family: pick(r, "inet", "inet6"), Type: pick(r, "stream", "dgram"), Protocol: uint16(r.IntN(2) * 6),
			Perms: pick(r, query.Create, query.Bind, query.Listen, query.Connect|query.Send, query.Setopt|query.Accept, query.Perms(blob.AllNetPerms)),
			Local: r.addr(), Remote: r.addr()}
	case 0, 1, 2:
		return query.Link{Path: r.path(), Target: r.path(), Owner: r.IntN(2) == 0}
	case 3:
		return query.Capability(pick(r, "kill", "chown", "bpf"))
	case 4, 5:
		return query.Network{Family: pick(r, "inet", "inet6", "unix"), Type: pick(r, "stream", "dgram", "raw"), Protocol: uint16(r.IntN(2) * 6),
			Perms: pick(r, 0, query.Bind, query.Send|query.Create)}
	case 6, 7:
		return query.Unix{Perms: pick(r, query.Create, query.Bind|query.Listen, query.Connect|query.Send, query.Setopt), Type: "stream",
			Addr: pick(r, "", "@a1", "auto"), PeerAddr: pick(r, "", "@b"), Peer: r.peer()}
	case 8, 9:
		return query.Signal{Signal: pick(r, "term", "kill", "hup"), Perms: pick(r, query.Send, query.Receive, query.Send|query.Receive), Peer: r.peer()}
	case 10:
		return query.Ptrace{Perms: pick(r, query.Trace, query.ReadPeer|query.ReadBy), Peer: r.peer()}
	case 11:
		return query.Mount{Source: r.path(), Target: r.path(), FSType: "ext4", Flags: pick(r, 0, query.MountReadOnly, query.MountBind, query.MountRemount),
			Data: pick(r, "", "data")}
	case 12:
		return query.Umount{Target: r.path()}
	case 13:
		return query.PivotRoot{NewRoot: r.path(), PutOld: r.path()}
	case 14, 15:
		c := query.ChangeProfile{Target: r.peer(), OnExec: r.IntN(2) == 0, Stack: r.IntN(4) == 0}
		if c.OnExec {
			c.Path = pick(r, "", r.path())
		}
		return c
	case 16:
		return query.DBus{Op: query.DBusOp(r.IntN(4)), Bus: pick(r, "system", "session"), Name: "n", Peer: r.peer(), ObjectPath: "/", Interface: "i", Member: "m"}
	case 17:
		return pick[query.Request](r, query.Userns{}, query.IOUring{}, query.IOUring{OverrideCreds: true, Label: "x"})
	}
	return query.File{Path: r.path(), Owner: r.IntN(2) == 0, Perms: pick(r, query.Read, query.Write, query.Exec, query.Mmap, query.Lock, query.Append,
		query.Perms(blob.PermOpen), query.Read|query.Write, query.Exec|query.Mmap|query.Read, query.Create|query.Getattr, query.Perms(1+r.IntN(1<<19-1)))}
}
