// SPDX-License-Identifier: Apache-2.0

package compile_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/internal/oracle"
	"github.com/goarmor/apparmor/policy"
	"github.com/goarmor/apparmor/render"
)

// ownAllowances are differences from apparmor_parser 3.0.8 beside those of
// package oracle. They come up in rules that no real policy has.
var ownAllowances = []oracle.Allowance{
	{Name: "subset of denied links", Why: "3.0.8 makes the link quiet, we also the subset test, which nothing asks for",
		Forgive: func(d *blob.Difference, _, _ *blob.Profile) {
			if in, ok := d.Input.Bytes(); ok && d.Part == blob.PartFile && slices.Contains(in, 0) {
				d.A.Quiet &^= blob.PermLinkSubset
				d.B.Quiet &^= blob.PermLinkSubset
			}
		}},
	{Name: "denied mediation", Why: "a denial that matches the class alone can in 3.0.8 take the bit that makes it mediated",
		Forgive: func(d *blob.Difference, _, _ *blob.Profile) {
			if d.Part == blob.PartPolicydb && len(d.Input) == 1 && d.A.Allow&blob.PermRead != 0 {
				d.A = d.B
			}
		}},
	{Name: "plain xmatch of a child", Why: "3.0.8 leaves paths that are names to the kernel for children, too",
		Forgive: func(d *blob.Difference, ours, theirs *blob.Profile) {
			if d.Part == blob.PartXMatch && d.Member != "" && theirs.XMatch == nil && strings.Contains(ours.Name, "//") {
				d.TextA = d.TextB
			}
		}},
	{Name: "no flags", Why: "6.0 allows a byte that never occurs where a mount has no flags",
		Forgive: func(d *blob.Difference, _, _ *blob.Profile) {
			if in, ok := d.Input.Bytes(); ok && d.Part == blob.PartPolicydb && in[0] == byte(blob.ClassMount) && in[len(in)-1] == 0xfe {
				d.A = d.B
			}
		}},
	{Name: "dead string", Why: "3.0.8 writes a class as the digit 4",
		Forgive: func(d *blob.Difference, _, _ *blob.Profile) {
			if d.Part == blob.PartPolicydb && d.Input.String() == blob.BytesInput("4\x001").String() {
				d.A = d.B
			}
		}},
}

// diff308 compares our policy with that of the reference.
func diff308(tb testing.TB, ours, theirs *blob.Policy) []blob.Difference {
	tb.Helper()
	all := append(oracle.Allowances(), ownAllowances...)
	ds, err := blob.DiffPolicy(ours, theirs, blob.DiffOptions{Ignore: func(d blob.Difference) bool {
		a, b := ours.Profile(d.Profile), theirs.Profile(d.Profile)
		if a == nil || b == nil {
			return false
		}
		for _, w := range all {
			w.Forgive(&d, a, b)
		}
		return d.A == d.B && d.TextA == d.TextB
	}})
	if err != nil {
		tb.Fatal(err)
	}
	return ds
}

// reference compiles text with the installed apparmor_parser.
func reference(tb testing.TB, kernel, text string) *blob.Policy {
	tb.Helper()
	data, err := oracle.Parser(tb).Compile(oracle.Job{Text: text, Features: oracle.Features(tb, kernel)})
	if err != nil {
		tb.Fatal(err)
	}
	return inspect(tb, data)
}

