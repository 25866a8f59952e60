package explain_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/leanovate/gopter"
	"github.com/leanovate/gopter/gen"
	"github.com/leanovate/gopter/prop"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/policy"
	"github.com/goarmor/apparmor/query"
	"github.com/goarmor/apparmor/query/explain"
)

// TestDecidingRules explains random requests to random policies. The decision
// has to be the one that the compiled policy gives when it is asked, also when
// it is compiled of the deciding rules alone, and what each rule is said to
// decide has to fit what was found.
func TestDecidingRules(t *testing.T) {
	for _, name := range []string{k61, k73} {
		t.Run(name, func(t *testing.T) {
			k := kernel(t, name)
			o := compile.Options{Kernel: k, Degrade: compile.Report}
			ctx := context.Background()
			asked, decided, overridden := 0, 0, 0
			parameters := gopter.DefaultTestParameters()
			parameters.MinSuccessfulTests = 300
			parameters.Rng.Seed(1)
			properties := gopter.NewProperties(parameters)
			properties.Property("deciding rules decide", prop.ForAll(func(seed uint64) string {
				r := random{rand.New(rand.NewPCG(seed, 0))}
				set := r.set()
				p, err := explain.Open(ctx, set, o)
				if list := (diag.List)(nil); errors.As(err, &list) && list[0].Code == compile.CodeExecConflict {
					return "" // no policy
				} else if err != nil {
					return err.Error()
				}
				for range 20 {
					ask := r.request()
					e, err := p.Explain(ctx, "t", ask)
					if err != nil {
						return err.Error()
					}
					asked++
					q, _ := p.Query().Profile("t")
					if d, _ := q.Ask(ask); !same(d, e.Decision) {
						return "Explain and Ask differ: " + diff(d, e.Decision)
					}
					if s := consistent(e); s != "" {
						return s + "\n" + e.String()
					}
					rules := e.Deciding()
					if len(rules) > 0 {
						decided++
					}
					overridden += count(e, explain.Overridden)
					fewer, err := explain.Open(ctx, only(set, rules), o)
					if err != nil {
						return err.Error()
					}
					q, _ = fewer.Query().Profile("t")
					if d, _ := q.Ask(ask); !same(d, e.Decision) {
						return diff(e.Decision, d) + "\n" + e.String()
					}
				}
				return ""
			}, gen.UInt64()))
			properties.TestingRun(t)
			t.Logf("%d requests, %d with deciding rules, %d overridden rules", asked, decided, overridden)
			if decided < asked/4 || overridden < asked/20 {
				t.Error("the policies have little to say to the requests")
			}
		})
	}
}

func same(a, b query.Decision) bool { return diff(a, b) == "" }

func diff(a, b query.Decision) string {
	return cmp.Diff(a, b, cmp.AllowUnexported(query.Decision{}))
}

func count(e *explain.Explanation, s explain.Status) (n int) {
	for _, step := range e.Steps {
		for _, r := range step.Rules {
			if r.Status == s {
				n++
			}
		}
	}
	return n
}

// consistent compares what rules are said to decide with what was found.
func consistent(e *explain.Explanation) string {
	for _, s := range e.Steps {
		allowed, denied := s.Always, query.Access(0)
		for _, r := range s.Rules {
			if r.Effect == ast.Deny || r.Effect == ast.Prompt {
				denied |= r.Decides
			} else {
				allowed |= r.Decides
			}
			for _, o := range r.Overridden {
				if s.Rules[o.By].Decides&o.Access == 0 {
					return "a rule yields to one that does not decide"
				}
			}
		}
		// Bits that come with one permission of the language are decided one way.
		const single = query.Exec | query.Write | query.Read | query.Append | query.Lock
		if both := allowed & denied & single; both != 0 && s.Part == blob.PartFile {
			return "decided in two ways: " + both.String()
		}
		found := query.Access(s.Found.Allow) & s.Access
		if found&^allowed != 0 {
			return "nobody grants " + (found &^ allowed).String()
		}
		if missing := s.Access &^ found & allowed &^ denied; missing&^query.Mmap != 0 {
			// Whoever decides execution may only keep mmap from being implied.
			return "nobody denies " + missing.String()
		}
	}
	return ""
}