func inspect(tb testing.TB, data []byte) *blob.Policy {
	tb.Helper()
	p, err := blob.Inspect(data)
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

// policyText renders a profile made of values.
func policyText(tb testing.TB, p *policy.Profile) string {
	tb.Helper()
	body := make([]ast.Stmt, len(p.Rules))
	for i, r := range p.Rules {
		body[i] = r.Rule
	}
	return render.String(&ast.File{Stmts: []ast.Stmt{&ast.Profile{Name: ast.Pattern(p.Name), Body: body}}})
}

// ruleMaker makes random rules that 3.0.8 understands.
type ruleMaker struct{ *rand.Rand }

func pick[T any](m ruleMaker, from ...T) T { return from[m.IntN(len(from))] }

func (m ruleMaker) quals(file bool) ast.Qualifiers {
	q := ast.Qualifiers{Access: pick(m, ast.Allow, ast.Allow, ast.Allow, ast.Deny), Audit: m.IntN(4) == 0}
	if file {
		q.Owner = pick(m, ast.AnyOwner, ast.AnyOwner, ast.OnlyOwner)
	}
	return q
}

func (m ruleMaker) path() ast.Pattern {
	s := ""
	for range 1 + m.IntN(3) {
		s += "/" + pick(m, "a", "ab", "b*", "*", "**", "?", "{a,b}", "[ab]c", "[^a]", "a{,b}", "*.so", "a**b", "")
	}
	for strings.Contains(s, "//") {
		s = strings.ReplaceAll(s, "//", "/")
	}
	return ast.Pattern(s)
}

func (m ruleMaker) label() ast.Pattern {
	return pick[ast.Pattern](m, "", "foo", "f*", "unconfined", "/a/**", "{a,b}")
}

func (m ruleMaker) rule() ast.Rule {
	switch m.IntN(16) {
	case 11, 12:
		r := &ast.MountRule{Qualifiers: m.quals(false), Source: pick[ast.Pattern](m, "", "/dev/**", "/s/"), Target: pick[ast.Pattern](m, "", "/t/", "/t*/")}
		r.Access = ast.Allow
		if r.Target == "" {
			r.Source = "" // which 3.0.8 does not take for the place of a propagation
		}
		for range m.IntN(3) {
			word := func() ast.Pattern {
				return pick[ast.Pattern](m, "ro", "nosuid", "noexec", "bind", "rbind", "move", "noatime", "silent", "remount", "rshared")
			}
			r.Conds = append(r.Conds, pick(m,
				ast.MountCond{Options: true, Values: []ast.Pattern{word()}},
				ast.MountCond{Options: true, Values: []ast.Pattern{word(), word()}},
				ast.MountCond{Options: true, In: r.Source != "", Values: []ast.Pattern{word(), word()}},
				ast.MountCond{Values: []ast.Pattern{"ext4", "proc"}}))
		}
		return r
	case 13:
		// 3.0.8 requires every flag that a bare remount may have.
		return &ast.MountRule{Op: ast.OpRemount, Target: pick[ast.Pattern](m, "", "/t/"), Conds: []ast.MountCond{
			{Options: true, Values: pick(m, []ast.Pattern{"ro"}, []ast.Pattern{"nosuid", "ro"})},
		}}
	case 0:
		return &ast.LinkRule{Qualifiers: m.quals(true), From: m.path(), To: m.path(), Subset: m.IntN(2) == 0}
	case 1:
		return &ast.CapabilityRule{Qualifiers: m.quals(false), Names: []string{pick(m, "chown", "kill", "bpf", "net_admin")}}
	case 2:
		return &ast.SignalRule{Qualifiers: m.quals(false), Perms: ast.SignalPerm(m.IntN(4)), Peer: m.label(),
			Signals: pick(m, nil, []string{"hup"}, []string{"kill", "rtmin+2", "exists"})}
	case 3:
		return &ast.PtraceRule{Qualifiers: m.quals(false), Perms: ast.PtracePerm(m.IntN(16)), Peer: m.label()}
	case 4:
		return &ast.DBusRule{Qualifiers: m.quals(false), Bus: pick[ast.Pattern](m, "system", "session", ""), Path: pick[ast.Pattern](m, "", "/org/*"),
			PeerLabel: m.label()}
	case 5:
		return &ast.NetworkRule{Qualifiers: m.quals(false), Family: pick(m, "inet", "inet6", "netlink"), Type: pick(m, "stream", "dgram", "raw")}
	case 6:
		return &ast.ChangeProfileRule{Exec: pick[ast.Pattern](m, "", "/a/x", "/a/*"), Target: pick[ast.Pattern](m, "", "foo", ":ns:foo", "&foo")}
	case 7:
		return &ast.UnixRule{Qualifiers: m.quals(false), Perms: ast.NetPerm(m.IntN(1 << 12)), Type: pick(m, "", "stream"), Local: ast.UnixEnd{Addr: pick[ast.Pattern](m, "", "@a*", "none", "auto")}}
	case 8:
		return &ast.PivotRootRule{Qualifiers: m.quals(false), OldRoot: pick[ast.Pattern](m, "", "/o/"), NewRoot: pick[ast.Pattern](m, "", "/n*/")}
	case 9:
		return &ast.MountRule{Qualifiers: m.quals(false), Op: ast.OpUmount, Target: pick[ast.Pattern](m, "", "/n*/", "/o/")}
	case 10:
		return &ast.FileRule{Qualifiers: m.quals(true), Path: m.path(), Perms: ast.FileLink}
	}
	q := m.quals(true)
	r := &ast.FileRule{Qualifiers: q, Path: m.path(), Perms: ast.FilePerm(m.IntN(1<<6)) &^ ast.FileAppend}
	if q.Access == ast.Deny {
		r.Exec = pick(m, ast.ExecNone, ast.ExecDeny)
	} else if m.IntN(3) == 0 {
		r.Exec = ast.ExecInherit
	}
	if r.Perms == 0 && r.Exec == ast.ExecNone {
		r.Perms = ast.FileRead
	}
	return r
}

// TestAgainstReference compiles random profiles both ways.
func TestAgainstReference(t *testing.T) {
	n := 40
	if testing.Short() {
		n = 8
	}
	for _, kernel := range []string{k61, k72, suite} {
		for seed := range uint64(n) {
			t.Run(fmt.Sprintf("%s/%d", kernel, seed), func(t *testing.T) {
				m := ruleMaker{rand.New(rand.NewPCG(seed, 1))}
				p := &policy.Profile{Name: "t"}
				for range 1 + m.IntN(8) {
					r := m.rule()
					switch r.(type) {
					case *ast.UnixRule:
						continue // downgraded in different ways by the two versions
					case *ast.NetworkRule:
						if kernel == k72 {
							continue // of another class
						}
					}
					p.Rules = append(p.Rules, policy.Rule{Rule: r})
				}
				text := policyText(t, p)
				out, err := compile.Compile(t.Context(), &policy.Set{Profiles: []*policy.Profile{p}},
					compile.Options{Kernel: oracle.FeatureSet(t, kernel), Degrade: compile.Report})
				var refused *diag.Diagnostic
				if errors.As(err, &refused) && refused.Code == "impossible-mount" {
					return // 6.0 refuses more of these than 3.0.8 does
				}
				if err != nil {
					t.Fatal(err)
				}
				theirs, ours := reference(t, kernel, text), out.Policy
				for _, d := range diff308(t, ours, theirs) {
					t.Errorf("%v", d)
				}
				if t.Failed() {
					t.Log("ours | theirs for:\n" + text)
				}
			})
		}
	}
}

// TestUnixAgainstReference does so for unix rules, which sets of features that
// no kernel of ours has make 3.0.8 mediate in full: in a class of their own, or
// in that of network.
func TestUnixAgainstReference(t *testing.T) {
	for seed := range uint64(30) {
		m := ruleMaker{rand.New(rand.NewPCG(seed, 2))}
		p := &policy.Profile{Name: "t"}
		for range 1 + m.IntN(4) {
			r := &ast.UnixRule{
				Qualifiers: m.quals(false),
				Perms:      ast.NetPerm(m.IntN(1<<12)) * ast.NetPerm(m.IntN(2)),
				Type:       pick(m, "", "stream", "dgram", "seqpacket", "rdm", "raw"),
				Local:      ast.UnixEnd{Addr: pick[ast.Pattern](m, "", "", "@a*", "none", "auto", "@a**b", "@{a,b}?")},
			}
			if m.IntN(2) == 0 {
				r.Peer = ast.UnixEnd{Addr: pick[ast.Pattern](m, "", "@p*", "none", "auto"), Label: pick[ast.Pattern](m, "", "foo", "/a/**")}
				if r.Perms != 0 && r.Peer != (ast.UnixEnd{}) {
					r.Perms &= ast.NetConnect | ast.NetAccept | ast.NetSend | ast.NetReceive
				}
			}
			p.Rules = append(p.Rules, policy.Rule{Rule: r})
		}
		text := policyText(t, p)
		for _, kernel := range []string{suite, afInet} {
			theirs := reference(t, kernel, text)
			ours := mustCompile(t, kernel, &policy.Set{Profiles: []*policy.Profile{p}}).Policy
			if ds := diff308(t, ours, theirs); len(ds) > 0 {
				t.Errorf("ours | theirs for %s:\n%s", kernel, text)
				for _, d := range ds {
					t.Errorf("%v", d)
				}
			}
		}
	}
}

// TestFamiliesAgainstReference does so for network rules of the old form.
func TestFamiliesAgainstReference(t *testing.T) {
	for seed := range uint64(30) {
		m := ruleMaker{rand.New(rand.NewPCG(seed, 3))}
		p := &policy.Profile{Name: "t"}
		for range 1 + m.IntN(5) {
			r := &ast.NetworkRule{Qualifiers: m.quals(false)}
			switch m.IntN(4) {
			case 0:
				r.Family = pick(m, "", "inet", "netlink", "packet")
			case 1:
				r.Family, r.Protocol = pick(m, "", "inet"), pick(m, "tcp", "udp", "icmp")
			default:
				r.Family, r.Type = pick(m, "", "inet", "inet6", "mctp", "unspec"), pick(m, "stream", "dgram", "seqpacket", "rdm", "raw", "packet")
			}
			if r.Family == "" && r.Type == "packet" {
				r.Family = "inet" // the word alone is a family
			}
			p.Rules = append(p.Rules, policy.Rule{Rule: r})
		}
		text := policyText(t, p)
		ours := mustCompile(t, suite, &policy.Set{Profiles: []*policy.Profile{p}}).Policy
		for _, d := range diff308(t, ours, reference(t, suite, text)) {
			if d.Member == "net_allowed_af" {
				t.Errorf("%v for:\n%s", d, text)
			}
		}
	}
}