// only returns the set with these rules alone, and one that keeps the profile
// from being without rules on files.
func only(set *policy.Set, rules []ast.Rule) *policy.Set {
	p := *set.Profiles[0]
	p.Rules = nil
	for _, r := range rules {
		p.Rules = append(p.Rules, policy.Rule{Rule: r})
	}
	p.Rules = append(p.Rules, inert)
	return &policy.Set{Profiles: append([]*policy.Profile{&p}, set.Profiles[1:]...)}
}

var inert = policy.Rule{Rule: &ast.FileRule{Path: "/never/asked/for", Perms: ast.FileRead}}

// random makes policies and requests of few words, so that they meet.
type random struct{ *rand.Rand }

func pick[T any](r random, all ...T) T { return all[r.IntN(len(all))] }

func (r random) set() *policy.Set {
	p := &policy.Profile{Name: "t", Rules: []policy.Rule{inert}}
	for range 5 + r.IntN(20) {
		p.Rules = append(p.Rules, policy.Rule{Rule: r.rule()})
	}
	set := &policy.Set{Profiles: []*policy.Profile{p}}
	if r.IntN(4) == 0 {
		hat := &policy.Profile{Name: "t//hat", Hat: true, Parent: p}
		p.Children = append(p.Children, hat)
		set.Profiles = append(set.Profiles, hat)
	}
	return set
}

func (r random) quals() ast.Qualifiers {
	return ast.Qualifiers{
		Priority: pick[int16](r, 0, 0, 0, 1, -1),
		Audit:    r.IntN(4) == 0,
		Access:   pick(r, ast.Allow, ast.Allow, ast.Allow, ast.Deny, ast.Prompt),
	}
}

func (r random) pattern() ast.Pattern {
	return pick[ast.Pattern](r, "/a", "/b", "/a/b", "/*", "/**", "/a*", "/{a,b}", "/[ab]", "/a/**", "/proc/1/attr/*")
}

func (r random) label() ast.Pattern { return pick[ast.Pattern](r, "", "x", "y", "*", "{x,y}", "**") }

func (r random) rule() ast.Rule {
	q := r.quals()
	switch r.IntN(22) {
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
		return &ast.IOUringRule{Qualifiers: q, Perms: pick(r, 0, ast.IOUringSQPoll)}
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

func (r random) path() string {
	return pick(r, "/a", "/b", "/a/b", "/c", "/ab", "/proc/1/attr/current")
}
func (r random) peer() string { return pick(r, "x", "y", "x//&y", "z") }

func (r random) request() query.Request {
	switch r.IntN(24) {
	case 0, 1, 2:
		return query.Link{Path: r.path(), Target: r.path(), Owner: r.IntN(2) == 0}
	case 3:
		return query.Capability(pick(r, "kill", "chown", "bpf"))
	case 4, 5:
		return query.Network{Family: pick(r, "inet", "inet6", "unix"), Type: pick(r, "stream", "dgram", "raw"), Protocol: uint16(r.IntN(2) * 6),
			Access: pick(r, 0, query.Bind, query.Send|query.Create)}
	case 6, 7:
		return query.Unix{Access: pick(r, query.Create, query.Bind|query.Listen, query.Connect|query.Send, query.Setopt), Type: "stream",
			Addr: pick(r, "", "@a1", "auto"), PeerAddr: pick(r, "", "@b"), Peer: r.peer()}
	case 8, 9:
		return query.Signal{Signal: pick(r, "term", "kill", "hup"), Access: pick(r, query.Send, query.Receive, query.Send|query.Receive), Peer: r.peer()}
	case 10:
		return query.Ptrace{Access: pick(r, query.Trace, query.ReadPeer|query.ReadBy), Peer: r.peer()}
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
	return query.File{Path: r.path(), Owner: r.IntN(2) == 0, Access: pick(r, query.Read, query.Write, query.Exec, query.Mmap, query.Lock, query.Append,
		query.Access(blob.PermOpen), query.Read|query.Write, query.Exec|query.Mmap|query.Read, query.Create|query.Getattr, query.Access(r.Uint32()))}
}
